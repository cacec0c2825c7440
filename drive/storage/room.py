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

    Nothing more always fits. With `place`: so many bytes there, on a disk that may have nothing to do with the site.
    """
    free = left(place) if place else left() - promises.missing()
    if size > 0 and (size > free or (place is None and is_short())):
        raise _full()


def of_upload(length: int | None, copies: int = 1) -> int:
    """Bytes on the disk of an upload that is there so often; without a length, as much as the proxy takes of one."""
    return settings.UPLOAD_UNANNOUNCED_BYTES if length is None else copies * length


def copy(source: BinaryIO, target: BinaryIO, *, into_reserve: bool = False) -> None:
    """Copy all bytes. DiskFullError before the reserve is reached; `into_reserve`: before half of it is gone."""
    while chunk := source.read(CHUNK):
        if not into_reserve:
            require(len(chunk))
        elif len(chunk) > left() + settings.DISK_RESERVE_BYTES // 2:
            raise _full()
        target.write(chunk)


def _full() -> DiskFullError:
    return DiskFullError(
        gettext(
            "There is not enough free space on the disk. Nothing was changed. Delete what is not needed, and tell an "
            "operator of this site."
        )
    )
