"""The command line of one sandbox: what of the machine is seen in it, and as what.

Nothing of the machine is there unless it is named here. `/usr` and a few files of `/etc` are read-only; the home, the
Drive view and the environment's overlay are the server's own.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

INSIDE = Path(__file__).parent / "inside"
RUN = "/run/lab"
"""Our own files within the sandbox."""
ELSEWHERE = "/mnt/user"
"""Has the Drive under the names that it has at EBRAINS."""
GROUPS = "Shared with groups"
USER_ID = 1000
VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
"""bubblewrap's own. It is process 1 of the sandbox, where /proc/1/environ shows what it was given; --clearenv is for
the program only."""
TMP_BYTES = 1 << 30

_ETC = (
    "alternatives ca-certificates ca-certificates.conf debian_version fonts ld.so.cache ld.so.conf ld.so.conf.d "
    "localtime magic mime.types os-release pki protocols services ssl timezone"
).split()
_FACTS = "cpuinfo diskstats filesystems loadavg meminfo stat uptime version vmstat".split()
_TOP_LEVEL = ("bin", "lib", "lib32", "lib64", "libx32", "sbin")


@dataclass(frozen=True)
class Files:
    """Descriptors whose content bubblewrap copies into the sandbox; all must stay open until it has started."""

    by_path: dict[str, int]

    def arguments(self) -> list[str]:
        return [word for path, fd in self.by_path.items() for word in ("--ro-bind-data", str(fd), path)]


def memory_file(content: str) -> int:
    """A descriptor from which `content` can be read, inherited by children."""
    fd = os.memfd_create("lab", 0)
    os.write(fd, content.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    os.set_inheritable(fd, True)
    return fd


def command(
    *,
    directory: Path,
    username: str,
    prefix: Path,
    environment: dict[str, str],
    files: Files,
    binds: list[str],
    status_fd: int,
    program: list[str],
) -> list[str]:
    """bubblewrap, its options, and the program to run in it. `binds`: more words, for what lies below RUN."""
    home = f"/home/{username}"
    words = ["bwrap", "--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    words += ["--unshare-net", "--unshare-cgroup-try", "--uid", str(USER_ID), "--gid", str(USER_ID)]
    words += ["--hostname", "lab", "--new-session", "--cap-drop", "ALL"]
    words += ["--json-status-fd", str(status_fd)]
    words += [*machine(prefix), "--proc", "/proc"]
    words += ["--bind", str(directory / "home"), home, "--bind", str(directory / "drive"), f"{home}/drive"]
    words += ["--bind", str(directory / "env"), str(prefix), *_other_ways(home), *_ours(files, binds), "--chdir", home]
    return [*words, *_variables(environment), "--", *program]


def _other_ways(home: str) -> list[str]:
    """Where notebooks that were written for EBRAINS look for the Drive.

    Links, not mounts: a library that is withdrawn has one mount to be taken away, and one path in /proc that tells who
    still uses it.
    """
    drive = f"{home}/drive"
    ways = {f"{ELSEWHERE}/drive": drive, f"{ELSEWHERE}/shared": f"{drive}/{GROUPS}"}
    return [word for path, target in ways.items() for word in ("--symlink", target, path)]


def exec_program(prefix: Path) -> list[str]:
    """Start Jupyter in the sandbox."""
    return [f"{prefix}/bin/python", f"{RUN}/inside/start_jupyter.py", RUN]


HOLD_PROGRAM = ["/bin/sh", "-c", "trap '' TERM; exec cat"]
"""Keep the sandbox while somebody holds the other end of standard input: the server that was forked into it."""


def fork_server_command(*, prefix: Path, environment: dict[str, str], files: Files, connection: int) -> list[str]:
    """The fork server of an environment: the same machine, read-only, without a network, anybody's files or /proc.

    It stays in the Lab's user namespace, whose account owns the sandboxes' namespaces and so may enter them, but has
    no capability there; and in the machine's PID namespace, for it may enter those below its own only (setns(2)).
    That its mounts are read-only matters: /proc/PID/exe of what it forks leads to them, past the sandbox's own.
    Of /proc it has what says nothing of processes: modules such as psutil learn from it, when imported, what there is.
    """
    words = ["bwrap", "--die-with-parent", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--new-session"]
    words += ["--cap-drop", "ALL", *machine(prefix), "--ro-bind", str(prefix), str(prefix), *_facts(), *_ours(files)]
    words += [*_variables(environment), "--", f"{prefix}/bin/python", f"{RUN}/inside/fork_server.py", str(connection)]
    return words


def _facts() -> list[str]:
    return [word for name in _FACTS for word in ("--ro-bind-try", f"/proc/{name}", f"/proc/{name}")]


def machine(prefix: Path) -> list[str]:
    """What of this machine is there, read-only: programs, a few files of /etc, the interpreter of `prefix`."""
    words = ["--ro-bind", "/usr", "/usr", *_system(), *_interpreter(prefix)]
    return [*words, "--dev", "/dev", "--size", str(TMP_BYTES), "--tmpfs", "/tmp"]  # noqa: S108


def _ours(files: Files, binds: Sequence[str] = ()) -> list[str]:
    words = ["--tmpfs", "/run", *files.arguments(), "--ro-bind", str(INSIDE), f"{RUN}/inside"]
    return [*words, *binds, "--remount-ro", "/run", "--remount-ro", "/"]


def _variables(environment: dict[str, str]) -> list[str]:
    return ["--clearenv", *(word for pair in environment.items() for word in ("--setenv", *pair))]


def _system() -> list[str]:
    words = []
    for name in _TOP_LEVEL:
        path = Path("/") / name
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    for name in _ETC:
        words += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return words


def _interpreter(prefix: Path) -> list[str]:
    """The Python that a virtual environment was made with, when it is not in /usr."""
    base = (prefix / "bin/python").resolve().parent.parent
    if base in (prefix, Path("/usr")) or Path("/usr") in base.parents:
        return []
    return ["--ro-bind", str(base), str(base)]
