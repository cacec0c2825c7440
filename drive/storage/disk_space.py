"""Free space on disk, and its reserve (DISK_RESERVE_BYTES), which no upload, copy or version may use.

With the reserve left, the site goes on: the database writes, people sign in, and delete what is not needed.
"""

import os
from pathlib import Path
from typing import BinaryIO

from django.conf import settings
from django.utils.translation import gettext

from . import promises
from .errors import DiskFullError

CHUNK = 2**20
SMALL = 4 * 2**20
"""Bytes up to which a file is not held against what larger ones were promised: saving must not wait for uploads."""
LOOK_EVERY = 64 * 2**20
"""Bytes of a copy between two looks at what is promised to others."""


def left(place: Path | None = None) -> int:
    """Bytes that may be written on the disk of `place` (the Drive's) before its reserve is reached; may be negative."""
    return free(place or Path(settings.DRIVE_ROOT)) - settings.DISK_RESERVE_BYTES


def free(place: Path) -> int:
    """Bytes that are free on the disk of `place`, its reserve included."""
    disk = os.statvfs(place)
    return disk.f_bavail * disk.f_frsize


def is_short() -> bool:
    """True if the reserve has been reached, of the Drive's disk or of the database's, which may be another."""
    return left() <= 0 or left(Path(settings.VAR_DIR)) <= 0


def require(size: int, place: Path | None = None) -> None:
    """Raise DiskFullError unless so many bytes more in the Drive leave all reserves, and what is promised to others.

    Of a SMALL file, to other small ones. Nothing more always fits. With `place`: so many bytes there, on a disk that
    may have nothing to do with the site.
    """
    _require(size, 0 if place else promises.missing(SMALL if size <= SMALL else None), place)


def require_share(body: promises.Promise, most_slow: int) -> None:
    """Raise DiskFullError for one body of several of a person that together would keep too much of the disk.

    That is more than half of it of what no quota bounds, and more than `most_slow` bytes with bodies that go on too
    slowly to be promised anything. One body alone may take all that is left, and SMALL ones always fit.
    """
    if body.disk <= SMALL:
        return
    others = promises.others()
    own = sum(one.beyond_quota for one in others if one.sender == body.sender and one.disk > SMALL)
    slow = promises.slow_bodies(body.sender)
    takes_half = own and body.beyond_quota > (left() - promises.missing() - own) // 2
    if takes_half or (slow and slow + body.disk > most_slow):
        raise DiskFullError(
            gettext(
                "What you send at the same time would take too much of the disk. Nothing was changed. Please send it "
                "again when the other files have arrived."
            )
        )


def ahead(length: int, sender: str) -> int:
    """Bytes of the disk that a resumable upload is promised beyond what has arrived, as far as its sender's share."""
    there = promises.others()
    own = sum(one.missing for one in there if one.sender == sender)
    free = left() - sum(one.missing for one in there)
    return max(0, min(length, promises.AHEAD_BYTES, free // 8, (free - own) // 2))


def _require(size: int, promised: int, place: Path | None = None) -> None:
    if size > 0 and (size > left(place) - promised or (place is None and is_short())):
        raise _full()


def of_upload(length: int | None, copies: int = 1) -> int:
    """Bytes on the disk of an upload that is there so often; without a length, as much as the proxy takes of one."""
    return settings.UPLOAD_UNANNOUNCED_BYTES if length is None else copies * length


def copy(source: BinaryIO, target: BinaryIO, *, size: int | None = None, into_reserve: bool = False) -> None:
    """Copy all bytes. DiskFullError before the reserve is reached; `into_reserve`: before half of it is gone.

    `size`, where it is known: what is promised to others has to fit with all of it, before the first byte.
    """
    if size and not into_reserve:
        require(size)
    copied, look_at = 0, SMALL
    while chunk := source.read(CHUNK):
        if into_reserve and len(chunk) > left() + settings.DISK_RESERVE_BYTES // 2:
            raise _full()
        if not into_reserve:
            _require(len(chunk), promises.missing() if copied >= look_at else 0)
        look_at = copied + LOOK_EVERY if copied >= look_at else look_at
        target.write(chunk)
        copied += len(chunk)


def _full() -> DiskFullError:
    return DiskFullError(
        gettext(
            "There is not enough free space on the disk. Nothing was changed. Delete what is not needed, and tell an "
            "operator of this site."
        )
    )
