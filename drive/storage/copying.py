"""Copies within and between libraries, and moves between them.

A copy is made in staging, where no notebook reaches it, and comes to its place by one rename: one that is cut off, by a
full disk or a crash, is never seen. Links are copied as links, wherever they lead. Pipes, sockets and devices are left
out, and so is what cannot be read; the caller is told their names.
"""

import ctypes
import errno
import fcntl
import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from django.utils.translation import gettext

from portal.text.numbers import grouped

from . import disk_space, openat2
from .errors import NameTakenError, NotAFileError, StorageError, translate_errors
from .files import DIRECTORY_MODE, FILE_MODE, LibraryFiles
from .names import check_name, new_name, split
from .walk import Found, tree

MOST_BYTES = 2 << 30
MOST_FILES = 10_000
"""Limits of one copy, because somebody waits for it: some ten seconds on a slow disk."""
MOST_FOLDERS_DEEP = 100
PREFIX = "copy-"
"""Prefix of names in staging: leftovers of killed copies are swept."""
NAMED = 20
"""So many names of what was left out are kept."""

_FICLONE = 0x40049409  # ioctl_ficlone(2)
_CHUNK = 1 << 24
_libc = ctypes.CDLL(None, use_errno=True)


class CopyTooLargeError(StorageError):
    """Too large to copy while somebody waits (413)."""

    status = 413

    def __init__(self) -> None:
        super().__init__(
            gettext(
                "Too large to copy here: at most %(files)s files or %(size)s GiB. "
                "Nothing was copied. Use “cp -r” in a terminal of the Lab, which has no such limit."
            )
            % {"files": grouped(MOST_FILES), "size": MOST_BYTES >> 30}
        )


@dataclass
class Copied:
    """Result of a copy."""

    path: str = ""
    """Path of the copy."""
    bytes: int = 0
    """Bytes written: a hole in a file counts nothing."""
    size: int = 0
    """The sizes of the files as a list shows them, which is what quotas count."""
    files: int = 0
    """Files, folders, links, and what is left out."""
    left_out: list[str] = field(default_factory=list)
    """The first names of what was not copied."""
    more_left_out: int = 0

    def leave_out(self, path: str) -> None:
        """Note something that is not copied."""
        if len(self.left_out) < NAMED:
            self.left_out.append(path)
        else:
            self.more_left_out += 1

    def count(self, found: Found) -> None:
        """Add one thing; CopyTooLargeError where it is one too many."""
        self.files += 1
        if found.kind == "file":
            self.size += found.status.st_size
            self.bytes += min(found.status.st_size, found.status.st_blocks * 512)
        deep = found.path.count("/") >= MOST_FOLDERS_DEEP
        if deep or self.files > MOST_FILES or self.bytes > MOST_BYTES:
            raise CopyTooLargeError


def measure(files: LibraryFiles, paths: Iterable[str]) -> Copied:
    """Size of a copy of all these; CopyTooLargeError if it is too much."""
    total = Copied()
    for path in paths:
        for found in tree(files, path):
            total.count(found)
    return total


def copy(source: LibraryFiles, path: str, target: LibraryFiles, new_path: str, *, links: bool = True) -> Copied:
    """Copy a file, link or folder with all that is in it; NameTakenError when something has the new name.

    Without `links`, links are left out: where one leads is not told.
    """
    *folder, name = split(new_path) or [""]
    check_name(name)
    _refuse_taken(target, "/".join(folder), name)
    disk_space.require(measure(source, [path]).bytes)
    with _workshop(target.staging) as place:
        made = place / "copy"
        with translate_errors():
            copied = _copy_tree(source, path, made, links)
        if not made.is_symlink() and not made.exists():
            raise NotAFileError(gettext("Pipes, sockets and devices cannot be copied."))
        with translate_errors():
            _sync(made)
        copied.path = "/".join([*folder, _adopt(target, folder, name, made)])
    return copied


def move(source: LibraryFiles, path: str, target: LibraryFiles, new_path: str) -> str:
    """Move a file, folder or link into another library; returns its path there. NameTakenError if something has it."""
    *old_folder, old = split(path) or [""]
    *new_folder, new = split(new_path) or [""]
    check_name(old)
    new = new_name(new)
    with translate_errors(), source._folder(old_folder) as here:
        _into(target, new_folder, new, here, old)
        os.fsync(here)
    return "/".join([*new_folder, new])


def _refuse_taken(target: LibraryFiles, folder: str, name: str) -> None:
    """Say it before the work; `_into` says it for sure."""
    with translate_errors(), target._folder(split(folder)) as directory:
        target._refuse_clash(directory, new_name(name))


def _adopt(target: LibraryFiles, folder: list[str], name: str, made: Path) -> str:
    """Give the finished copy its name; returns it, in NFC."""
    name = new_name(name)
    with translate_errors(), _opened(made.parent) as here:
        _into(target, folder, name, here, made.name)
    return name


def _into(target: LibraryFiles, folder: list[str], name: str, here: int, old: str) -> None:
    """Give what is called `old` in the directory `here` its name in the library, in one step."""
    with target._folder(folder) as there, target._locked():
        target._refuse_clash(there, name)
        try:
            openat2.rename(here, os.fsencode(old), there, os.fsencode(name))
        except FileExistsError as error:
            raise NameTakenError(name) from error
        os.fsync(there)


@contextmanager
def _workshop(staging: Path) -> Iterator[Path]:
    """A directory of our own in staging, gone afterwards with all that is still in it."""
    place = staging / f"{PREFIX}{secrets.token_hex(16)}"
    with translate_errors():
        place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield fd
    finally:
        os.close(fd)


def _copy_tree(source: LibraryFiles, path: str, made: Path, links: bool) -> Copied:
    copied = Copied()
    with _Folders(made) as folders:
        for found in tree(source, path):
            copied.count(found)
            try:
                is_copied = (links or found.kind != "link") and _copy_one(found, folders)
            except StorageError:
                if not found.path:
                    raise
                is_copied = False
            if not is_copied:
                copied.leave_out(found.path)
    return copied


def _copy_one(found: Found, folders: "_Folders") -> bool:
    """Copy one entry; False for a special file. StorageError: it cannot be read. OSError: it cannot be written."""
    match found.kind:
        case "folder":
            directory, name = folders.of(found.path)
            os.mkdir(name, DIRECTORY_MODE, dir_fd=directory)
        case "file":
            with found.open() as content:
                directory, name = folders.of(found.path)
                _copy_file(content.fileno(), directory, name)
        case "link":
            target = found.link()
            directory, name = folders.of(found.path)
            os.symlink(target, os.fsencode(name), dir_fd=directory)
        case _:
            return False
    return True


class _Folders:
    """The folders of the copy, the last one kept open: what is in one folder comes together."""

    def __init__(self, made: Path) -> None:
        self.made, self.open_path = made, ""
        self.open_fd = self.parent = os.open(made.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def of(self, path: str) -> tuple[int, str]:
        """The directory to make `path` in, and its name there."""
        if not path:
            return self.parent, self.made.name
        folder, _, name = path.rpartition("/")
        below = "/".join(part for part in (self.made.name, folder) if part)
        if self.open_path != below:
            fd = openat2.open_beneath(self.parent, os.fsencode(below), os.O_RDONLY | os.O_DIRECTORY)
            self._forget()
            self.open_path, self.open_fd = below, fd
        return self.open_fd, name

    def _forget(self) -> None:
        if self.open_fd != self.parent:
            os.close(self.open_fd)
        self.open_fd = self.parent

    def __enter__(self) -> "_Folders":
        return self

    def __exit__(self, *_: object) -> None:
        self._forget()
        os.close(self.parent)


def _copy_file(content: int, directory: int, name: str) -> None:
    """Bytes, time of change, and whether it can be run. Shares the blocks where the file system can; keeps holes."""
    before = os.fstat(content)
    mode = FILE_MODE | (before.st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    out = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=directory)
    try:
        try:
            fcntl.ioctl(out, _FICLONE, content)
        except OSError:
            _copy_data(content, out, before.st_size)
        os.fchmod(out, mode)
        os.utime(out, ns=(time.time_ns(), before.st_mtime_ns))
    finally:
        os.close(out)


def _copy_data(content: int, out: int, size: int) -> None:
    """The first `size` bytes, as many as are there by now: a file that grows for ever is copied as it was found."""
    at = 0
    while at < size:
        try:
            at = os.lseek(content, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # a hole up to the end
                raise
            break
        end = min(size, os.lseek(content, at, os.SEEK_HOLE))
        while at < end:
            done = _copy_range(content, out, at, min(end - at, _CHUNK))
            if not done:
                return  # it was cut short meanwhile
            at += done
    os.ftruncate(out, size)


def _copy_range(content: int, out: int, at: int, count: int) -> int:
    try:
        return os.copy_file_range(content, out, count, at, at)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
    return os.pwrite(out, os.pread(content, min(count, 1 << 20), at), at)


def _sync(made: Path) -> None:
    """Bytes on disk before the name: of one file, or of all (syncfs(2)) where there may be thousands."""
    if made.is_symlink():
        return
    with _opened(made) as fd:
        if stat.S_ISREG(os.fstat(fd).st_mode):
            os.fsync(fd)
        elif _libc.syncfs(fd) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
