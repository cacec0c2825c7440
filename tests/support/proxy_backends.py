"""The proxy alone: the real nginx with the real configuration, the real relay, small servers for portal and Jupyter.

Requests and answers are bytes on sockets, so that a test can send what no browser or HTTP library would.
"""

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

CODE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CODE / "bin/lib"))

import nginx  # noqa: E402

from .site import wait_for  # noqa: E402

SERVER_ID = "0123456789abcdef0123456789abcdef"
PASS_ID = 5


@dataclass
class Request:
    """One request as it reached a backend; header names in lower case, each value in a list."""

    method: str
    target: str
    headers: dict[str, list[str]]
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The one value, None when absent; it is an error when there are several."""
        values = self.headers.get(name.lower(), [])
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None


@dataclass
class Answer:
    """What a backend says, or what came back through the proxy."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def encode(self) -> bytes:
        """As HTTP/1.1; the connection closes."""
        headers = {"Content-Length": str(len(self.body)), "Connection": "close"} | self.headers
        lines = [f"HTTP/1.1 {self.status} Answer", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode() + self.body


def read_request(connection: socket.socket) -> Request | None:
    """A request with its body (Content-Length only); None where the connection ends before it is whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return None
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers.setdefault(name.lower(), []).append(value.strip())
    whole = bytearray(body)
    while len(whole) < int(headers.get("content-length", ["0"])[0]):
        part = connection.recv(65536)
        if not part:
            return None
        whole += part
    method, target, _version = first.split(" ")
    return Request(method, target, headers, bytes(whole))


class Backend:
    """A server on a unix socket: notes each request, answers with what `reply` returns."""

    def __init__(self, path: Path, reply: Callable[[Request], Answer]) -> None:
        self.path = path
        self.reply = reply
        self.seen: list[Request] = []
        self.upgraded: list[socket.socket] = []
        self.before_echo: Callable[[], object] = lambda: None
        self.start()

    def start(self) -> None:
        """Listen."""
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(64)
        threading.Thread(target=self._serve, args=(self.listener,), daemon=True).start()

    def stop(self) -> None:
        """As after kill -9: the socket's file stays, nobody listens."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection = listener.accept()[0]
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            request = read_request(connection)
            if request is None:
                return
            self.seen.append(request)
            answer = self.reply(request)
            if answer.status == 101:
                self._echo(connection, answer)
            else:
                connection.sendall(answer.encode())

    def _echo(self, connection: socket.socket, answer: Answer) -> None:
        """Switch the protocol, and echo. It is noted before, so that a client who has the answer finds it noted."""
        self.upgraded.append(connection)
        try:
            connection.sendall(answer.encode())
            self.before_echo()
            while data := connection.recv(65536):
                connection.sendall(data)
        finally:
            self.upgraded.remove(connection)

    def last(self, target: str = "") -> Request:
        """The last request, or the last one for this target."""
        return next(request for request in reversed(self.seen) if not target or request.target == target)

    def count(self, target: str) -> int:
        """How often this target was asked for."""
        return sum(request.target == target for request in self.seen)


class Proxy:
    """nginx with our configuration in a directory of its own, a portal, one Lab and rooms behind it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.run, self.drive = directory / "run", directory / "drive"
        self.processes: list[subprocess.Popen] = []
        self.log: IO[bytes] | None = None
        for name in ("run/lab", "nginx/body", "log", "static", "drive"):
            (directory / name).mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.auth = Answer(204, {"X-Lab-Server": SERVER_ID, "X-Lab-Token": "the-token", "X-Lab-Pass": str(PASS_ID)})
        self.valid_passes: Callable[[Request], Answer] = lambda request: Answer(body=request.body + b"\n")
        self.may_store = Answer(204)
        self.admits: Callable[[Request], Answer] = lambda request: Answer(204)
        self.asks_rooms = Answer(204, {"X-Rooms-Person": "7", "X-Rooms-Grant": "pass 5"})
        self.portal = Backend(self.run / "web.sock", self._portal)
        self.page: Callable[[Request], Answer] = lambda request: Answer(body=b"page")
        self.jupyter = Backend(self.run / f"lab/{SERVER_ID}.sock", lambda request: Answer(body=b"jupyter"))
        self.may_upload = Answer(204)
        self.webdav = Backend(self.run / "webdav.sock", self._webdav)
        self.rooms = Backend(self.run / "rooms.sock", lambda request: Answer(body=b"rooms"))
        self.lab_host = f"ada.lab.localhost:{self.port}"

    def _portal(self, request: Request) -> Answer:
        if request.target == "/_gateway/auth":
            return self.auth
        if request.target == "/_gateway/valid-passes":
            return self.valid_passes(request)
        if request.target in ("/_gateway/rooms/lab", "/_gateway/rooms/portal"):
            return self.asks_rooms
        if request.target == "/_gateway/upload":
            return self.may_store
        if request.target.startswith("/_gateway/upload-link"):
            return self.admits(request)
        return self.page(request)

    def _webdav(self, request: Request) -> Answer:
        """Uploads to the site come here, too, and are seen as the portal's, which both are."""
        if request.target.startswith(("/drive/", "/collabs/", "/api/v1/", "/u/")):
            self.portal.seen.append(request)
            return self.page(request)
        asked = request.target in ("/_gateway/webdav", "/_gateway/seafile")
        return self.may_upload if asked else Answer(207, body=b"<xml/>")

    def start(self, portal: str = "", lab_domain: str = "", **settings: str) -> None:
        """Write the configuration, run nginx, wait for its port."""
        environment = {
            "PORT": str(self.port),
            "PORTAL_URL": portal or f"http://localhost:{self.port}",
            "LAB_DOMAIN": lab_domain or f"lab.localhost:{self.port}",
            **settings,
        }
        conf = nginx.write(CODE, self.directory, self.run, environment)
        command = ["nginx", "-p", str(self.directory / "nginx"), "-c", str(conf), "-e", "stderr"]
        path = {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
        self.log = (self.directory / "log/error.log").open("ab")
        self.process = subprocess.Popen(command, stderr=self.log, env=os.environ | path)
        self.processes.append(self.process)
        self.start_relay(environment["PORTAL_URL"])
        wait_for(lambda: self._listens() or self.process.poll() is not None, 60, "nginx did not start")
        assert self.process.poll() is None, self.errors()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def start_relay(self, portal: str) -> None:
        """Run the relay and wait until it listens."""
        (self.run / "relay.sock").unlink(missing_ok=True)
        command = [sys.executable, "-m", "lab.gateway.websocket_relay"]
        environment = os.environ | {"COLLABORATORY_RUN": str(self.run), "PORTAL_URL": portal}
        self.relay = subprocess.Popen(command, cwd=CODE, stderr=self.log, env=environment)
        self.processes.append(self.relay)
        wait_for(self._relay_listens, 60, "the relay did not start")

    def _relay_listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.run / "relay.sock")) == 0

    def stop(self) -> None:
        """End both, and whatever of them was started."""
        for process in self.processes:
            process.terminate()
            process.wait(60)
        self.processes.clear()
        if self.log:
            self.log.close()

    def errors(self) -> str:
        """What nginx has complained about."""
        return (self.directory / "log/error.log").read_text()

    # Asking

    def connect(self, text: str) -> socket.socket:
        """Send this as it is (with CRLF for line ends), and return the connection."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))
        return connection

    def ask(self, target: str, *headers: str, host: str = "", method: str = "GET", body: bytes = b"") -> Answer:
        """One request, one answer. `host` is the portal's unless given."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'localhost:{self.port}'}", "Connection: close"]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        with self.connect("\n".join([*lines, *headers, "", ""])) as connection:
            connection.sendall(body)
            return read_answer(connection)

    def lab(self, target: str, *headers: str, method: str = "GET", body: bytes = b"") -> Answer:
        """The same, at Ada's Lab."""
        return self.ask(target, *headers, host=self.lab_host, method=method, body=body)


def read_answer(connection: socket.socket) -> Answer:
    """One answer, to its own end, or until the connection is closed where it names none.

    nginx goes on listening for five seconds to a sender whose body it does not read. What it writes into its log may
    come after the answer.
    """
    data = b""
    while part := connection.recv(65536):
        data += part
        head, end, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if end and (len(body) >= int(length[1]) if length else body.endswith(b"\r\n0\r\n\r\n")):
            break
    return _parsed(data)


def _parsed(data: bytes) -> Answer:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if ": " in line)
    return Answer(int(first.split()[1]), {name.lower(): value for name, value in headers.items()}, body)
