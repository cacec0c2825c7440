"""Disk limits: space and files of a server's home and changed environment, and which process is ended above them.

The kernel counts the disk of a directory only where a file system was set up for it by root (project quotas,
quotactl(2)), so this looks for itself: every second at what the processes have written (proc(5), io) and at how much
is free, and at the files when those say that there may be too much, or when it has not looked for a minute. Files are
inodes: directories and links count too, and empty ones, of which a file system holds so many and no more.

Over the limit, the process that wrote most since the last look is ended, as the kernel does when memory runs out. Who
makes files writes nothing that the kernel counts: there, the one that has kept the kernel busiest for a moment.
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

MEASURED = ["home", "upper", "log"]
"""`log`: of a server of an earlier version, which prints to a file."""
MEASURE_EVERY = 60
"""Seconds; a look in between follows from what was written."""
REST = 3
"""Between two measurements pass so many times what one took: many files cannot keep us busy."""
MEASURE_SECONDS = 60
"""What has not been counted by then is too much."""
NO_LIMIT = 2**62
SMALL_WRITE = 2**20
"""Bytes in a second: notebooks, histories and settings can be written although the limit is reached."""
MUCH_MORE = 2**31
"""Bytes over the limit, or a quarter of it, at which the whole server ends."""
FEW_FILES = 200
"""Between two measurements: so many can be made although the limit is reached."""
MANY_MORE = 30_000
"""Files over the limit, or a quarter of it, at which the whole server ends: more than come between two looks."""
BUSY_SECONDS = 0.3
"""How long processes are watched, to see which one makes files."""


@dataclass
class DiskUsage:
    """Disk use of one server, kept in its directory for a supervisor that takes over. Bytes; no limit: 0."""

    limit: int = 0
    used: int = 0
    kills: int = 0
    spared: int = 1
    """Process numbers inside up to this one were there before anybody's code: Jupyter's own."""
    file_limit: int = 0
    files: int = 0
    file_kills: int = 0
    drive_file_kills: int = 0
    """Because of files in the Drive (drive_limits.py)."""
    drive_full_for: str = ""
    """`quota` or `disk`, while libraries can only be read for want of room (drive_space.py)."""
    ended_for: str = ""
    """`disk`, `files` or `drive_files`: why the whole server was ended."""


@dataclass(frozen=True)
class FreeSpace:
    """What a file system has left, for everybody."""

    bytes: int = 0
    files: int = 0
    """0 where files need no place of their own, as on btrfs."""


class DiskMonitor:
    """Disk-limit monitor of one server. `look` is called about once a second, by one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.environment = directory / "env"
        """Where the environment is mounted."""
        self.count = self._read()
        self.written: dict[int, int] = {}
        self.allowance = 0
        self.file_allowance = 0
        self.has_ended_maker = False
        """Since the last measurement: what it finds new was made before that."""
        self.free = FreeSpace()
        self.next_at = 0.0
        self.rest_until = 0.0

    def limit_to(self, limit: float, files: float = 0) -> None:
        """Set the limits, in bytes and files, before the server's first process."""
        self.count = DiskUsage(limit=int(limit), file_limit=int(files))
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
        if not (self.count.limit or self.count.file_limit) or not self._may_be_too_much():
            return
        before, blamed = self.count.files, self.has_ended_maker
        self.has_ended_maker = False
        self._measure(init)
        self.allowance = (self.count.limit or NO_LIMIT) - self.count.used
        self.file_allowance = (self.count.file_limit or NO_LIMIT) - self.count.files
        if self.allowance < 0:
            self._end_writer(init, grown)
        elif self.file_allowance < 0:
            self._end_maker(init, 0 if blamed else self.count.files - before)
        self._write()

    def _may_be_too_much(self) -> bool:
        now = time.monotonic()
        if now < self.rest_until:
            return False
        free = _free(self.directory)
        lost = self.free.bytes - free.bytes  # also by fallocate(2), which writes nothing
        may_be = self.allowance <= 0 or lost > self.allowance
        may_be_files = self.file_allowance <= 0 or self.free.files - free.files > self.file_allowance
        return may_be or may_be_files or now >= self.next_at

    def _measure(self, init: int) -> None:
        began = time.monotonic()
        deleted = _deleted_files(init, [self.directory / "home", self.environment])
        self.count.used = measure(self.directory, MEASURED, "-B1") + sum(deleted)
        if self.count.file_limit:
            self.count.files = measure(self.directory, MEASURED, "--inodes") + len(deleted)
        self.free = _free(self.directory)
        ended = time.monotonic()
        self.next_at, self.rest_until = ended + MEASURE_EVERY, ended + REST * (ended - began)

    def _end_writer(self, init: int, grown: dict[int, int]) -> None:
        """End the process that writes most; the whole server when it is far beyond the limit."""
        if -self.allowance > max(self.count.limit // 4, MUCH_MORE):
            log.warning("%s uses %d bytes of disk: ended", self.directory.name, self.count.used)
            self.count.kills += 1
            self.end(init, "disk")
            return
        much = {pid: grew for pid, grew in grown.items() if grew > SMALL_WRITE}
        writers = {pid: grew for pid, grew in much.items() if _inner_pid(pid) > self.count.spared}
        if writers:
            self.count.kills += 1
            kill(max(writers, key=writers.__getitem__))

    def _end_maker(self, init: int, made: int) -> None:
        """End the process that makes files; the whole server when they are far beyond the limit."""
        if -self.file_allowance > max(self.count.file_limit // 4, MANY_MORE):
            log.warning("%s has %d files: ended", self.directory.name, self.count.files)
            self.count.file_kills += 1
            self.end(init, "files")
            return
        if made > FEW_FILES and (found := busiest({init: self.count.spared})):
            self.count.file_kills += 1
            self.has_ended_maker = True  # or whoever tidies up next would be taken for it
            kill(found[1])

    def note_drive(self, why: str) -> None:
        """Note why libraries can only be read; "" when they no longer are."""
        if why != self.count.drive_full_for:
            self.count.drive_full_for = why
            self._write()

    def end(self, init: int, why: str) -> None:
        """End the whole server."""
        self.count.ended_for = why
        kill(init)
        self._write()

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


def kill(pid: int) -> None:
    """SIGKILL, to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def busiest(spared: dict[int, int]) -> tuple[int, int] | None:
    """Process 1, and the process in that sandbox, beside Jupyter's own, for which the kernel worked most just now.

    `spared`: DiskUsage.spared of each sandbox that is looked at, by its process 1.
    """
    before = {pid: ticks for init in spared for pid, ticks in processes.kernel_ticks(init).items()}
    time.sleep(BUSY_SECONDS)
    worked = {
        (init, pid): ticks - before.get(pid, 0)
        for init, own in spared.items()
        for pid, ticks in processes.kernel_ticks(init).items()
        if _inner_pid(pid) > own
    }
    found = max(worked, key=worked.__getitem__, default=None)
    return found if found and worked[found] else None


def _free(directory: Path) -> FreeSpace:
    found = os.statvfs(directory)
    return FreeSpace(found.f_bavail * found.f_frsize, found.f_ffree)


def measure(directory: Path, names: list[str], unit: str) -> int:
    """Bytes of disk (`-B1`) or number (`--inodes`) of what is at these names, where there is something, and below.

    Mounts are not entered, and a file with two names counts once.
    """
    command = ["du", "-s", "-c", "-x", unit, "--", *names]
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=MEASURE_SECONDS, check=False
        )
        return int(done.stdout.splitlines()[-1].split()[0])
    except subprocess.TimeoutExpired:
        return NO_LIMIT
    except (IndexError, ValueError):
        log.warning("%s: %s", directory, done.stderr.strip())
        return 0


def _deleted_files(init: int, places: Iterable[Path]) -> list[int]:
    """Bytes of each file that has no name any more and is held open, or mapped, by a process inside."""
    devices = {place.stat().st_dev for place in places}
    sizes: dict[tuple[int, int], int] = {}
    for pid in processes.inside(init):
        for found in processes.open_files(pid):
            if found.st_nlink == 0 and stat.S_ISREG(found.st_mode) and found.st_dev in devices:
                sizes[found.st_dev, found.st_ino] = found.st_blocks * 512
        for device, inode, end in processes.deleted_mappings(pid):
            if device in devices:
                sizes.setdefault((device, inode), 0)
                sizes[device, inode] = max(sizes[device, inode], end)
    return list(sizes.values())
