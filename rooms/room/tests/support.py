"""A file, pages and a room without network: what tests of rooms are made of."""

import asyncio
import json
from collections.abc import Coroutine, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pycrdt import Doc

from rooms.documents.base import Document
from rooms.documents.notebook import Notebook
from rooms.documents.tests.notebooks import as_bytes, code, notebook, sources
from rooms.room import messages, wire
from rooms.room.file import Content, FileChangedError, FileGoneError, RoomFileError
from rooms.room.room import KINDS, Kind, Room, RoomSettings

THREE_CELLS = as_bytes(notebook(code("a = 1\n", "a"), code("b = 2\n", "b"), code("c = 3\n", "c")))


async def inline(function: Any, *arguments: Any) -> Any:
    """In place of a thread."""
    return function(*arguments)


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class MemoryFile:
    """A file of a library, with its versions."""

    data: bytes | None = THREE_CELLS
    written_by: frozenset[int] = frozenset()
    location: str = "folder/file.ipynb"
    number: int = 1
    versions: list[tuple[str, frozenset[int], bytes]] = field(default_factory=list)
    by_room: bool = False
    overwritten: list[tuple["MemoryFile", bool]] = field(default_factory=list)  # each with: by the room?
    fails: dict[str, RoomFileError] = field(default_factory=dict)  # by the method's name
    before_write: Any = None  # called once, as somebody who is faster

    def _may(self, method: str) -> None:
        if method in self.fails:
            raise self.fails[method]
        if self.data is None:
            raise FileGoneError("The file was deleted.", by="Olga Owner")

    def read(self) -> Content:
        self._may("read")
        assert self.data is not None
        return Content(self.data, self._etag())

    def etag(self) -> str:
        self._may("etag")
        return self._etag()

    def _etag(self) -> str:
        return f"e{self.number}"

    def path(self) -> str:
        return self.location

    def write(self, data: bytes, *, if_match: str, authors: Set[int]) -> str:
        if self.before_write:
            faster, self.before_write = self.before_write, None
            faster()
        self._may("write")
        if if_match != self._etag():
            raise FileChangedError("The file was changed.")
        self.put(data, authors, by_room=True)
        return self._etag()

    def keep_version(self, data: bytes, *, authors: Set[int], reason: str) -> None:
        self._may("keep_version")
        self.versions.append((reason, frozenset(authors), data))

    @property
    def deleted(self) -> bool:
        return self.data is None

    def sources(self) -> list[str]:
        """The sources of the cells in it."""
        return sources(self.read().data)

    def put(self, data: bytes | None, authors: Set[int] = frozenset(), *, by_room: bool = False) -> None:
        """Write it, as somebody outside does."""
        if self.data is not None and data is not None:
            self.overwritten.append((MemoryFile(self.data, self.written_by, by_room=self.by_room), by_room))
        self.data, self.written_by, self.by_room = data, frozenset(authors), by_room
        self.number += 1


class Connection:
    """One WebSocket of a page, as the room sees it. Messages are kept until the page takes them."""

    def __init__(self, page: "Page", *, may_write: bool = True) -> None:
        self.user_id = page.user_id
        self.username = f"user{page.user_id}"
        self.display_name = f"User Number{page.user_id}"
        self.color = "#123456"
        self.may_write = may_write
        self.queued = 0
        self.inbox: list[bytes] = []
        self.closed: tuple[int, str] | None = None

    def send(self, message: bytes) -> None:
        if self.closed is None:
            self.inbox.append(message)

    def close(self, code: int, reason: str) -> None:
        assert len(reason.encode()) <= 123
        self.closed = self.closed or (code, reason)


class Page:
    """What JupyterLab and y-websocket do: a document of its own, which is kept while the connection is not."""

    def __init__(self, user_id: int = 1, kind: Kind = Kind.NOTEBOOK) -> None:
        self.user_id = user_id
        self.doc: Doc = Doc()
        self.document: Document = KINDS[kind](self.doc)
        self.room: Room = None  # type: ignore[assignment]
        self.connection: Connection = None  # type: ignore[assignment]
        self.session = ""  # kept as long as the page is not loaded anew
        self.told: dict[str, Any] = {}
        self.replies: list[dict[str, Any]] = []
        self.awareness: list[bytes] = []
        self._applying = False
        self.outbox: list[bytes] = []
        self.doc.observe(self._changed)

    def _changed(self, event: Any) -> None:
        if not self._applying and self.connection is not None:
            self.outbox.append(messages.update(event.update))

    def connect(self, room: Room, *, session: str = "", may_write: bool = True) -> "Page":
        """Open a connection, and exchange everything that is there."""
        self.room, self.connection = room, Connection(self, may_write=may_write)
        self.outbox = [messages.sync_step1(self.doc.get_state())]
        self.session = session or self.session or room.session_id(may_write=may_write)
        room.connect(self.connection, self.session)
        self.exchange()
        return self

    def lose(self) -> None:
        """The connection ends; what was under way is lost."""
        if self.room and self.connection:
            self.room.disconnect(self.connection)
        self.room = self.connection = None  # type: ignore[assignment]
        self.outbox = []

    def exchange(self) -> None:
        """Send what is to be sent, and take what was sent, until there is no more."""
        while self.connection and (self.outbox or self.connection.inbox):
            self.send_some()
            self.take_some()

    def send_some(self, count: int = 1 << 30) -> None:
        for message in self.outbox[:count]:
            self.room.receive(self.connection, message)
        del self.outbox[:count]

    def take_some(self, count: int = 1 << 30) -> None:
        taken, self.connection.inbox = self.connection.inbox[:count], self.connection.inbox[count:]
        for message in taken:
            self._take(message)

    def _take(self, message: bytes) -> None:
        reader = wire.Reader(message)
        kind = reader.uint()
        if kind == messages.RAW:
            value = json.loads(reader.text())
            if value["type"] == "room":
                self.told = value
            else:
                self.replies.append(value)
        elif kind == messages.AWARENESS:
            self.awareness.append(reader.bytes())
        elif (step := reader.uint()) == messages.STEP1:
            self.outbox.append(messages.sync_step2(self.doc.get_update(reader.bytes())))
        else:
            assert step in (messages.STEP2, messages.UPDATE)
            self._applying = True
            self.doc.apply_update(reader.bytes())
            self._applying = False

    # A notebook's page

    @property
    def notebook(self) -> Notebook:
        assert isinstance(self.document, Notebook)
        return self.document

    def type(self, cell_id: str, text: str, at: int = 0) -> None:
        """Type into a cell, at an offset of bytes."""
        cell = self.notebook.find(cell_id)
        assert cell is not None
        cell["source"].insert(at, text)

    def cells(self) -> list[tuple[str, str]]:
        return [(cell["id"], cell["source"]) for cell in self.document.content()["cells"]]

    def states(self) -> list[str]:
        """The states of the words that the page is told."""
        return [word["state"] for word in self.told["words"]]


class Table:
    """A file and its room, which can end at any moment and be opened again."""

    def __init__(
        self, folder: Path, file: MemoryFile | None = None, kind: Kind = Kind.NOTEBOOK, **settings: Any
    ) -> None:
        self.file = file or MemoryFile()
        self.kind = kind
        self.journal = folder / "room.journal"
        self.clock = Clock()
        self.settings = RoomSettings(**settings)
        self.room: Room = None  # type: ignore[assignment]
        self.open()

    def open(self) -> Room:
        self.room = run(
            Room.open(
                kind=self.kind,
                file=self.file,
                journal=self.journal,
                place="library 1",
                settings=self.settings,
                run=inline,
                clock=self.clock,
                wall=self.clock,
            )
        )
        return self.room

    def kill(self) -> None:
        """kill -9: nothing is saved, synced, or said."""
        self.room.history.close()

    def page(self, user_id: int = 1, **options: Any) -> Page:
        return Page(user_id, self.kind).connect(self.room, **options)

    def later(self, seconds: float) -> None:
        self.clock.now += seconds
        run(self.room.tick())

    def settle(self) -> None:
        """Time passes until all is looked at, merged and saved."""
        for _ in range(8):
            self.later(2)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits: without an event loop, for speed."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("It waits.")


def in_loop(work: Coroutine[Any, Any, Any]) -> Any:
    """Run one that does."""
    return asyncio.run(work)
