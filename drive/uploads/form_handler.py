"""The upload form when the disk is full: Django writes its files while it reads the form, before our code runs."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.files.uploadhandler import StopUpload, TemporaryFileUploadHandler
from django.http import HttpRequest
from django.utils.translation import gettext

from drive.storage import DiskFullError, disk_space


class StagedUploadHandler(TemporaryFileUploadHandler):
    """Writes into the staging area (FILE_UPLOAD_TEMP_DIR). It stops before the disk's reserve; the request knows."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file."""
        with self._stopping():
            super().new_file(*args, **kwargs)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Write a part of it."""
        with self._stopping():
            disk_space.require(len(raw_data))
            self.file.write(raw_data)
            self.file.flush()

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        try:
            yield
        except (OSError, DiskFullError) as error:
            if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            if self.request is not None:
                self.request.disk_is_full = True  # type: ignore[attr-defined]
            raise StopUpload(connection_reset=True) from error


def check(request: HttpRequest) -> None:
    """DiskFullError when the form's files did not fit."""
    if getattr(request, "disk_is_full", False):
        raise DiskFullError(gettext("The disk is full. Nothing was uploaded. Please tell an operator of this site."))
