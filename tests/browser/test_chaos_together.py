"""Chaos with two browsers in one notebook, for as long as `CHAOS_SECONDS` says; without it this is left out.

Both type, each into a cell of their own and into one that both have; their connections end, the process `rooms` ends,
notebook code writes the file. In the end every word is there once, in both pages and in the file. `CHAOS_SEED` repeats
what is done; when it hits is another matter.
"""

import itertools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from drive.files import operations
from drive.storage import StorageError, etag, open_library

from ..support.site import Site, wait_for
from .test_editing_together import Author, Pair, pair  # noqa: F401 - a fixture

SECONDS = int(os.environ.get("CHAOS_SECONDS", "0"))
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
SOON = 120.0
NAME = "chaos.ipynb"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(SECONDS + 900),
    pytest.mark.skipif(not SECONDS, reason="CHAOS_SECONDS is not set."),
]


class Storm:
    """One thing after the other, in an order that the seed decides."""

    def __init__(self, site: Site, pair: Pair) -> None:  # noqa: F811
        self.site, self.pair = site, pair
        self.random = random.Random(SEED)
        self.words = (f"w{number}." for number in itertools.count())
        self.typed: list[str] = []
        self.done: Counter[str] = Counter()
        self.weighted: dict[Callable[[int], None], int] = {
            self.type: 30,
            self.lose: 2,
            self.come_back: 4,
            self.write_outside: 2,
            self.kill: 1,
        }

    @property
    def authors(self) -> tuple[Author, Author]:
        return self.pair.ada, self.pair.ben

    def step(self) -> None:
        """One thing, by one of the two."""
        [do] = self.random.choices([*self.weighted], [*self.weighted.values()])
        do(self.random.randrange(2))
        self.done[do.__name__] += 1

    def type(self, who: int) -> None:
        """A word at the end of one's own cell, or of the common one."""
        dismiss(self.authors[who])
        self.typed.append(next(self.words))
        self.authors[who].type(self.random.choice([who, 2]), self.typed[-1])

    def lose(self, who: int) -> None:
        """The network."""
        self.authors[who].page.context.set_offline(True)

    def come_back(self, who: int) -> None:
        """With what was typed meanwhile."""
        self.authors[who].page.context.set_offline(False)

    def write_outside(self, _who: int) -> None:
        """A program adds a cell, unless the file has changed since it read it."""
        library = self.pair.library
        with open_library(library) as files, files.open(NAME) as file:
            tag, content = etag(os.fstat(file.fileno())), json.loads(file.read())
        word = next(self.words)
        made: dict[str, object] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        content["cells"].append(made | {"id": word.strip("."), "source": word})
        try:
            operations.write(self.pair.ada.person.user, library, NAME, json.dumps(content).encode(), if_match=tag)
        except StorageError:
            return
        self.typed.append(word)

    def kill(self, _who: int) -> None:
        """-9."""
        self.site.kill("rooms")


def test_no_word_is_lost_or_doubled_in_two_browsers(site: Site, pair: Pair) -> None:  # noqa: F811
    print(f"CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS}")
    pair.both_open(NAME, "ada.", "ben.", "both.")
    storm = Storm(site, pair)
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        storm.step()
    print(dict(storm.done))
    expected = Counter([*storm.typed, "ada.", "ben.", "both."])
    for who, author in enumerate(storm.authors):
        storm.come_back(who)
        dismiss(author)
        expect(author.status).to_contain_text("With", timeout=1000 * SOON)
    wait_for(lambda: words(*_sources(pair)) == expected, SOON, "the words are not in the file once")
    cells = len(_sources(pair))
    for author in storm.authors:
        expect(author.in_front.locator(".jp-Notebook .cm-content")).to_have_count(cells, timeout=1000 * SOON)
        wait_for(lambda author=author: words(*_shown(author)) == expected, SOON, "a page has other words")  # type: ignore[misc]


def dismiss(author: Author) -> None:
    """JupyterLab says that it has no connection, which hides the page."""
    while author.dialog.count():
        author.page.keyboard.press("Escape")


def words(*sources: str) -> Counter[str]:
    """How often each is there."""
    return Counter(f"{word.strip()}." for source in sources for word in source.split(".") if word.strip())


def _sources(pair: Pair) -> list[str]:  # noqa: F811
    try:
        content = json.loads(pair.on_disk(NAME))
    except ValueError:  # it is put in place
        return []
    return ["".join(cell["source"]) for cell in content["cells"]]


def _shown(author: Author) -> list[str]:
    return author.in_front.locator(".jp-Notebook .cm-content").all_inner_texts()
