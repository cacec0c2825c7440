"""The addresses of resumable uploads (uploads.py): /drive/uploads/<library>/ and below it one per upload.

nginx reads the body of a PATCH into a file and hands over its name, as for PUT (transfer.py). Whoever lost the right to
write meanwhile is refused at the next request.
"""

from collections.abc import Callable
from typing import BinaryIO, cast
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, UnreadablePostError
from django.urls import reverse
from django.utils.http import http_date
from django.utils.translation import gettext

from drive.files.library_access import drive_access
from drive.models import Library
from drive.storage import IncompleteUploadError, NameTakenError, StorageError, open_library
from portal.access import person

from . import transfer, tus
from .conflicts import keep_upload
from .tus import MalformedError, Upload

OFFSET_TYPE = "application/offset+octet-stream"
Method = Callable[[HttpRequest, Library, Upload], HttpResponse]


class UnsupportedVersionError(StorageError):
    """Tus-Resumable is missing, or another version's."""

    status = 412


class UnsupportedTypeError(StorageError):
    """Bytes come as application/offset+octet-stream."""

    status = 415


def collection(request: HttpRequest, library_id: UUID) -> HttpResponse:
    """OPTIONS: what this server can do. POST: begin an upload."""
    access = drive_access(request, library_id)
    access.require_write()
    if request.method == "OPTIONS":
        return _answer(204, **{"Tus-Version": tus.VERSION, "Tus-Extension": tus.EXTENSIONS})
    if request.method != "POST":
        return HttpResponseNotAllowed(["OPTIONS", "POST"])
    return _plainly(request, lambda: _create(request, access.library))


def upload(request: HttpRequest, library_id: UUID, upload_id: str) -> HttpResponse:
    """HEAD: how much is here. PATCH: more of it. DELETE: give it up."""
    access = drive_access(request, library_id)
    access.require_write()
    method = {"HEAD": _status, "PATCH": _append, "DELETE": _end}.get(request.method or "")
    if method is None:
        return HttpResponseNotAllowed(["HEAD", "PATCH", "DELETE"])
    return _plainly(
        request, lambda: method(request, access.library, tus.find(person(request), access.library, upload_id))
    )


def _plainly(request: HttpRequest, work: Callable[[], HttpResponse]) -> HttpResponse:
    try:
        if request.headers.get("Tus-Resumable") != tus.VERSION:
            raise UnsupportedVersionError("This server speaks tus 1.0.0 (Tus-Resumable).")
        return work()
    except StorageError as error:
        response = _answer(error.status, str(error))
        if isinstance(error, UnsupportedVersionError):
            response["Tus-Version"] = tus.VERSION
        return response


def _answer(status: int, text: str = "", **headers: str) -> HttpResponse:
    headers = {"Tus-Resumable": tus.VERSION, "Cache-Control": "no-store"} | headers
    return HttpResponse(text, status=status, headers=headers, content_type="text/plain; charset=utf-8")


def _number(request: HttpRequest, name: str) -> int:
    value = request.headers.get(name, "")
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise MalformedError(f"{name} must be a number of bytes.")
    return int(value)


def _create(request: HttpRequest, library: Library) -> HttpResponse:
    length = _number(request, "Upload-Length")
    path = tus.target_of(tus.read_metadata(request.headers.get("Upload-Metadata", "")))
    made = tus.create(person(request), library, path, length)
    response = _go_on(request, library, made, 0) if length == 0 else _progress(made, 201)
    if response.status_code == 204:
        response.status_code = 201
    response["Location"] = reverse("drive:upload", args=[library.pk, made.id])
    return response


def _status(request: HttpRequest, library: Library, found: Upload) -> HttpResponse:
    response = _progress(found, 200)
    response["Upload-Length"] = str(found.length)
    return response


def _append(request: HttpRequest, library: Library, found: Upload) -> HttpResponse:
    if request.content_type != OFFSET_TYPE:
        raise UnsupportedTypeError(f"Send the bytes as {OFFSET_TYPE}.")
    offset = _number(request, "Upload-Offset")
    with tus.alone(found):
        return _go_on(request, library, found, _take(request, found, offset))


def _take(request: HttpRequest, found: Upload, offset: int) -> int:
    arrived = transfer.body_file(request)
    if arrived:
        return tus.append_file(found, offset, arrived)
    try:
        return tus.append(found, offset, cast(BinaryIO, request))
    except UnreadablePostError as error:
        raise IncompleteUploadError(
            gettext("The connection was interrupted. The part received so far is kept.")
        ) from error


def _go_on(request: HttpRequest, library: Library, found: Upload, offset: int) -> HttpResponse:
    """The answer to new bytes. After the last one the file is put in place; where its name is taken, it waits."""
    if offset < found.length:
        return _progress(found, 204)
    user = person(request)
    try:
        entry = tus.finish(user, library, found)
    except NameTakenError as error:
        with open_library(library) as files:
            conflict = keep_upload(files, user, library, found.path, found.data, error)
        found.note.unlink(missing_ok=True)
        response = transfer.as_json(error, conflict)
        response["Tus-Resumable"] = tus.VERSION
        return response
    return _answer(204, **{"Upload-Offset": str(offset), "ETag": entry.etag})


def _end(request: HttpRequest, library: Library, found: Upload) -> HttpResponse:
    with tus.alone(found):
        tus.end(found)
    return _answer(204)


def _progress(found: Upload, status: int) -> HttpResponse:
    headers = {"Upload-Offset": str(found.offset), "Upload-Expires": http_date(found.expires.timestamp())}
    return _answer(status, **headers)
