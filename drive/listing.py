"""One page of a folder: sorted by name, size or date; folders with very many entries stay usable."""

import heapq
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Page, Paginator

from .models import Library
from .storage import FileEntry, NotFound, open_library

PER_PAGE = 200
README = ("README.md", "Readme.md", "readme.md")
README_BYTES = 256 * 1024
_KEYS: dict[str, Any] = {
    "name": lambda item: (item.kind != "folder", item.name.casefold()),
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


def read_listing(library: Library, path: str, number: str | None, sort: str) -> Listing:
    """Read a folder. `number` is the page's, as it came; an unknown `sort` means by name."""
    sort = sort if sort in _KEYS else "name"
    with open_library(library) as files:
        # Names that begin with a dot are hidden, as in JupyterLab.
        items = sorted((item for item in files.list(path) if not item.name.startswith(".")), key=_KEYS[sort])
    parts = path.split("/") if path else []
    crumbs = [Crumb(name, "/".join(parts[: depth + 1])) for depth, name in enumerate(parts)]
    page = Paginator(items, PER_PAGE).get_page(number)
    return Listing(path, crumbs, page, sort, read_readme(library, path))


def read_readme(library: Library, path: str = "") -> str | None:
    """The text of a folder's README.md, cut at 256 KiB; None where there is none that can be read."""
    with open_library(library) as files:
        for name in README:
            try:
                with files.open(f"{path}/{name}" if path else name) as source:
                    return source.read(README_BYTES).decode(errors="replace")
            except NotFound:
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
                    if item.name.startswith(".") or not item.reachable:
                        continue
                    if item.kind == "folder":
                        folders.append(path)
                    elif item.kind == "file":
                        heapq.heappush(found, (item.modified.timestamp(), path, item))
                        if len(found) > count:
                            heapq.heappop(found)
                    if seen >= limit:
                        break
            except NotFound:
                continue  # deleted while we looked
    return [(path, item) for _time, path, item in sorted(found, reverse=True)]
