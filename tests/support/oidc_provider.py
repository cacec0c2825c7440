"""A real OpenID Connect provider for tests: a process of its own that believes whoever says who they are."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import requests

NAME = "institute"


class Provider:
    """`http://localhost:<port>`; `claims` says what it tells of somebody, `authorize` is what their browser does."""

    def __init__(self, port: int) -> None:
        self.issuer = f"http://localhost:{port}"

    def settings(self, **changes: object) -> dict[str, object]:
        """As portal.accounts.oidc_settings.from_environment makes it."""
        values = {"server_url": self.issuer, "scope": ["openid", "profile", "email"], "oauth_pkce_enabled": True}
        values |= {"trust_email": True, "groups_claim": "", **changes}
        return {"provider_id": NAME, "name": "Institute", "client_id": "us", "secret": "s", "settings": values}

    def claims(self, sub: str, **claims: object) -> None:
        """Claims of a person."""
        requests.put(f"{self.issuer}/users/{sub}", json=claims, timeout=10).raise_for_status()

    def authorize(self, address: str, sub: str) -> dict[str, str]:
        """Sign in there as `sub`; the parameters with which the browser comes back."""
        answer = requests.post(address, data={"sub": sub}, allow_redirects=False, timeout=10)
        back = parse_qs(urlsplit(answer.headers["Location"]).query)
        return {name: values[0] for name, values in back.items()}


@contextmanager
def provider(port: int = 0) -> Iterator[Provider]:
    """Runs while the block does."""
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    command = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait(port)
        yield Provider(port)
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        else:
            return
