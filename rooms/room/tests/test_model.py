"""Random schedules of all that happens to a room, against a model that knows every word that anybody typed.

Pages connect, type, lose their connection with messages under way, and come back after hours; the process is killed, or
the power fails and what was not synced is gone; the file is written from outside (also from a stale copy), moved,
deleted and restored; the disk is full for a while; roles change. At the end: no word that was acknowledged is lost or
there twice, no cell is doubled, all pages and the file agree, and every state that was overwritten is a version, with
those who typed it.

A failure names its seed: MODEL_SEED=123 runs that schedule alone.
"""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rooms.documents.notebook import Notebook
from rooms.documents.tests.notebooks import code
from rooms.room.file import NoSpaceError
from rooms.room.journal import Journal

from .support import Page, Table

STEPS = 45


class Schedule:
    """One random schedule."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.table = Table(folder)
        self.pages = [Page(user) for user in range(1, self.random.randint(2, 4) + 1)]
        self.typed: dict[str, int] = {}  # words, with who typed them (0: from outside)
        self.given_up: set[str] = set()  # of pages that were told to reload before their words had arrived
        self.acknowledged: set[str] = set()  # words that were in the room's document at some time
        self.durable: set[str] = set()  # those that would survive a loss of power
        self.resent: set[str] = set()  # what a loss of power took: it comes back from whoever had it in a page
        self.may_move = bool(seed % 2)  # cells; what is typed offline into one that moves meanwhile is lost (as in Yjs)
        self.ids = {"a", "b", "c"}
        self.synced = self.table.journal.stat().st_size
        self.trash: tuple[bytes, frozenset[int], bool] | None = None
        self.copies = [self.table.file.read().data]
        self.up = True
        self.count = 0
        for page in self.pages:
            page.connect(self.table.room)

    # What happens

    def run(self) -> None:
        happenings = {
            self.type: 14, self.insert_cell: 2, self.deliver: 12, self.lose: 2, self.connect: 5, self.tick: 8,
            self.kill: 1, self.cut_power: 1, self.write_outside: 3, self.write_stale_copy: 1, self.delete_outside: 1,
            self.move: 1, self.delete: 1, self.restore: 2, self.fill_disk: 1, self.change_role: 1, self.save: 2,
            self.copy: 2, self.interfere: 2,
        }  # fmt: skip
        for step in self.random.choices(list(happenings), list(happenings.values()), k=STEPS):
            step()
            self.note_sync()
            if self.up:
                self.acknowledged |= {word for word in self.typed if word in self.in_room()}
            if self.up and self.synced == self.table.journal.stat().st_size:
                self.durable = set(self.acknowledged)

    def word(self, user: int) -> str:
        self.count += 1
        self.typed[f"‹{user}.{self.count}›"] = user
        return f"‹{user}.{self.count}›"

    def type(self) -> None:
        page = self.random.choice(self.pages)
        if len(page.notebook.cells):
            source = page.notebook.cells[self.random.randrange(len(page.notebook.cells))]["source"]
            source.insert(self.random.choice([0, len(str(source).encode())]), self.word(page.user_id))

    def insert_cell(self) -> None:
        page = self.random.choice(self.pages)
        if len(page.notebook.cells):
            cell_id = f"n{len(self.ids)}"
            self.ids.add(cell_id)
            cell = page.notebook.new_cell(code(self.word(page.user_id), cell_id))
            page.notebook.cells.insert(self.random.randrange(len(page.notebook.cells) + 1), cell)

    def connected(self) -> list[Page]:
        return [page for page in self.pages if page.connection]

    def deliver(self) -> None:
        for page in self.connected():
            page.send_some(self.random.randrange(4))
            page.take_some(self.random.randrange(6))

    def lose(self) -> None:
        for page in self.connected()[: self.random.randint(0, 2)]:
            page.lose()

    def connect(self) -> None:
        if not self.up:
            self.table.open()
            self.up = True
        for page in self.pages:
            if not page.connection and self.random.random() < 0.7:
                page.connect(self.table.room)
                assert page.connection.closed is None

    def tick(self) -> None:
        seconds = self.random.choice([0.3, 1.1, 2, 6, 700, 4 * 3600])
        if self.up:
            self.table.later(seconds)
        else:
            self.table.clock.now += seconds

    def save(self) -> None:
        if self.up:
            for _ in range(2):
                self.table.later(1.2)

    def kill(self) -> None:
        if self.up:
            self.table.kill()
            self.up = False
            for page in self.connected():
                page.lose()

    def cut_power(self) -> None:
        if self.up:
            self.kill()
            self.acknowledged = set(self.durable)
            self.resent |= self.typed.keys() - self.durable
            size = self.table.journal.stat().st_size
            os.truncate(self.table.journal, self.random.choice([self.synced, self.random.randint(self.synced, size)]))

    def in_room(self) -> str:
        return "".join(cell["source"] for cell in self.table.room.history.document.content()["cells"])

    def note_sync(self) -> None:
        """How much of the journal would survive a loss of power now (see `synced_sizes`)."""
        if self.up:
            self.synced = self.table.room.history._journal.synced_size  # type: ignore[attr-defined]

    def interfere(self) -> None:
        """While the next save is at the disk, people type; or somebody else is faster."""
        others = (
            [self.write_outside] if self.random.random() < 0.3 else [self.type, self.deliver, self.type, self.deliver]
        )

        def meanwhile() -> None:
            for happening in others:
                happening()

        self.table.file.before_write = meanwhile

    def copy(self) -> None:
        """Somebody opens the file elsewhere."""
        if not self.table.file.deleted:
            self.copies.append(self.table.file.read().data)

    def write_outside(self) -> None:
        if not self.table.file.deleted:
            self._write(self.table.file.read().data)

    def write_stale_copy(self) -> None:
        """What was saved since is no longer in the file."""
        if self.may_move and not self.table.file.deleted:
            self._write(self.random.choice(self.copies))

    def _write(self, data: bytes) -> None:
        content = json.loads(data)
        if not content["cells"]:
            return
        cell = self.random.choice(content["cells"])
        word = self.word(0)
        cell["source"] = "".join([word, *cell["source"]] if self.random.random() < 0.5 else [*cell["source"], word])
        if self.may_move and self.random.random() < 0.3:
            self.random.shuffle(content["cells"])
        if self.random.random() < 0.2:
            content["metadata"][f"key{self.count}"] = self.count
        self._put(content)

    def delete_outside(self) -> None:
        if self.may_move and not self.table.file.deleted:
            content = json.loads(self.table.file.read().data)
            if len(content["cells"]) > 1:
                content["cells"].pop(self.random.randrange(len(content["cells"])))
                self._put(content)

    def _put(self, content: dict[str, Any]) -> None:
        self.table.file.put((json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode())

    def move(self) -> None:
        self.table.file.location = f"folder/{self.random.random()}.ipynb"

    def delete(self) -> None:
        if not self.table.file.deleted:
            file = self.table.file
            self.trash = (file.read().data, file.written_by, file.by_room)
            file.put(None)

    def restore(self) -> None:
        self.table.file.fails = {}
        if self.table.file.deleted and self.trash is not None:
            data, authors, by_room = self.trash
            self.table.file.put(data, authors, by_room=by_room)

    def fill_disk(self) -> None:
        self.table.file.fails["write"] = NoSpaceError("The disk is full.")

    def change_role(self) -> None:
        """The portal ends the connection, and the page is loaded anew: what had not arrived is told to be copied."""
        at = self.random.randrange(len(self.pages))
        page = self.pages[at]
        if page.connection and self.up:
            page.connection.may_write = False
            page.send_some()
            here = text_of(page)
            self.given_up |= {word for word in self.typed if word in here and word not in self.in_room()}
            page.lose()
            self.pages[at] = Page(page.user_id).connect(self.table.room)

    # What must hold

    def finish(self) -> None:
        self.restore()
        self.table.file.before_write = None
        if not self.up:
            self.table.open()
        for page in self.pages:
            if not page.connection:
                page.connect(self.table.room)
        for _ in range(3):
            for page in self.pages:
                page.exchange()
            self.table.settle()
        for page in self.pages:
            page.exchange()

    def check(self) -> None:
        self.finish()
        cells = self.pages[0].cells()
        text = "".join(source for _id, source in cells)
        assert all(page.cells() == cells for page in self.pages), "pages differ"
        assert self.table.file.sources() == [source for _id, source in cells], "the file differs"
        ids = [cell_id for cell_id, _source in cells]
        assert len(ids) == len(set(ids)), "a cell is there twice"
        assert set(ids) <= self.ids, "a cell that nobody made"
        assert all(text.count(word) <= 1 for word in self.typed), "a word is there twice"
        missing = {word for word in self.typed if word not in text} - self.given_up
        if self.may_move:
            missing = {word for word in missing if word in self.acknowledged or not self.typed[word]}
        for word in missing:
            assert self.is_version(word), f"{word} is lost"
        self.check_overwritten()

    def is_version(self, word: str) -> bool:
        """In a version that names who typed it."""
        user, versions = self.typed[word], self.table.file.versions
        anybody = not user or word in self.resent
        if any(word in data.decode() and (anybody or user in authors) for _, authors, data in versions):
            return True
        # Others' states that were overwritten by others are for the doors that these come through
        between = [state.data for state, by_room in self.table.file.overwritten if not by_room and not state.by_room]
        return not user and any(word in data.decode() for data in between if data)

    def check_overwritten(self) -> None:
        versions = [(canonical(data), authors) for _reason, authors, data in self.table.file.versions]
        for state, by_room in self.table.file.overwritten:
            if state.by_room != by_room:  # the room's by others, or others' by the room
                found = [authors for content, authors in versions if content == canonical(state.read().data)]
                assert found, "an overwritten state is lost"
                assert any(state.written_by <= authors for authors in found), "it does not name its authors"


def canonical(data: bytes) -> str:
    """Two files of one content are equal: after a kill, the room does not know how the one was written that is gone."""
    return json.dumps(Notebook.parse(data).content, sort_keys=True)


def text_of(page: Page) -> str:
    return "".join(source for _id, source in page.cells()) if len(page.notebook.cells) else ""


@pytest.fixture
def synced_sizes(monkeypatch):
    """A journal remembers how much of it would survive a loss of power."""
    real = Journal.sync

    def sync(journal: Journal) -> None:
        real(journal)
        journal.synced_size = journal.size  # type: ignore[attr-defined]

    real_replace = Journal.replace

    def replace(journal: Journal) -> None:
        since = sum(map(len, journal._since or []))
        real_replace(journal)
        journal.synced_size = journal.size - since  # type: ignore[attr-defined]

    monkeypatch.setattr(Journal, "sync", sync)
    monkeypatch.setattr(Journal, "replace", replace)
    monkeypatch.setattr("rooms.room.history.COMPACT_FROM", 4000)


def seeds(cases: int) -> Iterator[int]:
    if "MODEL_SEED" in os.environ:
        yield int(os.environ["MODEL_SEED"])
    else:
        yield from range(cases)


def check(cases: int, folder: Path) -> None:
    for seed in seeds(cases):
        place = folder / str(seed)
        place.mkdir()
        schedule = Schedule(seed, place)
        try:
            schedule.run()
            schedule.check()
        except AssertionError as error:
            raise AssertionError(f"MODEL_SEED={seed}: {error}") from error
        schedule.table.kill()
        for left in place.iterdir():
            left.unlink()
        place.rmdir()


@pytest.mark.slow
def test_random_schedules_lose_and_double_nothing(tmp_path, synced_sizes):
    check(60, tmp_path)


@pytest.mark.fuzz
def test_many_random_schedules_lose_and_double_nothing(tmp_path, synced_sizes):
    """FUZZ_CASES=10000 for more."""
    check(int(os.environ.get("FUZZ_CASES", "300")), tmp_path)
