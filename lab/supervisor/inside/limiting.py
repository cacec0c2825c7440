"""Resource limits of every process of a sandbox (setrlimit(2)), beside those of control groups (cgroups.py)."""

import resource

PROCESSES = 4096
"""Processes and threads of one sandbox. Counted per user namespace (Linux 5.14): a fork bomb harms its owner alone."""


def limit() -> None:
    """From now on, for us and all that we start."""
    resource.setrlimit(resource.RLIMIT_NPROC, (PROCESSES, PROCESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
