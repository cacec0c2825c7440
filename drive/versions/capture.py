"""A file's bytes into the store: never torn, never waiting, never too large."""

import os
import time
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from django.conf import settings

from drive.storage import LibraryFiles, StorageError, disk_space, signature
from drive.storage.files import moment

from . import store

HOLES_ALLOWED = 2**20
"""Bytes; and four times what is between the holes."""
EXTENTS_LOOKED_AT = 1000
TRIES = 3
PAUSE = 0.05
"""Seconds between tries, and longer than the clock of a file system may stand still: a file written twice within one
tick looks unchanged (kernel docs, "multigrain timestamps")."""


class TornReadError(StorageError):
    """The file is being written: what could be copied would be neither the old content nor the new."""

    status = 409


class VersionTooLargeError(StorageError):
    """Files of this size (VERSION_MAX_BYTES), or with so many holes, are not kept as versions."""

    status = 413


@dataclass(frozen=True)
class Taken:
    """A captured content: the bytes of a file that had this signature before and after."""

    signature: str
    sha256: str
    size: int
    modified: datetime


def take(source: BinaryIO, *, sync: bool = True) -> Taken:
    """Copy an open file into the store. Call it within `store.adding()`. Raises TornReadError, VersionTooLargeError or,
    where that would use the disk's reserve, DiskFullError.

    Without `sync` the copy is on disk only after `store.sync()`, which has to be called before, too: a store into a
    memory-mapped file moves the file's time only where its page has been written since the last one (mmap(2)).
    """
    for _attempt in range(TRIES):
        before = os.fstat(source.fileno())
        if before.st_size > settings.VERSION_MAX_BYTES:
            raise VersionTooLargeError("This file is too large for versions.")
        if _is_mostly_holes(source.fileno(), before):
            raise VersionTooLargeError("This file consists of holes for the most part: it has no versions.")
        if time.time() - before.st_ctime < PAUSE:
            time.sleep(PAUSE)
            continue
        if sync:
            os.fdatasync(source.fileno())  # else by `store.sync()`: stores into a mapped file are seen after that
        disk_space.require(before.st_size)
        sha256, size = store.add(source, sync=sync, most=before.st_size)
        after = os.fstat(source.fileno())
        if signature(before) == signature(after) and size == after.st_size:
            return Taken(signature(after), sha256, size, moment(after.st_mtime))
    raise TornReadError("This file is being written right now.")


def _is_mostly_holes(fd: int, status: os.stat_result) -> bool:
    """True where a copy would be many times what the file takes up: one of 4 KiB can be as long as VERSION_MAX_BYTES.

    Holes are looked for (lseek(2), SEEK_HOLE): a file system that compresses needs few blocks for a file without any.
    """
    allocated = status.st_blocks * 512
    if status.st_size - allocated <= HOLES_ALLOWED:
        return False
    data, at = 0, 0
    for _ in range(EXTENTS_LOOKED_AT):
        try:
            begin = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            break
        at = os.lseek(fd, begin, os.SEEK_HOLE)
        data += at - begin
    os.lseek(fd, 0, os.SEEK_SET)
    return status.st_size - data > max(HOLES_ALLOWED, 4 * data)


def take_path(files: LibraryFiles, path: str, *, sync: bool = True) -> Taken:
    """`take`, of a file in a library."""
    with files.open(path) as source:
        return take(source, sync=sync)
