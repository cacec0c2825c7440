"""The rooms that are open: found, opened from their journals, tended, closed when nobody is left."""

import asyncio
import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from drive.files import together
from drive.models import File
from drive.storage import open_library
from portal.models import User
from rooms.access import Place, RefusedError
from rooms.documents.base import NotADocumentError
from rooms.journals import journal_of
from rooms.models import Room as Row
from rooms.room.file import FileGoneError, RoomFileError
from rooms.room.history import JournalFullError
from rooms.room.room import Kind, Room
from rooms.room.saving import RoomSettings

from . import counters
from .connection import Connection
from .library_file import LibraryFile
from .threads import in_thread

log = logging.getLogger(__name__)

TICK = 0.25
CLOSE_AFTER = 30.0
"""Seconds for which a room without people is kept, so that a page that loads again finds it."""
GIVE_UP_AFTER = 3600.0
"""Seconds after which a room without people is closed although it cannot be saved: its journal stays."""
RECOVER_EVERY = 600.0
TOO_MUCH = "You have too many large files open. Close some."
MOST_ROOMS = 100
MOST_TIMES = 4
"""Rooms that one person may have opened, and how many times COEDITING_MAX_BYTES they may add up to then; each document
may grow to as much, with what was deleted."""
GROWN_TIMES = 6
"""How many times they may add up to as people type."""
MEASURE_EVERY = 10.0
"""Seconds between two exact looks at the documents that one person has opened; estimates are too large."""


class NoRoomError(Exception):
    """There is no room of this id any more: it was too long ago, or its file is gone. The text is for the person."""


@dataclass(eq=False)
class OpenRoom:
    """A room in memory."""

    id: UUID
    kind: Kind
    file: LibraryFile
    room: Room
    opened_by: int
    """Id of the person, 0 for none."""
    size: int
    connections: set[Connection] = field(default_factory=set)
    left: float = field(default_factory=time.monotonic)
    counted: counters.Counted = field(default_factory=counters.Counted)
    tending: "asyncio.Task[None] | None" = None
    is_closing: bool = False

    @property
    def bytes(self) -> int:
        """Size of the file, or of the document where that has become larger."""
        return max(self.size, self.room.history.size)

    def status(self) -> dict[str, Any]:
        """For operators (`rooms.process.OpenRoomStatus`)."""
        return {
            "people": [connection.user_id for connection in self.connections],
            "document_bytes": self.room.history.size,
            "unsaved_seconds": self.room.sync.unsaved_seconds,
            "states": sorted(self.room.sync.words),
        }

    def is_over(self) -> bool:
        """True when it may be closed: nobody is there, and all is saved or has been waiting for very long."""
        if self.connections:
            return False
        away = time.monotonic() - self.left
        return (away > CLOSE_AFTER and self.room.idle) or away > GIVE_UP_AFTER


class OpenRooms:
    """All that are open in this process, which is the only one. One event loop."""

    def __init__(self) -> None:
        self.by_id: dict[UUID, OpenRoom] = {}
        self._locks: defaultdict[UUID, asyncio.Lock] = defaultdict(asyncio.Lock)
        """One per room: it is opened once, and not while it is being closed."""
        self._measured: dict[int, float] = {}
        """When the documents that a person has opened were measured last."""

    async def of_place(self, user: User, place: Place, kind: Kind) -> OpenRoom:
        """The room of a file, opened if it is not. RefusedError, also while the file is open as another kind."""
        row = await in_thread(_row_of, place, kind)
        file_id = row.file_id
        for other in [one for one in self.by_id.values() if one.file.file_id == file_id and one.kind != kind]:
            if other.connections:
                what = "a notebook" if other.kind == Kind.NOTEBOOK else "text"
                raise RefusedError(409, f"Somebody has this file open as {what}. Open it in the same way, or wait.")
            await self.close(other)
        try:
            return await self.get(row.pk, user)
        except NotADocumentError as error:
            raise RefusedError(409, str(error) or "This file cannot be edited together.") from error
        except (RoomFileError, NoRoomError) as error:
            raise RefusedError(409, str(error)) from error
        except (JournalFullError, OSError) as error:
            log.exception("room %s is not opened", row.pk)
            raise RefusedError(503, "Editing together is not available at this moment.") from error

    async def get(self, room_id: UUID, user: User | None = None) -> OpenRoom:
        """A room by its id. NoRoomError, NotADocumentError, RoomFileError; RefusedError if it is too much."""
        async with self._locks[room_id]:
            found = self.by_id.get(room_id)
            if found is None:
                found = await self._open(room_id, user)
            found.opened_by = found.opened_by or (user.pk if user else 0)  # one that was recovered is nobody's
            found.left = time.monotonic()
            return found

    async def _open(self, room_id: UUID, user: User | None) -> OpenRoom:
        row_of_file, kind = await in_thread(_begin, room_id)
        file = LibraryFile(row_of_file, settings.COEDITING_MAX_BYTES)
        try:
            self._check_share(user, row_of_file.size)
            journal = journal_of(room_id)
            room = await Room.open(kind=kind, file=file, journal=journal, place=str(room_id), settings=room_settings())
        except Exception as error:
            file.close()
            is_over = isinstance(error, (FileGoneError, NotADocumentError, RefusedError))
            await in_thread(_end, room_id, not is_over)
            raise
        found = OpenRoom(room_id, kind, file, room, user.pk if user else 0, row_of_file.size)
        self.by_id[room_id] = found
        found.tending = asyncio.get_running_loop().create_task(self._tend(found))
        return found

    def _check_share(self, user: User | None, size: int) -> None:
        """One person must not use up the memory of this process, which all share. RefusedError (429)."""
        if user is None:
            return
        mine = self._opened_by(user.pk)
        if len(mine) >= MOST_ROOMS or not self._fits(mine, size, MOST_TIMES):
            raise RefusedError(429, TOO_MUCH)

    def may_grow(self, one: OpenRoom, by: int) -> bool:
        """False where that is more than who has opened this room may have open, whoever types."""
        return not one.opened_by or self._fits(self._opened_by(one.opened_by), by, GROWN_TIMES)

    def _opened_by(self, user_id: int) -> list[OpenRoom]:
        return [one for one in self.by_id.values() if one.opened_by == user_id]

    def _fits(self, mine: list[OpenRoom], more: int, times: int) -> bool:
        most = times * settings.COEDITING_MAX_BYTES
        if sum(one.bytes for one in mine) + more <= most:
            return True
        now = time.monotonic()
        user_id = mine[0].opened_by if mine else 0
        if now - self._measured.get(user_id, -MEASURE_EVERY) < MEASURE_EVERY:
            return False
        self._measured[user_id] = now
        for one in mine:
            one.room.history.measure()
        return sum(one.bytes for one in mine) + more <= most

    async def _tend(self, one: OpenRoom) -> None:
        while not one.is_over() and not one.is_closing:
            await asyncio.sleep(TICK)
            try:
                await one.room.tick()
            except Exception:
                log.exception("room %s", one.id)
            counters.count(one.room.statistics, one.counted)
        if not one.is_closing:
            self._last = asyncio.get_running_loop().create_task(self._close_if_over(one))

    async def _close_if_over(self, one: OpenRoom) -> None:
        async with self._locks[one.id]:
            if one.is_closing:
                return
            if one.is_over():
                await self._close(one)
            else:  # somebody has come in this moment
                one.tending = asyncio.get_running_loop().create_task(self._tend(one))

    async def close(self, one: OpenRoom) -> None:
        """Save and close."""
        async with self._locks[one.id]:
            if self.by_id.get(one.id) is one:
                await self._close(one)

    async def _close(self, one: OpenRoom) -> None:
        one.is_closing = True
        if one.tending:
            await asyncio.wait([one.tending])  # not cancelled: it may be saving
        is_saved = await one.room.save()
        await one.room.close()
        counters.count(one.room.statistics, one.counted)
        one.file.close()
        del self.by_id[one.id]
        await in_thread(_end, one.id, not is_saved)

    async def close_all(self) -> None:
        """At the end of the process: what is not saved in time is in the journals."""
        await asyncio.gather(*(self.close(one) for one in list(self.by_id.values())), return_exceptions=True)

    async def recover(self) -> None:
        """Open the rooms that had something unsaved when this process ended, so that it is saved."""
        for room_id in await in_thread(_unsaved):
            if room_id in self.by_id:
                continue
            try:
                await self.get(room_id)
            except Exception as error:  # of one; the others are recovered all the same
                log.warning("room %s is not recovered: %s", room_id, error)


def room_settings() -> RoomSettings:
    """The site's."""
    most = settings.COEDITING_MAX_BYTES
    return RoomSettings(max_file=most, max_document=MOST_TIMES * most)


def _row_of(place: Place, kind: Kind) -> Row:
    with open_library(place.library) as files:
        file = together.known_file(place.library, place.path, files)
    return Row.objects.get_or_create(file=file, kind=kind)[0]


def _begin(room_id: UUID) -> tuple[File, Kind]:
    row = Row.objects.select_related("file__library").filter(pk=room_id).first()
    if row is None or row.file is None:
        raise NoRoomError("This file was deleted, or you were away for too long.")
    if not Row.objects.filter(pk=room_id).update(is_open=True):
        raise NoRoomError("You were away for too long.")  # removed in this moment (tasks.forget)
    return row.file, Kind(row.kind)


def _end(room_id: UUID, is_open: bool) -> datetime:
    now = timezone.now()
    Row.objects.filter(pk=room_id).update(is_open=is_open, left_at=now)
    return now


def _unsaved() -> list[UUID]:
    return list(Row.objects.filter(is_open=True, file__isnull=False).values_list("pk", flat=True))
