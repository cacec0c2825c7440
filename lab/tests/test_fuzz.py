"""Fuzz of what a Lab can say to the site: output, processes, answers of its Jupyter, homes, files in the Drive.

Everything is drawn from a generator with a seed, FUZZ_SEED, and there are FUZZ_CASES cases in all: 1,000, or as many as
the variable says. Each case is held to the same: nothing raises, nothing waits, nothing is kept without a bound.
`tests/proxy/test_hostile_requests.py` has the socket that Labs reach the portal by.
"""

import contextlib
import fcntl
import json
import os
import random
import re
import socket
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from drive.models import Library
from drive.storage import layout
from drive.versions.scan import scan
from lab.git_pull.services import clean_report
from lab.models import Server
from lab.servers import idle_culling, rescue
from lab.servers.clients import jupyter as jupyter_client
from lab.servers.clients.jupyter import ANSWER_BYTES, NOTEBOOK_BYTES, JupyterClient, JupyterError
from lab.supervisor import disk_limits, processes, server_log
from lab.supervisor.server_log import ServerLog
from lab.tests.inprocess import InProcessLauncher
from portal.models import User

pytestmark = pytest.mark.fuzz

CASES = int(os.environ.get("FUZZ_CASES", "1000"))
SEED = int(os.environ.get("FUZZ_SEED", "20261130"))


def cases(share: float) -> Iterator[random.Random]:
    """So many of all cases, each with a generator of its own."""
    for number in range(max(1, int(CASES * share))):
        yield random.Random(f"{SEED} {number}")


# Output

PIECES = (b"\x1b[31m", b"\x1b]0;x\x07", b"\r", b"\n", b"\x00", b"\xff", b"\xc2", "\u202e".encode(), b"line", b"\x9b2J")


def output(chance: random.Random) -> bytes:
    if chance.random() < 0.3:
        return chance.randbytes(chance.choice((1, 100, 70_000)))
    return b"".join(chance.choices(PIECES, k=chance.choice((1, 30, 3000))))


def test_output_of_any_kind_is_shown_and_bounded(tmp_path: Path) -> None:
    log = ServerLog(tmp_path)
    with log.open() as out:
        for chance in cases(0.25):
            flags = os.O_RDWR | os.O_NONBLOCK | (os.O_DIRECT if chance.random() < 0.2 else 0)
            fcntl.fcntl(out, fcntl.F_SETFL, flags)
            with contextlib.suppress(BlockingIOError):
                out.write(output(chance))
            log.pump()
            if chance.random() < 0.1:
                assert_plain(log.tail(chance.choice((1, 4000, 10**6))))
            kept = sum(path.stat().st_size for path in (log.file, log.before) if path.exists())
            assert kept < 2 * (server_log.FILE_BYTES + 3 * server_log.BURST_BYTES)
    log.close()
    assert_plain(log.tail(10**6))


def assert_plain(text: str) -> None:
    """Nothing that a terminal, a page or a database stumbles over."""
    bad = {
        character for character in text if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t"
    }
    assert not bad
    text.encode()


# Processes

PUPPET = """
import ctypes, mmap, os, sys, tempfile
libc = ctypes.CDLL(None)
for line in sys.stdin.buffer:
    name, file = (bytes.fromhex(word.decode()) for word in line.split())
    libc.prctl(15, name, 0, 0, 0)
    path = os.fsencode(sys.argv[1]) + b"/" + file
    held = os.open(path, os.O_CREAT | os.O_RDWR)
    os.ftruncate(held, 8192)
    mapped = mmap.mmap(held, 8192)
    os.unlink(path)
    print("ready", flush=True)
    mapped.close(), os.close(held)
"""
"""Takes a name, and maps a file with a name, that it is told."""


def file_name(chance: random.Random) -> bytes:
    alphabet = chance.choice(
        (bytes(range(1, 256)), b"\n\x0b\x0c\x1c\x85 \\()", "é\u2028\u202e\ud7ff ".encode(), b"ab. \t")
    )
    name = bytes(chance.choices(alphabet, k=chance.choice((1, 3, 12, 200)))).replace(b"/", b"-")
    return name if name not in (b".", b"..") else b"x"


@pytest.fixture
def puppet(tmp_path: Path) -> Iterator[Callable[[bytes, bytes], int]]:
    """Has a process of that name map a deleted file of that name; returns its number."""
    command = [sys.executable, "-I", "-S", "-c", PUPPET, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout

        def be(name: bytes, file: bytes) -> int:
            process.stdin.write(f"{name.hex() or '20'} {file.hex()}\n".encode())  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            assert process.stdout.readline() == b"ready\n"  # type: ignore[union-attr]
            return process.pid

        yield be
        process.stdin.close()
        process.wait(10)


def test_processes_of_any_name_are_understood(
    puppet: Callable[[bytes, bytes], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("home", "env"):
        (tmp_path / name).mkdir()
    for chance in cases(0.2):
        pid = puppet(file_name(chance)[:15].replace(b"\0", b""), file_name(chance))
        monkeypatch.setattr(processes, "inside", lambda _, pid=pid: [pid])
        assert processes.usage(pid)[0] > 0
        assert pid in processes.kernel_ticks(pid)
        assert processes.inner_pid(pid) == 0
        assert_plain(processes.name_of(pid))
        assert "\n" not in processes.name_of(pid)
        processes.holders(pid, "/home/x/drive/My Libraries/x", "0" * 8)
        assert all(size >= 0 for size in disk_limits._deleted_files(pid, [tmp_path / "home", tmp_path / "env"]))


def test_command_lines_of_any_kind_are_understood(tmp_path: Path) -> None:
    for chance in cases(0.01):
        words = [b"x/bwrap", b"-c", b"read line", os.fsencode(tmp_path) + b"/" + b"a" * 32 + b"/home"]
        words += [file_name(chance).replace(b"\0", b"") for _ in range(3)]
        with subprocess.Popen(words, executable="/bin/sh", stdin=subprocess.PIPE) as process:
            found = processes.sandboxes(tmp_path)
            assert {(one.server, one.is_init) for one in found} <= {("a" * 32, False)}
            process.communicate(b"\n")


# Answers of a Jupyter server

MOMENTS = ("2026-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "2026-01-01", "now", "")
KEYS = (
    "now",
    "last_input",
    "last_save",
    "kernels",
    "terminals",
    "busy",
    "last_activity",
    "state",
    "report",
    "error",
    "progress",
    "kept",
    "returned",
    "path",
    "content",
    "metadata",
    "kernelspec",
    "name",
    "kernelspecs",
    "spec",
)


def value(chance: random.Random, depth: int = 4) -> Any:
    kind = chance.randrange(9 if depth else 6)
    if kind == 0:
        return chance.choice(MOMENTS)
    if kind == 1:
        return chance.choice(("\ud800", "\x00", "é" * 500, "done", "failed", "python3"))
    if kind in (2, 3):
        return chance.choice((None, True, False, -1, 0, 10**400, 1e308, float("nan"), float("inf")))
    if kind in (4, 5):
        return chance.choice(({}, [], "", "x" * 5000))
    if kind == 6:
        return [value(chance, depth - 1) for _ in range(chance.choice((0, 1, 3)))]
    return {chance.choice(KEYS): value(chance, depth - 1) for _ in range(chance.choice((1, 4, 8)))}


def answer(chance: random.Random) -> bytes:
    """A whole answer of HTTP, mostly."""
    body = json.dumps(value(chance)).encode()
    if chance.random() < 0.1:
        body = chance.choice((b"[" * 50_000, b'{"a":' * 5_000, chance.randbytes(500), b"", b"\xff\xfe", b"1" * 10_000))
    status = chance.choice(
        (b"200 OK", b"200 OK", b"201 Created", b"500 x", b"302 Found", b"999", b"100 Continue", b"x")
    )
    kind = chance.random()
    if kind < 0.7:
        return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)
    if kind < 0.75:
        return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, chance.choice((0, 2**63, 5)), body)
    if kind < 0.85:
        size = chance.choice((b"%x" % len(body), b"-1", b"ffffffffffffffff", b"zz", b""))
        return b"HTTP/1.1 %s\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n%s\r\n0\r\n\r\n" % (status, size, body)
    if kind < 0.9:
        return b"HTTP/1.1 %s\r\n%s\r\n%s" % (status, b"X: y\r\n" * chance.choice((1, 99, 200)), body)
    if kind < 0.95:
        return b"HTTP/1.1 200 " + b"x" * chance.choice((10, 70_000)) + b"\r\nLocation: http://portal/\r\n\r\n" + body
    return chance.randbytes(chance.choice((0, 1, 300)))


class HostileJupyter:
    """Answers every connection to a unix socket with what it is told."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: list[bytes] = []
        self.repeat = b""
        """Sent after the answer, again and again."""
        self.sent = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(5)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(2**16)
                connection.sendall(self.answers.pop(0) if self.answers else b"")
                while self.repeat:
                    self.sent += connection.send(self.repeat)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HostileJupyter]:
    made = HostileJupyter(tmp_path / "j.sock")
    monkeypatch.setattr(jupyter_client, "socket_path", lambda server: made.path)
    yield made
    made.close()


def test_answers_of_any_kind_decide_something_or_are_refused(hostile: HostileJupyter) -> None:
    client, now = JupyterClient(Server(token="t")), datetime.now(UTC)
    understood = 0
    for chance in cases(0.35):
        hostile.answers = [answer(chance) for _ in range(3)]
        with contextlib.suppress(JupyterError):
            facts = idle_culling.Facts(now, now, client.activity(seconds=2))
            idle_culling.is_idle(facts, now, timedelta(hours=1), timedelta(days=7))
            understood += 1
        hostile.answers = [answer(chance)]
        with contextlib.suppress(JupyterError):
            json.dumps(clean_report(client.pull({}, seconds=2))).encode()
        hostile.answers = [answer(chance) for _ in range(3)]
        with contextlib.suppress(JupyterError):
            client.start_session("x.ipynb", seconds=2)
    assert understood


@pytest.mark.parametrize(
    ("begin", "repeat"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 2**16),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 2**16 + b"\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\n", b"X: " + b"y" * 2**16),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: y\r\n" * 1000),
    ],
    ids=["body", "chunks", "continue", "headers", "trailers"],
)
def test_an_answer_without_end_is_cut_off(hostile: HostileJupyter, begin: bytes, repeat: bytes) -> None:
    client, hostile.repeat = JupyterClient(Server(token="t")), repeat
    hostile.answers = [begin]
    with contextlib.suppress(JupyterError):
        client.activity(seconds=1)
    read, hostile.repeat = hostile.sent, b""
    assert begin == b"" or b"0\r\n" in begin[-5:] or read < ANSWER_BYTES + NOTEBOOK_BYTES


# Files


ENDINGS = ("", ".ipynb", ".md", ".csv", ".png", ".pdf")


def fill(directory: Path, chance: random.Random, things: int = 12) -> None:
    """Put things of any name and kind into a directory, as far as the disk takes them."""
    for _ in range(things):
        with contextlib.suppress(OSError):
            _make(directory / (os.fsdecode(file_name(chance)) + chance.choice(ENDINGS)), chance)


def _make(path: Path, chance: random.Random) -> None:
    match chance.randrange(10):
        case 0:
            path.mkdir()
            if chance.random() < 0.5:
                fill(path, chance, 3)
            path.chmod(chance.choice((0o700, 0o000, 0o100)))
        case 1:
            path.symlink_to(chance.choice(("/etc/passwd", "..", str(path), "nowhere", "x" * 4000)))
        case 2:
            os.mkfifo(path)
        case 3:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(os.fsencode(path))
        case 4:
            _sparse(path, chance.choice((2**20, 2**31 - 1, 2**40, 2**43)), b"")
        case 5:
            _sparse(path, 2**31 - 4096, chance.randbytes(5))
        case 6 if any(path.parent.iterdir()):
            path.hardlink_to(chance.choice(sorted(path.parent.iterdir())))
        case _:
            content = chance.choice((b"", b"{}", b'{"cells": 1}', b"\xff\xfe\x00", b"# x\n", chance.randbytes(900)))
            _sparse(path, 0, content)
            path.chmod(chance.choice((0o600, 0o000)))


def _sparse(path: Path, size: int, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.truncate(max(size, len(content)))


def empty(directory: Path) -> None:
    subprocess.run(["chmod", "-R", "u+rwx", str(directory)], check=False, capture_output=True)
    subprocess.run(["find", str(directory), "-mindepth", "1", "-delete"], check=True)


@pytest.mark.django_db
def test_homes_of_any_kind_are_rescued(server: Callable[..., Server], launcher: InProcessLauncher) -> None:
    ending = server("stopping")
    home = launcher.home(ending.pk)
    for chance in cases(0.005):
        fill(home, chance, 40)
        result = rescue.rescue(ending, home)
        assert result.bytes <= rescue.TOTAL_BYTES
        assert_plain(result.error)
        json.dumps(result.as_json()).encode()
        empty(home)


@pytest.mark.django_db
def test_folders_of_any_kind_are_listed_scanned_and_opened(
    owner: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    settings.DRIVE_USE_ACCEL = False
    library, client = Library.objects.get(owner_user=owner, is_default=True), sign_in(owner)
    directory = layout.find(library.pk)
    for chance in cases(0.01):
        fill(directory, chance)
        scan(library)
        page = client.get(f"/drive/{library.pk}/")
        assert page.status_code == 200
        for link in [
            *links(page, library)[:20],
            f"/drive/find/?q={chance.choice('abx. ')}",
            f"/drive/{library.pk}/?zip",
        ]:
            assert begins(client.get(link)) < 500, link
        stored = sum(path.stat().st_blocks * 512 for path in (layout.root() / "objects").rglob("*") if path.is_file())
        assert stored < 64 * 2**20, "versions of holes take room"
        empty(directory)


def begins(answered: Any) -> int:
    """The status of an answer, of which only the beginning is read: it may be as long as a hole."""
    if answered.streaming:
        next(iter(answered.streaming_content), None)
        answered._iterator.close()  # the test client's generator, which closes the answer as a server would
    return answered.status_code


def links(page: Any, library: Library) -> list[str]:
    """Addresses below the library that a page has."""
    found = (unescape(address) for address in re.findall(r'href="([^"]+)"', page.content.decode()))
    return sorted({address for address in found if address.startswith(f"/drive/{library.pk}/")})
