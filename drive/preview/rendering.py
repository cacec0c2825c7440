"""Files that are rendered once: asked for by a page, done by a task, kept by a key.

Below PREVIEW_CACHE: `<key>.html` is a result, `<key>.failed` says why there is none, `<key>.wanted` that one was
asked for. The key is of the renderer and of the content, or of the file as it is now where it is read in place: so
whoever may read the file may see the result, and a new renderer starts anew. Everything here may be removed at any
time.
"""

import hashlib
import html
import io
import json
import os
import re
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import BinaryIO, Literal

from django.conf import settings
from django.utils.translation import gettext, gettext_noop
from pydantic import BaseModel, TypeAdapter, ValidationError

from drive.storage import disk_space, translate_errors
from portal.file_lock import file_lock

from . import sandbox
from .formats import Format, ending_of, format_of

MOST_BYTES = 64 * 2**20
"""Largest file of which a copy is rendered (bytes)."""
MOST_COMPARED = 16 * 2**20
ASK_AGAIN = 180
"""Seconds after which a wish is forgotten: the task was lost with its broker, or with its worker."""
TRY_AGAIN = 600
"""Seconds after which what failed may be tried again: the machine may only have been busy."""
NICE = 10
"""Of what is made ahead (nice(1)): a tenth of a processor that others want as well."""
WAITS = 3
"""Seconds for which nothing is made ahead, since somebody waited in vain; they try again every second."""
COMPARING_SECONDS = 20
_comparing = threading.BoundedSemaphore(1)

QUIET = 1.0
"""Seconds for which a file that is read in place must not have changed. Clocks of file systems tick: what is written
twice within a tick has the same times."""
HEAD = 4096
LIBRARIES = ("bokeh", "mermaid", "plotly", "vega")
"""Libraries of JavaScript that draw outputs of notebooks."""


@dataclass(frozen=True)
class State:
    """State of a rendering: `ready`, `failed`, `waiting` (queued), or `none`."""

    name: str
    why: str = ""
    about: "About | None" = None
    """Of what is ready, where it was read."""


@cache
def version() -> str:
    """Changes with the renderer's code and packages."""
    digest = hashlib.sha256()
    for folder in (sandbox.PROGRAM, sandbox.MARKUP):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    for packages in ("environment.txt", "science.txt"):
        digest.update((Path(__file__).parent / packages).read_bytes())
    return digest.hexdigest()[:16]


def key(source: BinaryIO, name: str) -> str:
    """The key of an open file. ValueError for a name of no format that is rendered."""
    form = _format(name)
    return key_in_place(source, form) if form.in_place else key_of(source, form.work)


def _format(name: str) -> Format:
    form = format_of(name)
    if form is None:
        raise ValueError(name)
    return form


def key_in_place(source: BinaryIO, form: Format) -> str:
    """The key of a file by what it is, not by all that it holds: every write changes one of its times (stat(2))."""
    status = os.fstat(source.fileno())
    parts = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, form.work, version())
    head = os.pread(source.fileno(), HEAD, 0)
    return hashlib.sha256(" ".join(map(str, parts)).encode() + b"\0" + head).hexdigest()


def is_being_written(source: BinaryIO, name: str) -> bool:
    """True for a file to be read in place that changed a moment ago: it may change again before it is read."""
    form = _format(name)
    return form.in_place and 0 <= time.time() - os.fstat(source.fileno()).st_ctime < QUIET


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
            return State("failed", gettext(failed.read_text() or "This file could not be rendered."))
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


@dataclass(frozen=True)
class About:
    """What a rendering tells the page around it."""

    headings: list[tuple[int, str, str]] = field(default_factory=list)
    """Level, id and words."""
    interactive: list[str] = field(default_factory=list)
    """Libraries of JavaScript that some of its outputs need (`plotly`, …)."""


_ABOUT = re.compile(rb'<meta name="about" content="([^"]*)">')
MOST_ABOUT = 256 * 1024
"""Bytes at the beginning of a rendering that may hold what it tells."""
MOST_HEADINGS = 300


def about(key: str) -> About:
    """What a rendering tells: written by a program that read somebody's file, so nothing of it is taken on trust."""
    try:
        with _place(key, "html").open("rb") as file:
            return about_of(file.read(MOST_ABOUT))
    except OSError:
        return About()


def about_of(content: bytes) -> About:
    """What the beginning of a rendering tells."""
    match = _ABOUT.search(content[:MOST_ABOUT])
    try:
        told = json.loads(html.unescape(match[1].decode())) if match else {}
        headings = [
            (min(max(int(level), 1), 6), str(name)[:200], str(words)[:200])
            for level, name, words in told.get("headings", [])[:MOST_HEADINGS]
        ]
        return About(headings, [name for name in told.get("interactive", []) if name in LIBRARIES])
    except (ValueError, TypeError, AttributeError):
        return About()


class RenderBusyError(Exception):
    """Another one is being rendered on this machine."""


@contextmanager
def _turn(*, ahead: bool) -> Iterator[None]:
    """One at a time: each may take two gigabytes, and other tasks need the second worker.

    What somebody waits for goes first: it leaves a note when it has to try again, before which nothing is made ahead.
    """
    path, note = settings.PREVIEW_CACHE / "turn", settings.PREVIEW_CACHE / "waits"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    age = _age(note) if ahead else None
    if age is not None and age < WAITS:
        raise RenderBusyError
    with file_lock(path, wait=False) as locked:
        if not locked:
            if not ahead:
                note.touch()
            raise RenderBusyError
        yield


def make(source: BinaryIO, name: str, *, ahead: bool = False, form: Format | None = None) -> str:
    """Render the current content of a file, unless cached; returns its key. RenderBusyError while another is rendered.

    The file may be written meanwhile: what is rendered is a copy, or is thrown away if the file is another by then.
    `ahead`: nobody waits for it. It gives way to other programs, and is no failure where it takes too long for that.
    `form`: another than that of files with this name.
    """
    form = form or _format(name)
    with _turn(ahead=ahead):
        if form.in_place:
            key = key_in_place(source, form)
            _make(key, form, name, source, ahead)
            return key
        with tempfile.TemporaryFile(dir=settings.PREVIEW_CACHE) as copy:
            _copy(source, copy)
            key = key_of(copy, form.work)
            copy.seek(0)
            _make(key, form, name, copy, ahead)
    return key


def _make(key: str, form: Format, name: str, source: BinaryIO, ahead: bool) -> None:
    ending = ending_of(name) if form.in_place else ""
    try:
        if state(key).name not in ("waiting", "none"):
            return
        try:
            if disk_space.left(Path(settings.PREVIEW_CACHE)) <= 0:
                raise sandbox.RenderFailedError(gettext_noop("The disk is full: no preview can be made."))
            result = sandbox.render(form.work, source, ending=ending, science=form.science, nice=NICE if ahead else 0)
            kind = "html"
        except sandbox.RenderFailedError as error:
            if ahead:
                return
            result, kind = str(error).encode(), "failed"
        if form.in_place and key_in_place(source, form) != key:
            return
        _write(_place(key, kind), result)
        if kind == "html":
            _place(key, "failed").unlink(missing_ok=True)
    finally:
        unwant(key)


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    left = MOST_BYTES + 1
    with translate_errors():
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


class ChangedCell(BaseModel):
    """A cell that differs between two notebooks."""

    change: Literal["changed", "added", "removed"]
    kind: str
    older: int | None
    newer: int | None
    """Its number in either notebook, from 1."""
    also: list[str]
    """What differs beside the source: `outputs`, `metadata`, `attachments`."""
    sources: tuple[str, str]


_CELLS = TypeAdapter(list[ChangedCell])


def compare_cells(older: BinaryIO, newer: BinaryIO) -> list[ChangedCell]:
    """Cells that differ between two notebooks, in order. sandbox.RenderFailedError if they cannot be compared."""
    try:
        return _CELLS.validate_json(result(compare_notebooks(older, newer, "cells")) or b"")
    except ValidationError as error:  # swept away in this moment, or not what our program writes
        raise sandbox.RenderFailedError(gettext_noop("The notebooks cannot be compared.")) from error


def compare_notebooks(older: BinaryIO, newer: BinaryIO, work: str = "difference") -> str:
    """Render two notebooks beside each other; returns the key. sandbox.RenderFailedError if they cannot be compared."""
    contents = [source.read(MOST_COMPARED + 1) for source in (older, newer)]
    if max(map(len, contents)) > MOST_COMPARED:
        raise sandbox.RenderFailedError(gettext_noop("One of the notebooks is too large to compare here."))
    both = f"{len(contents[0])}\n".encode() + b"".join(contents)
    key = key_of(io.BytesIO(both), work)
    path = _place(key, "html")
    if not path.exists():
        if not _comparing.acquire(timeout=COMPARING_SECONDS):
            raise sandbox.RenderFailedError(gettext_noop("Other notebooks are being compared. Please try again."))
        try:
            with tempfile.TemporaryFile(dir=path.parent) as file:
                file.write(both)
                file.flush()
                file.seek(0)
                _write(path, sandbox.render(work, file, seconds=COMPARING_SECONDS))
        finally:
            _comparing.release()
    return key


def sweep() -> int:
    """Remove what was not used for longest, until the rest is no more than PREVIEW_CACHE_BYTES; returns how many."""
    found = []
    for path in (settings.PREVIEW_CACHE).glob("*/*"):
        with suppress(FileNotFoundError):
            status = path.stat()
            found.append((status.st_mtime, status.st_size, path))
    total, removed = sum(size for _, size, _ in found), 0
    for used, size, path in sorted(found):
        is_remains = path.suffix != ".html" and time.time() - used > 24 * 3600
        if total <= settings.PREVIEW_CACHE_BYTES and not is_remains:
            continue
        path.unlink(missing_ok=True)
        total -= size
        removed += 1
    return removed
