"""Search for files, by their names and by their text, among those that a person may see.

Who may see what is part of the query, with every search. What the index finds is then held against the row of the file
and the file itself, as they are now: what was in it before is found no more, even before the index has followed.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import F, QuerySet
from django.urls import reverse

from collabs.models import Person
from drive.browser.folder_rows import icon_of
from drive.files.paths import folder_address, quoted
from drive.models import File, Library
from drive.storage import LibraryFiles, StorageError, open_library, path_codec, shown

from . import index
from .excerpts import Piece, excerpt, marked
from .indexing import not_hidden, read
from .words import Alternatives, has, name_words, text_words


@dataclass(frozen=True)
class Reading:
    """Bounds of what a search reads for its excerpts: what is beyond is shown without, if it is as it was indexed."""

    seconds: float
    most_bytes: int
    """Of one file: people may have made it so that it is slow to read."""


FOR_A_PAGE, FOR_SUGGESTIONS = Reading(0.8, 4 * 2**20), Reading(0.2, 2**18)


@dataclass(frozen=True)
class FoundFile:
    """A file as a page of results shows it."""

    library: UUID
    path: str
    name: list[Piece]
    address: str
    place: str
    """The library and the folders, for the eye."""
    place_address: str
    icon: str
    changed_at: datetime
    excerpt: list[Piece] = field(default_factory=list)


def visible(user: Person) -> QuerySet[Library]:
    """Libraries whose files a search shows: those that the person may see, without those of archived Collabs."""
    return Library.objects.visible_to(user).filter(owner_collab__archived_at=None)


Found = tuple[list[FoundFile], bool]
"""Files, and whether there are more of them."""


def by_name(user: Person, groups: Alternatives, first: int, count: int) -> Found:
    """Files with the words in their name, or some of them in their folders' names; newest first. One query."""
    rows = _rows(user, index.in_names(groups, connection.vendor), first, count + 1) if groups else []
    return [found for row in rows[:count] if (found := _named(user, row, groups))], len(rows) > count


def by_text(user: Person, groups: Alternatives, first: int, count: int, reading: Reading = FOR_A_PAGE) -> Found:
    """Files with the words in their text, or some of them in their path; newest first. One query, and the files."""
    rows = _rows(user, index.in_texts(groups, connection.vendor), first, count + 1) if groups else []
    ends = time.monotonic() + reading.seconds
    found: list[FoundFile] = []
    with ExitStack() as opened:
        libraries: dict[UUID, LibraryFiles | None] = {}
        for row in rows[:count]:
            if row.library_id not in libraries:
                libraries[row.library_id] = _open(opened, row.library)
            files = libraries[row.library_id]
            if row.size > reading.most_bytes or time.monotonic() > ends:
                hit = _unread(user, row, groups)
            else:
                text = read(files, path_codec.from_row(row.path), reading.most_bytes) if files else None
                hit = None if text is None else _read(user, row, groups, text)
            found += [hit] if hit else []
    return found, len(rows) > count


def _rows(user: Person, ids: Any, first: int, count: int) -> list[File]:
    if not user.is_active:
        return []
    rows = not_hidden(File.objects.filter(pk__in=ids, trashed=None, library__in=visible(user)))
    rows = rows.select_related("library__owner_collab").annotate(indexed=F("search_entry__signature"))
    return list(rows.order_by("-changed_at", "-pk")[first : first + count])


def _open(opened: ExitStack, library: Library) -> LibraryFiles | None:
    try:
        return opened.enter_context(open_library(library))
    except (StorageError, OSError):
        return None


def _named(user: Person, row: File, groups: Alternatives) -> FoundFile | None:
    folder, _, name = shown(path_codec.from_row(row.path)).rpartition("/")
    words = name_words(name)
    everywhere = [*words, *name_words(folder)]
    if all(has(everywhere, group) for group in groups) and any(has(words, group) for group in groups):
        return _found(user, row, groups, [])
    return None


def _read(user: Person, row: File, groups: Alternatives, text: str) -> FoundFile | None:
    path = path_codec.from_row(row.path)
    words = text_words(text)
    everywhere = [*words, *name_words(shown(path).rpartition("/")[2]), *name_words(shown(path).rpartition("/")[0])]
    if all(has(everywhere, group) for group in groups) and any(has(words, group) for group in groups):
        return _found(user, row, groups, excerpt(text, groups))
    return None


def _unread(user: Person, row: File, groups: Alternatives) -> FoundFile | None:
    is_as_indexed = row.indexed == row.signature  # type: ignore[attr-defined]
    return _found(user, row, groups, []) if is_as_indexed else None


def _found(user: Person, row: File, groups: Alternatives, text: list[Piece]) -> FoundFile | None:
    path = path_codec.from_row(row.path)
    if shown(path) != path:
        return None  # an address holds no name that is not UTF-8
    folder, _, name = path.rpartition("/")
    base = _base(row.library)
    return FoundFile(
        library=row.library_id,
        path=path,
        name=marked(name, groups),
        address=f"{base}{quoted(path)}",
        place=" / ".join([_library_name(user, row.library), *filter(None, folder.split("/"))]),
        place_address=folder_address(base, folder),
        icon=icon_of(name),
        changed_at=row.changed_at,
        excerpt=text,
    )


def _base(library: Library) -> str:
    if library.owner_collab:
        return reverse("collab_files", args=[library.owner_collab.slug])
    return reverse("drive:library", args=[library.pk])


def _library_name(user: Person, library: Library) -> str:
    """The name that the person knows it by: its owner's own name for a library is for its owner."""
    if library.owner_collab:
        return library.owner_collab.title
    return library.name if library.owner_user_id == user.pk else library.shared_name or library.name
