"""Downloads and uploads. nginx moves the bytes: down by X-Accel-Redirect, up as a file that it wrote into staging."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast
from urllib.parse import quote

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext

from drive.files import operations
from drive.files.paths import quoted
from drive.models import Library, Version
from drive.preview import media, pictures
from drive.storage import (
    ABSENT,
    ChangedError,
    FileEntry,
    IncompleteUploadError,
    LibraryFiles,
    NameTakenError,
    StorageError,
    WrongPathError,
    etag,
    layout,
    open_library,
    shown,
)
from drive.versions import store

from .conflicts import UploadConflict, keep_upload

_TYPES = pictures.TYPES | media.TYPES
"""Types that a page of ours shows as a picture or plays; everything else is bytes."""


class AmbiguousConditionError(StorageError):
    """A condition that would have to be ignored, were the request carried out."""


class LengthRequiredError(StorageError):
    """A body in chunks, and no nginx that has put it into a file."""

    status = 411


def send(request: HttpRequest, library: Library, files: LibraryFiles, path: str, inside: str) -> HttpResponse:
    """A file as a download. It is never shown as a page of the portal's origin: the content is somebody else's.

    `path` is the file in `files`, `inside` its path in the library. Storage has resolved the path; nginx opens it again
    with `disable_symlinks on`, which follows no link either. The ETag is the one that a later PUT's `If-Match` is held
    against; nginx hands on ours instead of its own.
    """
    source = files.open(path)
    address = layout.internal_address(library, inside) if settings.DRIVE_USE_ACCEL else ""
    return _deliver(request, source, address, path.rpartition("/")[2], etag(os.fstat(source.fileno())))


def send_version(request: HttpRequest, version: Version, name: str) -> HttpResponse:
    """Download of a version."""
    source = store.open_object(version.sha256)
    address = str(store.path_of(version.sha256).relative_to(layout.root()))
    return _deliver(request, source, address, name, f'"{version.sha256}"')


def _deliver(request: HttpRequest, source: BinaryIO, address: str, name: str, tag: str) -> HttpResponse:
    """`address`: below DRIVE_ROOT, for nginx."""
    if settings.DRIVE_USE_ACCEL:
        source.close()
        response = HttpResponse(headers={"X-Accel-Redirect": f"/_drive/{quoted(address)}"})
    else:
        response = FileResponse(source)  # type: ignore[assignment]
    response["Content-Type"] = _TYPES.get(pictures.extension(name), "application/octet-stream")
    response["Content-Disposition"] = disposition(name)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["Cache-Control"] = "private, no-cache"
    response["ETag"] = tag
    answer = get_conditional_response(request, etag=tag, response=response)
    if answer is not response:
        source.close()
    return answer or response


def disposition(name: str) -> str:
    """Content-Disposition for a download of any name (RFC 6266), with a plain one for old programs."""
    name = shown(name)
    plain = re.sub(r"[^ !#-\[\]-~]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=utf-8''{quote(name, safe='')}"


def receive(request: HttpRequest, library: Library, path: str) -> HttpResponse:
    """PUT: the body becomes the file. `If-None-Match: *` creates only, `If-Match` replaces one version only (RFC 9110).

    204 with the new ETag; 409 where a name is in the way, 412 where the file was changed, 507 where there is no space.
    With `X-Hold: 1` a 409 or 412 keeps the bytes, and says in JSON how to go on (conflicts.py). With
    `X-Make-Folders: 1` missing folders above the file are made.
    """
    try:
        with arriving(request, library) as (files, staged, condition):
            if request.headers.get("X-Make-Folders") == "1":
                files.make_folders(path.rpartition("/")[0])
            try:
                entry = operations.put(cast(Any, request.user), library, path, staged, if_match=condition)
            except (NameTakenError, ChangedError) as error:
                if request.headers.get("X-Hold") != "1":
                    raise
                return as_json(error, keep_upload(files, cast(Any, request.user), library, path, staged, error))
    except StorageError as error:
        return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
    return HttpResponse(status=204, headers={"ETag": entry.etag})


@contextmanager
def arriving(request: HttpRequest, library: Library) -> Iterator[tuple[LibraryFiles, Path, str | None]]:
    """The body of a PUT as a file in staging, and its condition as `operations.put` takes it. StorageError."""
    if_match, if_none_match = request.headers.get("If-Match"), request.headers.get("If-None-Match")
    if if_none_match:
        if if_none_match.strip() != "*" or if_match:
            raise AmbiguousConditionError(gettext("“If-None-Match” may only be “*”, and not combined with “If-Match”."))
        if_match = ABSENT
    with open_library(library) as files, _body(request, files) as staged:
        yield files, staged, if_match


def as_json(error: StorageError, conflict: UploadConflict) -> JsonResponse:
    """JSON for our script: an upload conflict, which it sends back with the person's choice."""
    etag = conflict.there.etag if conflict.there else ""
    data = {"error": str(error), "held": conflict.token, "etag": etag, "may_replace": conflict.may_replace}
    return JsonResponse(data, status=error.status)


@contextmanager
def _body(request: HttpRequest, files: LibraryFiles) -> Iterator[Path]:
    """The request's body as a file in staging."""
    arrived = body_file(request)
    if arrived:
        yield arrived
        return
    announced = request.headers.get("Content-Length", "")
    if not announced and request.headers.get("Transfer-Encoding"):  # Django would read nothing, and call it all
        raise LengthRequiredError(gettext("Content-Length is required."))
    try:
        with files.staged(cast(BinaryIO, request), int(announced) if announced.isdigit() else None) as staged:
            yield staged
    except UnreadablePostError as error:
        raise IncompleteUploadError(
            gettext("The upload was interrupted. Nothing was changed. Please try again.")
        ) from error


def body_file(request: HttpRequest) -> Path | None:
    """The file into which nginx wrote the body. nginx sets the header on every request, so no browser can.

    Without nginx (DRIVE_USE_ACCEL off) the header means nothing.
    """
    name = request.headers.get("X-Body-File")
    if not name or not settings.DRIVE_USE_ACCEL:
        return None
    path = Path(os.path.normpath(name))
    if path.parent.resolve() != (layout.staging() / "nginx").resolve():
        raise WrongPathError(gettext("The upload did not arrive where it should."))
    return path


def receive_form(request: HttpRequest, library: Library, path: str) -> tuple[list[FileEntry], list[UploadConflict]]:
    """The upload form, for browsers without JavaScript: what is in place now, and what waits for a choice."""
    done, conflicts, actor = [], [], cast(Any, request.user)
    with open_library(library) as files:
        for upload in request.FILES.getlist("file"):
            target = "/".join(part for part in (path, upload.name or "") if part)
            with _staged(upload, files) as staged:
                try:
                    done.append(operations.put(actor, library, target, staged, if_match=ABSENT))
                except NameTakenError as error:
                    conflicts.append(keep_upload(files, actor, library, target, staged, error))
    return done, conflicts


@contextmanager
def staged_upload(upload: UploadedFile, library: Library) -> Iterator[Path]:
    """A file of a form as a file in the staging area."""
    with open_library(library) as files, _staged(upload, files) as staged:
        yield staged


@contextmanager
def _staged(upload: UploadedFile, files: LibraryFiles) -> Iterator[Path]:
    """An uploaded file in staging: Django has put the large ones there (FILE_UPLOAD_TEMP_DIR)."""
    if isinstance(upload, TemporaryUploadedFile):
        path = Path(upload.temporary_file_path())
        if path.parent.resolve() == files.staging.resolve():
            yield path
            return
    with files.staged(cast(BinaryIO, upload.file)) as staged:
        yield staged
