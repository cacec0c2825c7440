"""The sandbox in which environments are built: it sees the new directory and the network, and nothing of the portal.

Its network is the machine's, loopback included (docs/how-to/environments.md): packages come from wherever the site's
pip finds them, which may be an index on this very machine.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from portal.sandboxing import bwrap

TMP_BYTES = 1 << 30
INPUT = "/run/lab/packages.txt"
"""Where it finds what is to be built."""
_PASSED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
_NETWORK_FILES = ("/etc/hosts", "/etc/nsswitch.conf", "/etc/resolv.conf", "/etc/pip.conf")


def python() -> str:
    """Path of the interpreter that a build uses, inside and outside of its sandbox."""
    return os.path.realpath(sys.executable)


def sandbox(order: str) -> bwrap.Command:
    """A sandbox that finds what is to be built at INPUT."""
    return bwrap.Command(bwrap.BUILD, {INPUT: order})


def words(
    made: bwrap.Command,
    prefix: Path,
    script: str,
    arguments: list[str],
    *,
    binds: list[str] | None = None,
    pip: bool = False,
) -> list[str]:
    """bubblewrap, and a script of sh with its arguments.

    `binds`: more words for bubblewrap; `pip`: with how the site has pip find packages, which may hold a password.
    """
    seen = [*bwrap.system_files(), *bwrap.interpreter(Path(sys.prefix)), *bwrap.devices_and_tmp(TMP_BYTES)]
    seen += [*bwrap.processes(), "--bind", str(prefix), str(prefix)]
    for path in [*_NETWORK_FILES, *_certificates()]:
        seen += ["--ro-bind-try", path, path]
    seen += [*(binds or []), *made.files()]
    program = ["/bin/sh", "-c", script, "sh", *arguments]
    return made.words(seen=seen, environment=dict(_environment(pip)), program=program)


def _environment(pip: bool) -> Iterator[tuple[str, str]]:
    """Nothing of ours but how to reach packages."""
    yield from {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/tmp", "LANG": "C.UTF-8"}.items()  # noqa: S108
    for name, value in os.environ.items():
        if name in _PASSED or (pip and name.startswith("PIP_")):
            yield name, value


def _certificates() -> list[str]:
    names = ("PIP_CERT", "PIP_CONFIG_FILE", "SSL_CERT_FILE")
    return [value for name in names if (value := os.environ.get(name, "")).startswith("/")]


def has_foreign_interpreter(prefix: Path) -> bool:
    """True if the new environment's interpreter lies in a directory of the machine that no Lab should see.

    A package can leave a link at `bin/python`, and Labs are binds the directory that the interpreter lies in.
    """
    base = bwrap.base_of(prefix)
    known = (prefix.resolve(), Path("/usr"), Path(python()).parent.parent)
    return base not in known and Path("/usr") not in base.parents
