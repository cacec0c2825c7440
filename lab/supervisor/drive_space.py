"""Bytes in the Drive's libraries, as Labs write them: what there is no room for can only be read in Labs for so long.

The kernel counts the bytes of a directory only where root has set up project quotas, so this looks for itself: several
times a second at what the disk has left, and at a quota's libraries when so much has been written, or is gone from the
disk, that they may be over it. The portal says with each library of a Lab whose quota it counts against, how much that
allows, and which libraries count (DriveQuota). What a file counts is what the portal's scan counts (drive/versions),
and what is reserved beyond its size.

- A quota that is used up: its libraries are read-only, and what writes there is stopped.
- The disk's reserve is reached: the same, of the quotas whose libraries grew most since there was last room.
- Half of the reserve is gone: all libraries are read-only, but what has a file open there is stopped only where a
  library goes on growing. So nobody's work is ended because somebody else fills the disk.

A mount that is read-only takes no deletion either: files are deleted on the Drive's pages then.
"""

import logging
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from . import processes
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
BACK_QUOTA_SHARE, BACK_QUOTA_BYTES = 64, 16 * 2**20
"""And when so much of a quota is free again, whichever is less: near its end nothing is turned back and forth."""
GREW_SHARE, GREW_BYTES = 256, 16 * 2**20
"""Who grew by no more than this share of the reserve, or so much, did not fill the disk."""
MOST_SHARE = 8
"""Nor did who grew by less than this share of what the one grew that grew most."""
RESERVED = 2**20
"""Bytes beyond a file's size from which on they count: fewer are the end of a block, or of a file that is written."""
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
    base: int
    """What they held when there was last room on the disk."""
    low_base: int | None = None
    """What they held when half of the reserve was gone."""
    was_short: bool = False
    """Of the disk, then."""
    held: int = 0
    """Bytes of files without a name, which count while the disk is short, and for no quota."""

    @property
    def there(self) -> int:
        """Bytes on the disk."""
        return self.used + self.held


@dataclass(frozen=True)
class Found:
    """Bytes of files."""

    size: int
    whole: bool = True
    """False: some were renamed or removed meanwhile, or could not be read, so there may be more."""


@dataclass(frozen=True)
class SpaceWriter:
    """A running server, with the bytes that its processes have written to disks so far."""

    quotas: Mapping[str, DriveQuota]
    written: int
    init: int = 0
    places: Mapping[str, str] = field(default_factory=dict)
    """Libraries that it may write to, by their path in it."""


class DriveSpace:
    """Looks for all Labs. `look_at_disk` and `look_at_quotas` are each called by one thread at a time."""

    def __init__(self, store: Store, reserve: int) -> None:
        self.store, self.reserve = store, reserve
        self.is_short = False
        """The reserve is reached."""
        self.is_low = False
        """Half of it is gone."""
        self.full: frozenset[str] = frozenset()
        """Quotas that are used up."""
        self.growers: frozenset[str] = frozenset()
        """Quotas whose libraries have grown into the reserve."""
        self.measured: dict[str, Measured] = {}

    def why(self, library: str, quotas: Mapping[str, DriveQuota]) -> str:
        """Why a library is read-only for the Lab that has these quotas: QUOTA or DISK; "" if it is not."""
        owner = quotas[library].owner if library in quotas else ""
        if owner in self.full:
            return QUOTA
        return DISK if self.is_low or (self.is_short and owner in self.growers) else ""

    def may_stop(self, library: str, quotas: Mapping[str, DriveQuota]) -> bool:
        """Whether what writes into a library that is read-only for want of room is to be stopped."""
        if library not in quotas:
            return self.is_low  # of a Lab of an earlier version: nobody measures it
        owner = quotas[library].owner
        return owner in self.full or owner in self.growers

    def restricted(self, view: View, quotas: Mapping[str, DriveQuota]) -> View:
        """The view, in which what there is no room for can only be read."""
        return {
            place: replace(one, mode="ro") if one.mode == "rw" and self.why(one.library, quotas) else one
            for place, one in view.items()
        }

    def look_at_disk(self) -> bool:
        """Whether this has changed: that the disk's reserve is reached, or half of it gone."""
        left, before = self._free() - self.reserve, (self.is_short, self.is_low)
        back = self.reserve // BACK_SHARE
        self.is_short = left <= (back if self.is_short else 0)
        self.is_low = left <= (back if self.is_low else 0) - self.reserve // 2
        return (self.is_short, self.is_low) != before

    def look_at_quotas(self, writers: Iterable[SpaceWriter]) -> bool:
        """Measure the quotas that may be used up, or fill the disk; whether what is read-only has changed for any."""
        writers, short, low = list(writers), self.is_short, self.is_low
        quotas = {one.owner: one for writer in writers for one in writer.quotas.values() if one.size}
        self.measured = {owner: one for owner, one in self.measured.items() if owner in quotas}
        before = self.full, self.growers
        held = _held(writers) if short else Counter[str]()
        for owner, quota in quotas.items():
            may = sum(one.written for one in writers if any(had.owner == owner for had in one.quotas.values()))
            if self._is_due(quota, may, short):
                self._measure(quota, may, held[owner], short, low)
        self.full = frozenset(owner for owner, one in self.measured.items() if self._is_full(quotas[owner], one.used))
        self.growers = self._growers() if short else frozenset()
        for owner in (self.full | self.growers) - (before[0] | before[1]):
            log.warning("libraries of %s have %d bytes: read-only in Labs", owner, self.measured[owner].used)
        return (self.full, self.growers) != before

    def _is_full(self, quota: DriveQuota, used: int) -> bool:
        back = min(quota.size // BACK_QUOTA_SHARE, BACK_QUOTA_BYTES)
        return used > quota.size - (back if quota.owner in self.full else 0)

    def _growers(self) -> frozenset[str]:
        """Those that filled the disk, and those that go on when half of the reserve is gone."""
        little = min(self.reserve // GREW_SHARE, GREW_BYTES)
        grown = {owner: one.there - one.base for owner, one in self.measured.items() if one.was_short}
        most = max(grown.values(), default=0)
        found = {owner for owner, more in grown.items() if more > little and more * MOST_SHARE >= most}
        lows = {owner: one.there - one.low_base for owner, one in self.measured.items() if one.low_base is not None}
        found |= {owner for owner, more in lows.items() if more > little}
        return (self.growers & self.measured.keys()) | found

    def _is_due(self, quota: DriveQuota, written: int, short: bool) -> bool:
        now, last = time.monotonic(), self.measured.get(quota.owner)
        if last is None or (short and not last.was_short):
            return True
        if now < last.rest_until:
            return False
        grown = max(last.free - self._free(), written - last.written)  # also by fallocate(2), which writes nothing
        return now >= last.next_at or (quota.owner not in self.full and grown > quota.size - last.used)

    def _measure(self, quota: DriveQuota, written: int, held: int, short: bool, low: bool) -> None:
        began, free = time.monotonic(), self._free()
        last = self.measured.get(quota.owner)
        used = self._used(quota, last.used if last else quota.used)
        ended = time.monotonic()
        again = LOOK_AGAIN if short or self._is_full(quota, used) else MEASURE_EVERY
        rest = ended + REST * (ended - began)
        base = last.base if short and last else used
        low_base = (used + held if last is None or last.low_base is None else last.low_base) if low else None
        next_at = max(ended + again, rest)
        self.measured[quota.owner] = Measured(used, free, written, next_at, rest, base, low_base, short, held)

    def _used(self, quota: DriveQuota, before: int) -> int:
        """Bytes in the quota's libraries; no fewer than before where they could not be looked at as a whole."""
        places = (self.store.directory(Library(library, "ro")) for library in quota.libraries)
        directories = [directory for directory in places if directory]
        found = measure(directories)
        if found and not found.whole:
            again = measure(directories)  # names that moved meanwhile
            found = again if again and again.whole else Found(max(found.size, again.size if again else 0, before))
        if found is None:
            log.warning("libraries of %s could not be measured in time; %d bytes are assumed", quota.owner, before)
            return before
        return found.size

    def _free(self) -> int:
        disk = os.statvfs(self.store.root)
        return disk.f_bavail * disk.f_frsize


def _held(writers: Iterable[SpaceWriter]) -> Counter[str]:
    """Bytes of files in the Drive that have no name any more and are held open or mapped by Labs, by quota."""
    sizes: dict[tuple[int, int], tuple[str, int]] = {}
    for one in writers:
        known = {f"{place}/": library for place, library in one.places.items() if library in one.quotas}
        owners = {place: one.quotas[library].owner for place, library in known.items()}
        for path, file, size in processes.deleted_files(one.init) if owners else ():
            owner = next((owners[place] for place in owners if path.startswith(place)), None)
            if owner:
                sizes[file] = owner, max(size, sizes.get(file, ("", 0))[1])
    found: Counter[str] = Counter()
    for owner, size in sizes.values():
        found[owner] += size
    return found


def measure(directories: list[Path]) -> Found | None:
    """Bytes of all files below: as many as each has, or takes up if that is less, or much more, as where space is
    reserved beyond its size. None: it took too long.
    """
    if not directories:
        return Found(0)
    command = ["find", *map(str, directories), "-xdev", "!", "-type", "d", "-printf", "%s %b\n"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=MEASURE_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return None
    lines = map(bytes.split, done.stdout.splitlines())
    return Found(sum(_bytes(int(size), 512 * int(blocks)) for size, blocks in lines), done.returncode == 0)


def _bytes(size: int, taken: int) -> int:
    return taken if taken > size + RESERVED else min(size, taken)
