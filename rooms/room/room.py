"""One room: everybody who edits one file, the document they share, its journal, and its saves.

The caller (`rooms.server`) runs everything in one event loop: `connect`, `receive` and `disconnect` as it happens,
`tick` about four times a second, never two ticks of one room at once.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rooms.documents.base import Document, NotRenderableError
from rooms.documents.notebook import Notebook
from rooms.documents.plain_text import PlainText

from . import messages, wire
from .awareness import AwarenessStates
from .client import CLOSE_BAD_MESSAGE, CLOSE_SESSION_OVER, CLOSE_TOO_SLOW, CLOSE_TRY_AGAIN, Client
from .file import RoomFile
from .history import History, JournalFullError, TooLargeError
from .saving import NO_SPACE_TEXT, FileSync, RoomSettings, Run, Word
from .updates import BadUpdateError, IncompleteUpdateError

logger = logging.getLogger(__name__)

MAX_ASKED_AGAIN = 50  # updates of one connection that build on what the room does not have


class Kind(StrEnum):
    """Kinds of documents; the values are `format:type` of jupyter-docprovider."""

    NOTEBOOK = "json:notebook"
    TEXT = "text:file"


KINDS: dict[Kind, type[Document]] = {Kind.NOTEBOOK: Notebook, Kind.TEXT: PlainText}


@dataclass
class RoomStatistics:
    """Counted since the room was opened."""

    updates: int = 0
    update_bytes: int = 0
    saves: int = 0
    merges: int = 0
    refused: int = 0  # messages of clients that may not write
    untrusted: int = 0  # how often `trusted` was taken out
    closed: int = 0  # connections that the room closed


@dataclass
class _Connection:
    writes: bool  # as its session was opened
    asked_again: int = 0
    told: bytes = b""  # the last `room` message


class Room:
    """See the module. `Room.open` makes one."""

    def __init__(self, history: History, settings: RoomSettings, clock: Callable[[], float], wall: Callable[[], float]):
        self.history = history
        self.settings = settings
        self.clients: dict[Client, _Connection] = {}
        self.awareness = AwarenessStates()
        self._clock, self._wall = clock, wall
        self._statistics = RoomStatistics()
        self._synced_at = self._looked_at = clock()
        self._left = False  # the last client left, and what is to be done then was not done yet
        self._announced: dict[str, Word] = {}
        self._saving: set[asyncio.Task[None]] = set()

    @classmethod
    async def open(
        cls,
        *,
        kind: Kind,
        file: RoomFile,
        journal: Path,
        place: str,
        settings: RoomSettings = RoomSettings(),  # noqa: B008 (frozen)
        run: Run = asyncio.to_thread,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> "Room":
        """Open the room of `file` from its journal, if there is one, and merge what was written since.

        `place` is the caller's own word about where the file is; it is kept in the journal (`journal.place_of`).
        `run` calls a function that may block. NotADocumentError, RoomFileError, JournalFullError.
        """
        history = History(KINDS[kind], journal, max_size=settings.max_document)
        room = cls(history, settings, clock, wall)
        room.place = place
        room.run = run
        room.sync = FileSync(history, file, settings, room._relay, room._tell, run=run, clock=clock)
        try:
            await room.sync.open(place)
        except BaseException:
            history.close()
            raise
        return room

    place: str
    run: Run
    sync: FileSync

    @property
    def epoch(self) -> str:
        """The id of this room's history: a page that has another one cannot go on."""
        return self.history.epoch

    @property
    def statistics(self) -> RoomStatistics:
        """What was counted so far."""
        counted = self._statistics
        counted.saves, counted.merges, counted.untrusted = self.sync.saves, self.sync.merges, self.history.untrusted
        return counted

    @property
    def idle(self) -> bool:
        """No clients and nothing left to do: it may be closed. Its journal stays."""
        return not self.clients and not self._left and (self.sync.saved or "deleted" in self.sync.words)

    def session_id(self, *, may_write: bool) -> str:
        """The session id to hand to a page: the journal's epoch and the mode, `.w` or `.r`."""
        return f"{self.epoch}.{'w' if may_write else 'r'}"

    # Clients

    def connect(self, client: Client, session_id: str) -> None:
        """Take a client in and send it the first messages; one with another epoch is closed with 1003."""
        epoch, _, mode = session_id.partition(".")
        if epoch != self.epoch:
            client.close(CLOSE_SESSION_OVER, messages.session_over("This page is too old. Copy what you need, reload."))
            return
        # A viewer who becomes an editor stays one who reads, in this page: it would send what she typed for herself.
        self.clients[client] = _Connection(writes=mode == "w")
        self._left = False
        client.send(messages.sync_step1(self.history.document.doc.get_state()))
        if states := self.awareness.everybody():
            client.send(messages.awareness(states))
        self._tell()

    def disconnect(self, client: Client) -> None:
        """Forget a client, and tell the others. May be called twice."""
        if self.clients.pop(client, None) is None:
            return
        if gone := self.awareness.leave(client):
            self._broadcast(messages.awareness(gone))
        self._left = not self.clients

    def receive(self, client: Client, message: bytes) -> None:
        """One binary message of a client. Never raises; a client that sends nonsense is closed."""
        connection = self.clients.get(client)
        if connection is None:
            return
        try:
            self._receive(client, connection, wire.Reader(message))
        except IncompleteUpdateError:
            self._ask_again(client, connection)
        except (wire.WireError, BadUpdateError) as error:
            logger.warning("A client of user %s sent nonsense: %s", client.user_id, error)
            self._close(client, CLOSE_BAD_MESSAGE, "The room was sent what is no change of this document.")
        except TooLargeError:
            self._close(client, CLOSE_SESSION_OVER, messages.session_over("The document is too large now."))
        except JournalFullError:
            self.announce(Word("no-space", NO_SPACE_TEXT))
            self._close(client, CLOSE_TRY_AGAIN, "The disk is full.")

    def _receive(self, client: Client, connection: _Connection, reader: wire.Reader) -> None:
        kind = reader.uint()
        if kind == messages.SYNC:
            self._receive_sync(client, connection, reader)
        elif kind == messages.AWARENESS:
            if states := self.awareness.receive(client, reader.bytes()):
                self._broadcast(messages.awareness(states))
        elif kind == messages.RAW:
            if reader.text() == "save":
                self._save_for(client, reader.uint())
        elif kind == messages.QUERY_AWARENESS and (states := self.awareness.everybody()):
            self._send(client, messages.awareness(states))

    def _receive_sync(self, client: Client, connection: _Connection, reader: wire.Reader) -> None:
        step, payload = reader.uint(), reader.bytes()
        if step == messages.STEP1:
            wire.state_vector(payload)  # what is none does not reach the CRDT library
            self._send(client, messages.sync_step2(self.history.document.doc.get_update(payload)))
        elif payload == b"\0\0":
            return  # nothing new
        elif not self.writes(client):
            self._statistics.refused += 1
        elif changed := self.history.apply(payload, client.user_id):
            update, added = changed
            self._statistics.updates += 1
            self._statistics.update_bytes += len(payload)
            self._broadcast(messages.update(update), besides=None if added else client)

    def writes(self, client: Client) -> bool:
        """May this connection write: its session says so, and access does."""
        connection = self.clients.get(client)
        return connection is not None and connection.writes and client.may_write

    def _ask_again(self, client: Client, connection: _Connection) -> None:
        """Ask for everything: a page may send a change before it has sent what that builds on."""
        connection.asked_again += 1
        if connection.asked_again > MAX_ASKED_AGAIN:
            self._close(client, CLOSE_BAD_MESSAGE, "The room is sent changes that build on nothing it has.")
        else:
            self._send(client, messages.sync_step1(self.history.document.doc.get_state()))

    def _save_for(self, client: Client, number: int) -> None:
        async def save() -> None:
            saved = self.writes(client) and await self.save()
            client.send(messages.save_reply(number, saved=saved))

        task = asyncio.ensure_future(save())
        self._saving.add(task)
        task.add_done_callback(self._saving.discard)

    # Telling

    def announce(self, word: Word) -> None:
        """Tell everybody in the room something, until `retract`."""
        self._announced[word.state] = word
        self._tell()

    def retract(self, state: str) -> None:
        """What was announced is over."""
        if self._announced.pop(state, None):
            self._tell()

    def _tell(self) -> None:
        """Send each client what it has to know about the room, if that has changed."""
        words = list((self.sync.words | self._announced).values())
        for client, connection in list(self.clients.items()):
            message = messages.room(path=self.sync.path, write=self.writes(client), saved=self.sync.saved, words=words)
            if message != connection.told:
                connection.told = message
                self._send(client, message)

    def _relay(self, update: bytes | None) -> None:
        if update:
            self._broadcast(messages.update(update))

    def _broadcast(self, message: bytes, besides: Client | None = None) -> None:
        for client in list(self.clients):
            if client is not besides:
                self._send(client, message)

    def _send(self, client: Client, message: bytes) -> None:
        if client.queued and client.queued + len(message) > self.settings.max_queue:
            self._close(client, CLOSE_TOO_SLOW, "This connection is too slow.")
        else:
            client.send(message)

    def _close(self, client: Client, code: int, reason: str) -> None:
        self._statistics.closed += 1
        client.close(code, reason)
        self.disconnect(client)

    # Time

    async def tick(self) -> None:
        """Sync the journal, look for changes from outside, save when due. Never raises RoomFileError."""
        now = self._clock()
        try:
            if now - self._synced_at >= 1.0:
                self._synced_at = now
                await self.run(self.history.sync)
            if now - self._looked_at >= self.settings.look:
                self._looked_at = now
                await self.sync.look()
            if self.sync.is_due():
                await self.sync.save()
            if self._left and not self.clients:
                await self._finish()
            if self.history.wants_compaction:
                await self._compact()
        except NotRenderableError:
            self._roll_back()
        except (OSError, JournalFullError) as error:
            logger.warning("The journal of a room cannot be written: %s", error)
            self.announce(Word("no-space", NO_SPACE_TEXT))
        else:
            self.retract("no-space")
        self._tell()

    async def save(self) -> bool:
        """Save now what is unsaved. False when it could not be; then people have been told why."""
        try:
            return await self.sync.save()
        except NotRenderableError:
            self._roll_back()
            return False

    async def close(self) -> None:
        """Save, close the clients, sync and close the journal."""
        for client in list(self.clients):
            self._close(client, CLOSE_TRY_AGAIN, "The room is closed for a moment.")
        try:
            await self.sync.finish()
            await self.run(self.history.sync)
        except (NotRenderableError, OSError, JournalFullError):
            logger.exception("A room was closed without its last save: %s", self.sync.path)
        self.history.close()

    async def _finish(self) -> None:
        await self.sync.finish()
        if not self.clients:
            self.history.note_left(int(self._wall()))
            self._left = False

    async def _compact(self) -> None:
        async with self.sync.lock:
            records = self.history.begin_compaction(self.place)
            try:
                await self.run(self.history.write_compacted, records)
                self.history.end_compaction()
            except OSError:
                self.history.drop_compaction()
                raise

    def _roll_back(self) -> None:
        """The document cannot be written as a file any more: go back to what was saved, and have the pages reload."""
        logger.error("The document of a room cannot be rendered, and is rolled back: %s", self.sync.path)
        for client in list(self.clients):
            reason = messages.session_over("The document was damaged and is as last saved. Reload.")
            self._close(client, CLOSE_SESSION_OVER, reason)
        self.history.roll_back(self.place)
        self.sync.rolled_back()
