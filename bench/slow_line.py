"""A slow line between a browser and a server on this machine: a relay on a port of its own, in a thread.

Not Chromium's own throttling, which leaves out frames that have a process of their own, and the handshakes of TCP. All
connections share the line in each direction; each byte is on its way for half a round trip, and a connection costs one.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator

BITS_PER_SECOND = 10e6
ROUND_TRIP_SECONDS = 0.05
CHUNK_BYTES = 4096
AHEAD_SECONDS = 0.02
"""How much is taken from a sender before the line is free for it."""


class SlowLine:
    """Relays connections to a port of this machine."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.free_at = {"up": 0.0, "down": 0.0}
        """When the line has sent all that was taken so far."""

    async def serve(self) -> None:
        """Listen until cancelled."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        async with server:
            await server.serve_forever()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(ROUND_TRIP_SECONDS)  # of the handshake
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.close()
            return
        await asyncio.gather(self._pump("up", reader, to_server), self._pump("down", from_server, writer))

    async def _pump(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction of a connection, until its sender has ended."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        delivery = asyncio.create_task(_deliver(under_way, writer))
        now = asyncio.get_running_loop().time
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                self.free_at[way] = max(now(), self.free_at[way]) + len(chunk) * 8 / BITS_PER_SECOND
                under_way.put_nowait((self.free_at[way] + ROUND_TRIP_SECONDS / 2, chunk))
                await asyncio.sleep(max(0, self.free_at[way] - now() - AHEAD_SECONDS))
        under_way.put_nowait((now() + ROUND_TRIP_SECONDS / 2, b""))
        await delivery


async def _deliver(under_way: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter) -> None:
    """Hand over each chunk when it has arrived; an empty one is the end."""
    now = asyncio.get_running_loop().time
    with contextlib.suppress(OSError):
        while True:
            arrives_at, chunk = await under_way.get()
            await asyncio.sleep(max(0, arrives_at - now()))
            if not chunk:
                break
            writer.write(chunk)
            await writer.drain()
    writer.close()


@contextlib.contextmanager
def slow_line(target: int) -> Iterator[int]:
    """The port of a slow line to this port."""
    loop, line, ready = asyncio.new_event_loop(), SlowLine(target), threading.Event()

    async def run() -> None:
        serving = asyncio.create_task(line.serve())
        while not line.port and not serving.done():
            await asyncio.sleep(0.01)
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await serving

    def work() -> None:
        asyncio.set_event_loop(loop)
        with contextlib.suppress(RuntimeError):  # stopped
            loop.run_until_complete(run())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    ready.wait(30)
    try:
        yield line.port
    finally:
        loop.call_soon_threadsafe(_cancel_all, loop)
        thread.join(30)
        loop.close()


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
