"""Saves through Jupyter's contents API, told by a Lab: versions of what is overwritten, and of what was saved.

A Lab is not believed. The bytes come from the file on the Drive, and whoever saved is the author of a version only if
its bytes are those that the Lab says it wrote: what another program wrote in between is nobody's. Other people's saves
cannot be claimed either: an author that is known stays.
"""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import BinaryIO

from django.utils import timezone

from drive.models import File, Library
from drive.storage import DiskFullError, LibraryFiles, NotAFileError, NotFoundError, disk_space, open_library, signature
from drive.storage.errors import translate_errors
from portal.models import User

from . import records, store
from .capture import Taken, VersionTooLargeError, take

AT_ONCE = 64 * 2**20
"""Bytes up to which a version is made while the Lab waits, half a second or so; a larger file is left to the scan."""
FULL = "The disk is full: no version of the file could be kept."
CLAIMED_WITHIN = timedelta(minutes=5)
"""How much later a Lab may tell that a version which somebody else's save or a scan has made holds what it saved."""


class TooLargeAtOnceError(VersionTooLargeError):
    """A file of more than AT_ONCE bytes (413); the next scan captures it."""


def keep_current(library: Library, path: str, by: User | None) -> int:
    """Make a version of what a file holds now, before it is overwritten; returns the bytes copied.

    0 where there is no file, or its newest version holds the same. `by`: whose work it must be where that is not known,
    None for nobody in particular. Raises TornReadError while another program writes it, TooLargeAtOnceError,
    DiskFullError.
    """
    with open_library(library) as files:
        source = _open(files, path)
        if source is None:
            return 0
        with source:
            row = records.live(library, path)
            if row and _is_captured(row, source):
                return 0
            return _capture(library, path, source, lambda _sha256: by)


def keep_saved(actor: User, library: Library, path: str, sha256: str) -> int:
    """Make a version of what the Lab of `actor` has saved; returns the bytes copied. Raises what `keep_current` does.

    `sha256`: of what the Lab wrote, empty where that is not known. If the file holds something else by now, that is
    captured as nobody's; a version of what was saved that was made before it was overwritten becomes theirs.
    """
    size = 0
    with open_library(library) as files:
        source = _open(files, path)
        if source is not None:
            with source:
                row = records.live(library, path)
                if row is None or not _is_captured(row, source):
                    size = _capture(library, path, source, lambda found: actor if found == sha256 else None)
    row = records.live(library, path)
    if row and sha256:
        records.claim(row, sha256, actor, timezone.now() - CLAIMED_WITHIN)
    return size


def _open(files: LibraryFiles, path: str) -> BinaryIO | None:
    try:
        return files.open(path)
    except (NotFoundError, NotAFileError):
        return None


def _is_captured(row: File, source: BinaryIO) -> bool:
    return row.is_captured and row.signature == signature(os.fstat(source.fileno()))


def _capture(library: Library, path: str, source: BinaryIO, author_of: Callable[[str], User | None]) -> int:
    """Returns the bytes copied. `author_of`: by their SHA-256."""
    if os.fstat(source.fileno()).st_size > AT_ONCE:
        raise TooLargeAtOnceError("This file is too large to be captured at once.")
    _check_room()
    with store.adding():
        taken = _take(source)
        state = records.State(taken.signature, taken.size, taken.modified)
        row = records.written_in_lab(library, path, state, author_of(taken.sha256))
        records.captured([(row, taken)])
    return taken.size


def _check_room() -> None:
    """Versions count against no quota: they end where uploads do, before the disk is full."""
    if disk_space.left() < AT_ONCE or disk_space.is_short():
        raise DiskFullError(FULL)


def _take(source: BinaryIO) -> Taken:
    try:
        with translate_errors():
            return take(source)
    except DiskFullError as error:
        raise DiskFullError(FULL) from error
