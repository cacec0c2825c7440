"""While a backup reads the Drive, nothing is removed for good that a row of its database may refer to.

A backup holds the lock alone, for as long as it takes; whoever removes bytes for good holds it together with others,
and where it is taken comes back later (flock(2): the kernel drops it, should the process die). People are not kept
waiting: what they delete for good leaves its place at once, and its bytes go when the backup is done.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from . import layout

POLL_SECONDS = 0.5


@contextmanager
def removing() -> Iterator[bool]:
    """Whether bytes may be removed now; no backup begins to read before the end of the block."""
    fd = _open()
    try:
        if not (may := _take(fd, fcntl.LOCK_SH)):
            _waiting().touch()
        yield may
    finally:
        os.close(fd)


@contextmanager
def held(wait_seconds: float) -> Iterator[bool]:
    """Nothing is removed within the block. False when somebody was still removing, or keeping, after that time."""
    fd = _open()
    deadline = time.monotonic() + wait_seconds
    try:
        while not (taken := _take(fd, fcntl.LOCK_EX)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        yield taken
    finally:
        os.close(fd)


def take_waiting() -> bool:
    """Whether somebody was sent away since this was last asked: their work is to be done now."""
    try:
        _waiting().unlink()
    except FileNotFoundError:
        return False
    return True


def _waiting() -> Path:
    path = layout.keep_lock()
    return path.with_name(f"{path.name}-waiting")


def _open() -> int:
    return os.open(layout.keep_lock(), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _take(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
