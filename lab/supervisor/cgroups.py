"""Control groups: limits of memory, processor and processes of one server, kept by the kernel.

    <controller>/<LAB_CGROUP>/<server>    version 1: a tree per controller (kernel docs, admin-guide/cgroup-v1)
    <LAB_CGROUP>/<server>                 version 2: one tree (admin-guide/cgroup-v2)

Root makes what LAB_CGROUP names and gives it to our account: `bin/up` does, or collaboratory-labs.service
(bin/lib/control_groups.py). Where nobody did, or the machine lacks a controller, that limit is not kept, and a check
says so (lab.W003).
"""

import contextlib
import logging
import os
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from . import linux

log = logging.getLogger("lab.supervisor")

CONTROLLERS = {"memory": "memory", "cpu": "cpu", "processes": "pids"}
"""What is limited, and the kernel's name for who does it."""
ACCOUNTING = "cpuacct"
"""Who counts processor time in version 1; in version 2 every group does."""
PERIOD_MICROSECONDS = 100_000
NICE = 10
"""Of Labs, where the kernel does not weigh them by groups: a tenth of the portal's share for each busy process."""
ENTER_TRIES = 50
REMOVE_TRIES = 50
REMOVE_EVERY = 0.02


@dataclass(frozen=True)
class Limits:
    """Limits of one server, all its processes together; 0: no limit."""

    memory: int = 0
    """Bytes, files in /tmp included. What the kernel keeps of files that were read counts too, but it can let go."""
    cpu: float = 0
    """Processors' worth of time."""
    processes: int = 0
    """Threads count as well."""

    def words(self, version: int) -> dict[str, list[tuple[str, str]]]:
        """Names and values of the files to write, by controller."""
        quota = round(self.cpu * PERIOD_MICROSECONDS)
        if version == 1:
            return {
                "memory": [
                    ("memory.limit_in_bytes", str(self.memory)),
                    ("memory.memsw.limit_in_bytes", str(self.memory)),
                ],
                "cpu": [("cpu.cfs_period_us", str(PERIOD_MICROSECONDS)), ("cpu.cfs_quota_us", str(quota))],
                "processes": [("pids.max", str(self.processes))],
            }
        return {
            "memory": [("memory.max", str(self.memory)), ("memory.swap.max", "0")],
            "cpu": [("cpu.max", f"{quota} {PERIOD_MICROSECONDS}")],
            "processes": [("pids.max", str(self.processes))],
        }


_MEMORY_2 = ("memory.current", "inactive_file")
OPTIONAL = ("memory.memsw.limit_in_bytes", "memory.swap.max")
"""Not there on a kernel that does not account for swap."""


@dataclass(frozen=True)
class Groups:
    """The site's groups on this machine. Every method does what it can: a server without a group still runs."""

    version: int
    trees: dict[str, Path]
    """For each thing that is limited here, the directory below which each server gets one."""
    accounting: Path | None = None
    """The one in which the kernel counts processor time, limited or not."""

    @property
    def kept(self) -> list[str]:
        """Names of the limits that the kernel keeps here."""
        return sorted(self.trees)

    @property
    def _all(self) -> set[Path]:
        return {*self.trees.values(), *([self.accounting] if self.accounting else [])}

    def _of(self, server_id: str) -> set[Path]:
        return {tree / server_id for tree in self._all}

    def make(self, server_id: str, limits: Limits) -> None:
        """A group for a server that is about to start."""
        for place in self._of(server_id):
            place.mkdir(exist_ok=True)
        for what, words in limits.words(self.version).items():
            if what in self.trees and getattr(limits, what):
                for name, value in words:
                    file = self.trees[what] / server_id / name
                    if name not in OPTIONAL or file.exists():
                        file.write_text(value)

    def enter(self, server_id: str, processes: Collection[int], uid: int | None = None) -> None:
        """Put these processes, of `uid`, into the server's group; what they start later is in it by itself."""
        # Version 1 lets only who has the process's uid move it, be it in a group of its own.
        with linux.effective_user(uid) if uid is not None and self.version == 1 else contextlib.nullcontext():
            for pid in processes:
                for place in self._of(server_id):
                    with contextlib.suppress(ProcessLookupError):
                        (place / "cgroup.procs").write_text(str(pid))
        if "cpu" not in self.trees:
            with linux.effective_user(uid) if uid is not None else contextlib.nullcontext():
                for pid in processes:
                    _be_nice(pid)

    def killed(self, server_id: str) -> int:
        """Number of the server's processes that the kernel has ended for lack of memory."""
        return self._memory_event(server_id, "oom_kill")

    def was_at_limit(self, server_id: str) -> bool:
        """True if the server has ever reached its own limit of memory.

        If not, what was ended in it was ended because all Labs together, or the machine, had no more. Version 1 does
        not tell: there it is always said to have.
        """
        return self.version == 1 or self._memory_event(server_id, "oom") > 0

    def _memory_event(self, server_id: str, event: str) -> int:
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        if "memory" in self.trees:
            with contextlib.suppress(OSError):
                for line in (self.trees["memory"] / server_id / name).read_text().splitlines():
                    if line.startswith(f"{event} "):
                        return int(line.split()[1])
        return 0

    def memory(self, server_id: str) -> tuple[int, int] | None:
        """Bytes that the server needs, and of files that the kernel keeps and can let go of; None: not counted here."""
        if "memory" not in self.trees:
            return None
        name, cache = ("memory.usage_in_bytes", "total_inactive_file") if self.version == 1 else _MEMORY_2
        place = self.trees["memory"] / server_id
        try:
            charged = int((place / name).read_text())
            lines = (line.split() for line in (place / "memory.stat").read_text().splitlines())
            cached = next((int(fields[1]) for fields in lines if fields[0] == cache), 0)
        except (OSError, ValueError):
            return None
        return max(0, charged - cached), cached

    def processor_time(self, server_id: str) -> tuple[int, float] | None:
        """Inode of the server's group, which is another one after a restart, and seconds; None: not counted here."""
        if self.accounting is None:
            return None
        place = self.accounting / server_id
        try:
            inode = place.stat().st_ino
            if self.version == 1:
                return inode, int((place / "cpuacct.usage").read_text()) / 1e9
            words = (place / "cpu.stat").read_text().split()
            return inode, int(words[words.index("usage_usec") + 1]) / 1e6
        except (OSError, ValueError):
            return None

    def processes(self, server_id: str) -> int:
        """Number of the server's processes and threads; 0 where nobody counts."""
        with contextlib.suppress(OSError, ValueError, KeyError):
            return int((self.trees["processes"] / server_id / "pids.current").read_text())
        return 0

    def free_processor(self, server_id: str) -> None:
        """Let killed processes die at once: hundreds that share half a processor would take minutes over it."""
        name, anything = ("cpu.cfs_quota_us", "-1") if self.version == 1 else ("cpu.max", "max")
        if "cpu" in self.trees:
            with contextlib.suppress(OSError):
                (self.trees["cpu"] / server_id / name).write_text(anything)

    def remove(self, server_id: str) -> None:
        """Remove the group of a server without processes; the kernel takes a moment to forget the last one."""
        for place in self._of(server_id):
            if not _remove(place):
                log.warning("%s is in use and stays", place)

    def ids(self) -> set[str]:
        """Ids of the servers that have a group."""
        return {entry.name for tree in self._all for entry in tree.iterdir() if entry.is_dir()}

    def close(self) -> None:
        """Leave nothing of a site that was made for a trial: the directory that we made ourselves, when empty."""
        for tree in self._all:
            with contextlib.suppress(OSError):
                tree.rmdir()


def _be_nice(pid: int) -> None:
    """Have all threads of a process, and what it starts later, give way to the portal, where no group weighs Labs.

    With "autogroup" the kernel weighs sessions instead (sched(7)), of which a process may change its own alone;
    inside/kernel_server.py does so in each kernel's.
    """
    with contextlib.suppress(OSError):
        for thread in (Path("/proc", str(pid), "task")).iterdir():
            os.setpriority(os.PRIO_PROCESS, int(thread.name), NICE)
        Path("/proc", str(pid), "autogroup").write_text(str(NICE))


def _remove(place: Path) -> bool:
    """Remove a group; True if it is gone, also if it was gone before."""
    for _ in range(REMOVE_TRIES):
        try:
            place.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            time.sleep(REMOVE_EVERY)
        else:
            return True
    return False


def find(name: str) -> Groups:
    """Groups that were given to us under this name (LAB_CGROUP), or a part of them."""
    none = Groups(1, {})
    if not name:
        return none
    trees = {}
    for what, controller in CONTROLLERS.items():
        for mount in _mounts("cgroup", controller):
            if tree := _ours(mount.point / name):
                trees[what] = tree
    if trees:
        accounts = (_ours(mount.point / name) for mount in _mounts("cgroup", ACCOUNTING))
        return Groups(1, trees, next(filter(None, accounts), None))
    for mount in _mounts("cgroup2"):
        tree = _ours(mount.point / name)
        if tree and mount.lets_us_move_to(tree):
            _offer(tree)
            offered = (tree / "cgroup.subtree_control").read_text().split()
            return Groups(2, {what: tree for what, controller in CONTROLLERS.items() if controller in offered}, tree)
    return none


def _ours(tree: Path) -> Path | None:
    """The directory, made where only its last part is missing; None where we may not."""
    with contextlib.suppress(OSError):
        tree.mkdir(exist_ok=True)
    return tree if os.access(tree, os.W_OK | os.X_OK) else None


def _offer(tree: Path) -> None:
    """Let groups below this one have limits; nothing to do where it was made for us."""
    for controller in CONTROLLERS.values():
        with contextlib.suppress(OSError):
            (tree / "cgroup.subtree_control").write_text(f"+{controller}")


@dataclass(frozen=True)
class _Mount:
    """A file system of groups."""

    point: Path
    root: str
    """The group that is seen there."""

    def lets_us_move_to(self, tree: Path) -> bool:
        """True if our processes may be moved there (version 2).

        That takes rights in the closest group that holds both places (cgroup-v2, "Delegation Containment").
        """
        here = os.path.normpath(self.point / os.path.relpath(_own_path(), self.root))
        return os.access(Path(os.path.commonpath([here, tree])) / "cgroup.procs", os.W_OK)


def _own_path() -> str:
    """Our own group, of version 2."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next(line.removeprefix("0::") for line in lines if line.startswith("0::"))


def _mounts(kind: str, option: str = "") -> list[_Mount]:
    """Mounts of cgroup file systems (proc(5), mountinfo); of version 1 those with this controller."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        filesystem, _source, options = after.split(" ", 2)
        if filesystem == kind and (not option or option in options.split(",")):
            root, point = before.split()[3:5]
            found.append(_Mount(Path(point), root))
    return found
