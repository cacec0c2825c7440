"""The log of a server: read from a pipe, kept in part, shown without what a terminal obeys."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from lab.supervisor import server_log
from lab.supervisor.server_log import ServerLog


@pytest.fixture
def log(tmp_path: Path) -> Iterator[ServerLog]:
    made = ServerLog(tmp_path)
    yield made
    made.close()


@pytest.fixture
def printed(log: ServerLog) -> Iterator[BinaryIO]:
    with log.open() as file:
        yield file


def test_it_keeps_what_was_printed(log: ServerLog, printed: BinaryIO) -> None:
    printed.write("Ünïcode\n".encode())
    assert log.tail(100) == "Ünïcode\n"
    assert log.tail(100) == "Ünïcode\n"
    assert log.tail(3) == "de\n"


def test_it_reads_on_after_another_supervisor(log: ServerLog, printed: BinaryIO, tmp_path: Path) -> None:
    printed.write(b"before\n")
    log.pump()
    os.close(log._reader or -1)
    log._reader = None
    printed.write(b"meanwhile\n")
    successor = ServerLog(tmp_path)
    successor.resume()
    assert successor.tail(100) == "before\nmeanwhile\n"
    successor.close()
    assert not log.pipe.exists()


def test_it_shows_the_file_of_a_server_of_an_earlier_version(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("an older line\n")
    log = ServerLog(tmp_path)
    log.resume()
    log.pump()
    assert log.tail(100) == "an older line\n"


def test_it_has_nothing_of_a_server_that_is_not_there(tmp_path: Path) -> None:
    log = ServerLog(tmp_path / "none")
    log.resume()
    assert log.tail(100) == ""
    log.close()


def test_it_keeps_the_last_words(log: ServerLog, printed: BinaryIO) -> None:
    fcntl.fcntl(printed, fcntl.F_SETPIPE_SZ, 2**20)
    printed.write(b"x" * (2**20 - 9) + b"last word")
    printed.close()
    log.close()
    assert log.tail(9) == "last word"


def test_it_grows_no_further_than_two_files(log: ServerLog, printed: BinaryIO, tmp_path: Path) -> None:
    for _ in range(40):
        log._credit = server_log.BURST_BYTES
        printed.write(b"\xff" * 2**16)
        log.pump()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir() if path.is_file()}
    assert set(sizes) <= {"log", "log.1"}
    assert sum(sizes.values()) < 2 * (server_log.FILE_BYTES + 3 * server_log.BURST_BYTES)


def test_it_keeps_little_of_a_flood_and_always_its_end(log: ServerLog, printed: BinaryIO) -> None:
    log._credit = 0
    for number in range(100):
        printed.write(b"x" * 2**15 + b"end of %d\n" % number)
        log.pump()
    kept = log.file.read_text()
    assert len(kept) < 100 * 2 * server_log.TAIL_BYTES
    assert "end of 0" in kept
    assert kept.endswith("end of 99\n")
    assert "bytes were printed too fast and left out" in kept


def test_it_reads_so_often_and_no_more(log: ServerLog, printed: BinaryIO) -> None:
    fcntl.fcntl(printed, fcntl.F_SETFL, os.O_WRONLY | os.O_DIRECT)
    for _ in range(2 * server_log.READS):  # a pipe of the default size holds 16 pieces
        printed.write(b"y")
    log.pump()
    assert log.file.read_text() == "y" * server_log.READS


@pytest.mark.parametrize(
    ("printed", "shown"),
    [
        (b"\x1b[31mred\x1b[0m", "red"),
        (b"\x1b]0;title\x07", "\ufffd]0;title\ufffd"),
        (b"10 %\r20 %\r\n", "10 %\n20 %\n"),
        (b"a\x00b\x9bc", "a\ufffdb\ufffdc"),
        ("\u202eevil\u2066\u2028\x85".encode(), "\ufffdevil\ufffd\ufffd\ufffd"),
        (b"\ttab\n", "\ttab\n"),
    ],
)
def test_it_shows_nothing_that_a_terminal_obeys(printed: bytes, shown: str) -> None:
    assert server_log.shown(printed) == shown
    assert server_log.shown(shown.encode()) == shown


def test_a_full_disk_stops_nobody(log: ServerLog, printed: BinaryIO) -> None:
    log.file.unlink()
    log.file.mkdir()  # as good as a disk that takes nothing
    printed.write(b"x" * 2**15)
    log.pump()
    printed.write(b"x" * 2**15)
    log.pump()
    assert log.tail(10) == ""
