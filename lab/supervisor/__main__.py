"""`python -m lab.supervisor`: serves until SIGTERM or SIGINT.

Reads COLLABORATORY_RUN, LAB_ROOT, DRIVE_ROOT, LAB_CGROUP, LAB_NETWORK_ALLOWED and LAB_NETWORK_REFUSED from the
environment.

Ending it ends no server: the sandboxes and the Lab's namespace live on, and the next start finds them.
"""

import asyncio
import contextlib
import logging.config
import os
import resource
import signal
import sys
from pathlib import Path

from portal.file_lock import file_lock
from portal.ops import logs
from portal.sandboxing import firewall

from . import cgroups, namespace, processes, uids
from .namespace_limits import NamespaceLimiter
from .server import Supervisor

RESERVE = 2**29
"""DISK_RESERVE_BYTES where nothing is set, as in portal/settings.py."""


def main() -> None:
    """Enter the Lab's namespace, then serve."""
    shape, level = os.environ.get("LOG_FORMAT") or "text", os.environ.get("LOG_LEVEL") or "INFO"
    logging.config.dictConfig(logs.configuration(shape, level))
    if os.geteuid() == 0:
        sys.exit("The supervisor does not run as root: nothing of the Lab may have the host's uid 0.")
    try:
        policy = firewall.policy()
    except ValueError as error:
        sys.exit(f"{error} (docs/reference/settings.md).")
    run, lab_root, drive_root = (Path(os.environ[name]) for name in ("COLLABORATORY_RUN", "LAB_ROOT", "DRIVE_ROOT"))
    for directory in (run, lab_root, drive_root / "public/.libraries", drive_root / "private"):
        directory.mkdir(parents=True, exist_ok=True)
    with file_lock(run / "supervisor.lock"):  # one at a time; a successor waits for the old one to end
        _run(run, lab_root, drive_root, policy)


def _run(run: Path, lab_root: Path, drive_root: Path, policy: firewall.Policy) -> None:
    monitors = [found.pid for found in processes.sandboxes(lab_root / "servers") if not found.is_init]
    namespace.enter(lab_root / "namespace.pid", monitors)
    _open_many_files()
    limiter = NamespaceLimiter()
    groups = cgroups.find(os.environ.get("LAB_CGROUP", ""))
    places = {"lab_root": lab_root, "drive_root": drive_root, "run": run}
    found = uids.find(lab_root, drive_root)
    reserve = int(os.environ.get("DISK_RESERVE_BYTES") or RESERVE)
    supervisor = Supervisor(**places, groups=groups, limiter=limiter, policy=policy, uids=found, reserve=reserve)
    with contextlib.suppress(asyncio.CancelledError):
        asyncio.run(_serve(supervisor, run / "supervisor.sock"))
    supervisor.close()


def _open_many_files() -> None:
    """As many as we may: so many descriptors may also be on their way through sockets, Labs' included (unix(7))."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(supervisor: Supervisor, path: Path) -> None:
    task = asyncio.ensure_future(supervisor.run(path))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


if __name__ == "__main__":
    main()
