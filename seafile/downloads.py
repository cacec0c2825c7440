"""Contents of files, and archives of folders."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from drive.browser import views_zip
from drive.files.library_access import LibraryAccess
from drive.libraries.access import get_library
from drive.storage import check_name, open_library
from drive.uploads import transfer

from . import links
from .calls import Call, answer, below, existing, locate, tidy
from .errors import SeafileError
from .links import Kind
from .listing import TYPES

ALL = ""
"""Stands for all names of a folder: those of a large one would make too long an address."""


def send_file(request: HttpRequest, code: str) -> HttpResponseBase:
    """A file's content, by its link; nginx sends it, parts too."""
    link = links.decode(Kind.FILE, code, need="r")
    with open_library(link.library) as files:
        path, _item = existing(files, link.path, "file")
        return transfer.send(request, link.library, files, path, path)


def prepare_zip(call: Call, library_id: UUID) -> HttpResponse:
    """A token for an archive of some names in a folder."""
    library, _entry = call.reading(library_id)
    names, folder = [name for name in call.all("dirents") if name], tidy(call.field("parent_dir"))
    if not names:
        raise SeafileError(400, "dirents invalid.")
    for name in names:
        check_name(name)
    with open_library(library) as files:
        folder, _item = existing(files, folder, "folder")
        if {item.name for item in files.list(folder) if item.kind in TYPES and item.reachable} <= set(names):
            names = [ALL]
        else:
            for name in names:
                existing(files, below(folder, name))
    return answer({"zip_token": links.encode(call.asker, Kind.ZIP, library, folder, names)})


def zip_progress(call: Call) -> HttpResponse:
    """Done: an archive is made while it is sent. Clients ask until the numbers are equal."""
    links.decode(Kind.ZIP, call.request.GET.get("token", ""), need="r")
    return answer({"zipped": 1, "total": 1, "failed": 0, "failed_reason": "", "canceled": 0})


def send_zip(request: HttpRequest, code: str) -> HttpResponseBase:
    """The archive."""
    link = links.decode(Kind.ZIP, code, need="r")
    _library, entry = get_library(link.asker.user, link.library.pk)
    access = LibraryAccess(link.library, "", entry.name, entry.may_write, entry.reason, entry)
    with open_library(link.library) as files:
        names = [name for name, _is_folder in files.names(link.path)] if link.names == [ALL] else link.names
        wanted = [(locate(files, below(link.path, name))[0], name) for name in names]
    top = names[0] if len(names) == 1 else link.path.rpartition("/")[2] or entry.name
    return views_zip.send(request, access, wanted, top)
