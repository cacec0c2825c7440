"""What tests of the doors for programs share: the process `webdav`, which serves WebDAV and Seafile's Web API."""

from pathlib import Path

import pytest

from ..support.proxy_backends import Answer, Proxy, Request


@pytest.fixture
def uploads(proxy: Proxy) -> list[bytes]:
    """Bodies that the process was handed as files."""
    bodies: list[bytes] = []
    answer = proxy.webdav.reply

    def take(request: Request) -> Answer:
        if name := request.header("X-Body-File"):
            bodies.append(Path(name).read_bytes())
        return answer(request)

    proxy.webdav.reply = take
    return bodies
