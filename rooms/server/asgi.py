"""The ASGI application of the process `rooms`: sessions (PUT), rooms (WebSocket), and nothing else.

It speaks what jupyter-docprovider speaks. Two addresses, each on two kinds of origins, and the proxy alone can reach
them, at a unix socket. It says in two headers who asks, and by which sign-in; without them there is nobody.

    PUT  /api/collaboration/session/<path in the Lab>                       on a Lab's origin
    PUT  /drive/collaboration/session/<library>/<path in it>                on the portal's
         {"format": "json" | "text", "type": "notebook" | "file"}  ->  {"format", "type", "fileId", "sessionId"}
    GET  …/collaboration/room/<format>:<type>:<fileId>?sessionId=…          WebSocket
"""

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, unquote
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError

from drive.libraries.permissions import permissions
from drive.models import Permission
from portal.models import User
from rooms import metrics
from rooms.access import Place, RefusedError, check_enabled, in_drive, in_lab
from rooms.documents.base import NotADocumentError
from rooms.models import Room
from rooms.room.client import CLOSE_SESSION_OVER, CLOSE_TRY_AGAIN
from rooms.room.file import RoomFileError
from rooms.room.history import JournalFullError
from rooms.room.messages import session_over
from rooms.room.room import Kind

from . import authorisation
from .authorisation import NO_ACCESS, SIGNED_OUT, Grant, Question
from .connection import Connection
from .held_bytes import set_bounds
from .open_rooms import RECOVER_EVERY, NoRoomError, OpenRoom, OpenRooms
from .threads import FILE_THREADS, DatabaseThreads, in_thread

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Scope = MutableMapping[str, Any]

log = logging.getLogger(__name__)

NOT_THERE = "This file is gone. Copy what you need, then reload."
TOO_MANY = "You have too many files open. Close some."
TOO_LARGE = "The files that are open are too large together."
MOST_BODY = 16384
MOST_CONNECTIONS = 64
"""Of one person; a page has one per file."""
_SESSION = re.compile(r"/(api|drive)/collaboration/session/(.+)")
_ROOM = re.compile(r"/(?:api|drive)/collaboration/room/(json:notebook|text:file):([0-9a-f]{32})")
_LIBRARY = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/(.+)", re.DOTALL)


class Application:
    """One per process."""

    def __init__(self) -> None:
        set_bounds(settings.COEDITING_MAX_BYTES)
        self.rooms = OpenRooms()
        self._answered: dict[tuple[int, Grant, UUID, Kind], tuple[float, User, bool]] = {}
        """Sessions that were given in the last second: when they were asked for, by whom; may they write."""
        self._tasks: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "lifespan":
                await self._live(receive, send)
            case "http":
                await self._answer(scope, receive, send)
            case "websocket":
                await self._converse(scope, receive, send)

    # The process

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(DatabaseThreads(FILE_THREADS, thread_name_prefix="file"))
        self._tasks = [loop.create_task(self._watch()), loop.create_task(self._recover())]
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for task in self._tasks:
            task.cancel()
        await self.rooms.close_all()
        await send({"type": "lifespan.shutdown.complete"})

    async def _recover(self) -> None:
        while True:
            try:
                await self.rooms.recover()
            except DatabaseError:
                log.exception("rooms are not recovered")
            await asyncio.sleep(RECOVER_EVERY)

    async def _watch(self) -> None:
        """Every second: end the connections of those who may not go on as they are."""
        while True:
            await asyncio.sleep(authorisation.INTERVAL)
            try:
                await self._end_who_may_not()
            except Exception:
                log.exception("nobody was asked who may go on")  # and nobody is cut, as with the relay of WebSockets

    async def _end_who_may_not(self) -> None:
        asked = [(one, connection) for one in self.rooms.by_id.values() for connection in one.connections]
        if not asked:
            return
        questions = {connection: _question(one, connection) for one, connection in asked}
        ended = await in_thread(authorisation.ended, set(questions.values()))
        for _one, connection in asked:
            why = ended.get(questions[connection])
            if why and not connection.closed.is_set():
                connection.may_write = False
                connection.close(CLOSE_SESSION_OVER, session_over(why, reloadable=why != NO_ACCESS))
                metrics.ENDED.add()

    # PUT of a session

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = _path(scope)
        if path == "/healthz":
            await _say(send, 200, {"rooms": len(self.rooms.by_id)})
            return
        if path == "/rooms" and scope["method"] == "GET":  # of the portal: the proxy leads nobody here
            await _say(send, 200, {str(one.id): one.status() for one in self.rooms.by_id.values()})
            return
        try:
            status, body = 200, await self._session(scope, path, receive)
        except RefusedError as refusal:
            status, body = refusal.status, {"message": str(refusal)}
        except DatabaseError:
            log.exception("no session")
            status, body = 503, {"message": "Editing together is not available at this moment."}
        await _say(send, status, body)

    async def _session(self, scope: Scope, path: str, receive: Receive) -> dict[str, str]:
        asked = _SESSION.fullmatch(path)
        if not asked:
            raise RefusedError(404, "There is nothing at this address.")
        if scope["method"] != "PUT":
            raise RefusedError(405, "Sessions are asked for with PUT.")
        began = time.monotonic()
        user, grant = await _who_asks(scope)
        kind = _kind(await _read(receive))
        place = await in_thread(_place, user, asked[1], unquote(asked[2], errors="surrogateescape"))
        one = await self.rooms.of_place(user, place, kind)
        session = one.room.session_id(may_write=place.may_write)
        self._remember((user.pk, grant, one.id, kind), began, user, place.may_write)
        form, _, content_type = kind.value.partition(":")
        return {"format": form, "type": content_type, "fileId": one.id.hex, "sessionId": session}

    # WebSockets

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A handshake that is refused would be tried again for ever, without a word: it is accepted, then closed."""
        await receive()
        await send({"type": "websocket.accept"})
        try:
            one, connection, session = await self._enter(scope, send)
        except RefusedError as refusal:
            reason = session_over(str(refusal), reloadable=refusal.status != 403)
            with suppress(OSError, RuntimeError):
                await send({"type": "websocket.close", "code": CLOSE_SESSION_OVER, "reason": reason})
            return
        except (DatabaseError, JournalFullError, OSError):
            log.exception("nobody was let in")
            with suppress(OSError, RuntimeError):
                await send({"type": "websocket.close", "code": CLOSE_TRY_AGAIN, "reason": ""})
            return
        metrics.CONNECTIONS.add()
        try:
            await _carry(self.rooms, one, connection, session, receive)
        finally:
            connection.drop()
            one.connections.discard(connection)
            one.room.disconnect(connection)
            one.left = time.monotonic()

    async def _enter(self, scope: Scope, send: Send) -> tuple[OpenRoom, Connection, str]:
        person, grant = _told(scope)
        asked = _ROOM.fullmatch(unquote(_path(scope)))
        if not asked:
            raise RefusedError(404, "There is no such file.")
        room_id, kind = UUID(asked[2]), Kind(asked[1])
        answer = self._just_answered((person, grant, room_id, kind))
        if answer is None:
            user, grant = await _who_asks(scope)
            answer = user, await in_thread(_permission, user, room_id, kind) == Permission.WRITE
        user, may_write = answer
        try:
            one = await self.rooms.get(room_id, user)
        except (NoRoomError, RoomFileError, NotADocumentError) as error:
            raise RefusedError(404, NOT_THERE) from error
        # From here on nothing is waited for: the room could be closed meanwhile.
        mine = [c for open_room in self.rooms.by_id.values() for c in open_room.connections if c.user_id == user.pk]
        if len(mine) >= MOST_CONNECTIONS:
            raise RefusedError(429, TOO_MANY)
        connection = Connection(user, grant, send, may_write=may_write)
        one.connections.add(connection)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        return one, connection, query.get("sessionId", [""])[0]

    def _remember(self, key: tuple[int, Grant, UUID, Kind], at: float, user: User, may_write: bool) -> None:
        until = time.monotonic() - authorisation.INTERVAL
        for other in [other for other, answer in self._answered.items() if answer[0] < until]:
            del self._answered[other]
        self._answered[key] = at, user, may_write

    def _just_answered(self, key: tuple[int, Grant, UUID, Kind]) -> tuple[User, bool] | None:
        """What was found out for the session that this connection is opened with, a moment ago. All who are connected
        are asked about once a second anyway: what has changed since is found out then.
        """
        at, user, may_write = self._answered.pop(key, (0.0, None, False))
        return (user, may_write) if user is not None and time.monotonic() - at < authorisation.INTERVAL else None


async def _carry(rooms: OpenRooms, one: OpenRoom, connection: Connection, session: str, receive: Receive) -> None:
    """Until the browser is gone. One that is closed by us is waited for: as long as it is there, it counts.

    uvicorn ends it ten seconds after it was told why; the proxy a minute after it stopped reading.
    """
    loop = asyncio.get_running_loop()
    one.room.connect(connection, session)
    beside = [loop.create_task(connection.pump()), loop.create_task(_leave_when_closed(one, connection))]
    try:
        while (message := await receive())["type"] != "websocket.disconnect":
            data = message.get("bytes")
            if not data or connection.closed.is_set():
                continue
            if rooms.may_grow(one, len(data)):
                one.room.receive(connection, data)
            else:
                connection.close(CLOSE_SESSION_OVER, session_over(TOO_LARGE))
    finally:
        for task in beside:
            task.cancel()
        await asyncio.gather(*beside, return_exceptions=True)


async def _leave_when_closed(one: OpenRoom, connection: Connection) -> None:
    await connection.closed.wait()
    one.room.disconnect(connection)


def _question(one: OpenRoom, connection: Connection) -> Question:
    return Question(connection.user_id, connection.grant, one.file.library.pk, connection.may_write)


async def _who_asks(scope: Scope) -> tuple[User, Grant]:
    """Whom the proxy names. RefusedError (401) where it names nobody, or they are signed in no more."""
    person, grant = _told(scope)
    user = await in_thread(_signed_in, person, grant)
    if user is None:
        raise RefusedError(401, SIGNED_OUT)
    return user, grant


def _told(scope: Scope) -> tuple[int, Grant]:
    """What the proxy says. RefusedError (401) where it names nobody, or one header came twice."""
    names = (b"x-rooms-person", b"x-rooms-grant")
    told = [[value for name, value in scope["headers"] if name.lower() == wanted] for wanted in names]
    if [len(values) for values in told] != [1, 1] or not re.fullmatch(rb"[0-9]{1,18}", told[0][0]):
        raise RefusedError(401, SIGNED_OUT)
    try:
        grant = Grant.parse(told[1][0].decode("latin-1"))
    except ValueError as error:
        raise RefusedError(401, SIGNED_OUT) from error
    return int(told[0][0]), grant


def _signed_in(user_id: int, grant: Grant) -> User | None:
    """The person; None if the sign-in has ended since the portal said so, which the proxy remembers for two seconds."""
    if not authorisation.valid_grants([grant]):
        return None
    return User.objects.filter(pk=user_id, is_active=True).first()


def _place(user: User, door: str, path: str) -> Place:
    if door == "api":
        return in_lab(user, path)
    found = _LIBRARY.fullmatch(path)
    if not found:
        raise RefusedError(404, "No such file.")
    return in_drive(user, UUID(found[1]), found[2])


def _permission(user: User, room_id: UUID, kind: str) -> str:
    """What the person may do in a room's file now. RefusedError if nothing, or where people do not edit together."""
    row = Room.objects.select_related("file__library__owner_collab").filter(pk=room_id, kind=kind).first()
    if row is None or row.file is None:
        raise RefusedError(404, NOT_THERE)
    pair = (user.pk, row.file.library_id)
    permission = permissions([pair]).get(pair)
    if permission is None:
        raise RefusedError(403, NO_ACCESS)
    check_enabled(row.file.library)
    return permission


def _path(scope: Scope) -> str:
    """The path as it was sent: what is quoted in it belongs to names."""
    raw: bytes = scope["raw_path"]
    return raw.partition(b"?")[0].decode("latin-1")


def _kind(body: bytes) -> Kind:
    try:
        asked = json.loads(body)
        return Kind(f"{asked['format']}:{asked['type']}")
    except (ValueError, TypeError, KeyError) as error:
        raise RefusedError(409, "Only notebooks and text are edited together.") from error


async def _read(receive: Receive) -> bytes:
    body = b""
    while len(body) <= MOST_BODY:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body") and len(body) <= MOST_BODY:
            return body
    raise RefusedError(413, "The request is too large.")


async def _say(send: Send, status: int, body: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
