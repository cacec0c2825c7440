"""One file: its page, and its bytes."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from . import transfer
from .doors import Door
from .listing import crumbs
from .preview import kinds
from .storage import FileEntry, StorageError
from .versions import history
from .views_edit import may_edit


def page(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """What the file holds, as far as that can be shown; what it is otherwise."""
    with door.files() as files:
        item = files.stat(path)
    context = about(door, path, item) | {"preview": _preview(door, path, item)}
    return render(request, "drive/file.html", context, status=200 if item.kind == "file" else 409)


def about(door: Door, path: str, item: FileEntry) -> dict[str, object]:
    """What every page of a file is told."""
    folder, _, name = path.rpartition("/")
    inside = door.inside(path)
    return {
        "door": door,
        "library": door.library,
        "collab": door.collab,
        "item": item,
        "path": path,
        "name": name,
        "here": door.address(path),
        "folder": door.folder_address(folder),
        "crumbs": crumbs(folder),
        "beyond": name,
        "who": history.who(door.library, [inside]).get(inside, "") if door.entry else "",
        "lab_path": door.lab_path(path),
        "may_edit": may_edit(door, item),
    }


def _preview(door: Door, path: str, item: FileEntry) -> kinds.Preview:
    """Without what makes a page: a file that vanished or cannot be read has one too."""
    if item.kind != "file":
        return kinds.of_special(item)
    folder, _, name = path.rpartition("/")
    try:
        with door.files() as files, files.open(path) as source:
            return kinds.of_file(source, name, item.size, door.base, folder)
    except StorageError as error:
        return kinds.Preview("nothing", str(error))


def raw(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """The file's bytes, as a download."""
    with door.files() as files:
        return transfer.send(request, door.library, files, path, door.inside(path))
