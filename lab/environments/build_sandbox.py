"""The sandbox in which environments are built: it sees the new directory and a network, and nothing of the portal.

Its network is as that of Labs: slirp4netns, behind the same firewall. With LAB_BUILD_NETWORK=host it is the machine's,
loopback included (docs/how-to/environments.md).
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings

from portal.ops import background
from portal.sandboxing import bwrap, firewall

from . import build_runner

TMP_BYTES = 1 << 30
INPUT = "/run/lab/packages.txt"
"""Where it finds what is to be built."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where build_runner finds nft and the like."""
_POLICY = ("LAB_NETWORK_ALLOWED", "LAB_NETWORK_REFUSED")
_PASSED = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
_NETWORK_FILES = ("/etc/hosts", "/etc/nsswitch.conf", "/etc/pip.conf")
_RESOLVER = "/etc/resolv.conf"


def python() -> str:
    """Path of the interpreter that a build uses, inside and outside of its sandbox."""
    return os.path.realpath(sys.executable)


def sandbox(order: str) -> bwrap.Command:
    """A sandbox that finds what is to be built at INPUT."""
    if _shares_network():
        return bwrap.Command(bwrap.BUILD_IN_NETWORK_OF_HOST, {INPUT: order})
    return bwrap.Command(bwrap.BUILD, {INPUT: order, _RESOLVER: f"nameserver {firewall.RESOLVER}\n"})


def _shares_network() -> bool:
    return settings.LAB_BUILD_NETWORK == "host"


def words(
    made: bwrap.Command,
    prefix: Path,
    script: str,
    arguments: list[str],
    *,
    binds: list[str] | None = None,
    pip: bool = False,
) -> list[str]:
    """What to `start`: bubblewrap, and a script of sh with its arguments.

    `binds`: more words for bubblewrap; `pip`: with how the site has pip find packages, which may hold a password.
    """
    seen = [*bwrap.system_files(), *bwrap.interpreter(Path(sys.prefix)), *bwrap.devices_and_tmp(TMP_BYTES)]
    seen += [*bwrap.processes(), "--bind", str(prefix), str(prefix)]
    shares = _shares_network()
    for path in [*_NETWORK_FILES, *([_RESOLVER] if shares else []), *_certificates()]:
        seen += ["--ro-bind-try", path, path]
    seen += [*(binds or []), *made.files()]
    program = ["/bin/sh", "-c", script if shares else build_runner.WAIT + script, "sh", *arguments]
    found = made.words(seen=seen, environment=dict(_environment(pip)), program=program)
    return found if shares else [sys.executable, "-m", build_runner.__name__, *found]


def start(made: bwrap.Command, words: list[str], **options: Any) -> subprocess.Popen:
    """Start it, with options for Popen. The sandbox ends with the process."""
    lists = {name: ",".join(map(str, getattr(settings, name))) for name in _POLICY}
    return subprocess.Popen(
        background.command(words),
        stdin=subprocess.DEVNULL,
        pass_fds=made.descriptors,
        env=bwrap.VARIABLES if _shares_network() else {"PATH": _PATH, **lists},
        cwd=settings.BASE_DIR,
        **options,
    )


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
