"""Search for files by name: a walk, bounded in names, results and time, which says when it stopped early.

The disk is asked, not an index: notebooks make files at any moment, and what is found is there.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from drive.folders import MOUNTED
from drive.libraries.visibility import Entry, as_entry, entries, public_entries
from drive.models import Library
from drive.storage import FileEntry, LibraryFiles, StorageError, is_hidden, open_library
from portal.models import User
from portal.text.unique_names import name_key

NAMES = 200_000
SECONDS = 2.0
RESULTS = 200
"""Limits of one search; the first that is reached ends it."""
PUBLIC = 500
"""So many public libraries are looked through; more are found by their names."""
_LOOK_AT_CLOCK = 256


@dataclass(frozen=True)
class Hit:
    """Something whose name has all the words."""

    library: Library | None
    path: str
    item: FileEntry

    @property
    def folder(self) -> str:
        """The path of the folder that it is in."""
        return self.path.rpartition("/")[0]


@dataclass
class Search:
    """One search, over one library or many: what it looks for, what it found, and how far it went."""

    text: str
    hits: list[Hit] = field(default_factory=list)
    names: int = 0
    """Number of names looked at."""
    cut: bool = False
    """True if the search stopped early."""
    ends_at: float = field(default_factory=lambda: time.monotonic() + SECONDS)

    def __post_init__(self) -> None:
        self.words = [name_key(word) for word in self.text.split()]

    @property
    def over(self) -> bool:
        """True if a limit is reached."""
        return len(self.hits) >= RESULTS or self.names >= NAMES or time.monotonic() > self.ends_at

    def matches(self, name: str) -> bool:
        """True if the name contains all words, without regard to case."""
        folded = name_key(name)
        return all(word in folded for word in self.words)

    def look(
        self, files: LibraryFiles, folder: str = "", library: Library | None = None, most: int | None = None
    ) -> None:
        """Look through a folder and all below it, nearest first; at no more than `most` names. Hidden ones are not."""
        waiting = deque([folder])
        last = NAMES if most is None else self.names + most
        while waiting and self.words:
            here = waiting.popleft()
            found = []
            try:
                for name, is_folder in files.names(here):
                    if self.names >= last or (self.names % _LOOK_AT_CLOCK == 0 and self.over):
                        self.cut = True
                        break
                    self.names += 1
                    if is_hidden(name):
                        continue
                    if is_folder:
                        waiting.append(f"{here}/{name}" if here else name)
                    if self.matches(name):
                        found.append(name)
                self.hits += self._hits(files, here, found, library)
            except StorageError:
                continue  # removed while we looked, or not ours to read
            if self.cut or (waiting and self.over):
                self.cut = True
                return

    def _hits(self, files: LibraryFiles, folder: str, names: list[str], library: Library | None) -> Iterator[Hit]:
        room = RESULTS - len(self.hits)
        self.cut = self.cut or len(names) > room
        for item in files.look(folder, sorted(names, key=name_key)[:room]) if names else ():
            yield Hit(library, f"{folder}/{item.name}" if folder else item.name, item)


def everywhere(search: Search, user: User) -> dict[UUID, Entry]:
    """Look through all libraries that the person sees; returns each with the place where it stands first."""
    places = {entry.library_id: entry for entry in entries(user, folders=MOUNTED)}
    public = public_entries()
    if user.only_libraries is not None:
        public = public.filter(pk__in=user.only_libraries)
    for row in public[:PUBLIC] if search.words else ():
        places.setdefault(row.pk, as_entry(row))
    libraries = Library.objects.in_bulk(list(places)) if search.words else {}
    across(search, [libraries[pk] for pk in places if pk in libraries])
    return places


def across(search: Search, libraries: Sequence[Library]) -> None:
    """Look through many libraries: each may have its part of the names; what small ones leave goes to the next."""
    for number, library in enumerate(libraries):
        if search.over:
            search.cut = True
            return
        part = max(1, (NAMES - search.names) // (len(libraries) - number))
        before, search.cut = search.cut, False
        try:
            with open_library(library) as files:
                search.look(files, library=library, most=part)
        except StorageError:
            pass  # its directory is missing: an operator's matter
        search.cut = search.cut or before
