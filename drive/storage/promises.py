"""Room that was promised to what has begun to arrive and is not in its place yet.

All promises together are held against quotas and the disk's reserve, so that what is begun at the same moment fits.

Each promise is a small file in `promised/` of the Drive, which says whose quota it counts against and how much:

    <request>.body   a body that nginx reads. The request's end removes it (uploads/middleware.py); where the portal is
                     not asked any more, nginx notes the end beside it, as <request>.ended (deploy/nginx.conf.template),
                     and the proxy's start removes all of them, as no body outlives it (Procfile)
    <request>.slow   one that has lapsed while its body goes on: held against its sender alone
    <id>.upload      a resumable upload, until it is in place or given up
    <id>.put         a file that is being put in place; its process holds the file's lock

Whoever is killed takes its promises with it: nginx notes the end of the request, the kernel drops the lock. And no
promise is held by who sends nearly nothing: it lapses (`_has_lapsed`). What goes on later is promised its room anew.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from portal.file_lock import file_lock
from portal.ops import logs

from .errors import translate_errors

BODY, SLOW, UPLOAD, PUT = ".body", ".slow", ".upload", ".put"
STILL = 600
"""Seconds without a byte after which a promise lapses."""
AHEAD_BYTES = 2**30
"""Of a resumable upload the disk is promised so much beyond what has arrived, and the quota its whole size."""
PACE = 2**20
"""Bytes a second, on the average after that time; what is slower loses its promise."""
FRESH = 90
"""Seconds. nginx ends a body that stands still for a minute: what it wrote into longer ago is no body any more."""
SLOW_SECONDS = 24 * 3600
"""For so long at most."""
AHEAD = 60
"""Seconds by which a clock may be set back."""

_used: ContextVar[frozenset[str]] = ContextVar("promises that this work uses up", default=frozenset())


@dataclass(frozen=True)
class Promise:
    """Room for one body, upload or file. Bytes."""

    owner: str
    """Of the quota (`quota.owner_of`)."""
    size: int = 0
    """Bytes that will count against the quota."""
    files: int = 0
    disk: int = 0
    """Bytes that will be on the disk at most, while and after it arrives."""
    link: str = ""
    """Id of the upload link through which it comes."""
    sender: str = ""
    """From whom it comes: a person, or the digest of the network address behind a link."""
    made: float = 0.0
    arrived: int = 0
    """Bytes that are on the disk already; of an upload."""
    ahead: int | None = None
    """Of an upload: bytes of the disk that are promised beyond those. None: all that are still to come."""

    @property
    def missing(self) -> int:
        """Bytes of the disk that are kept for it and not written yet."""
        to_come = max(0, self.disk - self.arrived)
        return to_come if self.ahead is None else min(to_come, self.ahead)

    @property
    def beyond_quota(self) -> int:
        """Bytes of the disk that no quota bounds: of what replaces a file, has no length, or is there twice."""
        return max(0, self.disk - self.size)


def total(found: Iterable[Promise]) -> tuple[int, int]:
    """Bytes and files of the quota."""
    found = list(found)
    return sum(one.size for one in found), sum(one.files for one in found)


@contextmanager
def lock() -> Iterator[None]:
    """One at a time may look whether something fits, and promise it."""
    _place().mkdir(parents=True, exist_ok=True)
    with translate_errors(), file_lock(_place() / "lock"):
        yield


def make(key: str, kind: str, promise: Promise) -> None:
    """Write it down, where it is for anything. Call it within `lock`."""
    if promise.size <= 0 and promise.files <= 0 and promise.disk <= 0:
        return
    path = _place() / f"{key}{kind}"
    values = asdict(promise) | {"made": promise.made or time.time()}
    draft = path.with_suffix(".new")
    with translate_errors():
        draft.write_text(json.dumps(values))
        draft.replace(path)


def end(key: str, kind: str) -> None:
    """What was promised is in its place, or will not come."""
    for name in (kind, SLOW) if kind == BODY else (kind,):
        (_place() / f"{key}{name}").unlink(missing_ok=True)


def is_made(key: str, kind: str) -> bool:
    """Whether it still holds."""
    return f"{key}{kind}" in dict(_all())


def is_putting(owner: str) -> bool:
    """Whether a file that counts against this quota is being put in place by somebody else."""
    own = _used.get()
    return any(name.endswith(PUT) and name not in own and one.owner == owner for name, one in _all())


def of_link(link: str) -> dict[str, Promise]:
    """Resumable uploads through an upload link, by id."""
    return {name.removesuffix(UPLOAD): one for name, one in _all() if one.link == link and name.endswith(UPLOAD)}


def slow_bodies(sender: str) -> int:
    """Bytes of bodies of a person that go on although their promises have lapsed: what came of them is on the disk."""
    sweep()
    found = 0
    for path in _place().glob(f"*{SLOW}"):
        with suppress(FileNotFoundError, ValueError, KeyError):
            one = json.loads(path.read_text())
            found += one["disk"] if one["sender"] == sender else 0
    return found


def sweep() -> None:
    """Remove those that do not hold any more."""
    for _ in _all():
        pass


@contextmanager
def making(key: str, promise: Promise) -> Iterator[None]:
    """Promise room to a file that this process puts in place meanwhile. Begin it within `lock`."""
    path, draft = _place() / f"{key}{PUT}", _place() / f"{key}.new"
    with translate_errors():
        fd = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        with translate_errors():
            fcntl.flock(fd, fcntl.LOCK_EX)  # before it has the name by which others look whether it is locked
            os.write(fd, json.dumps(asdict(promise) | {"made": time.time()}).encode())
            draft.replace(path)
        yield
    finally:
        draft.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        os.close(fd)


@contextmanager
def using(key: str) -> Iterator[None]:
    """Do the work for which the room of this upload was promised: it is not in its own way."""
    token = _used.set(_used.get() | {f"{key}{UPLOAD}"})
    try:
        yield
    finally:
        _used.reset(token)


def others() -> list[Promise]:
    """All promises that hold, but for those that this request, or work, uses up itself."""
    own = _used.get() | {f"{logs.request_id()}{BODY}"}
    return [promise for name, promise in _all() if name not in own]


def own() -> list[Promise]:
    """Those that this request, or work, uses up."""
    names = _used.get() | {f"{logs.request_id()}{BODY}"}
    return [promise for name, promise in _all() if name in names]


def missing(most: int | None = None) -> int:
    """Bytes that are promised to others and not on the disk yet; `most`: to files of no more bytes.

    What nginx has of bodies so far is there.
    """
    promised = sum(promise.missing for promise in others() if most is None or promise.disk <= most)
    return max(0, promised - sum(_arrived_bodies())) if promised and most is None else promised


def _staging() -> Path:
    return Path(settings.DRIVE_ROOT) / "staging"


def _place() -> Path:
    return Path(settings.DRIVE_ROOT) / "promised"


def _all() -> Iterator[tuple[str, Promise]]:
    """Promises that hold, by name; what does not is removed."""
    now = time.time()
    try:
        names = set(os.listdir(_place()))
    except FileNotFoundError:
        return
    late: list[tuple[str, Promise]] = []
    for name in sorted(names):
        path = _place() / name
        key, kind = path.stem, path.suffix
        if kind == ".ended":
            end(key, BODY)
            path.unlink(missing_ok=True)
        elif kind == SLOW:
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < now - SLOW_SECONDS:
                    path.unlink()
        elif kind in (BODY, UPLOAD, PUT) and not (kind == BODY and f"{key}.ended" in names):
            with suppress(FileNotFoundError):
                promise = _read(path, kind, now)
                if promise and kind == BODY and promise.made and _expected(promise, now) > 0:
                    late.append((name, promise))
                elif promise:
                    yield name, promise
                else:
                    path.unlink()
        elif kind == ".new":
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < now - AHEAD:
                    path.unlink()  # its process died
    yield from _that_arrive(late, now)


def _that_arrive(late: list[tuple[str, Promise]], now: float) -> Iterator[tuple[str, Promise]]:
    """Of old promises of bodies those for which enough may have come; the others lapse.

    Nobody knows which file of the proxy is whose: each needs one that is as large as PACE has it, and no two the same.
    """
    files = sorted(_arrived_bodies(), reverse=True) if late else []
    for name, promise in sorted(late, key=lambda one: -_expected(one[1], now)):
        if files and files[0] >= _expected(promise, now):
            files.pop(0)
            yield name, promise
        else:
            path = _place() / name
            with suppress(FileNotFoundError):
                os.utime(path)
                path.rename(path.with_suffix(SLOW))


def _expected(promise: Promise, now: float) -> float:
    """Bytes of a body that have come by now, if it is not too slow."""
    return min(promise.disk // 2, (now - promise.made - STILL) * PACE)


def _read(path: Path, kind: str, now: float) -> Promise | None:
    """None for one that does not hold any more."""
    if kind == PUT and not _is_locked(path):
        return None
    try:
        values: dict[str, Any] = json.loads(path.read_text())
        moved = values["made"]
        if kind == UPLOAD:
            data = (_staging() / f"tus-{path.stem}").stat()
            values["arrived"], moved = data.st_size, max(moved, data.st_mtime)
        promise = Promise(**values)
    except (ValueError, TypeError, KeyError):
        return None if path.stat().st_mtime < now - AHEAD else Promise(owner="")  # it is being written
    except FileNotFoundError:
        return None
    return None if _has_lapsed(promise, kind, moved, now) else promise


def _is_locked(path: Path) -> bool:
    """Whether its process lives."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _has_lapsed(promise: Promise, kind: str, moved: float, now: float) -> bool:
    """Whether its sender is too slow; of a body that has to be seen with others (`_that_arrive`)."""
    if kind == PUT:
        return False
    age = now - promise.made
    too_slow = kind == UPLOAD and (now - moved > STILL or age > STILL + promise.arrived / PACE)
    return age < -AHEAD or too_slow


def _arrived_bodies() -> list[int]:
    """Bytes of each body that nginx is reading, as far as it has written them."""
    now, sizes = time.time(), []
    with suppress(FileNotFoundError), os.scandir(_staging() / "nginx") as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                found = entry.stat(follow_symlinks=False)
                if found.st_mtime > now - FRESH:
                    sizes.append(found.st_size)
    return sizes
