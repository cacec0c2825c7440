"""The Lab's namespace: a user and a mount namespace in which an unprivileged account may mount.

A pause process keeps it, so that the supervisor may die and come back; should somebody kill that too, every sandbox's
monitor process lives in the same namespace and leads back to it.
"""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from . import linux

PAUSE = ["sleep", "infinity"]


def enter(pid_file: Path, others: Iterable[int]) -> None:
    """Join the Lab's namespace, or make it. Call before there are threads.

    `others` are processes that live in the namespace if they live at all (the sandboxes' monitors).
    """
    for pid in [*recorded(pid_file), *others]:
        if _join(pid):
            if pid not in recorded(pid_file):
                _keep(pid_file)
            return
    make()
    _keep(pid_file)


def make() -> None:
    """Become root in a new user namespace that maps only ourselves, with a mount namespace of its own."""
    uid, gid = os.geteuid(), os.getegid()
    linux.unshare(linux.CLONE_NEWUSER | linux.CLONE_NEWNS)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def _keep(pid_file: Path) -> None:
    """Leave a process behind that holds the namespace open."""
    null = subprocess.DEVNULL  # whoever reads our output must not wait for the pause process to end
    pause = subprocess.Popen(PAUSE, stdin=null, stdout=null, stderr=null, start_new_session=True)
    pid_file.write_text(str(pause.pid))


def recorded(pid_file: Path) -> list[int]:
    """The pause process that was recorded, if that process is one (a pid may have been given to another since)."""
    try:
        pid = int(pid_file.read_text())
        if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:2] == [part.encode() for part in PAUSE]:
            return [pid]
    except (OSError, ValueError):
        pass
    return []


def _join(pid: int) -> bool:
    """Enter the namespaces of `pid`; False when it is gone or is not in a namespace of ours."""
    try:
        if os.readlink(f"/proc/{pid}/ns/user") == os.readlink("/proc/self/ns/user"):
            return False
        fds = [os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC) for name in ("user", "mnt")]
    except OSError:
        return False
    try:
        linux.setns(fds[0], linux.CLONE_NEWUSER)
        linux.setns(fds[1], linux.CLONE_NEWNS)
    finally:
        for fd in fds:
            os.close(fd)
    return True
