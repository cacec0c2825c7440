"""Control groups for a site, made by root: by them the kernel keeps Labs' limits (lab/supervisor/cgroups.py)."""

import contextlib
import hashlib
import os
import pwd
from pathlib import Path

CONTROLLERS = ("memory", "cpu", "pids")
ROOT = Path("/sys/fs/cgroup")


def name_of(var: Path) -> str:
    """The site's group: one per directory of state."""
    return f"collaboratory-{hashlib.sha256(os.fsencode(var)).hexdigest()[:10]}"


def give(account: pwd.struct_passwd, name: str) -> None:
    """Make the site's groups and give them to the account; as root. A machine that does not let us goes without."""
    with contextlib.suppress(OSError):
        if (ROOT / "cgroup.controllers").exists():
            _version_2(account, ROOT / name)
        else:
            for controller in CONTROLLERS:
                with contextlib.suppress(OSError):
                    (ROOT / controller / name).mkdir(exist_ok=True)
                    _hand_over(ROOT / controller / name, account)


def _version_2(account: pwd.struct_passwd, site: Path) -> None:
    """One tree: who moves processes in it must be in it, and only leaves hold processes (cgroup-v2, "Delegation")."""
    _offer(ROOT)
    places = [site, site / "labs", site / "portal"]
    for place in places:
        place.mkdir(exist_ok=True)
    _offer(site)
    _offer(site / "labs")
    for place in places:
        _hand_over(place, account)
    (site / "portal/cgroup.procs").write_text(str(os.getpid()))


def _offer(place: Path) -> None:
    for controller in CONTROLLERS:
        with contextlib.suppress(OSError):
            (place / "cgroup.subtree_control").write_text(f"+{controller}")


def _hand_over(place: Path, account: pwd.struct_passwd) -> None:
    """The directory, and what moves processes; not the limits of the whole."""
    for path in (place, place / "cgroup.procs", place / "cgroup.subtree_control"):
        if path.exists():
            os.chown(path, account.pw_uid, account.pw_gid)
