"""Bytes in and out. nginx moves them: down by X-Accel-Redirect, up as a file that it wrote into the staging area."""

import io
import os
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import quote

from django.conf import settings
from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import FileResponse, HttpRequest, HttpResponse
from django.utils.http import content_disposition_header

from .forms import UploadForm
from .models import Library
from .storage import ABSENT, LibraryFiles, StorageError, WrongPath, layout, open_library


def send(library: Library, files: LibraryFiles, path: str) -> HttpResponse:
    """A file as a download. It is never shown on the portal's origin: the content is somebody else's.

    Storage has resolved the path; nginx opens it again with `disable_symlinks on`, which follows no link either.
    """
    source = files.open(path)
    if settings.DRIVE_USE_ACCEL:
        source.close()
        address = layout.internal_address(library, path)
        response = HttpResponse(headers={"X-Accel-Redirect": f"/_drive/{quote(address)}"})
    else:
        response = FileResponse(source)  # type: ignore[assignment]
    name = path.rpartition("/")[2]
    response["Content-Type"] = "application/octet-stream"
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-cache"
    return response


def receive(request: HttpRequest, library: Library, path: str) -> HttpResponse:
    """PUT: the body becomes the file. `If-None-Match: *` creates only, `If-Match` replaces one version only (RFC 9110).

    204 with the new ETag; 409 where a name is in the way, 412 where the file was changed, 507 where there is no space.
    """
    if_match = request.headers.get("If-Match")
    if request.headers.get("If-None-Match") == "*":
        if_match = ABSENT
    try:
        with open_library(library) as files:
            body = _body_file(request)
            if body:
                entry = files.put(path, body, if_match=if_match)
            else:
                entry = files.write(path, cast(BinaryIO, request), if_match=if_match)
    except StorageError as error:
        return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
    return HttpResponse(status=204, headers={"ETag": entry.etag})


def _body_file(request: HttpRequest) -> Path | None:
    """The file into which nginx wrote the body. nginx sets the header on every request, so no browser can."""
    name = request.headers.get("X-Body-File")
    if not name:
        return None
    path = Path(os.path.normpath(name))
    if path.parent.resolve() != (layout.staging() / "nginx").resolve():
        raise WrongPath("The upload did not arrive where it should.")
    return path


def receive_form(request: HttpRequest, library: Library, path: str) -> None:
    """The upload form, for browsers without JavaScript."""
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, "Choose a file first.")
        return
    upload: UploadedFile = form.cleaned_data["file"]
    target = "/".join(part for part in (path, upload.name or "") if part)
    if_match = None if form.cleaned_data["replace"] else ABSENT
    with open_library(library) as files:
        files.write(target, cast(BinaryIO, upload.file or io.BytesIO()), if_match=if_match)
    messages.success(request, f"“{upload.name}” is here.")
