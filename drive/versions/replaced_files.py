"""Replaced files are kept as versions, or whole in the trash."""

import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from drive.models import File, Library
from drive.storage import DiskFullError, StorageError, etag, signature
from drive.storage.files import moment
from portal.models import User

from . import records, store, trash
from .capture import TornReadError, VersionTooLargeError, take


class ReplacedFileSaver:
    """Makes a version of what a file held (`drive.storage.ReplacedFileHandler`).

    A file that is too large for versions, that somebody is writing at this moment, that cannot be read, or of which the
    disk has no room for a copy, goes to the trash as it is.
    """

    def __init__(self, actor: User | None, library: Library, path: str) -> None:
        self.actor = actor
        self.library = library
        self.path = path
        self.etag = ""

    def keep(self, source: BinaryIO) -> None:
        """Capture what is there, unless that was done already."""
        with suppress(TornReadError, VersionTooLargeError, DiskFullError):  # `take` sees to it
            self._capture(source)

    def take(self, replaced: Path) -> None:
        """Remove the replaced file when it is what `keep` saw; else a notebook has saved meanwhile: capture that."""
        try:
            fd = os.open(replaced, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as source:
                if etag(os.fstat(fd)) != self.etag:
                    self._capture(source)
        except (OSError, StorageError):
            trash.add_replaced(self.actor, self.library, self.path, replaced)
        else:
            replaced.unlink()

    def _capture(self, source: BinaryIO) -> None:
        status = os.fstat(source.fileno())
        row = records.live(self.library, self.path)
        if not (row and row.is_captured and row.signature == signature(status)):
            with store.adding():
                taken = take(source)
                records.captured([(row or self._unknown(status), taken)])
        self.etag = etag(status)

    def _unknown(self, status: os.stat_result) -> File:
        """A history for a file that a notebook has made since the last scan."""
        state = records.State(signature(status), status.st_size, moment(status.st_mtime))
        return records.found(self.library, self.path, state, by=None)
