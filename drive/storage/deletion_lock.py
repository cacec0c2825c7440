"""Lock between backups and deletion: while a backup reads the Drive, nothing is removed that a row may refer to.

A backup holds the lock alone, for as long as it takes; whoever removes bytes for good holds it together with others,
and where it is taken comes back later (flock(2): the kernel drops it, should the process die). People are not kept
waiting: what they delete for good leaves its place at once, and its bytes go when the backup is done.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from portal.file_lock import file_lock

from . import layout

POLL_SECONDS = 0.5


@contextmanager
def deleting() -> Iterator[bool]:
    """True if bytes may be removed now; no backup begins to read before the end of the block."""
    with file_lock(layout.deletion_lock(), shared=True, wait=False) as may:
        if not may:
            _waiting().touch()
        yield may


@contextmanager
def no_deletion(wait_seconds: float) -> Iterator[bool]:
    """Nothing is removed within the block. False when somebody was still removing, or keeping, after that time."""
    deadline = time.monotonic() + wait_seconds
    while True:
        with file_lock(layout.deletion_lock(), wait=False) as taken:
            if taken or time.monotonic() >= deadline:
                yield taken
                return
        time.sleep(POLL_SECONDS)


def pop_refused() -> bool:
    """True, once, if a removal was refused since the last call: it is to be done now."""
    try:
        _waiting().unlink()
    except FileNotFoundError:
        return False
    return True


def _waiting() -> Path:
    path = layout.deletion_lock()
    return path.with_name(f"{path.name}-waiting")
