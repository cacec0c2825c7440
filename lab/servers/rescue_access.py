"""Open what lies in a home whose owner took permissions away, from themselves or by mistake (mode 000).

On disk everything in a home belongs to the site's account, which may give the permissions back. No link is followed:
the mode is changed of what an open descriptor stands for.
"""

import os
import stat
from pathlib import Path

_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""O_NONBLOCK: a FIFO that took a file's place does not hang us."""


def open_folder(name: str | os.PathLike[str], *, dir_fd: int | None = None) -> int:
    """Descriptor of a folder that can be listed and gone through. OSError; the caller closes it."""
    fd = _open(name, _FOLDER_FLAGS, dir_fd)
    mode = stat.S_IMODE(os.fstat(fd).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        try:
            os.fchmod(fd, mode | stat.S_IRWXU)
        except OSError:
            os.close(fd)
            raise
    return fd


def open_file(name: str, *, dir_fd: int) -> int:
    """Descriptor of what has this name, if it is no link; its type is for the caller to look at. OSError."""
    return _open(name, _FILE_FLAGS, dir_fd)


def _open(name: str | os.PathLike[str], flags: int, dir_fd: int | None) -> int:
    try:
        return os.open(name, flags, dir_fd=dir_fd)
    except PermissionError:
        _make_readable(name, dir_fd)
        return os.open(name, flags, dir_fd=dir_fd)


def _make_readable(name: str | os.PathLike[str], dir_fd: int | None) -> None:
    """Of folders and regular files; of whatever else, nothing changes."""
    fd = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        mode, opened = os.fstat(fd).st_mode, Path(f"/proc/self/fd/{fd}")
        if stat.S_ISDIR(mode):
            opened.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
        elif stat.S_ISREG(mode):
            opened.chmod(stat.S_IMODE(mode) | stat.S_IRUSR)
    finally:
        os.close(fd)
