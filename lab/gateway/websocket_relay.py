"""Relay of WebSockets between nginx and the Labs: `python -m lab.gateway.websocket_relay`, until SIGTERM or SIGINT.

nginx asks who may pass when a connection is opened, and cannot end one later; the other end is in the Lab, whose code
is not trusted to. So nginx passes every upgraded connection on to here, with the server and the pass in two headers
that are for this process alone. It hands the bytes on, both ways, and asks the portal every second which passes are
still good. Connections of the others are reset.

While the portal does not answer, nobody is cut: running notebooks go on, as with nginx's own memory of passes. It
reads COLLABORATORY_RUN (the directory of sockets) and PORTAL_URL. Standard library only: no Django, no database.
"""

import asyncio
import contextlib
import logging.config
import os
import re
import signal
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from portal.ops import logs

INTERVAL = 1.0
"""Seconds between two questions about the passes of open connections."""
QUESTION_SECONDS = 10
HEAD_SECONDS = 10
"""In which nginx, which has it already, must have sent a request's head."""
HEAD_BYTES = 2**20
"""More than nginx takes from a browser (large_client_header_buffers)."""
FLUSH_SECONDS = 10
"""In which an end that lives on must have read what the other one sent last."""
MOST_OF_A_LAB = 256
"""Open connections of one Lab; JupyterLab has one per kernel and terminal. One Lab must not use up the site's."""
BACKLOG = 1024

_SERVER = re.compile(r"[0-9a-f]{32}")
_PASS = re.compile(r"[0-9]{1,18}")
log = logging.getLogger("lab.relay")


class RefusedError(Exception):
    """The request is none that nginx passes on, or its Lab has enough connections."""


@dataclass
class Head:
    """Head of a request, with what nginx said to us taken out of it."""

    server: str
    pass_id: int
    forwarded: bytes

    @classmethod
    def parse(cls, head: bytes) -> "Head":
        """`head`: all up to the empty line. RefusedError unless each of our headers is there once, and can be one."""
        told: dict[bytes, str] = {}
        lines = []
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() not in (b"x-lab-server", b"x-lab-pass"):
                lines.append(line)
            elif name.lower() in told:
                raise RefusedError("a header came twice")
            else:
                told[name.lower()] = value.strip().decode("latin-1")
        server, pass_id = told.get(b"x-lab-server", ""), told.get(b"x-lab-pass", "")
        if not _SERVER.fullmatch(server) or not _PASS.fullmatch(pass_id):
            raise RefusedError("no server or no pass is named")
        return cls(server, int(pass_id), b"\r\n".join(lines))


class End(asyncio.Protocol):
    """One end of a connection: what comes is written to the other one, as fast as that one reads."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: End | None = None
        self.is_full = False
        """Whether as much is waiting to be sent as may; the other end is not read then."""
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.other and self.other.transport:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        self.is_full = True
        if self.other and self.other.transport:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.is_full = False
        if self.other and self.other.transport:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)
        if self.other:
            self.other.finish()

    def finish(self) -> None:
        """Close when all is sent; at once if that takes too long, as the other side may never read again."""
        if self.transport and not self.closed.done():
            self.transport.close()
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.transport.abort)

    def cut(self) -> None:
        """Close at once; what is not sent yet is lost."""
        if self.transport:
            self.transport.abort()


class Arriving(End):
    """nginx's end: the head of a request is collected first."""

    def __init__(self, relay: "Relay") -> None:
        super().__init__()
        self.relay = relay
        self.received = bytearray()
        self.head = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.relay.begin(self)

    def data_received(self, data: bytes) -> None:
        if self.head.done():
            super().data_received(data)
            return
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end >= 0:
            assert self.transport
            self.transport.pause_reading()  # until there is another end
            self.head.set_result((bytes(self.received[:end]), bytes(self.received[end:])))
        elif len(self.received) > HEAD_BYTES:
            self.cut()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.head.cancel()


@dataclass
class Relay:
    """Open connections by their pass. `run`: directory of the sockets; `host`: the portal's name."""

    run: Path
    host: str
    open: dict[int, set[Arriving]] = field(default_factory=lambda: defaultdict(set))
    of_lab: Counter[str] = field(default_factory=Counter)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    is_answered: bool = True
    """Whether the portal answered the last question."""

    async def serve(self) -> None:
        """Until cancelled."""
        path = self.run / "relay.sock"
        path.unlink(missing_ok=True)
        await asyncio.get_running_loop().create_unix_server(lambda: Arriving(self), path, backlog=BACKLOG)
        await self._watch()

    def begin(self, arriving: Arriving) -> None:
        """Pass a connection on, from its first byte to its last."""
        task = asyncio.get_running_loop().create_task(self._pass_on(arriving))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _pass_on(self, arriving: Arriving) -> None:
        """Closed without an answer, a connection is a 502 of nginx, and the portal is asked what to say."""
        try:
            async with asyncio.timeout(HEAD_SECONDS):
                raw, rest = await arriving.head
            head = Head.parse(raw)
            with self._counted(arriving, head):
                lab = await self._connect(arriving, head, rest)
                await arriving.closed
                await lab.closed
        except RefusedError as refusal:
            log.warning("refused: %s", refusal)
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # the Lab has ended, or who came is gone
        finally:
            arriving.cut()

    @contextlib.contextmanager
    def _counted(self, arriving: Arriving, head: Head) -> Iterator[None]:
        if self.of_lab[head.server] >= MOST_OF_A_LAB:
            raise RefusedError(f"the Lab {head.server} has {MOST_OF_A_LAB} connections")
        self.of_lab[head.server] += 1
        self.open[head.pass_id].add(arriving)
        self.opened.set()  # nginx may have believed an answer that is two seconds old
        try:
            yield
        finally:
            self._forget(arriving, head)

    def _forget(self, arriving: Arriving, head: Head) -> None:
        self.of_lab[head.server] -= 1
        if not self.of_lab[head.server]:
            del self.of_lab[head.server]
        self.open[head.pass_id].discard(arriving)
        if not self.open[head.pass_id]:
            del self.open[head.pass_id]

    async def _connect(self, arriving: Arriving, head: Head, rest: bytes) -> End:
        socket = self.run / "lab" / f"{head.server}.sock"
        transport, lab = await asyncio.get_running_loop().create_unix_connection(End, str(socket))
        arriving.other, lab.other = lab, arriving
        transport.write(head.forwarded + rest)
        if arriving.closed.done() or arriving.transport is None:
            lab.cut()
        elif not lab.is_full:  # the head alone can be too much: asyncio says so once, and would not say it again
            arriving.transport.resume_reading()
        return lab

    async def _watch(self) -> None:
        """Ask about all passes each second, and soon after a connection was opened."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL):
                    await self.opened.wait()
            self.opened.clear()
            asked = set(self.open)
            if asked:
                await self._cut_all_but_good(asked)
                await asyncio.sleep(INTERVAL / 10)  # not a question for each of many that are opened together

    async def _cut_all_but_good(self, asked: set[int]) -> None:
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                good = await self._ask(asked)
        except (OSError, ValueError, TimeoutError) as error:
            if self.is_answered:
                log.warning("the portal does not say which passes are good: %r", error)
            self.is_answered = False
            return
        self.is_answered = True
        ended = [arriving for pass_id in asked - good for arriving in self.open.get(pass_id, ())]
        for arriving in ended:
            arriving.cut()
            if arriving.other:
                arriving.other.cut()
        if ended:
            log.info("%s connections were cut: their passes have ended", len(ended))

    async def _ask(self, passes: Iterable[int]) -> set[int]:
        """Those of the passes that are good. ValueError unless the portal says so."""
        body = ",".join(map(str, passes))
        reader, writer = await asyncio.open_unix_connection(str(self.run / "web.sock"))
        try:
            head = f"POST /_gateway/valid-passes HTTP/1.0\r\nHost: {self.host}\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write((head + body).encode())
            answer = (await reader.read()).decode("latin-1")
        finally:
            writer.close()
        head, _, text = answer.partition("\r\n\r\n")
        words = head.split(" ", 2)
        if len(words) < 2 or words[1] != "200" or not text.endswith("\n"):  # an answer may break off
            raise ValueError(head.partition("\r\n")[0])
        return {int(word) for word in text.strip().split(",") if word}


def main() -> None:
    """Serve."""
    shape, level = os.environ.get("LOG_FORMAT") or "text", os.environ.get("LOG_LEVEL") or "INFO"
    logging.config.dictConfig(logs.configuration(shape, level))
    os.umask(0o077)
    relay = Relay(Path(os.environ["COLLABORATORY_RUN"]), urlsplit(os.environ["PORTAL_URL"]).netloc)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(relay))


async def _serve(relay: Relay) -> None:
    task = asyncio.ensure_future(relay.serve())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


if __name__ == "__main__":
    main()
