"""Create, rename and delete. Where a name is taken another one is found, `name (1)`, as by Seafile's servers."""

from collections.abc import Callable
from uuid import UUID

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from drive.files import operations
from drive.libraries.visibility import Entry
from drive.models import Library
from drive.storage import ABSENT, LibraryFiles, check_name, open_library

from .calls import Call, answer, below, existing, locate, object_id, place_freely
from .errors import SeafileError
from .listing import detail, folder_answer
from .transfers import Transfer, to_folder

SUCCESS = "success"
KINDS = {"dir": "folder", "file": "file"}


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _changed(library: Library) -> str:
    """Stands for the id of a commit."""
    return object_id(f"{library.pk} {timezone.now()}")


def _wants_list(call: Call) -> bool:
    return call.request.GET.get("reloaddir", "").lower() == "true"


def _done(call: Call, library: Library, entry: Entry, path: str, status: int = 200) -> HttpResponseBase:
    """`success`, or with `reloaddir=true` the list of the folder above, which always is 200."""
    if _wants_list(call):
        return folder_answer(library, entry, _parent(path))
    return answer(SUCCESS, status)


def _object(library: Library, entry: Entry, path: str) -> HttpResponse:
    """What `/api/v2.1/` says of a file or folder that was changed."""
    with open_library(library) as files:
        path, item = existing(files, path)
    return answer(detail(library, path, item, entry.permission))


# What is done


def _make(call: Call, library: Library, path: str, kind: str) -> str:
    """Create a folder or an empty file; returns its path. 404 without the folder above."""
    if not path:
        raise SeafileError(400, "The name is missing.")
    check_name(path.rpartition("/")[2])
    with open_library(library) as files:
        if kind == "dir" and call.field("create_parents").lower() == "true":
            files.make_folders(locate(files, _parent(path))[0])
        parent, _item = existing(files, _parent(path), "folder")
        wanted = below(parent, path.rpartition("/")[2])
        return place_freely(files, wanted, _maker(call, library, kind))[0]


def _maker(call: Call, library: Library, kind: str) -> Callable[[str], object]:
    if kind == "dir":
        return lambda free: operations.make_folder(call.user, library, free)
    return lambda free: operations.write(call.user, library, free, b"", if_match=ABSENT)


def _rename(call: Call, library: Library, path: str, kind: str) -> str:
    """Give a file or folder another name in its folder; returns its path."""
    new = check_name(call.field("newname").strip())
    with open_library(library) as files:
        path, _item = existing(files, path, KINDS[kind])
        if not path:
            raise SeafileError(400, "The library itself is renamed on its page.")
        wanted = below(_parent(path), new)
        if locate(files, wanted)[0] == path:
            raise SeafileError(400, "The new name is the old one.")
        return place_freely(files, wanted, lambda free: operations.rename(call.user, library, path, free))[0]


def _transfer(call: Call, library: Library, path: str, *, is_move: bool) -> tuple[Library, Entry, str]:
    """Move or copy one file into a folder (`dst_dir`) of a library (`dst_repo`)."""
    found = Transfer(call, library, path, call.field("dst_repo") or str(library.pk), call.field("dst_dir"))
    return found.target, found.target_entry, to_folder(found, is_move=is_move)


def remove(call: Call, library: Library, files: LibraryFiles, path: str) -> None:
    """Move a file or folder to the trash; nothing there is as good."""
    path, item = locate(files, path)
    if not path:
        raise SeafileError(400, "The library itself is deleted at its own address.")
    if item:
        operations.delete(call.user, library, path)


# /api2/


def change_folder(call: Call, library_id: UUID) -> HttpResponseBase:
    """`operation=mkdir` or `rename`."""
    library, entry = call.writing(library_id)
    path = call.path()
    match call.field("operation").lower():
        case "mkdir":
            return _done(call, library, entry, _make(call, library, path, "dir"), 201)
        case "rename":
            return _done(call, library, entry, _rename(call, library, path, "dir"))
    raise SeafileError(400, "Operation not supported.")


def change_file(call: Call, library_id: UUID) -> HttpResponseBase:
    """`operation=create`, `rename`, `move` or `copy`. No redirect where Seafile's servers send one: it would lead a
    client to a GET."""
    library, entry = call.writing(library_id) if call.field("operation").lower() != "copy" else call.reading(library_id)
    path = call.path()
    match call.field("operation").lower():
        case "create":
            return _done(call, library, entry, _make(call, library, path, "file"), 201)
        case "rename":
            return _done(call, library, entry, _rename(call, library, path, "file"))
        case "move" | "copy" as word:
            _transfer(call, library, path, is_move=word == "move")
            return _done(call, library, entry, path)
    raise SeafileError(400, "Operation not supported.")


def delete_file(call: Call, library_id: UUID) -> HttpResponseBase:
    """Delete a file; one that is not there is deleted as well."""
    library, entry = call.writing(library_id)
    path = call.path()
    with open_library(library) as files:
        remove(call, library, files, path)
    return _done(call, library, entry, path)


def delete_folder(call: Call, library_id: UUID) -> HttpResponseBase:
    """Delete a folder with all that is in it."""
    library, entry = call.writing(library_id)
    path = call.path()
    with open_library(library) as files:
        if path:
            existing(files, path)
        remove(call, library, files, path)
    return _done(call, library, entry, path)


# /api/v2.1/


def change_folder_v21(call: Call, library_id: UUID) -> HttpResponse:
    """As `change_folder`; the answer says what it is called now."""
    library, entry = call.writing(library_id)
    path = call.path()
    match call.field("operation").lower():
        case "mkdir":
            return _object(library, entry, _make(call, library, path, "dir"))
        case "rename":
            return _object(library, entry, _rename(call, library, path, "dir"))
    raise SeafileError(400, "operation invalid.")


def change_file_v21(call: Call, library_id: UUID) -> HttpResponse:
    """As `change_file`; the answer says where it is now."""
    word = call.field("operation").lower()
    library, entry = call.writing(library_id) if word != "copy" else call.reading(library_id)
    path = call.path()
    match word:
        case "create":
            return _object(library, entry, _make(call, library, path, "file"))
        case "rename":
            return _object(library, entry, _rename(call, library, path, "file"))
        case "move" | "copy":
            return _object(*_transfer(call, library, path, is_move=word == "move"))
    raise SeafileError(400, "operation invalid.")


def delete_v21(call: Call, library_id: UUID) -> HttpResponse:
    """Delete a file, or a folder with all that is in it."""
    library, _entry = call.writing(library_id)
    with open_library(library) as files:
        remove(call, library, files, call.path())
    return answer({"success": True, "commit_id": _changed(library)})


def delete_batch(call: Call) -> HttpResponse:
    """Delete several names (`dirents`) of a folder."""
    library, _entry = call.writing(call.library_field("repo_id"))
    with open_library(library) as files:
        folder, _item = existing(files, call.path_field("parent_dir"), "folder")
        names = [check_name(name) for name in call.all("dirents")]
        for name in names:
            remove(call, library, files, below(folder, name))
    return answer({"success": True, "commit_id": _changed(library)})
