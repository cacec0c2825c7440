"""Free space on the Drive's disk, and its reserve (DISK_RESERVE_BYTES), which no upload and no copy may use.

With the reserve left, the site goes on: the database writes, people sign in, and delete what is not needed.
"""

import os

from django.conf import settings
from django.utils.translation import gettext

from . import layout
from .errors import DiskFullError

UNANNOUNCED = 2**30
"""Bytes that an upload without a length may have, as in UNANNOUNCED_MAX of bin/lib/nginx.py."""


def left() -> int:
    """Bytes that may be written before the reserve is reached; negative when it has been used."""
    disk = os.statvfs(layout.staging())
    return disk.f_bavail * disk.f_frsize - settings.DISK_RESERVE_BYTES


def require(size: int) -> None:
    """Raise DiskFullError unless so many bytes more leave the reserve. Nothing more always fits."""
    if size > 0 and size > left():
        raise DiskFullError(
            gettext(
                "There is not enough free space on the disk. Nothing was changed. Delete what is not needed, and tell "
                "an operator of this site."
            )
        )
