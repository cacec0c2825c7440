"""`python -m lab.supervisor`: serves until SIGTERM or SIGINT.

Reads COLLABORATORY_RUN, LAB_ROOT, DRIVE_ROOT and LAB_CGROUP from the environment.

Ending it ends no server: the sandboxes and the Lab's namespace live on, and the next start finds them.
"""

import asyncio
import contextlib
import fcntl
import logging.config
import os
import signal
import sys
from pathlib import Path

from portal.ops import logs

from . import cgroups, namespace, processes
from .server import Supervisor


def main() -> None:
    """Enter the Lab's namespace, then serve."""
    shape, level = os.environ.get("LOG_FORMAT") or "text", os.environ.get("LOG_LEVEL") or "INFO"
    logging.config.dictConfig(logs.configuration(shape, level))
    if os.geteuid() == 0:
        sys.exit("The supervisor does not run as root: nothing of the Lab may have the host's uid 0.")
    run, lab_root, drive_root = (Path(os.environ[name]) for name in ("COLLABORATORY_RUN", "LAB_ROOT", "DRIVE_ROOT"))
    for directory in (run, lab_root, drive_root / "public/.libraries", drive_root / "private"):
        directory.mkdir(parents=True, exist_ok=True)
    lock = (run / "supervisor.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time; a successor waits for the old one to end
    monitors = [found.pid for found in processes.sandboxes(lab_root / "servers") if not found.is_init]
    namespace.enter(lab_root / "namespace.pid", monitors)
    groups = cgroups.find(os.environ.get("LAB_CGROUP", ""))
    supervisor = Supervisor(lab_root=lab_root, drive_root=drive_root, run=run, groups=groups)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(supervisor, run / "supervisor.sock"))
    supervisor.close()


async def _serve(supervisor: Supervisor, path: Path) -> None:
    task = asyncio.ensure_future(supervisor.run(path))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


if __name__ == "__main__":
    main()
