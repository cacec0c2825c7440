"""Contents manager that tells the portal of every save in the Drive, before and after: each becomes a version.

Whoever saves waits for the portal before the file is overwritten, for `wait_seconds` at most, and never afterwards. No
save fails for what the portal answers, or because it is away: then scans find later what was saved. The portal believes
nothing that is told here; docs/explanation/versions.md says what it makes of it.
"""

import asyncio
import base64
import contextlib
import hashlib
import http.client
import importlib.util
import os
import tempfile
import time
import weakref
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from jupyter_server.services.contents.filecheckpoints import AsyncFileCheckpoints
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado.web import HTTPError
from traitlets import Float, default

ASK_AGAIN_SECONDS = 0.05
QUIET_SECONDS = 30.0
"""How long nobody waits for the portal after it did not answer in time."""
TELL_SECONDS = 20.0
TELL_AGAIN = (0.5, 1, 2, 5, 10, 30)
"""Seconds after which an end is told again, the last for ever."""
MOST_UNTOLD = 1000
AT_ONCE = 3
BUSY, TRY_AGAIN = 409, (409, 429, 502, 503, 504)
DRIVE = "drive"


def _portal() -> Any:
    """The module with which notebooks ask the portal, under a name of ours."""
    place = Path(__file__).with_name("packages") / "collaboratory.py"
    spec = importlib.util.spec_from_file_location("collaboratory_of_jupyter", place)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


portal = _portal()


class _Digest:
    """A file that is being written, and SHA-256 of what goes into it."""

    def __init__(self, file: Any, sha256: Any) -> None:
        self._file, self._sha256 = file, sha256

    def write(self, data: Any) -> Any:
        self._sha256.update(data.encode() if isinstance(data, str) else data)
        return self._file.write(data)


def _close_at_once(file: Any) -> None:
    """Close it without what is buffered. Jupyter closes it before it puts the earlier file back, and a close that
    tries once more to write to a full disk fails: then the earlier file stays away, and half a file in its place.
    """
    with contextlib.suppress(OSError, ValueError):
        (file.buffer if hasattr(file, "buffer") else file).raw.close()


class _Checkpoints(AsyncFileCheckpoints):
    """As Jupyter's own, but that nobody's file in the way of their folder fails what others open and save."""

    def checkpoint_path(self, checkpoint_id: str, path: str) -> str:
        """Beside the file; in the Lab's own temporary folder, as for a folder that is read-only, if it has to be."""
        try:
            return super().checkpoint_path(checkpoint_id, path)
        except OSError:
            file = Path(tempfile.gettempdir(), "jupyter_checkpoints", path.strip("/"))
            file.parent.mkdir(parents=True, exist_ok=True)
            return str(file.with_name(f"{file.stem}-{checkpoint_id}{file.suffix}"))


class VersionedContentsManager(AsyncLargeFileManager):
    """As JupyterLab's own, but that no save in the Drive overwrites what is not a version yet."""

    wait_seconds = Float(2.0, config=True, help="How long a save waits for the portal at most.")

    @default("checkpoints_class")
    def _checkpoints_class_default(self) -> type[AsyncFileCheckpoints]:
        return _Checkpoints

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._turns: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()
        self._sums: dict[str, Any] = {}
        """SHA-256 of what is written to each path that is being saved; None before anything was."""
        self._untold: dict[asyncio.Task[None], str] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._quiet_until = 0.0

    # What of Jupyter's writes files, or takes them away

    async def save(self, model: "dict[str, Any]", path: str = "") -> "dict[str, Any]":
        """A file, a notebook, or a piece of a large file (`chunk`, -1 for the last)."""
        piece = model.get("chunk")
        if model.get("type") == "directory" or not self._place(path):
            return await super().save(model, path)
        async with self._saving(path, first=piece in (None, 1), last=piece in (None, -1)):
            return await super().save(model, path)

    async def save_for_absent(self, model: "dict[str, Any]", path: str, *, is_version: bool) -> "dict[str, Any]":
        """A notebook that nobody has open. Not a version: one of many writes, over what we wrote ourselves."""
        if is_version:
            return await self.save(model, path)
        async with self._turns.setdefault(self._place(path), asyncio.Lock()):
            return await super().save(model, path)

    async def create_checkpoint(self, path: str) -> "dict[str, Any]":
        """Keep what is saved. 403 where it cannot be, the one refusal with which JupyterLab leaves a file open.

        A library may have become read-only since its file was read (copy2_safe), or a disk full.
        """
        try:
            return await super().create_checkpoint(path)
        except OSError as error:
            raise HTTPError(403, f"No checkpoint: {error.strerror or error}") from error

    async def restore_checkpoint(self, checkpoint_id: str, path: str) -> None:
        """A file's content becomes that of its checkpoint."""
        async with self._saving(path):
            await super().restore_checkpoint(checkpoint_id, path)

    async def delete_file(self, path: str) -> None:
        """A file or a folder."""
        async with self._saving(path, sent=False):
            await super().delete_file(path)

    async def rename_file(self, old_path: str, new_path: str) -> None:
        """A file or a folder: what was told of it is known by its old path."""
        await self._settle(self._place(old_path))
        await super().rename_file(old_path, new_path)

    @contextlib.contextmanager
    def atomic_writing(self, os_path: str, *args: Any, **kwargs: Any) -> "Iterator[Any]":
        """Where a whole file is written. What does not get to the disk leaves the file as it was."""
        with super().atomic_writing(os_path, *args, **kwargs) as file:
            given = file
            if os_path in self._sums:
                self._sums[os_path] = hashlib.sha256()
                given = _Digest(file, self._sums[os_path])
            try:
                yield given
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                _close_at_once(file)
                raise

    async def _save_large_file(self, os_path: str, content: str, format: str) -> None:
        await super()._save_large_file(os_path, content, format)
        if self._sums.get(os_path):
            self._sums[os_path].update(content.encode() if format == "text" else base64.b64decode(content))

    # What the portal is told

    @contextlib.asynccontextmanager
    async def _saving(
        self, path: str, *, first: bool = True, last: bool = True, sent: bool = True
    ) -> "AsyncIterator[None]":
        """Around one change of a file; `first` and `last`: of a save in pieces. Not `sent`: nothing is there then."""
        place = self._place(path)
        if not place:
            yield
            return
        async with self._turns.setdefault(place, asyncio.Lock()):
            if first:
                await self._settle(place)
                await self._begin(place)
                self._sums[self._get_os_path(path)] = None
            try:
                yield
            except BaseException:
                last, sent = True, False
                raise
            finally:
                if last:
                    found = self._sums.pop(self._get_os_path(path), None)
                    self._tell(place, found.hexdigest() if found and sent else "")

    def _place(self, path: str) -> str:
        """Path below the Drive, whatever links lead there; empty for what is elsewhere."""
        try:
            given = self._get_os_path(path.strip("/"))
        except Exception:  # what is no path is refused by whoever is asked to write there
            return ""
        drive = os.path.join(os.path.abspath(self.root_dir), DRIVE, "")  # noqa: PTH100, PTH118 - as Jupyter has them
        real = os.path.realpath(given)
        found = real if real.startswith(drive) else given
        return found[len(drive) :] if found.startswith(drive) else ""

    async def _begin(self, place: str) -> None:
        """What is at a place is a version now, and nobody else saves there; or it took too long."""
        deadline = time.monotonic() + self.wait_seconds
        if deadline - self.wait_seconds < self._quiet_until:
            return
        while (seconds := deadline - time.monotonic()) > 0:
            wait = seconds > 2 * ASK_AGAIN_SECONDS
            try:
                said = await self._ask("begin", {"path": place, "wait": wait}, seconds)
            except portal.PortalError as error:
                if error.status != BUSY:
                    self.log.info("No version of %s before it is saved: %s", place, error)
                    return
            except TimeoutError:
                self.log.warning("The portal takes too long: %s is saved without it", place)
                self._quiet_until = time.monotonic() + QUIET_SECONDS
                return
            except Exception as error:
                self.log.warning("The portal is away: %s is saved without it (%r)", place, error)
                return
            else:
                if not said["wait"]:
                    return
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    def _tell(self, place: str, sha256: str) -> None:
        """Say that a place was saved, now or when the portal answers again."""
        if len(self._untold) < MOST_UNTOLD:
            task = asyncio.get_running_loop().create_task(self._end({"path": place, "sha256": sha256}))
            self._untold[task] = place
            task.add_done_callback(lambda done: self._untold.pop(done, None))

    async def _end(self, told: "dict[str, str]") -> None:
        tries = 0
        while True:
            try:
                async with self._slots:
                    await self._ask("end", told, TELL_SECONDS)
                return
            except portal.PortalError as error:
                if error.status not in TRY_AGAIN:
                    self.log.info("No version of %s: %s", told["path"], error)
                    return
            except (OSError, http.client.HTTPException) as error:
                self.log.info("The portal is not told yet that %s was saved: %r", told["path"], error)
            except Exception:
                self.log.exception("No version of %s", told["path"])
                return
            await asyncio.sleep(TELL_AGAIN[min(tries, len(TELL_AGAIN) - 1)])
            tries += 1

    async def settle(self) -> None:
        """Wait until the portal knows of all saves, for a while."""
        if self._untold:
            await asyncio.wait(list(self._untold), timeout=self.wait_seconds)

    async def _settle(self, place: str) -> None:
        """Wait until the portal knows of the saves at and below a place, for a while."""
        below = [task for task, saved in self._untold.items() if place and f"{saved}/".startswith(f"{place}/")]
        if below and time.monotonic() >= self._quiet_until:
            await asyncio.wait(below, timeout=self.wait_seconds / 2)

    async def _ask(self, what: str, told: "dict[str, Any]", seconds: float) -> Any:
        return await asyncio.to_thread(portal.api, "POST", f"/lab/saves/{what}", told, timeout=seconds)
