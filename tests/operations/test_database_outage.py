"""A database that cannot be reached: what programs and people are told by the real web process, and what is logged."""

import json
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import pytest
from django.conf import settings

from ..support.site import CODE, Site, eventually, wait_for

pytestmark = pytest.mark.sandbox

TOKEN = {"Authorization": f"Bearer clb_{'0' * 48}"}


@dataclass
class Web:
    """The Procfile's `web`, with a database that nobody serves."""

    socket: Path
    log: Path

    def ask(self, path: str, **headers: str) -> tuple[int, str, bytes]:
        """Status, type and body."""
        connection = HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.socket))
        host = settings.PORTAL_URL.partition("://")[2]
        connection.request("GET", path, headers={"Host": host, "Connection": "close", **headers})
        answer: HTTPResponse = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()

    def answers(self) -> bool:
        try:
            return self.ask("/healthz")[0] == 200
        except OSError:
            return False


@pytest.fixture(scope="module")
def web(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    run = tmp_path_factory.mktemp("run")
    [line] = [one for one in (CODE / "Procfile").read_text().splitlines() if one.startswith("web: ")]
    # PostgreSQL's socket is not there.
    environment = {
        **site.environment,
        "COLLABORATORY_RUN": str(run),
        "DATABASE_URL": f"postgres://test@/site?host={run}",
    }
    made = Web(run / "web.sock", run / "log")
    with made.log.open("wb") as log:
        command = ["sh", "-c", f"exec {line.partition(': ')[2]}"]
        process = subprocess.Popen(command, cwd=CODE, env=environment, stdout=log, stderr=log)
    try:
        wait_for(made.answers, 60, "it does not answer")
        yield made
    finally:
        process.terminate()
        process.wait(20)


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/collabs", "/rest/v1/collabs", "/api2/repos/"])
def test_programs_are_told_in_json(web: Web, path: str) -> None:
    status, kind, body = web.ask(path, **TOKEN)
    assert (status, kind.partition(";")[0]) == (503, "application/json"), body
    assert json.loads(body)


def test_each_request_is_one_line_of_the_log_that_says_why(web: Web) -> None:
    session = {"Cookie": f"portal={'0' * 32}"}
    asked = [("/collabs/", {}), ("/drive/", session), ("/api/v1/me", TOKEN), ("/api/v1/collabs", {})]
    asked += [("/api2/repos/", TOKEN), ("/dav/", TOKEN)]
    numbers = [f"{number:032x}" for number, _ in enumerate(asked, 1)]
    for number, (path, headers) in zip(numbers, asked, strict=True):
        assert web.ask(path, **headers, **{"X-Request-ID": number})[0] == 503, path
    log = eventually(web.log.read_text, *numbers)
    assert "Traceback" not in log
    for number in numbers:
        [line] = [one for one in log.splitlines() if number in one and " ERROR " in one]
        assert "(database: " in line
