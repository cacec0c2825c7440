"""Walk of a directory that notebooks wrote: each entry once, whatever its name, mode or depth.

Nothing in there is trusted. Folders are opened below a descriptor of the top, by a call that follows no link
(openat2(2)); what is found in them is looked at and opened through their descriptors. Paths are bytes. What vanishes
meanwhile is left out.

A notebook can take from a file the right to be read by its own account. Then the right is given for the moment of
reading, and taken back: a backup that leaves such files out would lose them.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from drive.storage import openat2

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HOLD = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_SEGMENT = 3000
"""Bytes of a path per call; the kernel takes 4095."""
_KINDS = {stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link"}


class VanishedError(Exception):
    """The entry is gone, or has been replaced by something else."""


@dataclass(frozen=True, slots=True)
class Found:
    """One entry, with the descriptor of its folder; valid until the next one is asked for."""

    path: bytes
    """Path below the top."""
    kind: str
    """`folder`, `file`, `link`; `other` (pipe, socket, device); `unreadable` for what could not be looked at."""
    status: os.stat_result | None
    folder: int

    @property
    def name(self) -> bytes:
        return self.path.rpartition(b"/")[2]

    def target(self) -> bytes:
        """Target of a link. VanishedError when it is gone."""
        try:
            return os.readlink(self.name, dir_fd=self.folder)
        except OSError as error:
            raise VanishedError from error

    def open(self) -> int:
        """Open a file for reading. VanishedError when it is no regular file any more; or OSError."""
        try:
            held = os.open(self.name, _HOLD, dir_fd=self.folder)
        except FileNotFoundError as error:
            raise VanishedError from error
        try:
            if not stat.S_ISREG(os.fstat(held).st_mode):
                raise VanishedError
            return _reopen(held, os.O_RDONLY | os.O_NONBLOCK, 0o400)
        finally:
            os.close(held)


def walk(top: int) -> Iterator[Found]:
    """Entries below the descriptor, folders before their contents."""
    waiting = [b""]
    while waiting:
        path = waiting.pop()
        try:
            fd = _open_folder(top, path)
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):  # else: no folder any more
                yield Found(path, "unreadable", None, -1)
            continue
        try:
            with _entered(fd), os.scandir(fd) as names:
                for item in names:
                    found = _look(fd, path, os.fsencode(item.name))
                    if found:
                        if found.kind == "folder":
                            waiting.append(found.path)
                        yield found
        finally:
            os.close(fd)


def _look(folder: int, path: bytes, name: bytes) -> Found | None:
    below = path + b"/" + name if path else name
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    except OSError:
        return Found(below, "unreadable", None, folder)
    return Found(below, _KINDS.get(stat.S_IFMT(status.st_mode), "other"), status, folder)


def _open_folder(top: int, path: bytes) -> int:
    """Open a folder: in one call, or folder by folder where one on the way is not accessible."""
    try:
        return _descend(top, _segments(path))
    except PermissionError:
        return _unlock(top, path.split(b"/") if path else [])


def _segments(path: bytes) -> list[bytes]:
    """The path in segments short enough for one call."""
    if len(path) <= _SEGMENT:
        return [path or b"."]
    parts, found = path.split(b"/"), [b""]
    for part in parts:
        if found[-1] and len(found[-1]) + len(part) >= _SEGMENT:
            found.append(b"")
        found[-1] += (b"/" if found[-1] else b"") + part
    return found


def _descend(top: int, segments: list[bytes]) -> int:
    here = top
    for segment in segments:
        there = openat2.open_beneath(here, segment, _FOLDER)
        if here != top:
            os.close(here)
        here = there
    return here


def _unlock(top: int, parts: list[bytes]) -> int:
    here = os.open(b".", _HOLD | os.O_DIRECTORY, dir_fd=top)
    try:
        for part in parts:
            with _entered(here):
                there = os.open(part, _HOLD | os.O_DIRECTORY, dir_fd=here)
            os.close(here)
            here = there
        return _reopen(here, _FOLDER & ~os.O_NOFOLLOW, 0o500)
    finally:
        os.close(here)


@contextmanager
def _entered(fd: int) -> Iterator[None]:
    """Make the folder accessible within the block, whatever its mode is."""
    with _mode(fd, 0o500):
        yield


def _reopen(held: int, flags: int, needed: int) -> int:
    """Open what an O_PATH descriptor holds, whatever has its name by now."""
    own = f"/proc/self/fd/{held}"
    try:
        return os.open(own, flags | os.O_CLOEXEC)
    except PermissionError:
        with _mode(held, needed):
            return os.open(own, flags | os.O_CLOEXEC)


@contextmanager
def _mode(fd: int, needed: int) -> Iterator[None]:
    """Set these mode bits within the block, where they are not set."""
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    if mode & needed == needed:
        yield
        return
    own = f"/proc/self/fd/{fd}"
    os.chmod(own, mode | needed)  # noqa: PTH101  # a descriptor
    try:
        yield
    finally:
        with suppress(OSError):
            os.chmod(own, mode)  # noqa: PTH101
