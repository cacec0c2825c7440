"""How much the relay of WebSockets holds of what a Lab does not read; the rest: tests/proxy/test_websocket_relay.py."""

import asyncio
import contextlib
import socket
import tempfile
from pathlib import Path

import pytest

from lab.gateway.websocket_relay import Arriving, Relay

SERVER = "0123456789abcdef0123456789abcdef"
HEAD = f"GET / HTTP/1.1\r\nX-Lab-Server: {SERVER}\r\nX-Lab-Pass: 5\r\nX-Long: {'x' * 800_000}\r\n\r\n".encode()
"""Longer than what the kernel and asyncio take for somebody who does not read."""
BODY = b"y" * 1_000_000


def test_it_reads_no_more_while_a_lab_has_not_read_the_head() -> None:
    with tempfile.TemporaryDirectory() as directory:  # a socket's path is short
        asyncio.run(_send_to_a_lab_that_waits(Path(directory)))


async def _send_to_a_lab_that_waits(run: Path) -> None:
    (run / "lab").mkdir()
    relay = Relay(run, "portal.test")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as lab:
        lab.bind(str(run / "lab" / f"{SERVER}.sock"))
        lab.listen()
        await loop.create_unix_server(lambda: Arriving(relay), run / "relay.sock")
        _, browser = await asyncio.open_unix_connection(run / "relay.sock")
        browser.write(HEAD + BODY)
        while not (arriving := next(iter(relay.open.get(5, ())), None)) or not arriving.other:
            await asyncio.sleep(0)
        assert arriving.transport
        assert not arriving.transport.is_reading()
        received = await asyncio.to_thread(_read, lab, HEAD.count(b"x") + len(BODY))
    assert received.endswith(BODY), "it goes on when the Lab reads"
    browser.close()
    await asyncio.gather(*relay.tasks)


def test_a_lab_whose_queue_is_full_fills_no_log(caplog: pytest.LogCaptureFixture) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_connect_to_a_full_lab(Path(directory)))
    assert not caplog.records


async def _connect_to_a_full_lab(run: Path) -> None:
    """connect(2) says EAGAIN, which asyncio takes for a connection that is about to be there."""
    (run / "lab").mkdir()
    relay = Relay(run, "portal.test")
    path = str(run / "lab" / f"{SERVER}.sock")
    with socket.socket(socket.AF_UNIX) as lab, socket.socket(socket.AF_UNIX) as first:
        lab.bind(path)
        lab.listen(0)
        first.connect(path)
        await asyncio.get_running_loop().create_unix_server(lambda: Arriving(relay), run / "relay.sock")
        for body in (b"", BODY):
            reader, browser = await asyncio.open_unix_connection(run / "relay.sock")
            browser.write(HEAD + body)
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
            browser.close()
        await asyncio.gather(*relay.tasks)


def _read(lab: socket.socket, least: int) -> bytes:
    """At least so many bytes of the next connection."""
    connection, _ = lab.accept()
    with connection:
        received = b""
        while len(received) < least or not received.endswith(BODY):
            received += connection.recv(2**20)
        return received


@pytest.mark.parametrize("turns", range(6))
def test_it_ends_when_asked_to_in_the_moment_a_connection_opens(turns: int) -> None:
    """asyncio.wait_for of Python 3.11 forgets to be cancelled where what it waits for comes in the same turn."""

    async def end_while_opening() -> bool:
        relay = Relay(Path("/nowhere"), "portal.test")
        watching = asyncio.create_task(relay._watch())
        await asyncio.sleep(0.01)
        relay.opened.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        watching.cancel()
        await asyncio.wait([watching], timeout=5)
        is_over = watching.done()
        watching.cancel()
        return is_over

    assert asyncio.run(end_while_opening())
