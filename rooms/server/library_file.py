"""The file behind a room: one file of a library, wherever it is renamed or moved to (`rooms.room.file.RoomFile`).

Two things say where it is. Its row in the database (`drive.models.File`) follows what is done on the pages and through
the API: renames, moves to other libraries, the trash and back. A descriptor that reads nothing (O_PATH) follows what
is done in a Lab: the kernel says what the file is called now (proc(5), `/proc/self/fd`). The row counts more: a Lab's
editor may rename the old file away and write another in its place, which is a change and no move.
"""

import hashlib
import logging
import os
import threading
import time
from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import DatabaseError

from drive.files import together
from drive.libraries.quota import OverQuotaError
from drive.models import File, Library
from drive.storage import (
    AccessDeniedError,
    ChangedError,
    DiskFullError,
    FileEntry,
    LibraryFiles,
    NotAFileError,
    NotFoundError,
    StorageError,
    etag,
    layout,
    open_library,
    openat2,
    path_codec,
    shown,
    signature,
    translate_errors,
)
from drive.storage.files import moment
from drive.versions import records, trash
from rooms.room.file import (
    Content,
    FileChangedError,
    FileGoneError,
    NoSpaceError,
    NotWritableError,
    QuotaError,
    RoomFileError,
)

log = logging.getLogger(__name__)

TRIES = 5
PAUSE = 0.05
"""Seconds between two tries to read a file that is being written."""
GONE = "This file was deleted."
DELETED: Final = " (deleted)"
"""What the kernel writes behind the name of a file that has none any more."""


@dataclass(frozen=True)
class _Held:
    """What was read or written last, the file's signature then, and its time."""

    sha256: str = ""
    signature: str = ""
    modified: datetime | None = None


class LibraryFile:
    """One file. All methods block, and may be called in any thread, one at a time."""

    def __init__(self, file: File, most: int) -> None:
        self.file_id = file.pk
        self.library: Library = file.library
        self._path = path_codec.from_row(file.path)
        self._most = most
        self._lock = threading.Lock()
        self._handle: int | None = None
        self._inode = 0
        self._held = _Held()

    def close(self) -> None:
        """Let the descriptor go."""
        with self._lock:
            self._let_go()

    def path(self) -> str:
        """Path within the library, as found last, with what is not UTF-8 replaced."""
        return shown(self._path)

    def etag(self) -> str:
        """ETag now, of the file that is followed to where it is. FileGoneError."""
        with self._working():
            return self._find()

    def read(self) -> Content:
        """The content, all of one moment. FileGoneError; RoomFileError where it is too large or never still."""
        with self._working():
            for attempt in range(TRIES):
                self._find()
                found = self._read_once()
                if found:
                    return found
                time.sleep(PAUSE * attempt)
        raise RoomFileError("Another program is writing this file all the time.")

    def write(self, data: bytes, *, if_match: str, authors: Set[int]) -> str:
        """Replace the content; returns the new ETag. See `RoomFile.write` for the errors."""
        with self._working(), self._changing() as row, open_library(self.library) as files:
            _check_writable(row)
            self._follow(files)
            row = self._row()
            entry, handle = together.save(row, data, files, if_match=if_match, authors=authors)
            self._hold(handle)
            self._held = _Held(_digest(data), entry.signature, entry.modified)
            return entry.etag

    def keep_version(self, data: bytes, *, authors: Set[int], reason: str) -> None:
        """Make a version of what the file holds or held, unless its newest is that; also while it is in the trash."""
        with self._working():
            row = File.objects.filter(pk=self.file_id).first()
            if row is None:
                raise FileGoneError(GONE)
            held = self._held if self._held.sha256 == _digest(data) else _Held()
            together.keep(row, data, authors=authors, held_by=held.signature, modified=held.modified)

    # Within

    @contextmanager
    def _working(self) -> Iterator[None]:
        """One thread at a time, and the errors of the storage layer in the words of a room."""
        with self._lock:
            try:
                with translate_errors():
                    yield
            except ChangedError as error:
                raise FileChangedError(str(error)) from error
            except OverQuotaError as error:
                raise QuotaError(str(error)) from error
            except DiskFullError as error:
                raise NoSpaceError(str(error)) from error
            except (AccessDeniedError, NotAFileError) as error:
                raise NotWritableError(str(error)) from error
            except NotFoundError as error:
                raise FileGoneError(GONE) from error
            except StorageError as error:
                raise RoomFileError(str(error)) from error
            except (OSError, DatabaseError) as error:
                log.exception("file %s of library %s", self.file_id, self.library.pk)
                raise RoomFileError("The Drive does not work at this moment.") from error

    @contextmanager
    def _changing(self) -> Iterator[File]:
        """The row as it is while no path of the library changes on the pages."""
        while True:
            library = self.library
            with records.changing(library):
                row = self._row()
                if self.library == library:
                    yield row
                    return

    def _row(self) -> File:
        """The row now; this follows it. FileGoneError when the file is in the trash, or the row is gone."""
        row = File.objects.select_related("library__owner_collab", "trashed__deleted_by").filter(pk=self.file_id)
        found = row.first()
        if found is None:
            raise FileGoneError(GONE)
        if found.trashed:
            who = found.trashed.deleted_by
            raise FileGoneError(GONE, by=who.display_name if who else "")
        if found.library.deleted_at:
            raise FileGoneError("The library of this file was deleted.")
        self.library, self._path = found.library, path_codec.from_row(found.path)
        return found

    def _find(self) -> str:
        """ETag of the file, which is looked for where it is not what was held last. FileGoneError."""
        with suppress(NotFoundError), open_library(self.library) as files:
            entry = files.stat(self._path)
            if entry.kind == "file" and _inode(entry) == self._inode:
                return entry.etag
        with self._changing(), open_library(self.library) as files:
            return self._follow(files)

    def _follow(self, files: LibraryFiles) -> str:
        """The same, at the path of the row, or where a Lab has moved it to. To be called within `_changing`."""
        try:
            entry = files.stat(self._path)
        except NotFoundError:
            moved = self._path_in_lab()
            if not moved:
                raise FileGoneError("This file was deleted in a Lab.") from None
            entry = files.stat(moved)
            trash.clear(self.library, moved)
            records.move(self.library, self._path, moved, self.library)
            self._path = moved
        if entry.kind != "file":
            raise NotWritableError("Something that is not a file is in the place of this file.")
        self._hold(openat2.open_beneath(files.root, os.fsencode(self._path), os.O_PATH | os.O_NOFOLLOW))
        return entry.etag

    def _path_in_lab(self) -> str:
        """Where the file has been moved within its library, as the kernel says; "" if it has not."""
        if self._handle is None or not os.fstat(self._handle).st_nlink:
            return ""
        there = os.readlink(f"/proc/self/fd/{self._handle}")
        root = f"{layout.find(self.library.pk).resolve()}{os.sep}"
        return there.removeprefix(root) if there.startswith(root) and not there.endswith(DELETED) else ""

    def _read_once(self) -> Content | None:
        """None when it was written meanwhile."""
        with open_library(self.library) as files, files.open(self._path) as source:
            before = os.fstat(source.fileno())
            if before.st_size > self._most:
                raise RoomFileError("This file is too large to be edited together.")
            data = source.read(self._most + 1)
            after = os.fstat(source.fileno())
        if signature(before) != signature(after) or len(data) != after.st_size:
            return None
        self._held = _Held(_digest(data), signature(after), moment(after.st_mtime))
        return Content(data, etag(after))

    def _hold(self, handle: int) -> None:
        """Know the file of this descriptor again, wherever it goes."""
        self._let_go()
        self._handle, self._inode = handle, os.fstat(handle).st_ino

    def _let_go(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _check_writable(row: File) -> None:
    """NotWritableError in a Collab that is archived: access to it was taken away a moment ago."""
    collab = row.library.owner_collab
    if collab and collab.archived_at:
        raise NotWritableError("This Collab is archived: nothing in it can be changed.")


def _inode(entry: FileEntry) -> int:
    return int(entry.etag.strip('"').partition("-")[0], 16)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
