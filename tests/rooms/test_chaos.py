"""Chaos in one room, bounded and seeded: everybody types, connections and processes end; no word is lost or doubled.

`CHAOS_SECONDS` says how long (20), `CHAOS_SEED` repeats a run: what is done is the same, when it hits is not.
"""

import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from collabs.models import Collab
from drive.files import operations
from drive.storage import StorageError, etag, layout, open_library

from ..support.people import Person
from ..support.room_page import RoomPage
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

SECONDS = int(os.environ.get("CHAOS_SECONDS", "20"))
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
NAME = "notes.md"


class Storm:
    """What happens, one thing after the other, in an order that the seed decides."""

    def __init__(self, site: Site, pages: list[RoomPage], collab: Collab) -> None:
        self.site, self.pages, self.collab = site, pages, collab
        self.random = random.Random(SEED)
        self.words = (f"w{number}." for number in itertools.count())
        self.typed: list[str] = []
        self.done: Counter[str] = Counter()
        self.weighted: dict[Callable[[RoomPage], None], int] = {
            self.type: 40,
            self.lose: 3,
            self.come_back: 6,
            self.write_outside: 2,
            self.kill: 1,
        }

    def step(self) -> None:
        """One thing, by one page."""
        [do] = self.random.choices([*self.weighted], [*self.weighted.values()])
        do(self.random.choice(self.pages))
        for page in self.pages:
            page.take()

    def type(self, page: RoomPage) -> None:
        """A word at the end, whether the page is connected or not."""
        self.typed.append(next(self.words))
        page.type(self.typed[-1])
        self.done["typed"] += 1

    def lose(self, page: RoomPage) -> None:
        """The connection."""
        if page.socket:
            page.lose()
            self.done["lost"] += 1

    def come_back(self, page: RoomPage) -> None:
        """With what was typed meanwhile."""
        if page.socket is None or page.closed:
            page.connect_again()
            self.done["came back"] += 1

    def write_outside(self, page: RoomPage) -> None:
        """A program puts a line before all others, unless the file has changed since it read it."""
        with open_library(self.collab.library) as files, files.open(NAME) as file:
            tag, content = etag(os.fstat(file.fileno())), file.read()
        word = next(self.words)
        try:
            operations.write(page.person.user, self.collab.library, NAME, f"{word}\n".encode() + content, if_match=tag)
        except StorageError:
            return
        self.typed.append(word)
        self.done["written outside"] += 1

    def kill(self, _page: RoomPage) -> None:
        """-9."""
        self.site.kill("rooms")
        self.done["killed"] += 1


def test_no_word_is_lost_or_doubled(site: Site, collab: Collab, owner: Person, editor: Person) -> None:
    print(f"CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS}")
    place = layout.find(collab.library.pk)
    (place / NAME).write_text("")
    path = f"drive/Shared with groups/{collab.title}/{NAME}"
    pages = [RoomPage(person, path).open() for person in (owner, editor) for _ in range(2)]
    storm = Storm(site, pages, collab)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        storm.step()
    print(dict(storm.done))
    for page in pages:
        storm.come_back(page)
    expected = Counter(storm.typed)
    for page in pages:
        page.until(lambda page=page: words(page.text) == expected, "the words are not there once")  # type: ignore[misc]
    assert len({page.text for page in pages}) == 1
    wait_for(lambda: _read(place) == pages[0].text, 30, "the file is another")
    for page in pages:
        page.lose()


def words(text: str) -> Counter[str]:
    """How often each is there."""
    return Counter(f"{word.strip()}." for word in text.split(".") if word.strip())


def _read(place: Path) -> str:
    return (place / NAME).read_text()
