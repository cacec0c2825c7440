"""Number of files in the Drive's libraries, as Labs make them: who goes far beyond a quota is ended.

The portal holds every change on the web against the quota, and counts what Labs have made every few minutes; a Lab can
make millions of empty files in between, until the file system has no place for anybody's. So this looks each second at
how many the file system has left, and counts the libraries that running Labs may write to when many have gone. The
portal says with each library of a Lab whose quota it counts against, and how many files that allows (DriveQuota).

Over it, of all Labs that may write there, the process for which the kernel works most is ended (disk_limits.busiest).
"""

import contextlib
import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import disk_limits
from .disk_limits import FEW_FILES, NO_LIMIT, REST, DiskMonitor
from .drive_plan import Library
from .drive_view import Store

log = logging.getLogger("lab.supervisor")

STEP = 20_000
"""So many files fewer than at the last count are reason for another."""
COUNT_EVERY = 300
"""Seconds; only on file systems that do not say how many files they have left, such as btrfs."""


@dataclass(frozen=True)
class DriveQuota:
    """What a library's files count against."""

    owner: str
    """Libraries with the same one share the quota."""
    files: int
    """Files, folders and links that Labs may let it grow to; 0: any number."""
    size: int = 0
    """Bytes that all libraries may have together (drive_space.py); 0: nobody looks."""
    libraries: tuple[str, ...] = ()
    """All that count against it."""
    used: int = 0
    """Bytes that they had as the portal knew last."""


class DriveQuotas:
    """Quotas of the libraries that one server may write to, kept in its directory for a supervisor that takes over."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "quotas"
        self.by_library: dict[str, DriveQuota] = {}

    def take(self, mounts: Iterable[Mapping[str, Any]]) -> None:
        """Those of the mounts that a request names."""
        self.by_library = {
            mount["library"]: DriveQuota(
                str(mount["quota"]),
                int(mount["quota_files"]),
                int(mount.get("quota_bytes", 0)),
                tuple(mount.get("quota_libraries", ())),
                int(mount.get("quota_used", 0)),
            )
            for mount in mounts
            if mount["mode"] == "rw" and mount.get("quota_files")
        }
        kept = {library: asdict(quota) for library, quota in self.by_library.items()}
        self.file.write_text(json.dumps(kept))

    def resume(self) -> None:
        """Those that an earlier supervisor kept; of a server of an earlier version there are none."""
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            kept = json.loads(self.file.read_text())
            self.by_library = {
                library: DriveQuota(**quota | {"libraries": tuple(quota.get("libraries", ()))})
                for library, quota in kept.items()
            }


@dataclass(frozen=True)
class Writer:
    """A running server, which may have made files."""

    init: int
    quotas: Mapping[str, DriveQuota]
    monitor: DiskMonitor
    """Knows which processes are Jupyter's own, and counts those that are ended."""


class DriveFileMonitor:
    """Counts for all Labs. `look` is called about once a second, by one thread at a time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.free: int | None = None
        self.counts: dict[str, int] = {}
        self.over: set[str] = set()
        self.next_at = 0.0
        self.rest_until = 0.0

    def look(self, writers: list[Writer]) -> None:
        """Count if there is reason to, and end who makes too many."""
        if not writers or not self._may_be_too_many():
            return
        began = time.monotonic()
        free = self._free()
        limits = {quota.owner: quota.files for writer in writers for quota in writer.quotas.values()}
        counts = self._count(writers)
        self.over = {owner for owner, count in counts.items() if count > limits[owner]}
        for owner in self.over:
            made = counts[owner] - self.counts.get(owner, 0)
            self._end(owner, limits[owner], counts[owner], made, writers)
        self.counts, self.free = counts, free
        ended = time.monotonic()
        self.next_at, self.rest_until = ended + COUNT_EVERY, ended + REST * (ended - began)

    def _may_be_too_many(self) -> bool:
        now, free = time.monotonic(), self._free()
        if self.free is None:
            self.free = free
        self.free = max(self.free, free) if not self.over else self.free
        if now < self.rest_until:
            return False
        return bool(self.over) or self.free - free >= STEP or (not free and now >= self.next_at)

    def _free(self) -> int:
        return os.statvfs(self.store.root).f_ffree

    def _count(self, writers: list[Writer]) -> dict[str, int]:
        """Files by quota, in the libraries that Labs may write to."""
        owners = {library: quota.owner for writer in writers for library, quota in writer.quotas.items()}
        counts: defaultdict[str, int] = defaultdict(int)
        for library, owner in owners.items():
            if (directory := self.store.directory(Library(library, "ro"))) and counts[owner] < NO_LIMIT:
                counts[owner] += disk_limits.measure(directory.parent, [directory.name], "--inodes")
        return counts

    def _end(self, owner: str, limit: int, count: int, made: int, writers: list[Writer]) -> None:
        """End the process that makes files; its whole Lab when they are far beyond the limit."""
        may = [one for one in writers if any(quota.owner == owner for quota in one.quotas.values())]
        far = count - limit > max(limit // 4, 5 * STEP)
        if made <= FEW_FILES and not far:
            return
        found = disk_limits.busiest({one.init: one.monitor.count.spared for one in may})
        if found is None:
            return
        init, process = found
        log.warning("libraries of %s have %d files, more than %d: process %d is ended", owner, count, limit, process)
        monitor = next(one for one in may if one.init == init).monitor
        monitor.count.drive_file_kills += 1
        if far:
            monitor.end(init, "drive_files")
        else:
            disk_limits.kill(process)
