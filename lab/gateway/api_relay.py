"""Relay of API requests from the Labs to nginx: `python -m lab.gateway.api_relay`, until SIGTERM or SIGINT.

Each Lab has a socket of its own, in a directory that its sandbox sees (servers/<id>/portal). So before anything is read
it is known whose a connection is, and no Lab has more than its share of them: what comes then waits in the queue of its
own socket (listen(2)). nginx has a connection only once something was sent on it, and all Labs together cannot take
those that the site's pages need.

The supervisor says which Lab begins: the server's id and a line end, to api-relay.sock; the answer is the same line,
when the Lab's socket is there. At its own start the relay opens those of all servers that exist, so it may be killed.
`run/portal` has a socket for servers that have none of their own: those that an earlier version of the site started,
and those of the unisolated launcher. Reads COLLABORATORY_RUN and LAB_ROOT. Standard library only: no Django.
"""

import asyncio
import contextlib
import json
import logging.config
import os
import re
import signal
import socket
from dataclasses import dataclass, field
from pathlib import Path

from lab.supervisor.api_token import RELAY, SOCKET, SOCKET_DIRECTORY
from portal.ops import logs

from .websocket_relay import End

MOST_OF_A_LAB = 8
"""Connections of one Lab at a time; gunicorn has 16 threads for the whole site."""
MOST_SHARED = 64
"""Of all servers together that have no socket of their own."""
MOST_AT_NGINX = 512
"""Of all Labs together; nginx has some 8,000 (worker_connections), and needs two for each."""
QUEUE = 64
"""Connections of one Lab that wait. More are refused (EAGAIN), or wait in connect(2)."""
FIRST_SECONDS = 5.0
"""In which something must be sent on a connection."""
TURN_SECONDS = 10.0
SCAN_SECONDS = 15.0
CHUNK = 2**16
_ID = re.compile(r"[0-9a-f]{32}")
_AWAY = json.dumps(
    {
        "status": 503,
        "error": "service_unavailable",
        "message": "The portal is restarting or busy. Try again in a moment.",
        "fields": {},
        "request_id": "",
    }
)
AWAY = (
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    f"Content-Length: {len(_AWAY)}\r\nConnection: close\r\n\r\n{_AWAY}"
).encode()

log = logging.getLogger("lab.api_relay")


@dataclass
class ApiRelay:
    """Sockets by the directory that they are in. `run`: directory of the site's sockets; `servers`: of the Labs."""

    run: Path
    servers: Path
    listening: dict[Path, asyncio.Task[None]] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.at_nginx = asyncio.Semaphore(MOST_AT_NGINX)

    async def serve(self) -> None:
        """Until cancelled."""
        shared = self.run / SOCKET_DIRECTORY
        shared.mkdir(exist_ok=True)
        self.listen(shared, MOST_SHARED)
        self.scan()
        path = self.run / RELAY
        path.unlink(missing_ok=True)
        await asyncio.start_unix_server(self._answer, path)
        while True:
            await asyncio.sleep(SCAN_SECONDS)
            self.scan()

    def scan(self) -> None:
        """Open the sockets of all servers, and close those whose server has gone."""
        for directory in self.servers.glob(f"*/{SOCKET_DIRECTORY}"):
            self.have(directory.parent.name)
        for directory in [known for known in self.listening if not known.exists()]:
            self.listening.pop(directory).cancel()

    def have(self, server_id: str) -> None:
        """Have the socket of a server, unless it is there."""
        directory = self.servers / server_id / SOCKET_DIRECTORY
        if not _ID.fullmatch(server_id) or (directory in self.listening and (directory / SOCKET).exists()):
            return
        try:
            self.listen(directory, MOST_OF_A_LAB)
        except FileNotFoundError:
            log.debug("%s has gone meanwhile", server_id)
        except OSError as error:
            log.warning("%s has no socket: %s", server_id, error)

    def listen(self, directory: Path, most: int) -> None:
        """Open the socket in a directory; at most so many connections are served at a time."""
        if directory in self.listening:
            self.listening.pop(directory).cancel()
        self.listening[directory] = asyncio.get_running_loop().create_task(self._accept(bind(directory), most))

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            line = await reader.readuntil(b"\n")
            self.have(line.decode("latin-1").strip())
            writer.write(line)
            await writer.drain()
        writer.close()

    async def _accept(self, listener: socket.socket, most: int) -> None:
        places = asyncio.Semaphore(most)
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                await places.acquire()
                try:
                    connection, _ = await loop.sock_accept(listener)
                except OSError as error:
                    log.warning("a connection could not be accepted: %s", error)
                    places.release()
                    await asyncio.sleep(1)
                    continue
                task = loop.create_task(self._serve(connection))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)
                task.add_done_callback(lambda _: places.release())

    async def _serve(self, connection: socket.socket) -> None:
        """One connection, from its first bytes to its end."""
        loop = asyncio.get_running_loop()
        with connection, contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(FIRST_SECONDS):
                first = await loop.sock_recv(connection, CHUNK)
            if not first:
                return
            try:
                async with asyncio.timeout(TURN_SECONDS):
                    await self.at_nginx.acquire()
            except TimeoutError:
                await loop.sock_sendall(connection, AWAY)
                return
            try:
                await self._pass_on(connection, first)
            finally:
                self.at_nginx.release()

    async def _pass_on(self, connection: socket.socket, first: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            transport, nginx = await loop.create_unix_connection(End, str(self.run / "api.sock"))
        except OSError:
            await loop.sock_sendall(connection, AWAY)
            return

        def arriving() -> End:
            end = End()
            end.other, nginx.other = nginx, end
            return end

        transport.pause_reading()  # until there is somebody to tell
        transport.write(first)
        _, arrived = await loop.connect_accepted_socket(arriving, connection)
        transport.resume_reading()
        try:
            await arrived.closed
            await nginx.closed
        finally:
            arrived.cut()
            nginx.cut()


def bind(directory: Path) -> socket.socket:
    """A socket that listens in a directory, in place of the one that is there. FileNotFoundError without a directory.

    Its path may be longer than an address of a socket (unix(7)). Whoever sees the directory may connect.
    """
    place = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        new = Path(f"/proc/self/fd/{place}/new")
        new.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.bind(str(new))
        new.chmod(0o666)
        listener.listen(QUEUE)
        new.replace(new.with_name(SOCKET))
        return listener
    finally:
        os.close(place)


def main() -> None:
    """Serve."""
    shape, level = os.environ.get("LOG_FORMAT") or "text", os.environ.get("LOG_LEVEL") or "INFO"
    logging.config.dictConfig(logs.configuration(shape, level))
    os.umask(0o077)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_run(Path(os.environ["COLLABORATORY_RUN"]), Path(os.environ["LAB_ROOT"]) / "servers"))


async def _run(run: Path, servers: Path) -> None:
    task = asyncio.ensure_future(ApiRelay(run, servers).serve())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


if __name__ == "__main__":
    main()
