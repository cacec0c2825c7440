"""Walks over trees of files: held by descriptors (copies, zip), by status only (scans), and of our own directories.

Search (drive.files.search) goes level by level and stops early; a backup (backups.walk) also reads what modes forbid.
"""

import os
import stat
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from . import openat2
from .errors import NotFoundError, StorageError, translate_errors
from .files import LibraryFiles
from .names import Parts, is_hidden, split

_KINDS = {stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Found:
    """One thing of a tree. It is held, not opened, and only until the next one is asked for."""

    path: str
    """Below the tree's top, which itself has the empty path."""
    kind: str
    """`folder`, `file`, `link`, `other`; `unreadable` for a folder that was found and cannot be read."""
    status: os.stat_result
    fd: int

    def open(self) -> BinaryIO:
        """A file's content: of the very file that was found, whatever has its name by now."""
        with translate_errors():
            reading = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # O_NONBLOCK: see LibraryFiles.open
            return os.fdopen(os.open(f"/proc/self/fd/{self.fd}", reading), "rb", buffering=0)

    def link(self) -> bytes:
        """Target of a link, as it is written."""
        with translate_errors():
            return os.readlink(b"", dir_fd=self.fd)


def tree(files: LibraryFiles, path: str = "", *, hidden: bool = True) -> Generator[Found]:
    """Walk the tree at `path`: the top first, folders before their content, otherwise in no order. No link is followed.

    What vanishes meanwhile is left out; without `hidden`, hidden names below the top with all that is in them, too.
    Raises a StorageError when there is nothing at `path`.
    """
    hidden = hidden and files._with_hidden
    files.stat(path)  # what is no thing of theirs, in a part of a library, is none of ours
    with translate_errors():
        top = openat2.open_beneath(files.root, _bytes(split(path)), _HOLD)
    try:
        found = _found("", top)
        yield found
        waiting = [found] if found.kind == "folder" else []
        while waiting:
            for child in _children(top, waiting.pop(), hidden):
                if child.kind == "folder":
                    waiting.append(child)
                yield child
    finally:
        os.close(top)


def entries(files: LibraryFiles, unread: Parts, folder: str = "") -> Iterator[tuple[str, os.stat_result]]:
    """Path and status of every folder and regular file below a folder, in no order: one stat(2) each, nothing held.

    What vanishes meanwhile is left out. Folders that cannot be read are added to `unread`.
    """
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with translate_errors(), files._folder(split(here)) as fd, os.scandir(fd) as found:
                for item in found:
                    path = f"{here}/{item.name}" if here else item.name
                    with suppress(FileNotFoundError):
                        if item.is_dir(follow_symlinks=False):
                            waiting.append(path)
                            yield path, item.stat(follow_symlinks=False)
                        elif item.is_file(follow_symlinks=False):
                            yield path, os.stat(item.name, dir_fd=fd, follow_symlinks=False)
        except NotFoundError:
            continue  # removed meanwhile
        except (StorageError, OSError):
            unread.append(here)


def own_files(top: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Path below `top` and status of all but folders in a directory of ours, which no notebook reaches.

    Left out is what cannot be looked at: a notebook set the modes before it came here.
    """
    for here, _folders, names in os.walk(top):
        for name in names:
            path = os.path.join(here, name)  # noqa: PTH118  # a hundred thousand of them
            with suppress(OSError):
                yield os.path.relpath(path, top), os.lstat(path)


def _bytes(parts: Parts) -> bytes:
    return os.fsencode("/".join(parts)) or b"."


def _found(path: str, fd: int) -> Found:
    status = os.fstat(fd)
    return Found(path, _KINDS.get(stat.S_IFMT(status.st_mode), "other"), status, fd)


def _below(folder: Found, name: str) -> str:
    return f"{folder.path}/{name}" if folder.path else name


def _children(top: int, folder: Found, hidden: bool) -> Iterator[Found]:
    try:
        with translate_errors():
            fd = openat2.open_beneath(top, _bytes([folder.path] if folder.path else []), os.O_RDONLY | os.O_DIRECTORY)
    except StorageError:
        yield Found(folder.path, "unreadable", folder.status, -1)
        return
    try:
        with os.scandir(fd) as names:
            for item in names:
                if not hidden and is_hidden(item.name):
                    continue
                try:
                    held = os.open(item.name, _HOLD, dir_fd=fd)
                except FileNotFoundError:
                    continue
                except OSError:  # of a folder that may be listed but not entered
                    yield Found(_below(folder, item.name), "unreadable", folder.status, -1)
                    continue
                try:
                    yield _found(_below(folder, item.name), held)
                finally:
                    os.close(held)
    finally:
        os.close(fd)
