"""A Lab's limits and what it uses of them, told inside: to programs that ask the machine, to JupyterLab and the portal.

Containers see the machine's /proc. What `free` and psutil read of memory is replaced by a file of ours, kept up to
date as lxcfs does with FUSE; the number of processors is told where glibc and OpenMP look for it. Only limits that the
kernel keeps are told. Nothing else is replaced: `top` shows the machine's processors.

servers/<id>/facts/meminfo     /proc/meminfo of the sandbox, always of the same length: it is written over in place
servers/<id>/facts/usage.json  what JupyterLab and My Lab show
"""

import contextlib
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from .cgroups import Groups, Limits
from .disk_limits import DiskUsage

DIRECTORY = "facts"
SECONDS = 2
"""Between two looks."""
ONLINE = "/sys/devices/system/cpu/online"
"""Where glibc counts processors (get_nprocs(3)), and with it os.cpu_count()."""
_KIB = 1024


@dataclass(frozen=True)
class Memory:
    """Bytes of one control group."""

    limit: int
    used: int
    """Without files that the kernel keeps and can let go of."""
    cached: int

    def meminfo(self) -> str:
        """As /proc/meminfo (proc(5)), with the lines that free(1) and psutil read."""
        free = max(0, self.limit - self.used - self.cached)
        lines = {
            "MemTotal": self.limit,
            "MemFree": free,
            "MemAvailable": max(0, self.limit - self.used),
            "Buffers": 0,
            "Cached": self.cached,
            "SwapCached": 0,
            "Active": self.used,
            "Inactive": self.cached,
            "SwapTotal": 0,
            "SwapFree": 0,
            "Shmem": 0,
            "Slab": 0,
            "SReclaimable": 0,
            "SUnreclaim": 0,
        }
        return "".join(f"{name + ':':<16}{value // _KIB:>12} kB\n" for name, value in lines.items())


@dataclass(frozen=True)
class Usage:
    """What one Lab uses, bytes or numbers; a limit of 0: none."""

    memory: int = 0
    memory_limit: int = 0
    disk: int = 0
    disk_limit: int = 0
    files: int = 0
    file_limit: int = 0
    processes: int = 0
    process_limit: int = 0
    processors: float = 0


def processors(limits: Limits, groups: Groups) -> int:
    """Number of processors that programs are told; 0: as many as the machine has."""
    told = math.ceil(limits.cpu) if "cpu" in groups.trees else 0
    return told if 0 < told < (os.cpu_count() or 1) else 0


def variables(told: int) -> dict[str, str]:
    """Environment variables of a Lab with so many processors: OpenMP and BLAS start as many threads, nproc says it."""
    return {"OMP_NUM_THREADS": str(told)} if told else {}


def files(told: int) -> dict[str, str]:
    """Files of a sandbox with so many processors."""
    if not told:
        return {}
    return dict.fromkeys((ONLINE, ONLINE.replace("online", "present")), "0\n" if told == 1 else f"0-{told - 1}\n")


class ResourceFiles:
    """The files of one server. A server of an earlier version has none, and gets none."""

    def __init__(self, directory: Path, server_id: str, groups: Groups) -> None:
        self.place = directory / DIRECTORY
        self._server = server_id
        self._groups = groups
        self._last: Usage | None = None

    def make(self, limits: Limits, disk: DiskUsage) -> None:
        """For a server that is about to start; its control group is there."""
        self.place.mkdir(mode=0o755, exist_ok=True)
        (self.place / "limits.json").write_text(json.dumps(asdict(limits)))
        if memory := self._memory(limits):
            (self.place / "meminfo").write_text(memory.meminfo())
        self.update(disk)

    def binds(self, place: Path, where: str) -> list[str]:
        """bubblewrap's words. `place`: the server's directory as its Lab sees it; `where`: our own files inside."""
        words = ["--ro-bind", str(place / DIRECTORY), f"{where}/{DIRECTORY}"]
        if (self.place / "meminfo").exists():
            words += ["--ro-bind", str(place / DIRECTORY / "meminfo"), "/proc/meminfo"]
        return words

    def update(self, disk: DiskUsage) -> None:
        """Write what is used now. Nothing where the server is gone, or is of an earlier version."""
        with contextlib.suppress(FileNotFoundError):
            limits = Limits(**json.loads((self.place / "limits.json").read_text()))
            memory = self._memory(limits)
            usage = Usage(
                memory=memory.used if memory else 0,
                memory_limit=memory.limit if memory else 0,
                disk=disk.used,
                disk_limit=disk.limit,
                files=disk.files,
                file_limit=disk.file_limit,
                processes=self._groups.processes(self._server),
                process_limit=limits.processes if "processes" in self._groups.trees else 0,
                processors=limits.cpu if "cpu" in self._groups.trees else 0,
            )
            if usage == self._last:
                return
            if memory:
                self._write_over(memory.meminfo())
            new = self.place / "new"
            new.write_text(json.dumps(asdict(usage)))
            new.replace(self.place / "usage.json")
            self._last = usage

    def _write_over(self, text: str) -> None:
        """In place, in one step: a new file would not be the one that the sandbox has."""
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(self.place / "meminfo", os.O_WRONLY)
            try:
                os.pwrite(fd, text.encode(), 0)
            finally:
                os.close(fd)

    def _memory(self, limits: Limits) -> Memory | None:
        """None where the kernel keeps no limit, or the machine has less."""
        read = self._groups.memory(self._server)
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if not read or not 0 < limits.memory < total:
            return None
        used, cached = read
        return Memory(limits.memory, min(used, limits.memory), min(cached, max(0, limits.memory - used)))
