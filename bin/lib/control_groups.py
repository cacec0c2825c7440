"""Control groups of a site, made by root, through which the kernel enforces limits of Labs (lab/supervisor/cgroups.py).

    SITE/portal       what answers people: portal, rooms, proxy, broker, supervisor; with a reserve of memory
    SITE/labs         a group for each Lab, which share what the portal leaves evenly
    SITE/background   what can wait: captures, builds, previews (portal/ops/background.py)

`bin/up` makes them at the top (`give`). Under systemd those of Labs are in a unit of their own (`give_unit`;
bin/cgroups), and the units say how much each weighs.
"""

import contextlib
import hashlib
import os
import pwd
from pathlib import Path

CONTROLLERS = ("memory", "cpu", "pids")
ACCOUNTING = "cpuacct"
"""Counts the processor time of groups of version 1; in version 2 all groups do."""
WEIGHTS = {"portal": 1000, "labs": 100, "background": 20}
"""Shares of processor time while there is not enough for all (cgroup-v2, "Weights"); the units of systemd say the same.
Someone waits for a preview, so what can wait still gets a sixth of what the portal leaves."""
SHARES_PER_WEIGHT = 10.24
"""`cpu.shares` of version 1, whose ordinary value is 1024 where that of version 2 is 100."""
PORTAL_BYTES = 768 * 2**20
"""Memory of the portal that the kernel takes back last (version 2, `memory.low`): what an idle site takes, and half as
much again."""
LEAST_LEFT, LEFT_OF_MEMORY = 2**30, 10
"""Labs together get the machine's memory but for so many bytes, a tenth where that is more, half where it is less."""
ROOT = Path("/sys/fs/cgroup")


def name_of(var: Path) -> str:
    """Name of the site's control group: one per state directory."""
    return f"collaboratory-{hashlib.sha256(os.fsencode(var)).hexdigest()[:10]}"


def of_labs(var: Path) -> str:
    """Control group that contains a group per Lab (LAB_CGROUP); under systemd it is in the supervisor's unit."""
    return f"{name_of(var)}/labs"


def of_background(name: str) -> str:
    """File that takes a process into the group of what can wait (BACKGROUND_GROUP); "" where there is none."""
    for site in (ROOT / name, ROOT / "cpu" / name):
        file = site / "background/cgroup.procs"
        if os.access(file, os.W_OK) and any((file.parent / weight).exists() for weight in ("cpu.weight", "cpu.shares")):
            return str(file)
    return ""


def give(account: pwd.struct_passwd, name: str) -> None:
    """Make the site's groups and give them to the account, as root; does nothing if the machine does not allow it.

    This process, and so whatever it starts, is in the portal's.
    """
    owner = (account.pw_uid, account.pw_gid)
    with contextlib.suppress(OSError):
        if _is_unified():
            _offer(ROOT)
            _divide(ROOT / name, "portal", os.getpid(), owner)
            _make([ROOT / name / "background"], owner)
            weigh(ROOT / name)
            _reserve(ROOT / name)
        else:
            for controller in (*CONTROLLERS, ACCOUNTING):
                with contextlib.suppress(OSError):
                    _make([ROOT / controller / name, ROOT / controller / name / "labs"], owner)
            _give_processor(ROOT / "cpu" / name, owner)
            with contextlib.suppress(OSError):
                (ROOT / "memory" / name / "labs/memory.limit_in_bytes").write_text(str(_for_labs()))


def _give_processor(site: Path, owner: tuple[int, int]) -> None:
    """Groups of version 1 that are there for their weights alone."""
    with contextlib.suppress(OSError):
        _make([site / "portal", site / "background"], owner)
        weigh(site)
        (site / "portal/cgroup.procs").write_text(str(os.getpid()))


def weigh(site: Path) -> None:
    """Say how much each of the site's groups counts; where one, or the controller, is missing, nothing is done."""
    for group, weight in WEIGHTS.items():
        for file, value in (("cpu.weight", weight), ("cpu.shares", round(weight * SHARES_PER_WEIGHT))):
            if (site / group / file).exists():
                (site / group / file).write_text(str(value))


def _reserve(site: Path) -> None:
    """Keep memory for the portal: what Labs want beyond theirs ends one of their own processes, and none of ours."""
    for place, file, value in (
        (site, "memory.low", PORTAL_BYTES),
        (site / "portal", "memory.low", PORTAL_BYTES),
        (site / "labs", "memory.max", _for_labs()),
    ):
        if (place / file).exists():
            (place / file).write_text(str(value))


def _for_labs() -> int:
    """Bytes of memory for all Labs together."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return machine - min(max(LEAST_LEFT, machine // LEFT_OF_MEMORY), machine // 2)


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
