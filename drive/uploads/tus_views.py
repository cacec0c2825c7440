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
from portal.models import User

from . import cut_pieces, transfer, tus
from .conflicts import keep_upload
from .tus import MalformedError, Upload

OFFSET_TYPE = "application/offset+octet-stream"
Place = Callable[[Upload], HttpResponse]
"""Puts an upload in place whose last byte has arrived, and answers."""


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
    user, library = person(request), access.library

    def create(metadata: dict[str, str], length: int) -> Upload:
        return tus.create(user, library, tus.target_of(metadata), length)

    def address(made: Upload) -> str:
        return reverse("drive:upload", args=[library.pk, made.id])

    return answer_collection(request, create, _placing(user, library), address)


def upload(request: HttpRequest, library_id: UUID, upload_id: str) -> HttpResponse:
    """HEAD: how much is here. PATCH: more of it. DELETE: give it up."""
    access = drive_access(request, library_id)
    access.require_write()
    user, library = person(request), access.library
    return answer_upload(request, lambda: tus.find(user, library, upload_id), _placing(user, library))


def answer_collection(
    request: HttpRequest,
    create: Callable[[dict[str, str], int], Upload],
    place: Place,
    address: Callable[[Upload], str],
) -> HttpResponse:
    """The protocol's answer where uploads begin. `create` is given the metadata and the length in bytes."""
    if request.method == "OPTIONS":
        return answer(204, **{"Tus-Version": tus.VERSION, "Tus-Extension": tus.EXTENSIONS})
    if request.method != "POST":
        return HttpResponseNotAllowed(["OPTIONS", "POST"])
    return plainly(request, lambda: _create(request, create, place, address))


def answer_upload(request: HttpRequest, find: Callable[[], Upload], place: Place) -> HttpResponse:
    """The protocol's answer at the address of one upload."""
    method = {"HEAD": _status, "PATCH": _append, "DELETE": _end}.get(request.method or "")
    if method is None:
        return HttpResponseNotAllowed(["HEAD", "PATCH", "DELETE"])
    return plainly(request, lambda: method(request, find(), place))


def plainly(request: HttpRequest, work: Callable[[], HttpResponse]) -> HttpResponse:
    """The answer of `work`, or what went wrong as plain text, as the protocol has it."""
    try:
        if request.headers.get("Tus-Resumable") != tus.VERSION:
            raise UnsupportedVersionError("This server speaks tus 1.0.0 (Tus-Resumable).")
        return work()
    except StorageError as error:
        response = answer(error.status, str(error))
        if isinstance(error, UnsupportedVersionError):
            response["Tus-Version"] = tus.VERSION
        return response


def answer(status: int, text: str = "", **headers: str) -> HttpResponse:
    """An answer with the protocol's headers."""
    headers = {"Tus-Resumable": tus.VERSION, "Cache-Control": "no-store"} | headers
    return HttpResponse(text, status=status, headers=headers, content_type="text/plain; charset=utf-8")


def number_of(request: HttpRequest, name: str) -> int:
    """The number of bytes in a header. MalformedError for what is none."""
    value = request.headers.get(name, "")
    if not (value.isascii() and value.isdecimal() and len(value) < 19):
        raise MalformedError(f"{name} must be a number of bytes.")
    return int(value)


def _create(
    request: HttpRequest,
    create: Callable[[dict[str, str], int], Upload],
    place: Place,
    address: Callable[[Upload], str],
) -> HttpResponse:
    length = number_of(request, "Upload-Length")
    made = create(tus.read_metadata(request.headers.get("Upload-Metadata", "")), length)
    response = _go_on(made, 0, place) if length == 0 else _progress(made, 201)
    if response.status_code == 204:
        response.status_code = 201
    response["Location"] = address(made)
    return response


def _status(_request: HttpRequest, found: Upload, _place: Place) -> HttpResponse:
    cut_pieces.take(found)
    response = _progress(found, 200)
    response["Upload-Length"] = str(found.length)
    return response


def _append(request: HttpRequest, found: Upload, place: Place) -> HttpResponse:
    if request.content_type != OFFSET_TYPE:
        raise UnsupportedTypeError(f"Send the bytes as {OFFSET_TYPE}.")
    offset = number_of(request, "Upload-Offset")
    with tus.alone(found):
        return _go_on(found, _take(request, found, offset), place)


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


def _go_on(found: Upload, offset: int, place: Place) -> HttpResponse:
    """The answer to new bytes. After the last one the file is put in place."""
    return _progress(found, 204) if offset < found.length else place(found)


def _placing(user: User, library: Library) -> Place:
    """Puts a person's upload in place; where its name is taken, it waits for their choice."""

    def place(found: Upload) -> HttpResponse:
        try:
            entry = tus.finish(user, library, found)
        except NameTakenError as error:
            with open_library(library) as files:
                conflict = keep_upload(files, user, library, found.path, found.data, error)
            found.note.unlink(missing_ok=True)
            response = transfer.as_json(error, conflict)
            response["Tus-Resumable"] = tus.VERSION
            return response
        return answer(204, **{"Upload-Offset": str(found.length), "ETag": entry.etag})

    return place


def _end(_request: HttpRequest, found: Upload, _place: Place) -> HttpResponse:
    with tus.alone(found):
        tus.end(found)
    return answer(204)


def _progress(found: Upload, status: int) -> HttpResponse:
    headers = {"Upload-Offset": str(found.offset), "Upload-Expires": http_date(found.expires.timestamp())}
    return answer(status, **headers)
