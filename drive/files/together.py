"""Files that several people edit together: saved every few seconds, with a version every few minutes.

The caller has checked that everybody who typed may write there. Unlike `operations.put` a save makes no version of what
it replaces: that would be one per sentence. Who saves says by `keep` what is worth one; should it end before it can,
what it saved last is captured after CAPTURE_AFTER (`drive.versions.scan`).
"""

import io
import logging
import os
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import DatabaseError
from django.utils import timezone

from drive.libraries import quota
from drive.models import File, Library
from drive.preview import ahead
from drive.storage import FileEntry, LibraryFiles, disk_space, path_codec
from drive.versions import records, store
from drive.versions.capture import Taken

log = logging.getLogger(__name__)

CAPTURE_AFTER = timedelta(minutes=12)
"""Longer than the time between two versions that the rooms ask for."""


def known_file(library: Library, path: str, files: LibraryFiles) -> File:
    """The row of a file, made if no scan has seen it yet: by whom it was written, the next one finds out.

    NotFoundError if there is no file.
    """
    row = records.live(library, path)
    if row is None:
        entry = files.stat(path)
        # Without a signature: the scan takes it for changed, and asks whose Lab it was. Not to be captured before.
        unseen = {"size": entry.size, "changed_at": entry.modified, "is_captured": True, "via": "lab"}
        row, _created = File.objects.get_or_create(
            library=library,
            path_key=path_codec.key(path),
            trashed=None,
            defaults={"path": path_codec.to_row(path), "signature": "", **unseen},
        )
    return row


def save(
    row: File, content: bytes, files: LibraryFiles, *, if_match: str, authors: Collection[int]
) -> tuple[FileEntry, int]:
    """Replace the file's content; `authors`: ids of those who typed since the last save.

    Returns what is there now, and a descriptor of it that reads nothing (O_PATH), to be closed by the caller: a Lab may
    have moved the file away by now, and the path may lead nowhere or to another one.

    To be called within `records.changing(row.library)`, with the row as it is then. StorageError (ChangedError when the
    file has another ETag) or DatabaseError; then nothing was changed. Where the database fails after the file was
    replaced, the save counts: who takes it for undone would find its own text as somebody else's, and double it.
    """
    path = path_codec.from_row(row.path)
    there = files.stat(path).size
    with quota.held(row.library, len(content) - there, 0), files.staged(io.BytesIO(content), len(content)) as staged:
        handle = os.open(staged, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            entry = files.put(path, staged, if_match=if_match)
            _record(row, entry, authors)
            ahead.wake(row.library_id, path)
        except BaseException:
            os.close(handle)
            raise
    return entry, handle


def _record(row: File, entry: FileEntry, authors: Collection[int]) -> None:
    try:
        records.typed(row, entry, authors, capture_after=timezone.now() + CAPTURE_AFTER)
    except DatabaseError:
        log.exception("%a of %s is saved, and the database does not know by whom", row.path, row.library_id)


def keep(
    row: File, content: bytes, *, authors: Collection[int], held_by: str = "", modified: datetime | None = None
) -> None:
    """Make a version of something that the file holds or held, unless its newest version is that.

    `authors`: ids of those who typed it; empty if it was written elsewhere. `held_by`: the signature of the file while
    it held that.
    """
    disk_space.require(len(content))
    with store.adding():
        sha256, size = store.add(io.BytesIO(content))
        records.kept(row, Taken(held_by, sha256, size, modified or timezone.now()), authors)
