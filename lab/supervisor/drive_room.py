"""Bytes in the Drive's libraries, as Labs write them: libraries beyond their quota, or all of them when the disk's
reserve is reached, can only be read in Labs, until there is room.

The kernel counts the bytes of a directory only where root has set up project quotas, so this looks for itself: several
times a second at what the disk has left, and at a quota's libraries when so much has been written, or is gone from the
disk, that they may be over it. The portal says with each library of a Lab whose quota it counts against, how much that
allows, and which libraries count (DriveQuota). What a file counts is what the portal's scan counts (drive/versions).

A mount that is read-only takes no deletion either: files are deleted on the Drive's pages then.
"""

import logging
import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from .drive_limits import DriveQuota
from .drive_plan import Library, View
from .drive_view import Store

log = logging.getLogger("lab.supervisor")

MEASURE_EVERY = 60
"""Seconds; a measurement in between follows from what was written."""
LOOK_AGAIN = 1
"""Seconds between measurements of a quota that is full, to see whether something was deleted."""
REST = 9
"""Between two measurements of a quota pass so many times what one took: many files cannot keep us busy."""
MEASURE_SECONDS = 60
BACK_SHARE = 8
"""Labs can write again when as much more than the reserve is free as an eighth of it."""
QUOTA, DISK = "quota", "disk"


@dataclass
class Measured:
    """What the libraries of one quota hold, as last looked at."""

    used: int
    free: int
    """Of the disk, then."""
    written: int
    """By all Labs that may write there, then."""
    next_at: float
    rest_until: float


@dataclass(frozen=True)
class RoomWriter:
    """A running server, with the bytes that its processes have written to disks so far."""

    quotas: Mapping[str, DriveQuota]
    written: int


class DriveRoom:
    """Looks for all Labs. `look_at_disk` and `look_at_quotas` are each called by one thread at a time."""

    def __init__(self, store: Store, reserve: int) -> None:
        self.store, self.reserve = store, reserve
        self.is_short = False
        self.full: frozenset[str] = frozenset()
        """Quotas that are used up."""
        self.measured: dict[str, Measured] = {}

    def why(self, library: str, quotas: Mapping[str, DriveQuota]) -> str:
        """Why a library is read-only for the Lab that has these quotas: QUOTA or DISK; "" if it is not."""
        if library in quotas and quotas[library].owner in self.full:
            return QUOTA
        return DISK if self.is_short else ""

    def restricted(self, view: View, quotas: Mapping[str, DriveQuota]) -> View:
        """The view, in which what there is no room for can only be read."""
        return {
            place: replace(one, mode="ro") if one.mode == "rw" and self.why(one.library, quotas) else one
            for place, one in view.items()
        }

    def look_at_disk(self) -> bool:
        """Whether this has changed: that the disk's reserve is reached."""
        left, was_short = self._free() - self.reserve, self.is_short
        self.is_short = left <= (self.reserve // BACK_SHARE if was_short else 0)
        return self.is_short != was_short

    def look_at_quotas(self, writers: Iterable[RoomWriter]) -> bool:
        """Measure the quotas that may be used up; whether this has changed for any."""
        writers = list(writers)
        quotas = {one.owner: one for writer in writers for one in writer.quotas.values() if one.size}
        self.measured = {owner: one for owner, one in self.measured.items() if owner in quotas}
        before = self.full
        for owner, quota in quotas.items():
            may = [one.written for one in writers if any(had.owner == owner for had in one.quotas.values())]
            if self._may_be_full(quota, sum(may)):
                self._measure(quota, sum(may))
        self.full = frozenset(owner for owner, one in self.measured.items() if one.used > quotas[owner].size)
        for owner in self.full - before:
            log.warning("libraries of %s have %d bytes: read-only in Labs", owner, self.measured[owner].used)
        return self.full != before

    def _may_be_full(self, quota: DriveQuota, written: int) -> bool:
        now, last = time.monotonic(), self.measured.get(quota.owner)
        if last is None:
            return True
        if now < last.rest_until:
            return False
        grown = max(last.free - self._free(), written - last.written)  # also by fallocate(2), which writes nothing
        return now >= last.next_at or (quota.owner not in self.full and grown > quota.size - last.used)

    def _measure(self, quota: DriveQuota, written: int) -> None:
        began, free = time.monotonic(), self._free()
        found = (self.store.directory(Library(library, "ro")) for library in quota.libraries)
        used = measure([directory for directory in found if directory])
        if used is None:
            last = self.measured.get(quota.owner)
            used = last.used if last else 0
        ended = time.monotonic()
        again = LOOK_AGAIN if used > quota.size else MEASURE_EVERY
        rest = ended + REST * (ended - began)
        self.measured[quota.owner] = Measured(used, free, written, max(ended + again, rest), rest)

    def _free(self) -> int:
        disk = os.statvfs(self.store.root)
        return disk.f_bavail * disk.f_frsize


def measure(directories: list[Path]) -> int | None:
    """Bytes of all files below: as many as each has, or takes up if that is less. None: it took too long."""
    if not directories:
        return 0
    command = ["find", *map(str, directories), "-xdev", "!", "-type", "d", "-printf", "%s %b\n"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=MEASURE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    return sum(min(int(size), 512 * int(blocks)) for size, blocks in map(bytes.split, done.stdout.splitlines()))
