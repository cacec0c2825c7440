"""Resource limits of every process of a sandbox (setrlimit(2)), beside those of control groups (cgroups.py).

Set by the processes that are forked into it, and from outside for those that are there before: code inside can take
over any of them (ptrace(2)), process 1 too. Standard library only.
"""

import resource

PROCESSES = 4096
"""Processes and threads of one sandbox. Counted per user namespace (Linux 5.14): a fork bomb harms its owner alone."""
LIMITS = {
    resource.RLIMIT_NPROC: PROCESSES,
    # Enough for what says that it needs many (Dask, data loaders). Also the most descriptors that may be on their way
    # through sockets (unix(7)), which are counted per user id of the machine: the site itself may have more.
    resource.RLIMIT_NOFILE: 8192,
    resource.RLIMIT_SIGPENDING: 4096,  # per user namespace, as are the next two
    resource.RLIMIT_MSGQUEUE: 2**18,
    resource.RLIMIT_MEMLOCK: 8 * 2**20,
    # Not 0: then a machine that pipes cores into a program runs that, as root, for each crash (fs/coredump.c).
    resource.RLIMIT_CORE: 1,
}


def limit(pid: int = 0) -> None:
    """From now on, for a process and all that it starts; ours without a number. ProcessLookupError: it is gone."""
    for which, most in LIMITS.items():
        soft, hard = (_lower(now, most) for now in resource.prlimit(pid, which))
        resource.prlimit(pid, which, (soft, hard))


def _lower(now: int, most: int) -> int:
    return most if now == resource.RLIM_INFINITY else min(now, most)
