"""Locks that git left behind when it was ended, such as `index.lock`: removed where nobody works (git(1), "lockfile").

git holds such a file for moments; one that stays makes every later command fail. Processes of this Lab are looked at.
Others, who may have the library in their own Labs, cannot be seen: a lock must also have been left alone for a while.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from .addresses import PullRefusedError

STALE_SECONDS = 600
NAMES = ("index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock", "ORIG_HEAD.lock")


def remove_stale_locks(directory: Path) -> list[str]:
    """Remove what is left in the clone's `.git`; its names. PullRefusedError while somebody may be at work."""
    inside = directory / ".git"
    locks = [inside / name for name in NAMES if os.path.lexists(inside / name)]
    locks += [path for path in (inside / "refs").rglob("*.lock") if not path.is_dir()]
    if not locks:
        return []
    if worker := _at_work(directory, {str(lock) for lock in locks}):
        raise PullRefusedError(
            f"{worker} is at work in this folder. Wait until it is done, then follow the link again."
        )
    age = time.time() - max(lock.lstat().st_mtime for lock in locks)
    if age < STALE_SECONDS:
        minutes = max(1, round((STALE_SECONDS - age) / 60))
        raise PullRefusedError(
            "git was at work in this folder a moment ago, or was interrupted. "
            f"Follow the link again in {minutes} minutes: what it left behind is removed then, if nobody works there."
        )
    for lock in locks:
        lock.unlink(missing_ok=True)
    return [str(lock.relative_to(inside)) for lock in locks]


def _at_work(directory: Path, locks: set[str]) -> str:
    """Name of a process of this Lab that works there: it holds a lock open, or is git and stands in the folder."""
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == str(os.getpid()):
            continue
        with suppress(OSError):  # it has ended
            name = (process / "comm").read_text().strip()
            if name.startswith("git") and _is_in(process / "cwd", directory):
                return f"{name} (process {process.name})"
            if any(_target(fd) in locks for fd in (process / "fd").iterdir()):
                return f"{name} (process {process.name})"
    return ""


def _is_in(link: Path, directory: Path) -> bool:
    place = _target(link)
    return place == str(directory) or place.startswith(f"{directory}/")


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""
