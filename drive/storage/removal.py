"""Removing whole trees for good, whatever a notebook made of them.

What is to go is first renamed into `removed/`, and everything in `removed/` is on its way out: after a crash the next
round goes on. Nothing recurses and no path is resolved: a folder's files are unlinked through its descriptor, and its
folders become neighbours of it in `removed/`, to be emptied in their turn. So a tree of any depth needs one descriptor
at a time, and a link is unlinked like a file and leads nowhere.
"""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

from portal.file_lock import file_lock

from . import deletion_lock, layout, openat2

_DIRECTORY = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
BATCH = 1000
_TRASHED = "trash~"


def bin_directory() -> Path:
    """Directory of what is being removed."""
    path = layout.root() / "removed"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def discard(path: Path) -> None:
    """Take one of our own directories, such as a library's, out of its place; nothing there is fine."""
    with suppress(FileNotFoundError):
        path.rename(bin_directory() / secrets.token_hex(16))


def discard_trashed(library_id: UUID, place: str) -> None:
    """Take a place of a library's trash out of it. Its name in the bin says where it was: a backup whose rows are older
    finds it there."""
    with suppress(FileNotFoundError):
        source = layout.trash(library_id) / place
        source.rename(bin_directory() / f"{_TRASHED}{library_id}~{place}~{secrets.token_hex(8)}")


def trashed_in_bin() -> list[tuple[Path, str, str]]:
    """Items of the trash that are not removed yet: path, library id, place in the trash."""
    found = []
    for path in bin_directory().glob(f"{_TRASHED}*~*~*"):
        library_id, place, _token = path.name.removeprefix(_TRASHED).split("~")
        found.append((path, library_id, place))
    return found


def empty_bin() -> int:
    """Remove what was discarded; returns how many files and folders. May be repeated after a crash at any step.

    One at a time; another one that is at it removes what was added meanwhile as well. Nothing during a backup.
    """
    removed = 0
    alone = file_lock(layout.bin_lock(), wait=False)
    with deletion_lock.deleting() as may, alone as is_alone, _opened(bin_directory(), None) as fd:
        if not may or not is_alone:
            return 0
        while names := _some(fd):
            for name in names:
                removed += _remove(fd, name)
    return removed


def _some(directory: int) -> list[str]:
    """A few names at a time: a folder may hold a million, and they change while we work."""
    with os.scandir(directory) as found:
        return [item.name for _, item in zip(range(BATCH), found, strict=False)]


def _remove(bin_fd: int, name: str) -> int:
    """One thing in the bin. Of a folder: its files now, its folders later, itself once it is empty."""
    try:
        with _opened(name, bin_fd) as folder:
            removed = 0
            while names := _some(folder):
                removed += sum(_take_out(folder, inner, bin_fd) for inner in names)
        os.rmdir(name, dir_fd=bin_fd)
        return removed + 1
    except NotADirectoryError:
        os.unlink(name, dir_fd=bin_fd)
        return 1


def _take_out(folder: int, name: str, bin_fd: int) -> int:
    """Unlink a file or link; move a folder into the bin. Returns how many were unlinked."""
    with suppress(FileNotFoundError):
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            with _opened(name, folder):  # a folder that nobody may write to cannot be moved: opening it makes it ours
                pass
            openat2.rename(folder, os.fsencode(name), bin_fd, secrets.token_hex(16).encode())
            return 0
        os.unlink(name, dir_fd=folder)
        return 1
    return 0


@contextmanager
def _opened(path: Path | str, directory: int | None) -> Iterator[int]:
    """A folder's descriptor, with its mode made ours first; NotADirectoryError for anything else, links included."""
    found = os.open(path, os.O_PATH | _DIRECTORY, dir_fd=directory)
    try:
        own = f"/proc/self/fd/{found}"
        os.chmod(own, 0o700)  # noqa: PTH101  # a descriptor
        fd = os.open(own, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    finally:
        os.close(found)
    try:
        yield fd
    finally:
        os.close(fd)
