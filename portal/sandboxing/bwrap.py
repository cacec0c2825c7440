"""The one builder of sandboxes: command lines of bubblewrap, with the same walls for every kind.

In what the kinds differ, `Kind` names; what is seen in a sandbox, its own module puts together from the parts below.
Nothing of the machine is in a sandbox unless a part names it. A part is a list of words; their order is the order in
which bubblewrap mounts things.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from . import seccomp

VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
"""bubblewrap's own environment. It is process 1 of the sandbox, where /proc/1/environ shows what it was given;
`--clearenv` is for the program only."""
LIBRARIES = ("lib", "lib32", "lib64", "libx32")
_TOP_LEVEL = ("bin", *LIBRARIES, "sbin")
_ETC = (
    "alternatives ca-certificates ca-certificates.conf debian_version fonts ld.so.cache ld.so.conf ld.so.conf.d "
    "localtime magic mime.types os-release pki protocols R services ssl timezone"
).split()


@dataclass(frozen=True)
class Kind:
    """In what one kind of sandbox differs from the others."""

    hostname: str
    user: int | None
    """Its uid and gid inside. None: it puts processes into other sandboxes, so it stays in the user and PID namespaces
    of whoever starts it, which those are in, and may call setns(2)."""
    capabilities: tuple[str, ...] = ()
    """In the user namespace of whoever starts it; none otherwise."""
    outlives_us: bool = False
    """Goes on when the process that started it ends."""
    shares_network: bool = False
    """It is in the machine's network, loopback included; otherwise it has one of its own, at first with nothing but
    loopback."""


LAB = Kind("lab", 1000, outlives_us=True)
FORK_SERVER = Kind("lab", None)
FORK_SERVER_OF_UIDS = Kind("lab", None, capabilities=("CAP_SETUID", "CAP_SETGID"))
"""Where each Lab is another user: it becomes that before it enters the sandbox."""
BUILD = Kind("build", 1000)
BUILD_IN_NETWORK_OF_HOST = Kind("build", 1000, shares_network=True)
"""Where LAB_BUILD_NETWORK says so."""
PREVIEW = Kind("preview", 65534)


class Command:
    """bubblewrap's command line for one sandbox, and the descriptors in it, open until `close` or the block's end.

    `files`: what is written for this sandbox alone, by path.
    """

    def __init__(self, kind: Kind, files: Mapping[str, str | bytes] | None = None) -> None:
        self._kind = kind
        self._files = {path: memory_file(content) for path, content in (files or {}).items()}
        program = seccomp.program(allowed=("setns",) if kind.user is None else ())
        self._filter = None if program is None else memory_file(program)

    def words(self, *, seen: list[str], environment: dict[str, str], program: list[str]) -> list[str]:
        """What to execute, with `descriptors` inherited. `seen`: parts, of which `files()` is one."""
        return ["bwrap", *self._walls(), *seen, *variables(environment), "--", *program]

    def _walls(self) -> list[str]:
        """Namespaces in which no further user namespace can be made; no rights, and a filter of system calls.

        And no terminal of whoever started it to type into (--new-session; TIOCSTI, ioctl_tty(2)).
        """
        kind = self._kind
        words = ["--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--new-session", "--cap-drop", "ALL"]
        words += [word for capability in kind.capabilities for word in ("--cap-add", capability)]
        words += ["--hostname", kind.hostname]
        if kind.user is not None:
            words += ["--unshare-user", "--disable-userns", "--unshare-pid"]
            words += ["--uid", str(kind.user), "--gid", str(kind.user)]
        words += [] if kind.shares_network else ["--unshare-net"]
        words += [] if kind.outlives_us else ["--die-with-parent"]
        return words if self._filter is None else [*words, "--seccomp", str(self._filter)]

    def files(self) -> list[str]:
        """The part with the files that are written for this sandbox."""
        return [word for path, fd in self._files.items() for word in ("--ro-bind-data", str(fd), path)]

    @property
    def descriptors(self) -> list[int]:
        """For the process that executes it."""
        return [*self._files.values(), *([] if self._filter is None else [self._filter])]

    def close(self) -> None:
        """bubblewrap has started, and has them."""
        for fd in self.descriptors:
            os.close(fd)
        self._files, self._filter = {}, None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def system_files() -> list[str]:
    """Programs and libraries of the machine, and those files of /etc that say nothing of the site; read-only."""
    words = ["--ro-bind", "/usr", "/usr", *top_level(_TOP_LEVEL)]
    return [*words, *(word for name in _ETC for word in ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}"))]


def top_level(names: Iterable[str]) -> list[str]:
    """Directories of `/` as they are on the machine: links into /usr, or directories, read-only."""
    words = []
    for path in (Path("/", name) for name in names):
        if path.is_symlink():
            words += ["--symlink", os.readlink(path), str(path)]
        elif path.is_dir():
            words += ["--ro-bind", str(path), str(path)]
    return words


def base_of(prefix: Path) -> Path:
    """The installation of the Python that an environment runs with; of a virtual one it lies elsewhere."""
    return (prefix / "bin/python").resolve().parent.parent


def interpreter(prefix: Path) -> list[str]:
    """The Python that a virtual environment was made with, read-only; no word when it is in /usr or in `prefix`."""
    base = base_of(prefix)
    if base in (prefix, Path("/usr")) or Path("/usr") in base.parents:
        return []
    return ["--ro-bind", str(base), str(base)]


def processes() -> list[str]:
    """`/proc` of the sandbox's processes, without the keyrings of others, which the kernel shows in every one."""
    hidden = (f"/proc/{name}" for name in ("keys", "key-users") if Path("/proc", name).exists())
    return ["--proc", "/proc", *(word for path in hidden for word in ("--ro-bind", "/dev/null", path))]


def devices_and_tmp(size: int) -> list[str]:
    """`/dev` with the harmless devices, and an empty `/tmp` in memory that holds `size` bytes."""
    return ["--dev", "/dev", "--size", str(size), "--tmpfs", "/tmp"]  # noqa: S108


def variables(environment: dict[str, str]) -> list[str]:
    """The program's environment, and no variable else."""
    return ["--clearenv", *(word for pair in environment.items() for word in ("--setenv", *pair))]


def memory_file(content: str | bytes) -> int:
    """A descriptor from which `content` can be read, inherited by children."""
    fd = os.memfd_create("sandbox", 0)
    os.write(fd, content if isinstance(content, bytes) else content.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    os.set_inheritable(fd, True)
    return fd
