"""One page of a folder: sorted by name, size or date; folders with very many entries stay usable."""

import heapq
from dataclasses import dataclass
from typing import Any, cast

from django.core.paginator import Page, Paginator

from .models import Library
from .storage import FileEntry, LibraryFiles, StorageError, open_library

PER_PAGE = 200
README = ("README.md", "Readme.md", "readme.md")
README_BYTES = 256 * 1024
_KEYS: dict[str, Any] = {
    "name": lambda item: (item.kind != "folder", item.name.casefold(), item.name),
    "size": lambda item: (item.kind != "folder", -item.size),
    "date": lambda item: (item.kind != "folder", -item.modified.timestamp()),
}


@dataclass(frozen=True)
class Crumb:
    """One step of the way to a folder."""

    name: str
    path: str


@dataclass(frozen=True)
class Listing:
    """What a folder's page shows."""

    path: str
    crumbs: list[Crumb]
    page: Page
    sort: str
    readme: str | None


def read_listing(files: LibraryFiles, path: str, number: str | None, sort: str) -> Listing:
    """Read a folder. `number` is the page's, as it came; an unknown `sort` means by name."""
    sort = sort if sort in _KEYS else "name"
    page = _by_name(files, path, number) if sort == "name" else _by_looks(files, path, number, sort)
    parts = path.split("/") if path else []
    crumbs = [Crumb(name, "/".join(parts[: depth + 1])) for depth, name in enumerate(parts)]
    return Listing(path, crumbs, page, sort, read_readme(files, path))


def _is_hidden(name: str) -> bool:
    """Names that begin with a dot, as in JupyterLab."""
    return name.startswith(".")


def _by_name(files: LibraryFiles, path: str, number: str | None) -> Page:
    """A page by name: only its own files are looked at, whatever the size of the folder."""
    names = sorted(
        (not is_folder, name.casefold(), name) for name, is_folder in files.names(path) if not _is_hidden(name)
    )
    page = Paginator(names, PER_PAGE).get_page(number)
    shown = files.look(path, [name for _, _, name in page.object_list])
    cast(Any, page).object_list = sorted(shown, key=_KEYS["name"])
    return page


def _by_looks(files: LibraryFiles, path: str, number: str | None, sort: str) -> Page:
    items = sorted((item for item in files.list(path) if not _is_hidden(item.name)), key=_KEYS[sort])
    return Paginator(items, PER_PAGE).get_page(number)


def read_readme(files: LibraryFiles, path: str = "") -> str | None:
    """The text of a folder's README.md, cut at 256 KiB; None where there is none that can be read (a link, say)."""
    for name in README:
        try:
            with files.open(f"{path}/{name}" if path else name) as source:
                return source.read(README_BYTES).decode(errors="replace")
        except StorageError:
            continue
    return None


def latest(library: Library, count: int, limit: int = 5000) -> list[tuple[str, FileEntry]]:
    """The files of a library changed last, with their paths; looks at no more than `limit` names."""
    found: list[tuple[float, str, FileEntry]] = []
    folders, seen = [""], 0
    with open_library(library) as files:
        while folders and seen < limit:
            folder = folders.pop(0)
            try:
                for item in files.list(folder):
                    seen += 1
                    path = f"{folder}/{item.name}" if folder else item.name
                    if _is_hidden(item.name) or not item.reachable:
                        continue
                    if item.kind == "folder":
                        folders.append(path)
                    elif item.kind == "file":
                        heapq.heappush(found, (item.modified.timestamp(), path, item))
                        if len(found) > count:
                            heapq.heappop(found)
                    if seen >= limit:
                        break
            except StorageError:
                continue  # deleted while we looked, or not ours to read
    return [(path, item) for _time, path, item in sorted(found, reverse=True)]
