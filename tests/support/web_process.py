"""The Procfile's `web` with other settings than the running site's, asked over its socket."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from .site import CODE, wait_for


@dataclass
class Web:
    """The running process."""

    socket: Path
    log: Path

    def send(self, method: str, path: str, body: str | None = None, **headers: str) -> tuple[HTTPResponse, bytes]:
        """Answer and its body."""
        connection = HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.socket))
        host = settings.PORTAL_URL.partition("://")[2]
        connection.request(method, path, body, {"Host": host, "Connection": "close", **headers})
        answer = connection.getresponse()
        return answer, answer.read()

    def ask(self, path: str, **headers: str) -> tuple[int, str, bytes]:
        """Status, type and body."""
        answer, body = self.send("GET", path, **headers)
        return answer.status, answer.headers["Content-Type"], body

    def answers(self) -> bool:
        """True once it does."""
        try:
            return self.ask("/healthz")[0] == 200
        except OSError:
            return False


@dataclass
class Visitor:
    """A browser without scripts; `follow` leads through redirects of the site."""

    web: Web
    cookies: dict[str, str] = field(default_factory=dict)
    status: int = 0
    location: str = ""
    """Of the last answer: where it leads."""
    text: str = ""

    def get(self, path: str) -> "Visitor":
        """Open a page."""
        return self._send("GET", path, None)

    def post(self, path: str, *, foreign: bool = False, **values: str) -> "Visitor":
        """Send a form, with what the last page gave against forgery; a `foreign` site's has none of our cookies."""
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', self.text)
        ours = {"csrfmiddlewaretoken": token[1]} if token and not foreign else {}
        return self._send("POST", path, urlencode(ours | values), foreign=foreign)

    def follow(self) -> "Visitor":
        """Go where the last answer leads, as far as that is this site."""
        while self.location.startswith("/"):
            self.get(self.location)
        return self

    def _send(self, method: str, path: str, body: str | None, *, foreign: bool = False) -> "Visitor":
        headers = {"X-Forwarded-For": "203.0.113.7", "Content-Type": "application/x-www-form-urlencoded"}
        if self.cookies and not foreign:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer, content = self.web.send(method, path, body, **headers)
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        self.status, self.text = answer.status, content.decode()
        onward = answer.headers["Refresh"] or ""
        self.location = answer.headers["Location"] or onward.partition("url=")[2]
        portal = urlsplit(settings.PORTAL_URL)
        self.location = self.location.removeprefix(f"{portal.scheme}://{portal.netloc}")
        return self


@contextmanager
def web_process(run: Path, environment: dict[str, str]) -> Iterator[Web]:
    """It runs while the block does; its socket is in `run`, an empty directory."""
    [line] = [one for one in (CODE / "Procfile").read_text().splitlines() if one.startswith("web: ")]
    made = Web(run / "web.sock", run / "log")
    with made.log.open("wb") as log:
        command = ["sh", "-c", f"exec {line.partition(': ')[2]}"]
        given = {**environment, "COLLABORATORY_RUN": str(run)}
        process = subprocess.Popen(command, cwd=CODE, env=given, stdout=log, stderr=log)
    try:
        wait_for(made.answers, 60, "it does not answer")
        yield made
    finally:
        process.terminate()
        process.wait(20)
