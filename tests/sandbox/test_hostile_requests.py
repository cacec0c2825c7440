"""Fuzz of the portal's socket inside Labs, through the real nginx and portal: any bytes are answered, or refused.

FUZZ_CASES and FUZZ_SEED as in lab/tests/test_fuzz.py, of which this is a tenth.
"""

import contextlib
import os
import random
import socket
from pathlib import Path

import pytest
from django.conf import settings

from drive.models import Library
from lab.servers.api_tokens import make

from ..support.people import Person

pytestmark = pytest.mark.sandbox

CASES = max(50, int(os.environ.get("FUZZ_CASES", "1000")) // 10)
SEED = int(os.environ.get("FUZZ_SEED", "20261130"))
ANSWER_BYTES = 2**16
WAITED_SECONDS = 2
"""For an answer to what may be the beginning of a request."""
WORDS = (
    "api",
    "v1",
    "me",
    "libraries",
    "collabs",
    "files",
    "..",
    "%00",
    "%2f",
    "\u00e9",
    "*",
    "a" * 300,
    "?",
    "#",
    "%zz",
    "//",
)
PLACES = (
    "/api/v1/me",
    "/api/v1/collabs",
    "/api/v1/libraries/{library}",
    "/api/v1/libraries/{library}/files/x.txt",
    "/api",
    "",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X" * 40, "")
HEADERS = (
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Range",
    "If-Match",
    "Expect",
    "Content-Type",
    "Accept-Encoding",
    "Cookie",
    "X-Forwarded-For",
    "X-Request-Id",
    "Upgrade",
    "Connection",
    "X" * 200,
    "Depth",
    "Destination",
)
VALUES = (
    "",
    "0",
    "-1",
    "9" * 30,
    "chunked",
    "chunked, chunked",
    "bytes=0-,1-,-5",
    "100-continue",
    "*",
    "\x7f\x80",
    "a" * 5000,
    "application/json; charset=utf-7",
    "multipart/form-data",
    "close",
    "websocket",
    "http://[::1",
    "\u202e",
    ',;="',
)
BODIES = (
    b"",
    b"{}",
    b"[" * 5000,
    b'{"a": ' * 500,
    b"\xff\xfe",
    b'{"title": "\\ud800"}',
    b"5\r\nhello\r\n0\r\n\r\n",
    b"zz\r\n\r\n",
)


def made_up(chance: random.Random, token: str, library: str) -> bytes:
    """A request: mostly one that nginx lets through to the portal."""
    words = chance.choices((*WORDS, library), k=chance.randrange(4)) if chance.random() < 0.5 else []
    path = "/".join([chance.choice(PLACES).format(library=library), *words])
    if chance.random() < 0.5:
        path += f"?{chance.choice(('limit', 'path', 'q', 'mine', 'cursor'))}={chance.choice((*VALUES, '1e999', '%ff'))}"
    method = chance.choice(METHODS) if chance.random() < 0.5 else "GET"
    body = chance.choice(BODIES) if chance.random() < 0.6 else b""
    headers = [("Host", "portal"), ("Authorization", f"Bearer {token}"), ("Connection", "close")]
    headers += [("Content-Length", str(len(body)))] if chance.random() < 0.8 else []
    headers += [("Content-Type", "application/json")] if chance.random() < 0.5 else []
    headers += [(chance.choice(HEADERS), chance.choice(VALUES)) for _ in range(chance.choice((0, 0, 1, 3)))]
    version = chance.choice(("1.0", "2.0", "9")) if chance.random() < 0.1 else "1.1"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    sent = f"{method} {path} HTTP/{version}\r\n{lines}\r\n".encode() + body
    if chance.random() < 0.15:
        at = chance.randrange(len(sent))
        sent = sent[:at] + chance.randbytes(chance.choice((0, 1, 5, 400))) + sent[at + chance.randrange(3) :]
    return sent


def ask(sent: bytes, path: Path) -> bytes:
    """The beginning of the answer; TimeoutError when there is none although nothing more will be sent."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        answer = b""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it was refused before all was sent
            connection.sendall(sent)
            try:
                answer = receive(connection, WAITED_SECONDS)
            except TimeoutError:  # more was announced than came
                connection.shutdown(socket.SHUT_WR)
                answer = receive(connection, 30)
        return answer


def is_malformed(sent: bytes) -> bool:
    """Whether the portal's server refuses it before the portal sees it; it closes then, and nginx may say 502."""
    return ask(sent, settings.RUN_DIR / "web.sock")[9:12] == b"400"


def receive(connection: socket.socket, seconds: float) -> bytes:
    """What comes until the connection is closed, or ANSWER_BYTES of it."""
    connection.settimeout(seconds)
    answer = b""
    while len(answer) < ANSWER_BYTES and (data := connection.recv(2**14)):
        answer += data
    return answer


def test_requests_of_any_kind_are_answered_or_refused(owner: Person) -> None:
    server = owner.launch()
    token, path = make(server.pk), settings.LAB_ROOT / "servers" / server.pk.hex / "portal/portal.sock"
    library = str(Library.objects.get(owner_user=owner.user, is_default=True).pk)
    first = f"GET /api/v1/me HTTP/1.1\r\nHost: p\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    assert ask(first.encode(), path)[9:12] == b"200"
    seen: dict[int, int] = {}
    for number in range(CASES):
        sent = made_up(random.Random(f"{SEED} {number}"), token, library)
        answer = ask(sent, path)
        status = int(answer[9:12]) if answer.startswith(b"HTTP/1.") and answer[9:12].isdigit() else 0
        seen[status] = seen.get(status, 0) + 1
        refused = status in (501, 505) or (status == 502 and is_malformed(sent))
        assert status < 500 or refused, (number, sent, answer)
    assert seen.get(200, 0) > 0
    assert seen.get(400, 0) > 0
    assert owner.get("/").ok
