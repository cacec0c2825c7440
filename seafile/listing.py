"""Folders and files as JSON. A folder of any size takes little memory: it is sent in pieces, sorted."""

import json
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import TypeVar
from uuid import UUID

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from drive.libraries.visibility import Entry
from drive.models import Library
from drive.storage import FileEntry, LibraryFiles, StorageError, etag, open_library, shown, walk
from drive.storage.files import moment

from .calls import EMPTY_ID, Call, answer, existing, object_id
from .links import Kind, link_of

BATCH = 500
TYPES = {"file": "file", "folder": "dir"}
Json = dict[str, object]
Item = TypeVar("Item")


def id_of(item: FileEntry) -> str:
    """Id of a file or folder: another one for another content; zeros for an empty file."""
    return EMPTY_ID if item.kind == "file" and not item.size else object_id(item.etag)


def dirent(item: FileEntry, permission: str, folder: str | None = None) -> Json:
    """A file or folder in a list; with the folder that it is in, where `folder` says it."""
    found: Json = {
        "type": TYPES[item.kind],
        "id": id_of(item),
        "name": item.name,
        "mtime": int(item.modified.timestamp()),
        "permission": permission,
    }
    if item.kind == "file":
        found["size"] = item.size
    return found if folder is None else found | {"parent_dir": f"/{folder}"}


def detail(library: Library, path: str, item: FileEntry, permission: str) -> Json:
    """A file by itself, with the names of both versions of the API."""
    folder, _slash, name = path.rpartition("/")
    modified = item.modified.replace(microsecond=0)
    return dirent(item, permission, folder) | {
        "repo_id": str(library.pk),
        "path": f"/{path}",
        "name": name,
        "obj_name": name,
        "obj_id": id_of(item),
        "size": item.size if item.kind == "file" else 0,
        "last_modified": modified.isoformat(),
        "can_edit": permission == "rw",
        "is_locked": False,
        "starred": False,
    }


def in_batches(found: Iterable[Item]) -> Iterator[list[Item]]:
    """Lists of at most BATCH."""
    rest = iter(found)
    while some := list(islice(rest, BATCH)):
        yield some


# Folders


def _members(files: LibraryFiles, folder: str) -> list[str]:
    """Names in a folder, sorted, folders first. What no address can hold is left out."""
    found = sorted((not is_folder, name) for name, is_folder in files.names(folder) if shown(name) == name)
    return [name for _is_file, name in found]


def _each(library: Library, folder: str, names: Iterable[str], kind: str) -> Iterator[FileEntry]:
    """Entries of these names; what vanishes while they are sent is left out, and so is the rest if the folder does."""
    with suppress(StorageError), open_library(library) as files:
        for some in in_batches(names):
            for item in files.look(folder, some):
                if item.kind in TYPES and kind in ("", TYPES[item.kind]):
                    yield item


def _all_below(library: Library, top: str, permission: str, kind: str) -> Iterator[Json]:
    """All folders and files below a folder, in no order."""
    unread: list[str] = []
    with open_library(library) as files:
        for path, status in walk.entries(files, unread, top):
            is_folder = stat.S_ISDIR(status.st_mode)
            if shown(path) != path or kind not in ("", "dir" if is_folder else "file"):
                continue
            folder, _slash, name = path.rpartition("/")
            item = FileEntry(
                name=name,
                kind="folder" if is_folder else "file",
                size=status.st_size,
                modified=moment(status.st_mtime),
                etag=etag(status),
                signature="",
            )
            yield dirent(item, permission, folder)


def _pieces(found: Iterable[Json], before: str, after: str) -> Iterator[bytes]:
    """A JSON list with what stands around it."""
    yield before.encode()
    first = True
    for some in in_batches(found):
        yield (("" if first else ",") + ",".join(map(json.dumps, some))).encode()
        first = False
    yield after.encode()


def _send(found: Iterable[Json], before: str = "[", after: str = "]", **headers: str) -> HttpResponseBase:
    pieces = _pieces(found, before, after)
    return StreamingHttpResponse(pieces, content_type="application/json", headers=headers)


def folder_answer(library: Library, entry: Entry, path: str, kind: str = "") -> HttpResponseBase:
    """A folder as `/api2/` lists it: an array, and its id in the header `oid`, without which ebrains-drive fails."""
    with open_library(library) as files:
        path, item = existing(files, path, "folder")
        names = _members(files, path)
    found = (dirent(one, entry.permission) for one in _each(library, path, names, kind))
    return _send(found, oid=id_of(item), dir_perm=entry.permission)


def list_folder(call: Call, library_id: UUID) -> HttpResponseBase:
    """A folder, or with `recursive=1` all below it; `t` is `f` or `d` for files or folders alone."""
    library, entry = call.reading(library_id)
    kind = {"f": "file", "d": "dir"}.get(call.request.GET.get("t", ""), "")
    if not _is_recursive(call.request):
        return folder_answer(library, entry, call.folder(), kind)
    with open_library(library) as files:
        path, item = existing(files, call.folder(), "folder")
    return _send(_all_below(library, path, entry.permission, kind), oid=id_of(item), dir_perm=entry.permission)


def _is_recursive(request: HttpRequest) -> bool:
    return request.GET.get("recursive") == "1"


def list_folder_v21(call: Call, library_id: UUID) -> HttpResponseBase:
    """A folder as `/api/v2.1/` lists it; with `recursive=1` all below it, whose paths are made of `parent_dir`."""
    library, entry = call.reading(library_id)
    kind = {"f": "file", "d": "dir"}.get(call.request.GET.get("t", ""), "")
    with open_library(library) as files:
        path, item = existing(files, call.folder(), "folder")
        recursive = _is_recursive(call.request)
        names = [] if recursive else _members(files, path)
    if recursive:
        found = _all_below(library, path, entry.permission, kind)
        return _send(found, '{"dirent_list":[', "]}")
    before = json.dumps({"user_perm": entry.permission, "dir_id": id_of(item)})[:-1]
    entries = (dirent(one, entry.permission, path) for one in _each(library, path, names, kind))
    return _send(entries, f'{before}, "dirent_list":[', "]}")


def get_folder(call: Call, library_id: UUID) -> HttpResponse:
    """One folder; rclone creates it if there is none (404)."""
    library, entry = call.reading(library_id)
    with open_library(library) as files:
        path, item = existing(files, call.path(), "folder")
    return answer(
        {
            "repo_id": str(library_id),
            "path": f"/{path}" if not path else f"/{path}/",
            "name": path.rpartition("/")[2],
            "mtime": item.modified.replace(microsecond=0).isoformat(),
            "permission": entry.permission,
        }
    )


# Files


def get_file(call: Call, library_id: UUID) -> HttpResponse:
    """One file; 404 for a folder: rclone asks to find out which of both it is."""
    library, entry = call.reading(library_id)
    with open_library(library) as files:
        path, item = existing(files, call.path(), "file")
    return answer(detail(library, path, item, entry.permission))


def download_link(call: Call, library_id: UUID) -> HttpResponse:
    """An address for the file's content, good for several requests: programs read parts of large files at once."""
    library, _entry = call.reading(library_id)
    with open_library(library) as files:
        path, item = existing(files, call.path(), "file")
    return answer(link_of(call, Kind.FILE, library, path), oid=id_of(item))
