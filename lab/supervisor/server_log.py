"""Log of one server: a pipe that all its processes print to, read here into two files of limited size.

servers/<id>/log.pipe   the pipe (fifo(7)): standard output and error of everything that the server is made of
servers/<id>/log        what was read of it last; log.1: what came before that

A pipe, because code inside can do with its standard output whatever its kind allows: a file it could truncate, or
reserve a whole disk with, outside of every limit. A pipe can be filled, and then blocks who fills it.

A named one, because supervisors come and go: the next one opens it again. Meanwhile nobody gets SIGPIPE, for the
server's own descriptors are open for reading too, and what is printed waits in the pipe (64 KiB), then who prints it.

Who prints without end is read slowly, and kept in part: see READS and BYTES_PER_SECOND. What is kept can be shown:
control characters, with which a text can lie on a terminal, are replaced.
"""

import contextlib
import os
import re
import stat
import threading
import time
from pathlib import Path
from typing import BinaryIO

READ_BYTES = 2**16
"""The size of a pipe (pipe(7))."""
READS = 8
"""Of one server at a time. A number, not a size: a pipe can be made to give one byte at each (O_DIRECT, pipe(2))."""
FILE_BYTES = 2**18
"""After so many a file is put aside; two are kept."""
BURST_BYTES = 2**17
BYTES_PER_SECOND = 2**14
"""Kept of a server that goes on printing."""
TAIL_BYTES = 2**10
"""The end of what was read is always kept: why something died stands last."""
DRAIN_READS = 512
"""More than a pipe holds: 256 pieces of a page (F_SETPIPE_SZ, /proc/sys/fs/pipe-max-size)."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_UNSHOWN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def shown(data: bytes) -> str:
    """Text of bytes that anybody printed: without colours, and without characters that a terminal or a page obeys."""
    text = _COLOURS.sub("", data.decode(errors="replace")).replace("\r\n", "\n").replace("\r", "\n")
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", text)


class ServerLog:
    """One server's log. `pump` is called a few times a second, by one thread; the rest by any."""

    def __init__(self, directory: Path) -> None:
        self.pipe = directory / "log.pipe"
        self.file = directory / "log"
        self.before = directory / "log.1"
        self._reader: int | None = None
        self._turn = threading.Lock()
        self._credit = float(BURST_BYTES)
        self._at = time.monotonic()

    def open(self) -> BinaryIO:
        """What a new server prints to. It must not be written to here: it blocks when the server has filled it."""
        self.close()
        os.mkfifo(self.pipe)
        self.pipe.chmod(0o622)  # a server with a uid of its own may open its standard output again, to write
        self.file.touch()
        self.resume()
        return os.fdopen(os.open(self.pipe, os.O_RDWR | os.O_CLOEXEC), "wb", buffering=0)

    def resume(self) -> None:
        """Read on where an earlier supervisor ended. Servers of earlier versions print to the file: nothing is read."""
        with self._turn, contextlib.suppress(FileNotFoundError):
            if self._reader is None and stat.S_ISFIFO(self.pipe.lstat().st_mode):
                self._reader = os.open(self.pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)

    def pump(self, reads: int = READS) -> None:
        """Keep what has been printed since the last time, as far as it may be kept. Never waits for the server."""
        with self._turn:
            if data := self._read(reads):
                with contextlib.suppress(OSError):  # the disk is full: then nobody reads why, but everybody goes on
                    self._keep(data)

    def tail(self, size: int) -> str:
        """The last bytes, at most so many."""
        self.pump()
        data = b""
        for path in (self.file, self.before):
            if len(data) < size:
                data = _end_of(path, size - len(data)) + data
        return shown(data)

    def close(self) -> None:
        """Keep the rest, when all processes have ended."""
        self.pump(DRAIN_READS)
        with self._turn:
            if self._reader is not None:
                os.close(self._reader)
                self._reader = None
            self.pipe.unlink(missing_ok=True)

    def _read(self, reads: int) -> bytes:
        found = bytearray()
        if self._reader is not None:
            with contextlib.suppress(BlockingIOError):
                while reads and (data := os.read(self._reader, READ_BYTES)):
                    found += data
                    reads -= 1
        return bytes(found)

    def _keep(self, data: bytes) -> None:
        now = time.monotonic()
        self._credit = min(BURST_BYTES, self._credit + (now - self._at) * BYTES_PER_SECOND)
        self._at = now
        kept = data[-max(TAIL_BYTES, int(self._credit)) :]
        self._credit = max(0, self._credit - len(kept))
        left_out = len(data) - len(kept)
        mark = f"\n[{left_out} bytes were printed too fast and left out]\n" if left_out else ""
        with self.file.open("ab") as file:
            file.write((mark + shown(kept)).encode())
            size = file.tell()
        if size > FILE_BYTES:
            self.before.unlink(missing_ok=True)  # or ext4 would write the new one to the disk for us to replace it
            self.file.rename(self.before)


def _end_of(path: Path, size: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size)
    except OSError:
        return b""
