"""Sandboxes and their processes, as /proc shows them.

A sandbox is two bubblewrap processes with one command line that names the server's directory: the monitor outside, and
process 1 of the sandbox's PID namespace. When process 1 ends, the kernel has ended everything in the namespace
(pid_namespaces(7)).

What /proc shows of a process inside is that process's own choice: its name may be any bytes (PR_SET_NAME, prctl(2)),
and so may its command line, process 1's too, whose memory code inside can write. What a monitor's shows is ours.
"""

import asyncio
import contextlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from .uids import PLACE, below

PROC = Path("/proc")


@dataclass(frozen=True)
class BwrapProcess:
    """One process of bubblewrap itself."""

    pid: int
    server: str
    """Hex id of the server."""
    is_init: bool
    """Process 1 inside; otherwise the monitor outside."""
    username: str = ""
    """Whose home is bound there."""
    directory: Path = Path()
    """The server's, as its uid sees it."""


def pids() -> Iterator[int]:
    """Every process that we can see."""
    return (int(name) for name in os.listdir(PROC) if name.isdigit())


def sandboxes(servers: Path) -> list[BwrapProcess]:
    """bubblewrap's processes whose command line names a directory `servers/<id>`, or that as a uid sees it (uids.py).

    Process 1 is what a monitor has for a child; its own command line counts only where somebody has killed the monitor.
    """
    monitors: list[BwrapProcess] = []
    orphans: list[BwrapProcess] = []
    for pid in pids():
        with contextlib.suppress(OSError, ValueError):  # it ended while we looked
            if found := _named(pid, servers):
                (orphans if found.is_init else monitors).append(found)
    inits = [init for monitor in monitors for init in _inits(monitor)]
    taken = {init.pid for init in inits}, {init.server for init in inits}
    orphans = [one for one in orphans if one.pid not in taken[0] and one.server not in taken[1]]
    return [*monitors, *inits, *orphans]


def _inits(monitor: BwrapProcess) -> list[BwrapProcess]:
    """Process 1 of the monitor's sandbox, if it lives."""
    with contextlib.suppress(OSError):
        return [replace(monitor, pid=pid, is_init=True) for pid in children(monitor.pid) if inner_pid(pid) == 1]
    return []


def children(pid: int) -> list[int]:
    """Children of a process with one thread. OSError: it is gone."""
    return [int(word) for word in (PROC / f"{pid}/task/{pid}/children").read_text().split()]


def _named(pid: int, servers: Path) -> BwrapProcess | None:
    """What a process says it is, if it can be that: a monitor lives in no PID namespace below ours."""
    words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    number = inner_pid(pid)
    if not words[0].endswith(b"bwrap") or number > 1 or _is_zombie(pid):
        return None
    for word, home in itertools.pairwise(words):
        place = Path(os.fsdecode(word))
        if place.name == "home" and place.parent.parent in (servers, below(PLACE, servers)):
            return BwrapProcess(pid, place.parent.name, number == 1, Path(os.fsdecode(home)).name, place.parent)
    return None


def _status(pid: int, key: str) -> list[str]:
    for line in _lines(PROC / str(pid) / "status"):
        if line.startswith(key + ":"):
            return line.split()[1:]
    return []


def _lines(path: Path) -> list[str]:
    """Lines of a file that names what a Lab named: no text of any encoding, and only newlines end a line."""
    return os.fsdecode(path.read_bytes()).split("\n")


def _is_zombie(pid: int) -> bool:
    return _status(pid, "State")[:1] == ["Z"]


def name_of(pid: int) -> str:
    """The process's name, as it can be shown. OSError: it is gone."""
    name = (PROC / str(pid) / "comm").read_text(errors="replace").strip()
    return "".join(character if character.isprintable() else "?" for character in name)


def inner_pid(pid: int) -> int:
    """The process's number in the innermost PID namespace it is in; 0 when it is only in ours, or is a zombie.

    OSError: it is gone.
    """
    numbers = _status(pid, "NSpid")
    return int(numbers[-1]) if len(numbers) > 1 and not _is_zombie(pid) else 0


def reported_init(status: int) -> int | None:
    """Process 1 of a new sandbox, of which bubblewrap tells by `--json-status-fd`; None when it ended before."""
    with os.fdopen(os.dup(status)) as lines:
        line = lines.readline()
    return int(json.loads(line)["child-pid"]) if line else None


async def first_program(init: int) -> int | None:
    """Wait until bubblewrap has built everything, which is when its process 1 has forked the program: its number.

    None when the sandbox has ended. bubblewrap brings up the loopback device by netlink, and takes for an answer what
    slirp4netns does in there meanwhile ("loopback: Failed RTM_NEWADDR"), so the two must not be at work together.
    """
    with contextlib.suppress(OSError):
        while not (found := children(init)):
            await asyncio.sleep(0.002)
        return found[0]
    return None


def uid(pid: int) -> int:
    """The process's real uid, as our own user namespace has it. OSError: it is gone."""
    return int(_status(pid, "Uid")[0])


def inside(init: int) -> list[int]:
    """All processes in the PID namespace whose process 1 is `init`."""
    try:
        namespace = os.readlink(PROC / str(init) / "ns/pid")
    except OSError:
        return []
    return [pid for pid in pids() if _link(pid, "ns/pid") == namespace]


def _link(pid: int, name: str) -> str:
    try:
        return os.readlink(PROC / str(pid) / name)
    except OSError:
        return ""


def usage(init: int) -> tuple[int, float]:
    """Bytes that the sandbox uses by itself (the sum of proportional set sizes), and seconds of processor time."""
    memory, ticks = 0, 0
    for pid in inside(init):
        try:
            for line in _lines(PROC / str(pid) / "smaps_rollup"):
                if line.startswith("Pss:"):
                    memory += int(line.split()[1]) * 1024
            # proc(5), stat: fields 14 to 17, its own time and that of children that have ended.
            ticks += sum(map(int, stat(pid)[11:15]))
        except OSError:
            continue
    return memory, ticks / os.sysconf("SC_CLK_TCK")


def times(inits: Iterable[int]) -> dict[int, float]:
    """Seconds of processor time for each process 1 of a sandbox: of its processes, and those that they waited for.

    One walk over /proc for all.
    """
    namespaces = {_link(init, "ns/pid"): init for init in inits}
    ticks: dict[int, int] = dict.fromkeys(namespaces.values(), 0)
    for pid in pids() if ticks else ():
        init = namespaces.get(_link(pid, "ns/pid"))
        with contextlib.suppress(OSError):
            if init:
                ticks[init] += sum(map(int, stat(pid)[11:15]))
    return {init: number / os.sysconf("SC_CLK_TCK") for init, number in ticks.items()}


def stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name: the first is `state`, the third of proc(5)."""
    return (PROC / str(pid) / "stat").read_text(errors="surrogateescape").rpartition(")")[2].split()


def written(inits: Iterable[int]) -> dict[int, dict[int, int]]:
    """Bytes that each process has written to disks, for each process 1 of a sandbox.

    One walk over /proc for all. Those whose end somebody waited for count with their parent (proc(5), io).
    """
    namespaces = {_link(init, "ns/pid"): init for init in inits}
    found: dict[int, dict[int, int]] = {init: {} for init in namespaces.values()}
    for pid in pids() if found else ():
        init = namespaces.get(_link(pid, "ns/pid"))
        with contextlib.suppress(OSError):
            if init:
                words = (PROC / str(pid) / "io").read_text().split()
                found[init][pid] = int(words[words.index("write_bytes:") + 1])
    return found


def kernel_ticks(init: int) -> dict[int, int]:
    """Processor time that the kernel has spent for each process of a sandbox, in ticks (proc(5), stat, `stime`)."""
    found = {}
    for pid in inside(init):
        with contextlib.suppress(OSError, IndexError):
            found[pid] = int(stat(pid)[12])
    return found


def open_files(pid: int) -> Iterator[os.stat_result]:
    """stat results of the files that a process has open."""
    with contextlib.suppress(OSError):
        for fd in os.listdir(PROC / str(pid) / "fd"):
            with contextlib.suppress(OSError):
                yield (PROC / str(pid) / "fd" / fd).stat()


def deleted_mappings(pid: int) -> Iterator[tuple[int, int, int]]:
    """Device, inode and where the mapping ends in the file, of files without a name (proc(5), maps)."""
    for _path, device, inode, end in _deleted_mappings(pid):
        yield device, inode, end


def _deleted_mappings(pid: int) -> Iterator[tuple[str, int, int, int]]:
    """The same, with the path that each had."""
    with contextlib.suppress(OSError):
        for line in _lines(PROC / str(pid) / "maps"):
            if line.endswith(" (deleted)"):
                addresses, _, offset, device, inode, path = line.split(maxsplit=5)
                first, _, last = addresses.partition("-")
                major, _, minor = device.partition(":")
                end = int(offset, 16) + int(last, 16) - int(first, 16)
                yield path, os.makedev(int(major, 16), int(minor, 16)), int(inode), end


def deleted_files(init: int) -> Iterator[tuple[str, tuple[int, int], int]]:
    """Files that have no name any more and are held by a process of the sandbox, as often as they are.

    The path that each had inside; device and inode; the bytes that it takes up, of what is mapped up to where.
    """
    for pid in inside(init):
        with contextlib.suppress(OSError):
            for fd in os.listdir(PROC / str(pid) / "fd"):
                with contextlib.suppress(OSError):
                    found = (PROC / str(pid) / "fd" / fd).stat()
                    if found.st_nlink == 0:
                        yield _link(pid, f"fd/{fd}"), (found.st_dev, found.st_ino), found.st_blocks * 512
        for path, device, inode, end in _deleted_mappings(pid):
            yield path, (device, inode), end


def holders(init: int, place: str, library: str, *, writing: bool = False) -> list[int]:
    """Processes of the sandbox with a working directory, an open file or a mapping in a library.

    `place` is the library's path inside the sandbox ("" for none); `library` its directory's name, which stands in
    the path of a file reached through the mount of all public libraries. `writing`: only those with a file open for
    writing, or with a mapping that can be written through.
    """

    def within(path: str) -> bool:
        return (bool(place) and (path + "/").startswith(place + "/")) or f"/{library}/" in path + "/"

    paths = _paths_open_for_writing if writing else _open_paths
    return [pid for pid in inside(init) if any(within(path) for path in paths(pid))]


def _open_paths(pid: int) -> Iterator[str]:
    for name in ("cwd", "root", "exe"):
        yield _link(pid, name)
    with contextlib.suppress(OSError):
        for fd in os.listdir(PROC / str(pid) / "fd"):
            yield _link(pid, f"fd/{fd}")
    yield from _mapped(pid, "")


def _paths_open_for_writing(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for fd in os.listdir(PROC / str(pid) / "fd"):
            if _is_open_for_writing(pid, fd):
                yield _link(pid, f"fd/{fd}")
    yield from _mapped(pid, "w")


def _is_open_for_writing(pid: int, fd: str) -> bool:
    """By the flags in octal of proc(5), fdinfo."""
    with contextlib.suppress(OSError):
        for line in _lines(PROC / str(pid) / "fdinfo" / fd):
            if line.startswith("flags:"):
                return int(line.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
    return False


def _mapped(pid: int, right: str) -> Iterator[str]:
    """Files that are mapped; with a right (proc(5), maps) those that are shared and mapped with it."""
    with contextlib.suppress(OSError):
        for line in _lines(PROC / str(pid) / "maps"):
            parts = line.split(maxsplit=5)
            if len(parts) == 6 and (not right or {right, "s"} <= set(parts[1])):
                yield parts[5]
