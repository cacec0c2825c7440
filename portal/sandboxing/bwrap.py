"""Command lines of bubblewrap, part by part. Nothing of the machine is in a sandbox unless a part names it.

A part is a list of words; their order is the order in which bubblewrap mounts things.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

VARIABLES = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
"""bubblewrap's own environment. It is process 1 of the sandbox, where /proc/1/environ shows what it was given;
`--clearenv` is for the program only."""
POWERLESS = ["--new-session", "--cap-drop", "ALL"]
"""No capability, and no terminal of whoever started it to type into (TIOCSTI, ioctl_tty(2))."""
LIBRARIES = ("lib", "lib32", "lib64", "libx32")
_TOP_LEVEL = ("bin", *LIBRARIES, "sbin")
_ETC = (
    "alternatives ca-certificates ca-certificates.conf debian_version fonts ld.so.cache ld.so.conf ld.so.conf.d "
    "localtime magic mime.types os-release pki protocols services ssl timezone"
).split()


def isolation(*, user: int, hostname: str, shares_network: bool = False) -> list[str]:
    """Namespaces of its own, in which no further user namespace can be made, and no rights.

    `user`: its uid and gid inside. `shares_network`: it is in the machine's network, loopback included.
    """
    words = ["--unshare-user", "--disable-userns", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
    words += ["--unshare-cgroup-try", *([] if shares_network else ["--unshare-net"])]
    return [*words, "--uid", str(user), "--gid", str(user), "--hostname", hostname, *POWERLESS]


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


def devices_and_tmp(size: int) -> list[str]:
    """`/dev` with the harmless devices, and an empty `/tmp` in memory that holds `size` bytes."""
    return ["--dev", "/dev", "--size", str(size), "--tmpfs", "/tmp"]  # noqa: S108


def variables(environment: dict[str, str]) -> list[str]:
    """The program's environment, and no variable else."""
    return ["--clearenv", *(word for pair in environment.items() for word in ("--setenv", *pair))]


@dataclass(frozen=True)
class Files:
    """Descriptors whose content bubblewrap copies into the sandbox; all must stay open until it has started."""

    by_path: dict[str, int]

    def arguments(self) -> list[str]:
        """Their words."""
        return [word for path, fd in self.by_path.items() for word in ("--ro-bind-data", str(fd), path)]


def memory_file(content: str) -> int:
    """A descriptor from which `content` can be read, inherited by children."""
    fd = os.memfd_create("sandbox", 0)
    os.write(fd, content.encode())
    os.lseek(fd, 0, os.SEEK_SET)
    os.set_inheritable(fd, True)
    return fd
