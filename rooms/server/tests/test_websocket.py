"""What connections may hold in memory: with uvicorn itself at a socket, and clients that send what no browser does."""

import asyncio
import contextlib
import os
import struct
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from portal.models import User
from rooms.server.authorisation import Grant
from rooms.server.connection import Connection
from rooms.server.held_bytes import HeldBytes, held, most_message, set_bounds
from rooms.server.websocket import FRAGMENT_OVERHEAD, BoundedWebSocket

TEXT, BINARY, CONTINUED, CLOSE, PING, LAST = 1, 2, 0, 8, 9, 0x80
OF_PERSON, IN_ALL = 2_000_000, 6_000_000
PATIENCE = 30.0
TRY_AGAIN = 1013


@pytest.fixture(autouse=True)
def bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones; the account is empty."""
    held.by_person.clear()
    monkeypatch.setattr(held, "of_person", OF_PERSON)
    monkeypatch.setattr(held, "in_all", IN_ALL)


class Server:
    """uvicorn, with an application that takes what comes, or sends what it is told to send."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.taken: list[bytes] = []
        self.send_first: list[bytes] = []

    async def application(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for message in self.send_first:
            await send({"type": "websocket.send", "bytes": message})
        while (message := await receive())["type"] != "websocket.disconnect":
            self.taken.append(message["bytes"])

    def run(self, story: "Callable[[Server], Coroutine[Any, Any, None]]") -> None:
        async def main() -> None:
            config = uvicorn.Config(
                self.application,
                uds=str(self.path),
                interface="asgi3",
                ws=BoundedWebSocket,
                ws_max_size=10_000_000,
                ws_per_message_deflate=False,
                lifespan="off",
                log_config=None,
                timeout_graceful_shutdown=1,
            )
            server = uvicorn.Server(config)
            serving = asyncio.ensure_future(server.serve())
            await until(lambda: server.started or serving.done())
            try:
                await asyncio.wait_for(story(self), 4 * PATIENCE)
            finally:
                server.should_exit = True
                await serving

        asyncio.run(main())


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path / "socket")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


class Raw:
    """A client that frames as it likes (RFC 6455); its mask is zero."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(cls, server: Server, person: int) -> "Raw":
        reader, writer = await asyncio.open_unix_connection(str(server.path))
        head = f"GET / HTTP/1.1\r\nHost: x\r\nX-Rooms-Person: {person}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return cls(reader, writer)

    async def send(self, kind: int, payload: bytes, size: int | None = None) -> None:
        """A frame, or its beginning: `size` is what it says to be long. It may be closed meanwhile."""
        self.writer.write(struct.pack("!BBQ4x", kind, 0x80 | 127, len(payload) if size is None else size) + payload)
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(self.writer.drain(), PATIENCE)

    async def flood(self, frames: bytes, times: int) -> None:
        """Send them again and again, until the other side has closed; TimeoutError if it does not."""
        with contextlib.suppress(ConnectionError):
            for _ in range(times):
                self.writer.write(frames)
                await asyncio.wait_for(self.writer.drain(), PATIENCE)
            await asyncio.wait_for(self.reader.read(), PATIENCE)

    async def until_closed(self) -> None:
        """Until the other side has closed; with a code that lets a page come again, if that still got here."""
        with contextlib.suppress(ConnectionError):
            came = await asyncio.wait_for(self.reader.read(), PATIENCE)
            assert came[:4] in (b"", bytes([LAST | CLOSE, len(came) - 2]) + struct.pack("!H", TRY_AGAIN)), came

    def end(self) -> None:
        self.writer.transport.abort()


def test_messages_that_do_not_end_are_bounded_for_one_person_and_leave_others_room(server: Server) -> None:
    async def story(server: Server) -> None:
        mine = [await Raw.connect(server, 1) for _ in range(8)]
        for raw in mine:
            await raw.send(LAST | BINARY, b"x" * 450_000, size=9_000_000)
        for raw in mine[4:]:
            await raw.until_closed()
        await until(lambda: held.by_person[1] == 1_800_000)
        other = await Raw.connect(server, 2)
        await other.send(LAST | BINARY, b"y" * 1_000_000)
        await until(lambda: server.taken == [b"y" * 1_000_000])
        for raw in [*mine, other]:
            raw.end()
        await until(lambda: not held.by_person)

    server.run(story)


def test_many_people_leave_room_for_the_next(server: Server) -> None:
    async def story(server: Server) -> None:
        raws = [await Raw.connect(server, person) for person in range(1, 21)]
        for raw in raws:
            await raw.send(LAST | BINARY, b"x" * 1_900_000, size=9_000_000)
        await until(lambda: len(held.by_person) == 2)
        assert held.by_person.total() < IN_ALL
        last = await Raw.connect(server, 99)
        await last.send(LAST | BINARY, b"y" * 10_000)
        await until(lambda: b"y" * 10_000 in server.taken)
        for raw in [*raws, last]:
            raw.end()

    server.run(story)


@pytest.mark.parametrize("payload", [b"", b"x"])
def test_fragments_without_content_are_counted(server: Server, payload: bytes) -> None:
    """`ws_max_size` counts content alone: without end, each fragment takes memory."""

    async def story(server: Server) -> None:
        raw = await Raw.connect(server, 1)
        await raw.send(BINARY, payload)
        frame = struct.pack("!BB4x", CONTINUED, 0x80 | len(payload)) + payload
        await raw.flood(frame * 1000, 40)
        await until(lambda: not held.by_person)
        assert 40_000 * FRAGMENT_OVERHEAD > OF_PERSON

    server.run(story)


def test_who_does_not_read_is_cut(server: Server) -> None:
    """One message is in the socket, whose place in the queue is free again; 64 connections hold 64 of them."""

    async def story(server: Server) -> None:
        server.send_first = [os.urandom(900_000)]
        mine = [await Raw.connect(server, 1) for _ in range(6)]
        await until(lambda: held.by_person[1] > 900_000)
        for raw in mine[:2]:
            assert len(await asyncio.wait_for(raw.reader.readexactly(900_000), PATIENCE)) == 900_000
        assert held.by_person[1] <= OF_PERSON
        for raw in mine:
            raw.end()
        await until(lambda: not held.by_person)

    server.run(story)


def test_pings_whose_answers_nobody_reads_are_bounded(server: Server) -> None:
    async def story(server: Server) -> None:
        raw = await Raw.connect(server, 1)
        ping = struct.pack("!BB4x", LAST | PING, 0x80 | 125) + b"p" * 125
        with contextlib.suppress(ConnectionError):
            for _ in range(400):
                raw.writer.write(ping * 100)
                await asyncio.wait_for(raw.writer.drain(), PATIENCE)
        await until(lambda: not held.by_person)

    server.run(story)


def test_half_of_what_is_left_is_for_who_comes_next() -> None:
    account = HeldBytes(of_person=60, in_all=100)
    assert account.change(1, 50)
    assert not account.change(1, 1)
    assert account.change(1, -1)
    assert account.change(2, 25)
    assert not account.change(2, 1)
    assert account.change(3, 8)
    assert account.change(1, -50)
    assert not account.by_person[1]
    assert account.change(1, 30)


def test_a_person_has_room_for_four_of_the_largest_files() -> None:
    set_bounds(50 << 20)
    assert held.of_person >= 4 * most_message(50 << 20) > 200 << 20
    assert held.in_all < 1 << 30


@pytest.fixture
def connection() -> Connection:
    async def send(_message: Any) -> None:
        await asyncio.Event().wait()  # the browser reads nothing

    return Connection(User(pk=1, username="ada"), Grant("pass", "1"), send, may_write=True)


def test_what_is_queued_for_a_browser_counts_until_it_has_gone_or_is_dropped(connection: Connection) -> None:
    async def story() -> None:
        pump = asyncio.ensure_future(connection.pump())
        for _ in range(3):
            connection.send(b"x" * 600_000)
            await asyncio.sleep(0)
        assert (connection.queued, held.by_person[1]) == (1_800_000, 1_800_000)
        connection.send(b"x" * 600_000)
        assert connection.closed.is_set()
        assert (connection.queued, held.by_person[1]) == (600_000, 600_000)
        pump.cancel()
        await asyncio.wait([pump])
        connection.drop()
        assert not held.by_person

    asyncio.run(story())
