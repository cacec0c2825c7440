"""Rescue: before a server's home is deleted, what its person wrote there is copied into their Drive.

`Rescued from the Lab/<when it was stopped>/` in My Library gets the notebooks and text files that lay outside
`~/drive`, and lists of what was installed (rescue_packages.py). The home was filled by notebook code, so nothing in it
is trusted: every step opens one name below an open directory without following links, on the home's own file system,
and only regular files are read, also those that their owner may not (rescue_access.py). Its processes are gone by then.

The home goes afterwards, so what is rescued may use half of the disk's reserve rather than be lost.

May be killed and run again: the folder's name comes from the row, files that are there already are left as they are.
"""

import io
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from django.utils import timezone

from drive.models import Library
from drive.storage import (
    ABSENT,
    DiskFullError,
    LibraryFiles,
    NameTakenError,
    StorageError,
    WrongPathError,
    open_library,
)
from lab.models import Server

from . import rescue_access, rescue_packages

FOLDER = "Rescued from the Lab"
PACKAGES = "Installed packages"
FILE_BYTES = 20 * 2**20
TOTAL_BYTES = 500 * 2**20
MAX_FILES = 5000
MAX_ENTRIES = 200_000
"""Names looked at; a home with more is cut there, and the result says so."""
MAX_DEPTH = 25
MAX_SECONDS = 120
SNIFF_BYTES = 8192

TEXT = frozenset(
    ".ipynb .md .rst .txt .tex .bib .py .r .rmd .qmd .jl .m .sh .sql .c .h .cpp .hpp .rs .go .java .js .ts .f90 "
    ".csv .tsv .json .jsonl .geojson .yaml .yml .toml .ini .cfg .conf .xml .html .css "
    ".svg .log .env .nml .hoc .mod .swc".split()
)
"""Rescued up to FILE_BYTES; other files only when they are small and look like text."""
SMALL_BYTES = 2**18
CACHES = frozenset("__pycache__ node_modules site-packages venv env drive.dirs".split())
TOP_ONLY = frozenset({"drive"})
"""Skipped directly below the home: the mount point of the Drive."""


@dataclass
class Rescued:
    """Result of a rescue; kept on the row as JSON."""

    library: str = ""
    """Id of My Library."""
    folder: str = ""
    """Where in it; empty when there was nothing to rescue."""
    files: int = 0
    bytes: int = 0
    skipped: int = 0
    """Files that looked worth keeping but were too big, or came after a limit was reached; what could not be read."""
    packages: int = 0
    """Installed by the session, and named in `requirements.txt` or `conda-packages.txt` there."""
    error: str = ""
    """Why it was given up, in a sentence; what had been copied stays."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Found:
    path: PurePosixPath
    source: BinaryIO
    size: int


def rescue(
    server: Server, home: Path, changes: Path | None = None, heartbeat: Callable[[], None] = lambda: None
) -> Rescued:
    """Copy from `home`, and name what was installed in `changes`; `heartbeat` is called every few seconds.

    Never raises for what it finds; `error` says what went wrong.
    """
    result = Rescued()
    try:
        top = rescue_access.open_folder(home)
    except FileNotFoundError:
        return result  # it was never made, or is gone already
    except OSError as error:
        result.error = f"The home could not be read: {error.strerror}"
        return result
    try:
        _copy_all(server, top, changes, result, heartbeat)
    except DiskFullError as error:
        result.error = f"{error} Not everything could be copied."
    except (StorageError, OSError) as error:
        result.error = f"Not everything could be copied: {error}"
    finally:
        os.close(top)
    return result


def _copy_all(server: Server, top: int, changes: Path | None, result: Rescued, heartbeat: Callable[[], None]) -> None:
    library = Library.objects.filter(owner_user=server.owner_id, is_default=True, deleted_at=None).first()
    if library is None:
        result.error = "My Library does not exist, so nothing could be copied."
        return
    result.library = str(library.pk)
    folder = f"{FOLDER}/{timezone.localtime(server.stopping_at):%Y-%m-%d %H.%M.%S}"
    said = time.monotonic()
    with open_library(library) as files:
        for found in _worth_keeping(top, result):
            with found.source:
                _copy(files, folder, found, result)
            if time.monotonic() - said > 5:
                said = time.monotonic()
                heartbeat()
        if changes is not None:
            _name_packages(files, folder, changes, Path(server.environment.prefix), result)


def _name_packages(files: LibraryFiles, folder: str, changes: Path, prefix: Path, result: Rescued) -> None:
    """Write lists of installed packages, in a folder of their own: the home may have had a `requirements.txt`."""
    lists = {
        "requirements.txt": ("pip install -r", rescue_packages.requirements(changes, prefix)),
        "conda-packages.txt": ("conda install --file", rescue_packages.conda_packages(changes, prefix)),
    }
    for name, (command, lines) in lists.items():
        if lines:
            files.make_folders(f"{folder}/{PACKAGES}")
            text = "\n".join([f"# Installed in the Lab that ended. To have it again: {command} this file", *lines, ""])
            with suppress(_CopiedBeforeError):
                _write(files, PurePosixPath(folder, PACKAGES, name), io.BytesIO(text.encode()))
            result.folder = folder
            result.packages += len(lines)


def _copy(files: LibraryFiles, folder: str, found: _Found, result: Rescued) -> None:
    if result.files >= MAX_FILES or result.bytes + found.size > TOTAL_BYTES:
        result.skipped += 1
        return
    try:
        files.make_folders(str(PurePosixPath(folder) / found.path.parent))
        with suppress(_CopiedBeforeError):
            _write(files, PurePosixPath(folder) / found.path, found.source)
    except DiskFullError:
        raise
    except StorageError:  # a name or a path that the Drive cannot hold
        result.skipped += 1
        return
    result.folder = folder
    result.files += 1
    result.bytes += found.size


class _CopiedBeforeError(Exception):
    """The file was copied by a run that was cut off; files are put in place whole, so it is complete."""


def _write(files: LibraryFiles, target: PurePosixPath, source: BinaryIO) -> None:
    """A name that differs from another only by case gets a number: the home may hold both, the Drive does not."""
    for number in range(1, 10):
        name = target.name if number == 1 else f"{target.stem} ({number}){target.suffix}"
        try:
            files.write(str(target.with_name(name)), source, if_match=ABSENT, into_reserve=True)
        except NameTakenError as clash:
            if clash.name == name:
                raise _CopiedBeforeError from None
            source.seek(0)
        else:
            return
    raise WrongPathError("Too many names differ only by case.")


def _worth_keeping(top: int, result: Rescued) -> Iterator[_Found]:
    """Notebooks and texts below a directory, opened, in a stable order; counts in `result` what is left out."""
    deadline = time.monotonic() + MAX_SECONDS
    device = os.fstat(top).st_dev
    looks = 0
    waiting = [PurePosixPath()]
    while waiting:
        folder = waiting.pop()
        try:
            directory = _open_folder(top, folder, device)
        except PermissionError:
            result.skipped += 1
            continue
        except OSError:
            continue
        try:
            for name in _names(directory, MAX_ENTRIES - looks + 1):
                looks += 1
                if looks > MAX_ENTRIES or time.monotonic() > deadline:
                    result.skipped += 1
                    return
                path = folder / name
                try:
                    status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                except OSError:
                    continue
                if stat.S_ISDIR(status.st_mode):
                    if _is_own_work(path):
                        waiting.append(path)
                elif stat.S_ISREG(status.st_mode) and not name.startswith("."):
                    found = _open_text(directory, path, device, result)
                    if found:
                        yield found
        finally:
            os.close(directory)


def _names(directory: int, most: int) -> list[str]:
    with os.scandir(directory) as found:
        return sorted(item.name for item in islice(found, most))


def _is_own_work(path: PurePosixPath) -> bool:
    name = path.name
    if name.startswith(".") or name in CACHES or len(path.parts) > MAX_DEPTH:
        return False
    return not (len(path.parts) == 1 and name in TOP_ONLY)


def _open_folder(top: int, path: PurePosixPath, device: int) -> int:
    """Open a folder name by name, never through a link or onto another file system; the caller closes it."""
    fd = rescue_access.open_folder(".", dir_fd=top)
    for name in path.parts:
        try:
            below = rescue_access.open_folder(name, dir_fd=fd)
        finally:
            os.close(fd)
        fd = below
    if os.fstat(fd).st_dev != device:
        os.close(fd)
        raise OSError("another file system")
    return fd


def _open_text(directory: int, path: PurePosixPath, device: int, result: Rescued) -> _Found | None:
    try:
        fd = rescue_access.open_file(path.name, dir_fd=directory)
    except PermissionError:
        result.skipped += 1
        return None
    except OSError:
        return None
    source = os.fdopen(fd, "rb")
    status = os.fstat(fd)
    known = path.suffix.lower() in TEXT
    if not stat.S_ISREG(status.st_mode) or status.st_dev != device or not (known or status.st_size <= SMALL_BYTES):
        source.close()
        return None
    if status.st_size > FILE_BYTES:
        result.skipped += 1
        source.close()
        return None
    if status.st_size == 0 or not _looks_like_text(source.read(SNIFF_BYTES)):
        source.close()
        return None
    source.seek(0)
    return _Found(path, source, status.st_size)


def _looks_like_text(start: bytes) -> bool:
    if b"\0" in start:
        return False
    try:
        start.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"  # a character cut in two by the sniff
    return True
