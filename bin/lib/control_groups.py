"""Control groups of a site, made by root, through which the kernel enforces limits of Labs (lab/supervisor/cgroups.py).

`bin/up` makes them at the top (`give`). Under systemd they are in a unit of their own (`give_unit`; bin/cgroups).
"""

import contextlib
import hashlib
import os
import pwd
from pathlib import Path

CONTROLLERS = ("memory", "cpu", "pids")
ROOT = Path("/sys/fs/cgroup")


def name_of(var: Path) -> str:
    """Name of the site's control group: one per state directory."""
    return f"collaboratory-{hashlib.sha256(os.fsencode(var)).hexdigest()[:10]}"


def of_labs(var: Path) -> str:
    """Control group that contains a group per Lab (LAB_CGROUP); under systemd it is in the supervisor's unit."""
    return f"{name_of(var)}/labs"


def give(account: pwd.struct_passwd, name: str) -> None:
    """Make the site's groups and give them to the account, as root; does nothing if the machine does not allow it."""
    owner = (account.pw_uid, account.pw_gid)
    with contextlib.suppress(OSError):
        if _is_unified():
            _offer(ROOT)
            _divide(ROOT / name, "portal", os.getpid(), owner)
        else:
            for controller in CONTROLLERS:
                with contextlib.suppress(OSError):
                    _make([ROOT / controller / name, ROOT / controller / name / "labs"], owner)


def give_unit(process: int) -> None:
    """Make Labs' groups in the unit whose only process this is, and give them to its account; as root.

    The supervisor, which is in another unit, moves processes from there to here. For that the kernel wants it to have a
    right in the group that holds both (cgroup-v2, "Delegation Containment"): the slice, of which it gets no more.
    """
    path = _path_of(process)
    if path is None or not _is_unified():
        raise SystemExit("Labs' limits need control groups of version 2 alone: systemd.unified_cgroup_hierarchy=1.")
    account = Path(f"/proc/{process}").stat()
    owner, unit = (account.st_uid, account.st_gid), ROOT / path
    _divide(unit, "sleep", process, owner)
    os.chown(unit.parent / "cgroup.procs", *owner)


def _is_unified() -> bool:
    return (ROOT / "cgroup.controllers").exists()


def _path_of(process: int) -> str | None:
    """Path of a group below the mount point of cgroup version 2."""
    lines = Path(f"/proc/{process}/cgroup").read_text().splitlines()
    return next((line.removeprefix("0::/") for line in lines if line.startswith("0::/")), None)


def _divide(site: Path, beside: str, process: int, owner: tuple[int, int]) -> None:
    """One group for Labs, one beside it for a process: only leaves hold some (cgroup-v2, "No Internal Process")."""
    _make([site, site / "labs", site / beside], owner)
    (site / beside / "cgroup.procs").write_text(str(process))
    _offer(site)
    _offer(site / "labs")


def _offer(place: Path) -> None:
    """Enable controllers one by one: a machine may lack one."""
    for controller in CONTROLLERS:
        with contextlib.suppress(OSError):
            (place / "cgroup.subtree_control").write_text(f"+{controller}")


def _make(places: list[Path], owner: tuple[int, int]) -> None:
    """Give the account the directories and the files that move processes, but not the limits of the whole."""
    for place in places:
        place.mkdir(exist_ok=True)
        for path in (place, place / "cgroup.procs", place / "cgroup.subtree_control"):
            if path.exists():
                os.chown(path, *owner)
