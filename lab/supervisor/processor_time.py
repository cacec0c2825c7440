"""Processor time of one server, over all its life: kept in a file, so that it outlives groups, processes and us.

The kernel counts it for each control group. Where it does not, the times of the server's processes, and of those that
they waited for (getrusage(2), RUSAGE_CHILDREN; here from /proc), are read every few seconds: what a process used after
the last look, and what nobody waited for, is missing then.

servers/<id>/processor.json    seconds by what they were read from: a control group's inode, or a process 1
"""

import contextlib
import json
from pathlib import Path

from . import processes
from .cgroups import Groups

FILE = "processor.json"


class ProcessorTime:
    """Of a server that may be started again in the same directory: each of its runs has figures that only grow."""

    def __init__(self, directory: Path, server_id: str, groups: Groups) -> None:
        self._file = directory / FILE
        self._server = server_id
        self._groups = groups

    @property
    def is_counted_by_kernel(self) -> bool:
        """Whether there is a group that counts, so that nobody needs to look before the end."""
        return self._groups.processor_time(self._server) is not None

    def seconds(self, init: int | None, of_processes: float) -> float:
        """All of it now. `of_processes`: what was read from the processes of the sandbox whose process 1 is `init`."""
        return sum(self._now(init, of_processes).values())

    def keep(self, init: int | None = None, of_processes: float = 0) -> None:
        """Write it down; as often as one likes, also after a kill in the middle. Nothing where the server is gone."""
        known, now = read(self._file), self._now(init, of_processes)
        if now == known:
            return
        with contextlib.suppress(FileNotFoundError):
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(now))
            new.replace(self._file)

    def _now(self, init: int | None, of_processes: float) -> dict[str, float]:
        """By run; of this one the most that was ever read."""
        known = read(self._file)
        counted = self._groups.processor_time(self._server)
        if counted:
            name, seconds = f"group {counted[0]}", counted[1]
        elif init is not None and of_processes:
            name, seconds = _name_of(init), of_processes
        else:
            return known
        return known | {name: max(seconds, known.get(name, 0.0))}


def _name_of(init: int) -> str:
    """A process by number and time of birth: the number may be given again."""
    try:
        return f"process {init} {processes.stat(init)[19]}"
    except OSError:
        return f"process {init}"


def read(file: Path) -> dict[str, float]:
    """Seconds by run, as written down last; {} where nothing was."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        return {name: float(seconds) for name, seconds in json.loads(file.read_text()).items()}
    return {}
