"""Follows what kernels do for the cells of notebooks, and writes it into the notebooks while no page listens.

Presence is a kernel's WebSockets: a page that has a notebook open holds one. As long as there is one, the file is left
to the page. A page that comes back asks for what it missed (running.py), and writes from then on.
"""

import asyncio
import contextlib
import json
import os
import time
from dataclasses import dataclass
from functools import partial
from typing import Any

from executions import Execution, Executions, put_outputs  # type: ignore[import-not-found]  # beside this file
from jupyter_client.session import Session
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from kept_packages import Installer  # type: ignore[import-not-found]
from saves import VersionedContentsManager  # type: ignore[import-not-found]

WRITE_SECONDS = 2.0
"""Between two writes when a cell has ended."""
STREAM_SECONDS = 10.0
"""And while one goes on."""
PATIENCE = 20
"""Between two writes: so many times as long as the last one took."""
AGAIN_SECONDS = (4.0, 8.0, 15.0, 30.0, 60.0)
"""And so long after one that failed, as on a full disk; the last for ever."""
TRIES = 3
END_SECONDS = 8.0
"""What the last writes may take when the server ends."""
MOST_BUFFERED = 8 * 2**20
"""Bytes of outputs that a page which comes back is sent; it asks for what there was beyond."""
MOST_HASHES = 500
V1 = "v1.kernel.websocket.jupyter.org"
EXECUTE = "execute_request"
INPUT = "input_reply"
DEAD = "The kernel ended."


class NotebookBusyError(Exception):
    """Somebody else wrote the notebook each time that it was to be written."""


@dataclass
class WrittenFile:
    """A notebook that was written for absent pages."""

    hashes: list[str]
    """Before, and after each time."""
    saved_at: float
    """When somebody else has written it last."""


class FollowedKernel:
    """One kernel: what was executed, who listens, and which files were written for absent pages."""

    def __init__(self) -> None:
        self.executions = Executions()
        self.stream: Any = None
        self.writer: asyncio.Task[None] | None = None
        self.turn = asyncio.Lock()
        """While a file is written, or a page takes over."""
        self.files: dict[str, WrittenFile] = {}
        """By path: those that we have written."""
        self.ends: set[asyncio.Future[str]] = set()
        """Told when the kernel ends."""
        self.waiting_for = ""
        """Message whose code waits at `input()`: from the request for input until a page answers, or that code ends."""

    @property
    def is_waiting(self) -> bool:
        """True while its code waits for a person."""
        return bool(self.waiting_for)


class FollowingKernelManager(AsyncMappingKernelManager):
    """As Jupyter's own; `followed` has what is known of each kernel. None starts before `installer` is done."""

    installer: "Installer | None" = None

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.followed: dict[str, FollowedKernel] = {}

    async def _async_start_kernel(self, **options: Any) -> str:
        if self.installer is not None:
            await self.installer.done()
        return await super()._async_start_kernel(**options)

    start_kernel = _async_start_kernel

    # Listening

    def start_watching_activity(self, kernel_id: str) -> None:
        super().start_watching_activity(kernel_id)
        kernel = self.get_kernel(kernel_id)
        if kernel_id not in self.followed:
            self.add_restart_callback(kernel_id, partial(self._end_executions, kernel_id))
            self.add_restart_callback(kernel_id, partial(self._end_executions, kernel_id), "dead")
        known = self.followed.setdefault(kernel_id, FollowedKernel())
        session = Session(config=kernel.session.config, key=kernel.session.key)
        known.stream = kernel.connect_iopub()
        known.stream.on_recv(partial(self._receive, kernel_id, session))

    def stop_watching_activity(self, kernel_id: str) -> None:
        super().stop_watching_activity(kernel_id)
        known = self.followed.get(kernel_id)
        if known and known.stream is not None and not known.stream.socket.closed:
            known.stream.close()

    def _receive(self, kernel_id: str, session: Session, parts: "list[bytes]") -> None:
        known = self.followed.get(kernel_id)
        if known is None:
            return
        if known.waiting_for and any(b'"idle"' in part for part in parts) and _parent(parts) == known.waiting_for:
            known.waiting_for = ""
        if not known.executions.all:
            return
        is_absent = self.is_absent(kernel_id)
        try:
            _, rest = session.feed_identities(parts)
            message = session.deserialize(rest)
            is_news = known.executions.take(message["msg_type"], message, is_absent=is_absent)
        except Exception as error:  # of a kernel that does not keep to the protocol
            self.log.info("A message of kernel %s is not followed: %r", kernel_id, error)
            return
        if is_news and is_absent:
            self._have_written(kernel_id)

    def _end_executions(self, kernel_id: str) -> None:
        known = self.followed.get(kernel_id)
        if known is None:
            return
        known.waiting_for = ""
        known.executions.end_all()
        for end in known.ends:
            if not end.done():
                end.set_result(DEAD)
        if self.is_absent(kernel_id):
            self._have_written(kernel_id)

    # Presence

    def is_absent(self, kernel_id: str) -> bool:
        """True while no page listens to the kernel."""
        return not self._kernel_connections.get(kernel_id, 0)

    def notify_disconnect(self, kernel_id: str) -> None:
        super().notify_disconnect(kernel_id)
        if self.is_absent(kernel_id) and (known := self.followed.get(kernel_id)):
            known.executions.leave()
            self._have_written(kernel_id)

    def start_buffering(self, kernel_id: str, session_key: str, channels: "dict[str, Any]") -> None:
        """Jupyter's own buffer has no end. Of ours replies and states are always part, outputs up to a bound."""
        super().start_buffering(kernel_id, session_key, channels)
        if not self.buffer_offline_messages:
            return
        buffer = self._kernel_buffers[kernel_id]["buffer"]
        size = 0

        def add(channel: str, parts: "list[bytes]") -> None:
            nonlocal size
            self.note_request_for_input(kernel_id, channel, parts)
            if channel == "iopub" and not any(_is_about_state(part) for part in parts[:4]):
                size += sum(len(part) for part in parts)
                if size > MOST_BUFFERED:
                    return
            buffer.append((channel, parts))

        for channel, stream in channels.items():
            stream.on_recv(partial(add, channel))

    def note_request_for_input(self, kernel_id: str, channel: str, parts: "list[bytes]") -> None:
        """Look at a message of the kernel, on its way to a page or kept for one."""
        known = self.followed.get(kernel_id)
        if known is not None and channel == "stdin" and any(b'"input_request"' in part for part in parts):
            known.waiting_for = _parent(parts)

    # Writing

    def _have_written(self, kernel_id: str) -> None:
        known = self.followed[kernel_id]
        if not isinstance(self.parent.contents_manager, VersionedContentsManager):
            return  # a person's own: what it does with a save nobody knows
        if (known.writer is None or known.writer.done()) and known.executions.unwritten:
            known.writer = asyncio.get_running_loop().create_task(self._keep_writing(kernel_id, known))

    async def _keep_writing(self, kernel_id: str, known: FollowedKernel) -> None:
        """Until a page is there, or all is written."""
        took, failures, last = 0.0, 0, time.monotonic() - STREAM_SECONDS + WRITE_SECONDS
        while self.is_absent(kernel_id) and (unwritten := known.executions.unwritten):
            has_ended = any(not one.is_open for one in unwritten)
            again = AGAIN_SECONDS[min(failures, len(AGAIN_SECONDS)) - 1] if failures else 0.0
            due = max(WRITE_SECONDS if has_ended else STREAM_SECONDS, took * PATIENCE, again)
            since = time.monotonic() - last
            if since < due:
                await asyncio.sleep(min(due - since, WRITE_SECONDS))
                continue
            began = time.monotonic()
            failures = 0 if await self.write(kernel_id, known) else failures + 1
            last = time.monotonic()
            took = last - began

    async def write(self, kernel_id: str, known: FollowedKernel) -> bool:
        """Bring the kernel's notebooks up to date. False if one could not be written: all is to be tried again."""
        async with known.turn:
            if not self.is_absent(kernel_id):
                return True
            unwritten = {one: one.changes for one in known.executions.unwritten}
            error = await self._write_notebooks(kernel_id, known)
            if (error is None) == known.executions.is_hindered:
                known.executions.hinder(error is not None)
                said = f"not in its notebook yet: {error!r}" if error else "in its notebook now"
                self.log.warning("What kernel %s has put out is %s", kernel_id, said)
            if error is None and self.is_absent(kernel_id):
                for one, changes in unwritten.items():
                    one.written = max(one.written, changes)
        return error is None

    async def _write_notebooks(self, kernel_id: str, known: FollowedKernel) -> "Exception | None":
        """What hindered one of them, such as a full disk; the others are written all the same."""
        try:
            paths = await self._notebooks(kernel_id)
        except Exception as error:
            return error
        work = [self._write_notebook(kernel_id, known, path) for path in paths]
        errors = await asyncio.gather(*work, return_exceptions=True)
        return next((error for error in errors if isinstance(error, Exception)), None)

    async def _notebooks(self, kernel_id: str) -> "list[str]":
        sessions = await self.parent.session_manager.list_sessions()
        mine = [one for one in sessions if one["type"] == "notebook" and one["kernel"]["id"] == kernel_id]
        return [str(one["path"]) for one in mine]

    async def _write_notebook(self, kernel_id: str, known: FollowedKernel, path: str) -> None:
        contents = self.parent.contents_manager
        for _ in range(TRIES):
            before = _state(contents, path)
            model = await contents.get(path, content=True, type="notebook", require_hash=True)
            file = known.files.get(path)
            if file is None or file.hashes[-1] != model["hash"]:
                file = WrittenFile([model["hash"]], before.st_mtime)
            if not put_outputs(model["content"], known.executions.all.values(), file.saved_at):
                return
            if not self.is_absent(kernel_id):
                return
            if _state(contents, path) != before:
                continue
            is_last = not any(one.is_open for one in known.executions.all.values())
            given = {"type": "notebook", "format": "json", "content": model["content"]}
            await contents.save_for_absent(given, path, is_version=is_last or len(file.hashes) == 1)
            known.files[path] = file
            file.hashes.append((await contents.get(path, content=False, type="notebook", require_hash=True))["hash"])
            del file.hashes[1:-MOST_HASHES]
            return
        raise NotebookBusyError(path)

    def hand_over(self, kernel_id: str, path: str) -> "tuple[list[Execution], list[str]]":
        """What a page that has opened a notebook has to know: executions, and the file's hashes."""
        known = self.followed[kernel_id]
        file = known.files.get(path)
        saved_at = 0.0
        with contextlib.suppress(OSError):
            saved_at = file.saved_at if file else _state(self.parent.contents_manager, path).st_mtime
        found = known.executions.hand_over(saved_at, is_absent=self.is_absent(kernel_id))
        return found, file.hashes if file else []

    # Ending

    async def _async_shutdown_kernel(self, kernel_id: str, now: bool = False, restart: bool = False) -> Any:
        if not restart:
            await self._finish(kernel_id)
        self._end_executions(kernel_id)
        done = await super()._async_shutdown_kernel(kernel_id, now=now, restart=restart)
        if not restart:
            self.followed.pop(kernel_id, None)
        return done

    shutdown_kernel = _async_shutdown_kernel

    async def _async_restart_kernel(self, kernel_id: str, now: bool = False) -> Any:
        self._end_executions(kernel_id)
        return await super()._async_restart_kernel(kernel_id, now=now)

    restart_kernel = _async_restart_kernel

    async def shutdown_all(self, now: bool = False) -> None:
        """The server ends: all that is known is in the files before."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                for kernel_id in list(self.followed):
                    await self._finish(kernel_id)
                if isinstance(self.parent.contents_manager, VersionedContentsManager):
                    await self.parent.contents_manager.settle()
        await super().shutdown_all(now=now)

    async def _finish(self, kernel_id: str) -> None:
        known = self.followed.get(kernel_id)
        if known and known.executions.unwritten and self.is_absent(kernel_id):
            await self.write(kernel_id, known)


class FollowedConnection(ZMQChannelsWebsocketConnection):
    """A page's WebSocket to a kernel, of which we read which cell a request is for (`metadata.cellId`)."""

    def handle_incoming_message(self, incoming_msg: Any) -> None:
        try:
            self._follow(incoming_msg)
        except Exception as error:  # of a page that does not keep to the protocol: Jupyter says what is wrong
            self.log.debug("A request is not followed: %r", error)
        super().handle_incoming_message(incoming_msg)

    def handle_outgoing_message(self, stream: Any, outgoing_msg: "list[Any]") -> None:
        channel = stream if isinstance(stream, str) else getattr(stream, "channel", "")
        if channel == "stdin" and hasattr(self.multi_kernel_manager, "note_request_for_input"):
            self.multi_kernel_manager.note_request_for_input(self.kernel_id, channel, outgoing_msg)
        super().handle_outgoing_message(stream, outgoing_msg)

    def _follow(self, raw: Any) -> None:
        kernels = self.multi_kernel_manager
        known = getattr(kernels, "followed", {}).get(self.kernel_id)
        if known is not None and (INPUT.encode() if isinstance(raw, bytes) else INPUT) in raw:
            known.waiting_for = ""
        if known is None or (EXECUTE.encode() if isinstance(raw, bytes) else EXECUTE) not in raw:
            return
        if self.subprotocol == V1:
            channel, parts = deserialize_msg_from_ws_v1(raw)
            header, metadata, content = (json.loads(parts[at]) for at in (0, 2, 3))
        elif isinstance(raw, str):
            message = json.loads(raw)
            channel, header, metadata, content = (message[key] for key in ("channel", "header", "metadata", "content"))
        else:
            return
        cell = metadata.get("cellId")
        if channel == "shell" and header["msg_type"] == EXECUTE and isinstance(cell, str) and not content.get("silent"):
            known.executions.begin(header["msg_id"], cell, str(content["code"]), str(header.get("session", "")))


def _parent(parts: "list[bytes]") -> str:
    """Number of the message that a kernel's message answers (jupyter-client.readthedocs.io, "The Wire Protocol")."""
    try:
        start = parts.index(b"<IDS|MSG>")
        return str(json.loads(parts[start + 3])["msg_id"])
    except (ValueError, LookupError, TypeError):
        return ""


def _is_about_state(part: bytes) -> bool:
    return any(word in part for word in (b'"status"', b'"execute_input"', b'"error"', b'"clear_output"'))


@dataclass(frozen=True)
class State:
    """How a file looks from outside: other if somebody has written it."""

    st_ino: int
    st_mtime: float
    st_size: int


def _state(contents: Any, path: str) -> State:
    status = os.stat(contents._get_os_path(path))  # noqa: PTH116 - as Jupyter has it
    return State(status.st_ino, status.st_mtime, status.st_size)
