"""Locks between processes, by flock(2). Without Django: the Lab's supervisor takes one too."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def file_lock(path: Path, *, shared: bool = False, wait: bool = True, create: bool = True) -> Iterator[bool]:
    """Hold the lock of a file, exclusive or `shared`. With `wait` off: False, without the lock, if it is taken.

    The file is made (mode 600) unless `create` is off; then FileNotFoundError. The kernel drops the lock when the
    process ends, however it ends. A shared one needs no right to write the file.
    """
    fd = os.open(path, (os.O_RDONLY if shared else os.O_RDWR) | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    try:
        yield _take(fd, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    finally:
        os.close(fd)


def _take(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how)
    except BlockingIOError:
        return False
    return True
