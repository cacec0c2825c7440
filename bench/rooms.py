"""Several people in one notebook: what a room costs, beside jupyter-collaboration's own server in the same run.

    python bench/rooms.py

Ours is a room as the process `rooms` has them, behind uvicorn on a TCP port, without nginx and without the database.
The other is jupyter-server-ydoc in a Jupyter Server, installed from PyPI into a temporary environment. The same clients
connect to both: they speak what JupyterLab's pages do, type words of some characters into random cells, and look for
each other's. A word's time is from its sending until another client has it in its document.
"""

import asyncio
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websockets
from pycrdt import Array, Doc, Map

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from rooms.documents.notebook import Notebook  # noqa: E402
from rooms.room import messages, wire  # noqa: E402
from rooms.room.file import Content, FileChangedError, FileGoneError  # noqa: E402
from rooms.room.history import History, digest_of  # noqa: E402
from rooms.room.room import Kind, Room  # noqa: E402

PEOPLE, SECONDS, WORDS_PER_SECOND = (2, 10, 30), 15.0, 4.0
UPDATES, IDLE_ROOMS = 10_000, 100
SIZES = {"0.7 kB": 700, "1 MB": 1 << 20, "20 MB": 20 << 20}
OTHER = "jupyter-server-ydoc"
READY_SECONDS = 60


def main() -> None:
    """Serve, when asked to; else measure both."""
    if sys.argv[1:2] == ["serve"]:
        serve(int(sys.argv[2]), Path(sys.argv[3]))
        return
    merges()
    with tempfile.TemporaryDirectory() as place:
        with ours(Path(place, "ours")) as server:
            asyncio.run(measure("ours", server))
        with theirs(Path(place, "theirs")) as server:
            asyncio.run(measure(OTHER, server))


# What is measured


async def measure(name: str, server: "Server") -> None:
    """All that goes through a connection."""
    for people in PEOPLE:
        await typing(name, server, people)
    await idle(name, server)
    await catching_up(name, server)
    for size, count in SIZES.items():
        await opening(name, server, size, count)


async def typing(name: str, server: "Server", people: int) -> None:
    """People type into one notebook of twenty cells."""
    path = server.put(f"typing{people}.ipynb", notebook(20, 0))
    pages = [await Page.open(server, path) for _ in range(people)]
    began, cpu = time.monotonic(), server.cpu()
    sent: dict[str, float] = {}
    seen: list[float] = []
    for page in pages:
        page.look_for(sent, seen)
    await asyncio.gather(*(page.type_for(SECONDS, number, sent) for number, page in enumerate(pages)))
    took, used = time.monotonic() - began, server.cpu() - cpu
    await asyncio.sleep(2)
    texts = {json.dumps(page.texts()) for page in pages}
    whole = "".join(pages[0].texts())
    once = sum(whole.count(word) == 1 for word in sent)
    expected = len(sent) * (people - 1)
    print(
        f"{name}: {people} people, {len(sent) / took:.0f} words/s: median {1000 * statistics.median(seen):.1f} ms, "
        f"p95 {1000 * statistics.quantiles(seen, n=20)[18]:.1f} ms; CPU {100 * used / took:.0f} %, "
        f"memory {server.memory():.0f} MiB; {once} of {len(sent)} words there once, {len(seen)} of {expected} seen, "
        f"{len(texts)} document{'s' * (len(texts) > 1)}"
    )
    for page in pages:
        await page.close()


async def catching_up(name: str, server: "Server") -> None:
    """A page comes back after others made ten thousand changes."""
    path = server.put("catching-up.ipynb", notebook(20, 0))
    away, busy = await Page.open(server, path), await Page.open(server, path)
    await away.close()
    for number in range(UPDATES):
        busy.insert(number % 20, "x")
        if not number % 100:
            await asyncio.sleep(0)
    while busy.outbox.qsize():
        await asyncio.sleep(0.05)
    await busy.save()
    began = time.monotonic()
    await away.connect()
    print(f"{name}: catching up after {UPDATES:,} changes: {1000 * (time.monotonic() - began):.0f} ms")
    assert "".join(away.texts()).count("x") >= UPDATES
    for page in (away, busy):
        await page.close()


async def opening(name: str, server: "Server", size: str, count: int) -> None:
    """From asking for the session to a page that has everything; the first, and one who comes later."""
    times = []
    path = server.put(f"opening {size}.ipynb", notebook(20, count))
    pages = []
    for _ in range(2):
        began = time.monotonic()
        pages.append(await Page.open(server, path))
        times.append(1000 * (time.monotonic() - began))
    print(f"{name}: opening {size}: {times[0]:.0f} ms, the second {times[1]:.0f} ms")
    for page in pages:
        await page.close()


async def idle(name: str, server: "Server") -> None:
    """A hundred notebooks, each open in a page where nobody types."""
    memory = server.memory()
    data = notebook(20, 0)
    pages = [await Page.open(server, server.put(f"idle{number}.ipynb", data)) for number in range(IDLE_ROOMS)]
    cpu = server.cpu()
    await asyncio.sleep(10)
    used, more = server.cpu() - cpu, server.memory() - memory
    print(f"{name}: {IDLE_ROOMS} idle rooms: {10 * used:.1f} % CPU, {more:.0f} MiB more")
    for page in pages:
        await page.close()


def merges() -> None:
    """An outside change, merged with a room's document: what the process does nothing else in."""
    for size, count in SIZES.items():
        with tempfile.TemporaryDirectory() as place:
            data = notebook(200, count)
            history = History(Notebook, Path(place, "journal"), max_size=1 << 30)
            history.open()
            history.start(Notebook.parse(data).content, "", digest_of(data))
            history.change(lambda history=history: history.document.cells[3]["source"].insert(0, "typed"))  # type: ignore
            changed = data.replace(b"number 7\\n", b"number 7, changed\\n", 1)
            parsed = Notebook.parse(changed)
            began = time.perf_counter()
            history.merge(parsed, digest_of(changed))
            print(f"ours: merging an outside change of {size}: {1000 * (time.perf_counter() - began):.0f} ms")
            history.close()


# Clients


class Page:
    """What a page does: a document, and a connection."""

    def __init__(self, server: "Server", path: str) -> None:
        self.server, self.path = server, path
        self.doc: Doc = Doc()
        self.cells: Array = self.doc.get("cells", type=Array)
        self.doc.get("meta", type=Map)
        self.doc.get("state", type=Map)
        self.session: dict[str, str] = {}
        self.applying = False
        self.outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.doc.observe(lambda event: None if self.applying else self.outbox.put_nowait(messages.update(event.update)))

    @classmethod
    async def open(cls, server: "Server", path: str) -> "Page":
        page = cls(server, path)
        page.session = await asyncio.to_thread(server.session, path)
        await page.connect()
        return page

    async def connect(self) -> None:
        """Connect, and wait until everything is there."""
        room = f"{self.session['format']}:{self.session['type']}:{self.session['fileId']}"
        address = (
            f"ws://127.0.0.1:{self.server.port}/api/collaboration/room/{room}?sessionId={self.session['sessionId']}"
        )
        while not self.outbox.empty():
            self.outbox.get_nowait()
        self.socket = await websockets.connect(address, max_size=None, compression=None)
        self.synced, self.saved = asyncio.Event(), asyncio.Event()
        await self.socket.send(messages.sync_step1(self.doc.get_state()))
        self.tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]
        await asyncio.wait_for(self.synced.wait(), READY_SECONDS)

    async def _read(self) -> None:
        async for message in self.socket:
            assert isinstance(message, bytes)
            reader = wire.Reader(message)
            kind = reader.uint()
            if kind == messages.RAW and json.loads(reader.text()).get("type") == "save":
                self.saved.set()
            if kind != messages.SYNC:
                continue
            step, payload = reader.uint(), reader.bytes()
            if step == messages.STEP1:
                await self.outbox.put(messages.sync_step2(self.doc.get_update(payload)))
                continue
            self.applying = True
            self.doc.apply_update(payload)
            self.applying = False
            if step == messages.STEP2:
                self.synced.set()

    async def _write(self) -> None:
        while True:
            await self.socket.send(await self.outbox.get())

    async def save(self) -> None:
        """Ctrl+S, and its answer: what was sent before has arrived."""
        await self.outbox.put(bytes([messages.RAW]) + wire.text("save") + wire.uint(1))
        await asyncio.wait_for(self.saved.wait(), READY_SECONDS)

    def look_for(self, sent: dict[str, float], seen: list[float]) -> None:
        """Note how long each word of the others took."""

        def look(events: list[Any]) -> None:
            if self.applying:
                now = time.monotonic()
                for event in events:
                    for part in getattr(event, "delta", ()):
                        word = part.get("insert")
                        if isinstance(word, str) and word in sent:
                            seen.append(now - sent[word])

        self.watching = self.cells.observe_deep(look)

    async def type_for(self, seconds: float, number: int, sent: dict[str, float]) -> None:
        random_, end, count = random.Random(number), time.monotonic() + seconds, 0
        while time.monotonic() < end:
            await asyncio.sleep(random_.expovariate(WORDS_PER_SECOND))
            word = f"<{number}.{count}>"
            count += 1
            sent[word] = time.monotonic()
            self.insert(random_.randrange(len(self.cells)), word)

    def insert(self, cell: int, text: str) -> None:
        self.cells[cell]["source"].insert(0, text)

    def texts(self) -> list[str]:
        return [str(cell["source"]) for cell in self.cells]

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await self.socket.close()


def notebook(cells: int, size: int) -> bytes:
    """A notebook of so many cells, and of about so many bytes by its outputs."""
    made = []
    for number in range(cells):
        text = "".join(f"{number} {line} " + "0123456789" * 8 + "\n" for line in range(size // cells // 95))
        output = [{"output_type": "stream", "name": "stdout", "text": text.splitlines(keepends=True)}] if text else []
        cell: dict[str, Any] = {
            "cell_type": "code",
            "execution_count": None,
            "id": f"cell{number}",
            "metadata": {},
            "outputs": output,
        }
        made.append(cell | {"source": [f"number {number}\n"]})
    whole = {"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return (json.dumps(whole, indent=1, sort_keys=True) + "\n").encode()


# Servers


class Server:
    """A server that is running, as a process of its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
        self.process, self.port, self.folder = process, port, folder

    def put(self, name: str, data: bytes) -> str:
        (self.folder / name).write_bytes(data)
        return name

    def session(self, path: str) -> dict[str, str]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/collaboration/session/{urllib.parse.quote(path)}",
            method="PUT",
            data=b'{"format":"json","type":"notebook"}',
        )
        with urllib.request.urlopen(request) as answer:
            return json.loads(answer.read())

    def cpu(self) -> float:
        """Seconds of processor time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextmanager
def running(command: Sequence[str], port: int, folder: Path) -> Iterator[Server]:
    """The server, once it listens; its words go to a file beside."""
    with Path(f"{folder}.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
        try:
            end = time.monotonic() + READY_SECONDS
            while True:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                if process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"The server did not start:\n{Path(f'{folder}.log').read_text()[-2000:]}")
                time.sleep(0.1)
            yield Server(process, port, folder)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


@contextmanager
def ours(folder: Path) -> Iterator[Server]:
    """Rooms."""
    folder.mkdir()
    port = free_port()
    with running(
        [sys.executable, str(Path(__file__).resolve()), "serve", str(port), str(folder)], port, folder
    ) as server:
        yield server


@contextmanager
def theirs(folder: Path) -> Iterator[Server]:
    """A Jupyter Server with jupyter-collaboration's extension, for one person without a password."""
    folder.mkdir()
    environment = folder.with_name("environment")
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin/pip", "install", "-q", OTHER], check=True)
    version = subprocess.run([environment / "bin/pip", "show", OTHER], check=True, capture_output=True, text=True)
    print(f"{OTHER} {version.stdout.partition('Version: ')[2].split()[0]}")
    port = free_port()
    options = ["--ServerApp.token=", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True", "--no-browser"]
    command = [str(environment / "bin/jupyter-server"), *options, f"--port={port}", f"--ServerApp.root_dir={folder}"]
    if os.geteuid() == 0:
        command.append("--allow-root")
    with running(command, port, folder) as server:
        yield server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PlainFile:
    """A file that is written as the Drive writes it, without rows."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def etag(self) -> str:
        try:
            status = self.file.stat()
        except FileNotFoundError as error:
            raise FileGoneError("The file was deleted.") from error
        return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"

    def read(self) -> Content:
        return Content(self.file.read_bytes(), self.etag())

    def path(self) -> str:
        return self.file.name

    def write(self, data: bytes, *, if_match: str, authors: Set[int]) -> str:
        new = self.file.with_suffix(".new")
        with new.open("wb") as file:
            file.write(data)
            os.fsync(file.fileno())
        if self.etag() != if_match:
            raise FileChangedError("The file was changed.")
        new.replace(self.file)
        return self.etag()

    def keep_version(self, data: bytes, *, authors: Set[int], reason: str) -> None:
        """None are kept here."""


def serve(port: int, folder: Path) -> None:
    """Rooms for the notebooks of a folder."""
    import uvicorn

    rooms: dict[str, Room] = {}

    async def tend() -> None:
        while True:
            await asyncio.sleep(0.25)
            for room in list(rooms.values()):
                await room.tick()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            app.task = asyncio.create_task(tend())  # type: ignore[attr-defined]
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        elif scope["type"] == "http":
            await open_session(scope["path"].rpartition("/")[2], send)
        else:
            await connect(scope, receive, send)

    async def open_session(name: str, send: Any) -> None:
        if name not in rooms:
            journal = folder / f"{name}.journal"
            rooms[name] = await Room.open(
                kind=Kind.NOTEBOOK, file=PlainFile(folder / name), journal=journal, place=name
            )
        session = {"format": "json", "type": "notebook", "fileId": urllib.parse.quote(name)}
        body = json.dumps(session | {"sessionId": rooms[name].session_id(may_write=True)}).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body})

    async def connect(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        name = urllib.parse.unquote(scope["path"].partition("json:notebook:")[2])
        session = urllib.parse.parse_qs(scope["query_string"].decode())["sessionId"][0]
        client = Socket(send)
        rooms[name].connect(client, session)
        while (event := await receive())["type"] != "websocket.disconnect":
            rooms[name].receive(client, event["bytes"])
        rooms[name].disconnect(client)
        client.writer.cancel()

    options: dict[str, Any] = {"ws": "websockets-sansio", "ws_max_size": 1 << 28, "ws_per_message_deflate": False}
    uvicorn.run(app, port=port, log_level="warning", **options)


class Socket:
    """A connection, as a room wants it (`rooms.room.client.Client`)."""

    user_id, username, display_name, color, may_write, queued = 1, "one", "One", "#123456", True, 0

    def __init__(self, send: Any) -> None:
        self._send = send
        self.outbox: asyncio.Queue[bytes] = asyncio.Queue()
        self.writer = asyncio.create_task(self._write())

    def send(self, message: bytes) -> None:
        self.queued += len(message)
        self.outbox.put_nowait(message)

    def close(self, code: int, reason: str) -> None:
        sys.exit(f"closed: {code} {reason}")

    async def _write(self) -> None:
        while True:
            message = await self.outbox.get()
            await self._send({"type": "websocket.send", "bytes": message})
            self.queued -= len(message)


if __name__ == "__main__":
    main()
