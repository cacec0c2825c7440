"""bubblewrap's command line for one sandbox of a Lab, or for a fork server: what of the machine is seen in it.

Nothing of the machine is there unless it is named here. `/usr` and a few files of `/etc` are read-only; the home, the
Drive view and the environment's overlay are the server's own.
"""

from collections.abc import Sequence
from pathlib import Path

from drive.folders import Folder
from portal.sandboxing import bwrap

INSIDE = Path(__file__).parent / "inside"
RUN = "/run/lab"
"""Our own files within the sandbox."""
ELSEWHERE = "/mnt/user"
"""Has the Drive under the names that it has at EBRAINS."""
HOME_ELSEWHERE = "/home/jovyan"
"""Everybody's home there, and in Jupyter's own images."""
USER_ID = 1000
TMP_BYTES = 1 << 30

_FACTS = "cpuinfo diskstats filesystems loadavg meminfo stat uptime version vmstat".split()


def command(
    sandbox: bwrap.Command,
    *,
    directory: Path,
    username: str,
    prefix: Path,
    environment: dict[str, str],
    inside: Path,
    binds: list[str],
    status_fd: int,
    program: list[str],
) -> list[str]:
    """bubblewrap, its options, and the program to run in it.

    `directory`: the server's. `inside`: INSIDE, at a path that the Lab's uid can pass. `binds`: more words, for what
    lies below RUN.
    """
    home = f"/home/{username}"
    seen = ["--json-status-fd", str(status_fd), *_machine(prefix), *bwrap.processes()]
    seen += ["--bind", str(directory / "home"), home, "--bind", str(directory / "drive"), f"{home}/drive"]
    seen += ["--bind", str(directory / "env"), str(prefix), *_other_ways(home), *_ours(sandbox, inside, binds)]
    return sandbox.words(seen=[*seen, "--chdir", home], environment=environment, program=program)


def _other_ways(home: str) -> list[str]:
    """Links at the paths where notebooks written for EBRAINS look for the Drive, and for the home.

    Links, not mounts: a library that is withdrawn has one mount to be taken away, and one path in /proc that tells who
    still uses it.
    """
    drive = f"{home}/drive"
    ways = {f"{ELSEWHERE}/drive": drive, f"{ELSEWHERE}/shared": f"{drive}/{Folder.GROUPS}"}
    ways |= {HOME_ELSEWHERE: home} if home != HOME_ELSEWHERE else {}
    return [word for path, target in ways.items() for word in ("--symlink", target, path)]


def exec_program(prefix: Path) -> list[str]:
    """Start Jupyter in the sandbox."""
    return [f"{prefix}/bin/python", f"{RUN}/inside/start_jupyter.py", RUN]


HOLD_PROGRAM = ["/bin/sh", "-c", "trap '' TERM; exec cat"]
"""Keep the sandbox while somebody holds the other end of standard input: the server that was forked into it."""


def fork_server_command(
    sandbox: bwrap.Command, *, prefix: Path, environment: dict[str, str], connection: int
) -> list[str]:
    """The fork server of an environment: the same machine, read-only, without a network, anybody's files or /proc.

    It stays in the Lab's user namespace, whose account owns the sandboxes' namespaces and so may enter them, but has
    no capability there; where Labs have uids of their own, those users own them, and it may become one of those. And it
    stays in the machine's PID namespace, for it may enter those below its own only (setns(2)).
    That its mounts are read-only matters: /proc/PID/exe of what it forks leads to them, past the sandbox's own.
    Of /proc it has what says nothing of processes: modules such as psutil learn from it, when imported, what there is.
    """
    seen = [*_machine(prefix), "--ro-bind", str(prefix), str(prefix), *_facts(), *_ours(sandbox, INSIDE)]
    program = [f"{prefix}/bin/python", f"{RUN}/inside/fork_server.py", str(connection)]
    return sandbox.words(seen=seen, environment=environment, program=program)


def _facts() -> list[str]:
    return [word for name in _FACTS for word in ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")]


def _machine(prefix: Path) -> list[str]:
    return [*bwrap.system_files(), *bwrap.interpreter(prefix), *bwrap.devices_and_tmp(TMP_BYTES)]


def _ours(sandbox: bwrap.Command, inside: Path, binds: Sequence[str] = ()) -> list[str]:
    words = ["--tmpfs", "/run", *sandbox.files(), "--ro-bind", str(inside), f"{RUN}/inside"]
    return [*words, *binds, "--remount-ro", "/run", "--remount-ro", "/"]
