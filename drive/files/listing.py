"""One page of a folder: sorted by name, size or date; folders with very many entries stay usable."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from django.core.paginator import Page, Paginator
from django.utils.translation import gettext

from drive.storage import LibraryFiles, StorageError, is_hidden

PER_PAGE = 200
FEW = 4000
"""Up to so many entries of a sorted folder are picked out without sorting, or even holding, the rest."""
DIGITS = 10
README = ("README.md", "Readme.md", "readme.md")
README_BYTES = 256 * 1024
SORTS = ("name", "-name", "size", "-size", "date", "-date")
"""As they stand in an address; the minus means from the end: Z to A, largest, newest first."""

_Key = tuple[bool, Any, str, str]
"""Folders first; then what is sorted by; then the name."""


@dataclass(frozen=True)
class Crumb:
    """One step of the way to a folder."""

    name: str
    path: str


@dataclass(frozen=True)
class Column:
    """The head of a column that can be sorted by."""

    label: str
    link: str
    """Value of `?sort=` behind the column's heading."""
    aria: str
    """For `aria-sort`; empty when the list is sorted by something else."""
    classes: str


@dataclass(frozen=True)
class Listing:
    """One page of a folder's listing."""

    path: str
    crumbs: list[Crumb]
    page: Page
    sort: str
    columns: list[Column]
    hidden: int
    """Number of hidden names (that begin with a dot)."""
    readme: str | None


def read_listing(files: LibraryFiles, path: str, number: str | None, sort: str, *, hidden: bool = False) -> Listing:
    """Read a folder. `number` is the page's, as it came; an unknown `sort` means by name; `hidden` shows all names."""
    sort = sort if sort in SORTS else "name"
    page, dotted = read_page(files, path, _page_number(number or ""), sort, hidden)
    return Listing(path, crumbs(path), page, sort, _columns(sort), dotted, read_readme(files, path))


def _page_number(text: str) -> int:
    return max(1, int(text)) if text.isdecimal() and len(text) < DIGITS else 1


def crumbs(path: str) -> list[Crumb]:
    """The steps to a folder, without the library itself."""
    parts = path.split("/") if path else []
    return [Crumb(name, "/".join(parts[: depth + 1])) for depth, name in enumerate(parts)]


class _Counted:
    """Counts the entries that pass, and leaves the hidden ones out."""

    def __init__(self, keys: Iterator[_Key], hidden: bool) -> None:
        self.keys, self.hidden, self.shown, self.dotted = keys, hidden, 0, 0

    def __iter__(self) -> Iterator[_Key]:
        shown = dotted = 0
        for key in self.keys:
            if is_hidden(key[3]):
                dotted += 1
                if not self.hidden:
                    continue
            shown += 1
            yield key
        self.shown, self.dotted = shown, dotted


def read_page(
    files: LibraryFiles, path: str, number: int, sort: str, hidden: bool, per_page: int | None = None
) -> tuple[Page, int]:
    """The page and the number of hidden names. What is held grows with the page's number, not with the folder."""
    per_page = per_page or PER_PAGE
    wanted = number * per_page
    counted = _Counted(_keys(files, path, sort), hidden)
    backwards = sort.startswith("-")
    if wanted <= FEW:
        keys = (heapq.nlargest if backwards else heapq.nsmallest)(wanted, counted)
    else:
        keys = sorted(counted, reverse=backwards)
    page = Paginator(range(counted.shown), per_page).get_page(number)
    start = (page.number - 1) * per_page
    names = [key[3] for key in keys[start : start + per_page]]
    found = {item.name: item for item in files.look(path, names)}
    cast(Any, page).object_list = [found[name] for name in names if name in found]
    return page, counted.dotted


def _keys(files: LibraryFiles, path: str, sort: str) -> Iterator[_Key]:
    """Sort key of every entry. Sorting by name looks at no file."""
    first = sort.startswith("-")  # folders stay in front when the order is turned round
    if sort.endswith("name"):
        return ((is_folder == first, "", name.casefold(), name) for name, is_folder in files.names(path))
    facts = files.facts(path)
    if sort.endswith("size"):
        return ((folder == first, 0 if folder else size, name.casefold(), name) for name, folder, size, _ in facts)
    return ((folder == first, seconds, name.casefold(), name) for name, folder, _, seconds in facts)


def _columns(sort: str) -> list[Column]:
    columns = [
        ("name", gettext("Name"), "name", ""),
        ("size", gettext("Size"), "-size", "number"),
        ("date", gettext("Changed"), "-date", ""),
    ]
    return [_column(sort, *column) for column in columns]


def _column(sort: str, by: str, label: str, begin: str, classes: str) -> Column:
    if sort.lstrip("-") != by:
        return Column(label, begin, "", classes)
    descending = sort.startswith("-")
    return Column(label, by if descending else f"-{by}", "descending" if descending else "ascending", classes)


def read_readme(files: LibraryFiles, path: str = "") -> str | None:
    """The text of a folder's README.md, cut at 256 KiB; None where there is none that can be read (a link, say)."""
    for name in README:
        try:
            with files.open(f"{path}/{name}" if path else name) as source:
                return source.read(README_BYTES).decode(errors="replace")
        except StorageError:
            continue
    return None
