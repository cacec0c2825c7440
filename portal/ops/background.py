"""What can wait: captures, builds and previews give way to what answers people, and to Labs.

Where `bin/up` has made the group for it (BACKGROUND_GROUP; bin/lib/control_groups.py), the kernel weighs all of it as
one. Elsewhere, and among themselves, by their nice values (sched(7)). With "autogroup", a session has a nice value of
its own, which counts instead; so the nice value is written there as well.
"""

import contextlib
import os
from pathlib import Path

from django.conf import settings

WORKERS = ("files",)
"""Workers of the Procfile, by their names, that do nothing else."""
NICE = 10
IDLE_DISK = ("ionice", "-c", "2", "-n", "7")
"""Last among ordinary programs: in the class "idle" a busy disk would never have time for it."""
_ENTER = (
    'if [ -n "$1" ]; then { echo 0 >"$1"; } 2>/dev/null; fi; nice=$2; shift 2; '
    '{ echo "$nice" >/proc/self/autogroup; } 2>/dev/null; unset PWD OLDPWD SHLVL; exec nice -n "$nice" "$@"'
)
"""By a shell: between fork and exec, nothing may be done in a process that has threads.
Its own variables are not handed on."""


def command(words: list[str], nice: int = NICE) -> list[str]:
    """The command line, run as what can wait. For a session of its own: its nice value is that of all in it."""
    return ["/bin/sh", "-c", _ENTER, "sh", settings.BACKGROUND_GROUP, str(nice), *IDLE_DISK, *words]


def enter(worker: str) -> None:
    """Have this process give way if this worker, by its Celery name, does nothing else; before it has threads."""
    if worker.rpartition("@")[2] not in WORKERS:
        return
    with contextlib.suppress(OSError):
        if settings.BACKGROUND_GROUP:
            Path(settings.BACKGROUND_GROUP).write_text("0")
    os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))
