"""Limits of what the kernel counts per user id: those of one sandbox, and of all sandboxes together.

Watches of files (inotify(7), fanotify(7)) are counted for the user id outside, which all sandboxes may share with the
site, and in every user namespace on the way there, where whoever rules over it can set a lower limit (namespaces(7),
/proc/sys/user). So of what the machine gives to one user id, one sandbox gets a quarter, all of them three.

The kernel lets only a process inside the namespace set its limits, and nobody with threads enters one (setns(2)). So
there is a helper, forked before we have threads, which forks a child per sandbox.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from pathlib import Path

from . import linux

log = logging.getLogger("lab.supervisor")

SYSCTL = Path("/proc/sys")
WATCHES = {
    "max_inotify_instances": "fs/inotify/max_user_instances",
    "max_inotify_watches": "fs/inotify/max_user_watches",
    "max_fanotify_groups": "fs/fanotify/max_user_groups",
    "max_fanotify_marks": "fs/fanotify/max_user_marks",
}
"""Limits of a namespace, and where the machine's, per user id, is said."""
NAMESPACES = tuple(f"max_{kind}_namespaces" for kind in ("user", "pid", "mnt", "net", "ipc", "uts", "cgroup", "time"))
"""Of which nobody in a sandbox makes any: a second wall behind missing capabilities."""
ANSWER_SECONDS = 5


def of_sandbox() -> dict[str, int]:
    """Limits of one sandbox."""
    return {name: most // 4 for name, most in _machine().items()} | dict.fromkeys(NAMESPACES, 0)


def of_all_sandboxes() -> dict[str, int]:
    """Limits of the Lab's namespace, for all sandboxes together."""
    return {name: most * 3 // 4 for name, most in _machine().items()}


def _machine() -> dict[str, int]:
    found = {}
    for name, place in WATCHES.items():
        with contextlib.suppress(OSError, ValueError):  # a kernel without it has nothing to limit
            found[name] = int((SYSCTL / place).read_text())
    return found


def write(limits: dict[str, int]) -> None:
    """Lower limits of our own user namespace. OSError: we may not, or /proc/sys is read-only, as in some containers."""
    for name, most in limits.items():
        path = SYSCTL / "user" / name
        if path.exists():
            # Where each sandbox has a uid of its own, root has set lower ones for each (bin/lib/lab_uids.py).
            path.write_text(str(min(most, int(path.read_text()))))


class NamespaceLimiter:
    """The helper. Make it before there are threads; it ends with us."""

    def __init__(self) -> None:
        self.kept = _limit_all()
        self._turn = asyncio.Lock()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if not os.fork():
            ours.close()
            _serve(theirs)
        theirs.close()
        ours.setblocking(False)
        self._helper = ours

    async def limit(self, init: int) -> None:
        """Set the limits of the sandbox whose process 1 is `init`, before anybody's code runs in it."""
        if not self.kept:
            return
        async with self._turn:
            loop = asyncio.get_running_loop()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await loop.sock_sendall(self._helper, b"%d" % init)
                    answer = await loop.sock_recv(self._helper, 1024)
            except (OSError, TimeoutError) as error:
                answer = str(error).encode() or b"no answer"
        if answer != b"ok":
            self.kept = False  # an answer that came late would be taken for the next one's
            log.error("Limits per user namespace are not set any more: %s", answer.decode(errors="replace"))


def _limit_all() -> bool:
    try:
        write(of_all_sandboxes())
    except OSError as error:
        log.warning("Limits per user namespace cannot be set here: %s", error)
        return False
    return True


def _serve(requests: socket.socket) -> None:
    """The helper's life: a child per number of a process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the supervisor ends, and we after it
    while request := requests.recv(64):
        child = os.fork()
        if not child:
            os._exit(_limit(int(request)))
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        requests.send(b"ok" if status == 0 else os.strerror(status).encode())
    os._exit(0)


def _limit(init: int) -> int:
    """Enter the namespace of a process, and limit it; the errno, 0 for success."""
    try:
        linux.setns(os.open(f"/proc/{init}/ns/user", os.O_RDONLY | os.O_CLOEXEC), linux.CLONE_NEWUSER)
        write(of_sandbox())
    except OSError as error:
        return error.errno or 1
    return 0
