"""A file's bytes into the store: never torn, never waiting, never too large."""

import os
import time
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from django.conf import settings

from drive.storage import LibraryFiles, StorageError, signature
from drive.storage.files import moment

from . import store

TRIES = 3
PAUSE = 0.05
"""Seconds between tries, and longer than the clock of a file system may stand still: a file written twice within one
tick looks unchanged (kernel docs, "multigrain timestamps")."""


class TornReadError(StorageError):
    """The file is being written: what could be copied would be neither the old content nor the new."""

    status = 409


class VersionTooLargeError(StorageError):
    """Files of this size are not kept as versions (VERSION_MAX_BYTES)."""

    status = 413


@dataclass(frozen=True)
class Taken:
    """A captured content: the bytes of a file that had this signature before and after."""

    signature: str
    sha256: str
    size: int
    modified: datetime


def take(source: BinaryIO, *, sync: bool = True) -> Taken:
    """Copy an open file into the store. Call it within `store.adding()`. Raises TornReadError or VersionTooLargeError.

    Without `sync` the copy is on disk only after `store.sync()`, which has to be called before, too: a store into a
    memory-mapped file moves the file's time only where its page has been written since the last one (mmap(2)).
    """
    for _attempt in range(TRIES):
        before = os.fstat(source.fileno())
        if before.st_size > settings.VERSION_MAX_BYTES:
            raise VersionTooLargeError("This file is too large for versions.")
        if time.time() - before.st_ctime < PAUSE:
            time.sleep(PAUSE)
            continue
        if sync:
            os.fdatasync(source.fileno())  # else by `store.sync()`: stores into a mapped file are seen after that
        sha256, size = store.add(source, sync=sync, most=before.st_size)
        after = os.fstat(source.fileno())
        if signature(before) == signature(after) and size == after.st_size:
            return Taken(signature(after), sha256, size, moment(after.st_mtime))
    raise TornReadError("This file is being written right now.")


def take_path(files: LibraryFiles, path: str, *, sync: bool = True) -> Taken:
    """`take`, of a file in a library."""
    with files.open(path) as source:
        return take(source, sync=sync)
