"""Changes of mounts in the mount namespace of another process, one step after the other, by a thread that enters it.

    ("make", <descriptor of a directory>, <name>)  ("remove", <the same>, <name>)   a directory to mount something on
    ("attach", <descriptor of a mount that is attached nowhere>, <path>)
    ("read_only", <path>)  ("read_write", <path>)  ("move", <path>, <new path>)  ("unmount", <path>, <lazily>)

The paths cannot be led astray by the sandbox: the Drive's folders are read-only there, and a directory on which
something is mounted can be neither renamed nor removed (EBUSY, rename(2)).

The thread sees the sandbox's files. It makes system calls, and nothing else: a module that Python imported there, would
be somebody's.
"""

import contextlib
import errno
import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from . import linux

log = logging.getLogger("lab.supervisor")

EXPECTED = (0, errno.EBUSY, errno.EPERM)
"""Something uses the mount; it came read-only, in a Lab of an earlier version."""


def change(process: int, steps: Sequence[Sequence[Any]]) -> list[int]:
    """Try each step, whatever became of those before; the errno of each, 0 for success."""
    if not steps:
        return []
    codes: list[int] = []
    thread = threading.Thread(target=_enter_and_try, args=(process, steps, codes), name="mounts")
    thread.start()
    thread.join()
    codes += [errno.EIO] * (len(steps) - len(codes))
    for step, code in zip(steps, codes, strict=True):
        if code not in EXPECTED:
            log.warning("mounts of the sandbox of process %d: %s: %s", process, step[0], os.strerror(code))
    return codes


def _enter_and_try(process: int, steps: Sequence[Sequence[Any]], codes: list[int]) -> None:
    try:
        linux.unshare(linux.CLONE_FS)  # a thread alone can change its mount namespace (setns(2))
        namespace = os.open(f"/proc/{process}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
        try:
            linux.setns(namespace, linux.CLONE_NEWNS)
        finally:
            os.close(namespace)
    except OSError as error:
        codes += [error.errno or errno.EIO] * len(steps)
        return
    for step in steps:
        try:
            _do(*step)
        except Exception as error:  # none may leave: Python would read, or import, what it needs to print it
            codes.append(getattr(error, "errno", None) or errno.EIO)
        else:
            codes.append(0)


def _do(verb: str, *given: Any) -> None:
    """One step; OSError with the kernel's reason."""
    match verb:
        case "make":
            with contextlib.suppress(FileExistsError):
                os.mkdir(given[1], dir_fd=given[0])
        case "remove":
            os.rmdir(given[1], dir_fd=given[0])
        case "attach":
            linux.attach(given[0], Path(given[1]))
        case "read_only":
            linux.restrict(Path(given[0]), linux.MOUNT_ATTR_RDONLY)
        case "read_write":
            linux.relax(Path(given[0]), linux.MOUNT_ATTR_RDONLY)
        case "move":
            linux.move(Path(given[0]), Path(given[1]))
        case "unmount":
            linux.unmount(Path(given[0]), lazy=given[1])
