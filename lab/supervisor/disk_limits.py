"""Disk limits: space of a server's home and changed environment, and which process is ended above the limit.

The kernel counts the disk of a directory only where a file system was set up for it by root (project quotas,
quotactl(2)), so this looks for itself: every second at what the processes have written (proc(5), io) and at how much
is free, and at the files when those say that there may be too much, or when it has not looked for a minute.

Over the limit, the process that wrote most since the last look is ended, as the kernel does when memory runs out.
Jupyter itself is spared, so that its person can delete something. When that does not help, the whole server ends.
"""

import contextlib
import json
import logging
import os
import signal
import stat
import subprocess
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import processes

log = logging.getLogger("lab.supervisor")

MEASURE_EVERY = 60
"""Seconds; a look in between follows from what was written."""
REST = 3
"""Between two measurements pass so many times what one took: many files cannot keep us busy."""
MEASURE_SECONDS = 60
"""What has not been counted by then is too much."""
SMALL_WRITE = 2**20
"""Bytes in a second: notebooks, histories and settings can be written although the limit is reached."""
MUCH_MORE = 2**31
"""Bytes over the limit, or a quarter of it, at which the whole server ends."""


@dataclass
class DiskUsage:
    """Disk use of one server, kept in its directory for a supervisor that takes over. Bytes; no limit: 0."""

    limit: int = 0
    used: int = 0
    kills: int = 0
    spared: int = 1
    """Process numbers inside up to this one were there before anybody's code: Jupyter's own."""


class DiskMonitor:
    """Disk-limit monitor of one server. `look` is called about once a second, by one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.count = self._read()
        self.written: dict[int, int] = {}
        self.allowance = 0
        self.free = 0
        self.next_at = 0.0
        self.rest_until = 0.0

    def limit_to(self, limit: float) -> None:
        """Set the limit in bytes, before the server's first process."""
        self.count = DiskUsage(limit=int(limit))
        self._write()

    def spare(self, pids: Iterable[int]) -> None:
        """Processes that are not ended for what they write."""
        self.count.spared = max(map(_inner_pid, pids), default=1)
        self._write()

    def look(self, init: int, written: dict[int, int]) -> None:
        """`written`: bytes so far of each process of the sandbox whose process 1 is `init`."""
        grown = {pid: count - self.written.get(pid, 0) for pid, count in written.items()} if self.written else {}
        self.written = written  # at the first look, nobody knows when that was
        self.allowance -= max(0, sum(grown.values()))
        if not self.count.limit or not self._may_be_too_much():
            return
        self._measure(init)
        self.allowance = self.count.limit - self.count.used
        if self.allowance < 0:
            self._end(init, grown)
        self._write()

    def _may_be_too_much(self) -> bool:
        now = time.monotonic()
        if now < self.rest_until:
            return False
        lost = self.free - _free(self.directory)  # also by fallocate(2), which writes nothing
        return self.allowance <= 0 or lost > self.allowance or now >= self.next_at

    def _measure(self, init: int) -> None:
        began = time.monotonic()
        self.count.used = _of_files(self.directory) + _of_deleted_files(init, self.directory)
        self.free = _free(self.directory)
        ended = time.monotonic()
        self.next_at, self.rest_until = ended + MEASURE_EVERY, ended + REST * (ended - began)

    def _end(self, init: int, grown: dict[int, int]) -> None:
        """End the process that writes most; the whole server when it is far beyond the limit."""
        if -self.allowance > max(self.count.limit // 4, MUCH_MORE):
            log.warning("%s uses %d bytes of disk: ended", self.directory.name, self.count.used)
            self.count.kills += 1
            _kill(init)
            return
        much = {pid: grew for pid, grew in grown.items() if grew > SMALL_WRITE}
        writers = {pid: grew for pid, grew in much.items() if _inner_pid(pid) > self.count.spared}
        if writers:
            self.count.kills += 1
            _kill(max(writers, key=writers.__getitem__))

    def _read(self) -> DiskUsage:
        try:
            return DiskUsage(**json.loads((self.directory / "disk").read_text()))
        except (OSError, ValueError, TypeError):
            return DiskUsage()

    def _write(self) -> None:
        (self.directory / "disk").write_text(json.dumps(asdict(self.count)))


def _inner_pid(pid: int) -> int:
    """Process number inside the sandbox; 0 when it is gone."""
    try:
        return processes.inner_pid(pid)
    except OSError:
        return 0


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _free(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _of_files(directory: Path) -> int:
    """Bytes of disk of what has a name; mounts are not entered, and a file with two names counts once."""
    command = ["du", "-s", "-c", "-x", "-B1", "--", "home", "upper"]
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=MEASURE_SECONDS, check=False
        )
        return int(done.stdout.splitlines()[-1].split()[0])
    except subprocess.TimeoutExpired:
        return 2**62
    except (IndexError, ValueError):
        log.warning("%s: %s", directory, done.stderr.strip())
        return 0


def _of_deleted_files(init: int, directory: Path) -> int:
    """Bytes of what has no name any more and is held open, or mapped, by a process inside."""
    devices = {(directory / name).stat().st_dev for name in ("home", "env")}
    sizes: dict[tuple[int, int], int] = {}
    for pid in processes.inside(init):
        for found in processes.open_files(pid):
            if found.st_nlink == 0 and stat.S_ISREG(found.st_mode) and found.st_dev in devices:
                sizes[found.st_dev, found.st_ino] = found.st_blocks * 512
        for device, inode, end in processes.deleted_mappings(pid):
            if device in devices:
                sizes.setdefault((device, inode), 0)
                sizes[device, inode] = max(sizes[device, inode], end)
    return sum(sizes.values())
