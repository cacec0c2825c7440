"""Notebooks and PDF, rendered once per content: asked for by a page, done by a task, kept by the content's hash.

Below PREVIEW_CACHE: `<key>.html` is a result, `<key>.failed` says why there is none, `<key>.wanted` that one was
asked for. The key is of the content and of the renderer, so whoever may read the content may see the result, and a
new renderer starts anew. Everything here may be removed at any time.
"""

import hashlib
import io
import json
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal

from django.conf import settings

from portal.file_lock import file_lock

from . import sandbox

MOST_BYTES = 64 * 2**20
"""Largest file that is rendered (bytes)."""
MOST_COMPARED = 16 * 2**20
ASK_AGAIN = 180
"""Seconds after which a wish is forgotten: the task was lost with its broker, or with its worker."""
TRY_AGAIN = 600
"""Seconds after which what failed may be tried again: the machine may only have been busy."""
COMPARING_SECONDS = 20
_comparing = threading.BoundedSemaphore(1)

What = Literal["notebook", "pdf"]
KINDS: dict[str, What] = {"ipynb": "notebook", "pdf": "pdf"}
"""By the ending of a name."""


@dataclass(frozen=True)
class State:
    """State of a rendering: `ready`, `failed`, `waiting` (queued), or `none`."""

    name: str
    why: str = ""


@cache
def version() -> str:
    """Changes with the renderer's code and packages."""
    digest = hashlib.sha256()
    for path in sorted(sandbox.PROGRAM.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(sandbox.PROGRAM)}\0".encode() + path.read_bytes())
    digest.update((Path(__file__).parent / "environment.txt").read_bytes())
    return digest.hexdigest()[:16]


def key_of(source: BinaryIO, what: str) -> str:
    """The key of a content: of as much as would be rendered, however fast a file grows."""
    digest, left = hashlib.sha256(), MOST_BYTES + 1
    while left and (data := source.read(min(left, 1 << 20))):
        digest.update(data)
        left -= len(data)
    digest.update(f"{what} {version()}".encode())
    return digest.hexdigest()


def _place(key: str, kind: str) -> Path:
    folder = settings.PREVIEW_CACHE / key[:2]
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / f"{key}.{kind}"


def _age(path: Path) -> float | None:
    """Seconds since it was written or used; None when it is not there."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None


def state(key: str) -> State:
    """State of the rendering with this key."""
    if _place(key, "html").exists():
        return State("ready")
    failed = _place(key, "failed")
    age = _age(failed)
    if age is not None and age < TRY_AGAIN:
        with suppress(FileNotFoundError):
            return State("failed", failed.read_text())
    age = _age(_place(key, "wanted"))
    return State("waiting" if age is not None and age < ASK_AGAIN else "none")


def want(key: str) -> bool:
    """Note that it was asked for; False when somebody has already."""
    path = _place(key, "wanted")
    age = _age(path)
    if age is not None and age >= ASK_AGAIN:
        path.unlink(missing_ok=True)
    try:
        path.open("x").close()
    except FileExistsError:
        return False
    return True


def unwant(key: str) -> None:
    """Nobody could be told."""
    _place(key, "wanted").unlink(missing_ok=True)


def result(key: str) -> bytes | None:
    """The HTML, which only a sandboxed frame may show; None where there is none (any more)."""
    path = _place(key, "html")
    try:
        content = path.read_bytes()
        os.utime(path)
    except FileNotFoundError:
        return None
    return content


class RenderBusyError(Exception):
    """Another one is being rendered on this machine."""


@contextmanager
def _turn() -> Iterator[None]:
    """One at a time: each may take two gigabytes, and other tasks need the second worker."""
    path = settings.PREVIEW_CACHE / "turn"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with file_lock(path, wait=False) as locked:
        if not locked:
            raise RenderBusyError
        yield


def make(source: BinaryIO, what: What) -> str:
    """Render the current content of a file, unless cached; returns its key. RenderBusyError while another is rendered.

    The file may be written meanwhile: a copy is hashed and rendered.
    """
    with _turn(), tempfile.TemporaryFile(dir=settings.PREVIEW_CACHE) as copy:
        _copy(source, copy)
        key = key_of(copy, what)
        if state(key).name in ("waiting", "none"):
            copy.seek(0)
            try:
                _write(_place(key, "html"), sandbox.render(what, copy))
                _place(key, "failed").unlink(missing_ok=True)
            except sandbox.RenderFailedError as error:
                _write(_place(key, "failed"), str(error).encode())
        unwant(key)
    return key


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    left = MOST_BYTES + 1
    while left and (data := source.read(min(left, 1 << 20))):
        target.write(data)
        left -= len(data)
    target.flush()
    target.seek(0)


def _write(path: Path, content: bytes) -> None:
    """At once: nobody reads a part."""
    part = path.with_name(f"{secrets.token_hex(8)}.part")
    part.write_bytes(content)
    part.replace(path)


@dataclass(frozen=True)
class CellLine:
    """One line of a comparison of notebooks: `kind` is `added`, `removed`, `same`, or `gap` for what it is about."""

    kind: str
    text: str


def compare_notebooks(older: BinaryIO, newer: BinaryIO) -> list[CellLine]:
    """Differences between two notebooks, cell by cell. sandbox.RenderFailedError if they cannot be compared."""
    contents = [source.read(MOST_COMPARED + 1) for source in (older, newer)]
    if max(map(len, contents)) > MOST_COMPARED:
        raise sandbox.RenderFailedError("One of the notebooks is too large to compare here.")
    both = f"{len(contents[0])}\n".encode() + b"".join(contents)
    path = _place(key_of(io.BytesIO(both), "difference"), "json")
    if not path.exists():
        if not _comparing.acquire(timeout=COMPARING_SECONDS):
            raise sandbox.RenderFailedError("Other notebooks are being compared. Please try again.")
        try:
            with tempfile.TemporaryFile(dir=path.parent) as file:
                file.write(both)
                file.flush()
                file.seek(0)
                _write(path, sandbox.render("difference", file, seconds=COMPARING_SECONDS))
        finally:
            _comparing.release()
    os.utime(path)
    return [CellLine(kind, text) for kind, text in json.loads(path.read_bytes())]


def sweep() -> int:
    """Remove what was not used for longest, until the rest is no more than PREVIEW_CACHE_BYTES; returns how many."""
    found = []
    for path in (settings.PREVIEW_CACHE).glob("*/*"):
        with suppress(FileNotFoundError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    total, removed = sum(size for _, size, _ in found), 0
    for used, size, path in sorted(found):
        is_remains = path.suffix != ".html" and path.suffix != ".json" and time.time() - used > 24 * 3600
        if total <= settings.PREVIEW_CACHE_BYTES and not is_remains:
            continue
        path.unlink(missing_ok=True)
        total -= size
        removed += 1
    return removed
