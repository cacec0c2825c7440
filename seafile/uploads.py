"""Files that come: a form with one file or more, by a link. nginx writes the form to a file, and asks before it does.

What is right is asked three times: for the link, before the body is read, and when it is there. A file comes to its
place in one step, as on the pages: an upload that is cut off leaves what was there.
"""

import os
import secrets
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from django.db.models import Max
from django.http import HttpRequest, HttpResponse

from drive.files import operations
from drive.libraries import quota
from drive.models import Library
from drive.storage import ABSENT, FileEntry, LibraryFiles, check_name, disk_space, open_library, translate_errors
from drive.uploads import admission, transfer

from . import chunks, links
from .calls import Call, answer, below, existing, locate, place_freely, tidy
from .errors import SeafileError
from .links import Kind, Link
from .listing import id_of
from .multipart import Form, Part, copy_part, read_form

FRAMING = 64 * 1024
"""Bytes that a form may have beside its file."""
CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "POST, PUT, OPTIONS",
    "Access-Control-Allow-Headers": "x-requested-with, content-type, content-range, content-disposition, accept",
    "Access-Control-Max-Age": "86400",
}
"""For scripts in browsers: the link alone says who uploads, no cookie."""


def upload_link(call: Call, library_id: UUID) -> HttpResponse:
    """A link to upload with. `p` is where to, as far as it names a folder: ebrains-drive cuts it off at an `&`."""
    return _link(call, library_id, Kind.UPLOAD)


def update_link(call: Call, library_id: UUID) -> HttpResponse:
    """A link to replace files with."""
    return _link(call, library_id, Kind.UPDATE)


def _link(call: Call, library_id: UUID, kind: Kind) -> HttpResponse:
    library, _entry = call.writing(library_id)
    quota.check(library, 1, 0)
    with open_library(library) as files:
        path, item = locate(files, call.folder())
    return answer(links.link_of(call, kind, library, path if item and item.kind == "folder" else ""))


def may_upload(kind: Kind, code: str, length: int | None) -> Link:
    """The link of an upload of so many bytes, which may replace a file; raises what it would end with."""
    link = links.decode(kind, code, need="rw")
    size = _beyond_the_largest(link.library, (length or 0) - FRAMING)
    disk = disk_space.of_upload(length, copies=2)  # the form, and the files in it
    admission.promise_body(link.library, link.asker.user, size=size, files=0, disk=disk)
    return link


def _beyond_the_largest(library: Library, size: int) -> int:
    """Bytes that fit at least: what does not fit as a new file may replace the largest one."""
    usage = quota.of(library)
    if size > 0 and usage.used_bytes + size > usage.max_bytes:
        largest = library.files.filter(trashed=None).aggregate(size=Max("size"))["size"] or 0
        return size - largest
    return size


def options(request: HttpRequest, code: str) -> HttpResponse:
    """What browsers ask before a script uploads."""
    return HttpResponse(headers=CORS)


def upload(request: HttpRequest, code: str) -> HttpResponse:
    """New files, or with `replace=1` other contents of files."""
    return _receive(request, Kind.UPLOAD, code)


def update(request: HttpRequest, code: str) -> HttpResponse:
    """Another content of the file that `target_file` names."""
    return _receive(request, Kind.UPDATE, code)


def _receive(request: HttpRequest, kind: Kind, code: str) -> HttpResponse:
    announced = request.META.get("CONTENT_LENGTH") or ""
    link = may_upload(kind, code, int(announced) if announced.isdigit() else None)
    with transfer.arriving(request, link.library) as (files, body, _condition), body.open("rb") as source:
        form = read_form(source, request.headers.get("Content-Type", ""))
        if not form.files:
            raise SeafileError(400, "No file in the form.")
        if given := chunks.asked(request):
            return _receive_chunk(request, link, files, form, source, given)
        done = []
        for part in form.files:
            with _staged(files, source, part, form) as staged:
                if kind == Kind.UPDATE:
                    done.append(_update(link, files, form, staged))
                else:
                    done.append(_add(link, files, form, _name(request, part.filename), staged))
    return _answer(request, done)


def _receive_chunk(
    request: HttpRequest, link: Link, files: LibraryFiles, form: Form, source: BinaryIO, given: chunks.Range
) -> HttpResponse:
    """A part of a file: `success` until it is whole."""
    part = form.files[0]
    name = _name(request, chunks.name_of(request, part))
    quota.check(link.library, _beyond_the_largest(link.library, given.total), 0)
    partial = chunks.place(link.asker.user, link.library, below(_folder(link, files, form), name))
    with chunks.alone(partial):
        if not chunks.append(partial, given, source, part):
            return answer({"success": True}, 200, **CORS)
        _set_time(partial, form.fields.get("last_modify", ""))
        return _answer(request, [_add(link, files, form, name, partial)])


def uploaded_bytes(call: Call, library_id: UUID) -> HttpResponse:
    """Bytes of a file that have come in parts, for a sender that was cut off."""
    library, _entry = call.writing(library_id)
    folder, name = tidy(call.request.GET.get("parent_dir", "")), check_name(call.request.GET.get("file_name", ""))
    with open_library(library) as files:
        folder = locate(files, folder)[0]
    return answer({"uploadedBytes": chunks.arrived(chunks.place(call.user, library, below(folder, name)))})


def _answer(request: HttpRequest, done: list[FileEntry]) -> HttpResponse:
    if request.GET.get("ret-json"):
        found = [{"name": item.name, "id": id_of(item), "size": item.size} for item in done]
        return answer(found, 200, **CORS)
    text = "\t".join(id_of(item) for item in done)
    return HttpResponse(text, content_type="text/plain; charset=utf-8", headers=CORS)


@contextmanager
def _staged(files: LibraryFiles, source: BinaryIO, part: Part, form: Form) -> Iterator[Path]:
    """A part's content as a file in staging, with the time of change that the form says."""
    target = files.staging / secrets.token_hex(16)
    try:
        with translate_errors(), target.open("xb") as copy:
            disk_space.require(part.size)
            copy_part(source, part, copy)
        _set_time(target, form.fields.get("last_modify", ""))
        yield target
    finally:
        target.unlink(missing_ok=True)


def _set_time(target: Path, given: str) -> None:
    """RFC 3339; what is no time is ignored, as by Seafile's server."""
    with suppress(ValueError, OverflowError, OSError):
        os.utime(target, ns=(time.time_ns(), int(datetime.fromisoformat(given.strip()).timestamp() * 10**9)))


def _add(link: Link, files: LibraryFiles, form: Form, name: str, staged: Path) -> FileEntry:
    folder = _folder(link, files, form)
    replace = form.fields.get("replace", "0").strip() or "0"
    if replace not in ("0", "1"):
        raise SeafileError(400, "Invalid argument replace.")
    actor, library = link.asker.user, link.library
    path = locate(files, below(folder, name))[0]
    if replace == "1":
        return operations.put(actor, library, path, staged)
    return place_freely(files, path, lambda free: operations.put(actor, library, free, staged, if_match=ABSENT))[1]


def _folder(link: Link, files: LibraryFiles, form: Form) -> str:
    """The folder of an upload: `parent_dir`, which is there, and `relative_path` below, which is made."""
    given, relative = form.fields.get("parent_dir", ""), form.fields.get("relative_path", "")
    if not given:
        raise SeafileError(400, "No parent_dir given.")
    if relative.startswith(("/", "\\")):
        raise SeafileError(400, "Invalid relative path.")
    wanted = unicodedata.normalize("NFC", tidy(given))
    if not wanted.startswith(unicodedata.normalize("NFC", link.path)):  # as text: it may be cut off within a name
        raise SeafileError(403, "Permission denied: this link is for another folder.")
    folder, _item = existing(files, tidy(given), "folder")
    if not tidy(relative):
        return folder
    path = locate(files, below(folder, tidy(relative)))[0]
    files.make_folders(path)
    return path


def _name(request: HttpRequest, filename: str) -> str:
    """The name of an upload. Python and browsers write `%22` for a quote; rclone means what it writes."""
    name = filename.rpartition("/")[2]
    return check_name(name if request.headers.get("User-Agent", "").startswith("rclone") else name.replace("%22", '"'))


def _update(link: Link, files: LibraryFiles, form: Form, staged: Path) -> FileEntry:
    if not form.fields.get("target_file"):
        raise SeafileError(400, "No target_file given.")
    path, _item = existing(files, tidy(form.fields["target_file"]), "file")
    if not unicodedata.normalize("NFC", path).startswith(unicodedata.normalize("NFC", link.path)):
        raise SeafileError(403, "Permission denied: this link is for another folder.")
    return operations.put(link.asker.user, link.library, path, staged)
