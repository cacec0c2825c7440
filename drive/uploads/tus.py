"""Resumable uploads: tus 1.0 with creation, termination and expiration.

tus.io/protocols/resumable-upload is the specification.

An upload is two files in staging: `tus-<id>` holds the bytes that have arrived, and its size is the offset; beside it
`tus-<id>.json` says whose it is and where it belongs. Nothing is in the library before the last byte has arrived, and
then it is the whole file at once. What nobody goes on with, and the notes of what is done, are removed a day after the
last byte (`layout.sweep_staging`).
"""

import base64
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from django.utils.translation import gettext

from drive.files import operations
from drive.libraries import quota
from drive.models import Library
from drive.storage import (
    ABSENT,
    FileEntry,
    NotFoundError,
    StorageError,
    WrongPathError,
    disk_space,
    layout,
    open_library,
    promises,
    translate_errors,
)
from drive.storage.files import sync_staged
from drive.storage.names import new_name, split
from portal.file_lock import file_lock
from portal.models import User

VERSION = "1.0.0"
EXTENSIONS = "creation,termination,expiration"
KEPT = timedelta(days=1)
"""After the last byte; no longer than `drive.tasks.KEEP_STAGED`."""
MOST_METADATA = 8192
CHUNK = 1 << 20
_ID_BYTES = 16


class MalformedError(StorageError):
    """The request is not one of the protocol."""


class OffsetMismatchError(StorageError):
    """The bytes begin elsewhere than the last ones ended."""

    status = 409


class UploadBusyError(StorageError):
    """Another request is adding to this upload."""

    status = 423


class UploadTooLongError(StorageError):
    """More bytes than were announced."""

    status = 413


@dataclass(frozen=True)
class Upload:
    """One upload: an id, whose it is, where it belongs, how many bytes it will have."""

    id: str
    user_id: int
    library_id: str
    path: str
    length: int
    is_done: bool = False
    """True if the file is in place: a sender that lost the last answer asks again."""
    link_id: str = ""
    """Of the upload link through which it comes; then `user_id` is 0."""

    @property
    def data(self) -> Path:
        """The bytes that have arrived."""
        return layout.staging() / f"tus-{self.id}"

    @property
    def note(self) -> Path:
        """Path of the JSON file that describes this upload."""
        return layout.staging() / f"tus-{self.id}.json"

    @property
    def offset(self) -> int:
        """Number of bytes that have arrived. NotFoundError if the upload has ended."""
        if self.is_done:
            return self.length
        try:
            return self.data.stat().st_size
        except FileNotFoundError as error:
            raise no_upload() from error

    @property
    def expires(self) -> datetime:
        """When it will be removed, unless more bytes arrive."""
        last = self.note if self.is_done else self.data
        with translate_errors():
            return datetime.fromtimestamp(last.stat().st_mtime, UTC) + KEPT


def no_upload() -> NotFoundError:
    """The refusal of an upload that was never begun, or has ended."""
    return NotFoundError(gettext("No such upload, or it has ended."))


def read_metadata(header: str) -> dict[str, str]:
    """Upload-Metadata: `key base64, key base64`. MalformedError for what is none."""
    if len(header) > MOST_METADATA:
        raise MalformedError("Upload-Metadata is too long.")
    found: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in header.split(","))):
        key, _, value = pair.partition(" ")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except ValueError as error:  # of base64, of its alphabet, of UTF-8
            raise MalformedError(f"Upload-Metadata: the value of “{key}” is not UTF-8 in base64.") from error
    return found


def target_of(metadata: dict[str, str]) -> str:
    """The path in the library: `folder`, then `relativePath` (of a folder that is uploaded) or `filename`."""
    name = metadata.get("relativePath") or metadata.get("filename", "")
    inside = [new_name(part) for part in split(name)]
    if not inside:
        raise WrongPathError(gettext("The upload has no name (Upload-Metadata: filename)."))
    return "/".join([*split(metadata.get("folder", "").strip("/")), *inside])


def create(user: User, library: Library, path: str, length: int) -> Upload:
    """Begin an upload. OverQuotaError or DiskFullError where it will not fit; nothing has been sent yet then."""
    upload = begin(Upload(new_id(), user.pk, str(library.pk), path, length))
    try:
        promise(library, upload)
    except StorageError:
        end(upload)
        raise
    return upload


def promise(library: Library, upload: Upload, *, sender: str = "") -> None:
    """Promise an upload its room, unless that holds. OverQuotaError or DiskFullError where it does not fit."""
    if not promises.is_made(upload.id, promises.UPLOAD):
        quota.promise(
            library,
            upload.id,
            promises.UPLOAD,
            size=upload.length,
            files=1,
            disk=upload.length,
            arrived=upload.offset,
            link=upload.link_id,
            sender=sender or quota.sender_of(upload.user_id),
        )


def new_id() -> str:
    """An id that nobody guesses."""
    return secrets.token_hex(_ID_BYTES)


def begin(upload: Upload) -> Upload:
    """Write down an upload of which it is known that there is room for it."""
    with translate_errors():
        upload.data.touch(exist_ok=False)
        upload.note.write_text(json.dumps(asdict(upload)))
    return upload


def find(user: User, library: Library, upload_id: str) -> Upload:
    """The person's own upload to this library. NotFoundError for any other."""
    upload = read(upload_id)
    if (upload.user_id, upload.library_id, upload.link_id) != (user.pk, str(library.pk), ""):
        raise no_upload()
    return upload


def read(upload_id: str) -> Upload:
    """The upload of an id, whosever it is. NotFoundError where there is none."""
    note = layout.staging() / f"tus-{upload_id}.json"
    try:
        return Upload(**json.loads(note.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise no_upload() from error


@contextmanager
def alone(upload: Upload) -> Iterator[None]:
    """One request at a time may add to an upload (UploadBusyError)."""
    with translate_errors(), file_lock(upload.data, wait=False, create=False) as locked:
        if not locked:
            raise UploadBusyError(gettext("Another request is uploading this file."))
        yield


def append(upload: Upload, offset: int, source: BinaryIO) -> int:
    """Add what `source` holds, as it arrives; returns the new offset. Call it within `alone`.

    Bytes that have arrived before the sender broke off, or the disk was full, stay: the sender asks how many they are.
    """
    _check(upload, offset)
    with translate_errors(), upload.data.open("ab") as target:
        while chunk := source.read(CHUNK):
            offset += len(chunk)
            _check_length(upload, offset)
            disk_space.require(len(chunk))
            target.write(chunk)
    return upload.offset


def append_file(upload: Upload, offset: int, arrived: Path) -> int:
    """As `append`, of a file in staging, which is used up. One that is the whole upload is not even copied."""
    size = sync_staged(arrived)
    _check(upload, offset)
    _check_length(upload, offset + size)
    os.utime(arrived)
    if offset == 0 and size == upload.length:
        arrived.replace(upload.data)
        return size
    with translate_errors(), arrived.open("rb") as source, upload.data.open("r+b") as target:
        target.seek(offset)
        while os.copy_file_range(source.fileno(), target.fileno(), 1 << 30):
            pass
    return upload.offset


def _check(upload: Upload, offset: int) -> None:
    if offset != upload.offset:
        raise OffsetMismatchError(f"{upload.offset} bytes have arrived, but this request begins at {offset}.")
    os.utime(upload.note)


def _check_length(upload: Upload, offset: int) -> None:
    if offset > upload.length:
        raise UploadTooLongError(f"More than the {upload.length} announced bytes were sent.")


def check_piece(upload: Upload, length: int | None) -> None:
    """UploadTooLongError for more bytes than are missing; None are those of a body without a length."""
    _check_length(upload, upload.offset + (length or 0))


def finish(user: User, library: Library, upload: Upload) -> FileEntry:
    """Put the complete file in place; missing folders are made. On NameTakenError the upload stays in staging."""
    folder, _, _name = upload.path.rpartition("/")
    with open_library(library) as files:
        if folder:
            files.make_folders(folder)
    with promises.using(upload.id):
        entry = operations.put(user, library, upload.path, upload.data, if_match=ABSENT)
    mark_done(upload)
    return entry


def mark_done(upload: Upload) -> None:
    """Note that the file is in place."""
    upload.note.write_text(json.dumps(asdict(replace(upload, is_done=True))))
    promises.end(upload.id, promises.UPLOAD)


def end(upload: Upload) -> None:
    """Give it up."""
    upload.data.unlink(missing_ok=True)
    upload.note.unlink(missing_ok=True)
    promises.end(upload.id, promises.UPLOAD)
