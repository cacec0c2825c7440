"""What bin/up writes into control groups of version 2, and what happens where there are none.

The kernel's part is in tests/sandbox/test_fairness.py, on whatever version the machine has.
"""

import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from lab.supervisor import cgroups
from portal.ops import background

sys.path.insert(0, str(Path(settings.BASE_DIR) / "bin/lib"))

import control_groups

FILES = ("cgroup.procs", "cgroup.subtree_control", "cpu.weight", "memory.low", "memory.max")


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the files that the kernel would make."""
    (tmp_path / "cgroup.controllers").touch()
    for name in ("", "site", "site/portal", "site/labs", "site/background"):
        (tmp_path / name).mkdir(exist_ok=True)
        for file in FILES:
            (tmp_path / name / file).touch()
    monkeypatch.setattr(control_groups, "ROOT", tmp_path)
    return tmp_path / "site"


def test_it_weighs_the_portal_over_labs_and_keeps_memory_for_it(groups: Path) -> None:
    control_groups.give(pwd.getpwuid(os.getuid()), "site")
    assert [int((groups / name / "cpu.weight").read_text()) for name in ("portal", "labs", "background")] == [
        1000,
        100,
        20,
    ]
    low = int((groups / "portal/memory.low").read_text())
    assert (
        int((groups / "memory.low").read_text()) == low > 550 * 2**20
    )  # what a site takes in which nobody does anything
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert machine // 2 <= int((groups / "labs/memory.max").read_text()) <= machine - machine // 10
    assert (groups / "portal/cgroup.procs").read_text() == str(os.getpid())
    assert control_groups.of_background("site") == str(groups / "background/cgroup.procs")


def test_it_names_no_group_for_what_can_wait_where_none_was_made(groups: Path) -> None:
    assert control_groups.of_background("another") == ""
    (groups / "background/cpu.weight").unlink()  # the machine has no controller for it
    assert control_groups.of_background("site") == ""


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as started:
        yield started
        started.kill()


def test_labs_give_way_where_nobody_weighs_them(process: subprocess.Popen[bytes]) -> None:
    cgroups.Groups(2, {}).enter("0" * 32, {process.pid})
    assert os.getpriority(os.PRIO_PROCESS, process.pid) == cgroups.NICE
    session = Path(f"/proc/{process.pid}/autogroup")
    assert not session.exists() or session.read_text().split()[-1] == str(cgroups.NICE)


def test_what_can_wait_gives_way_where_nobody_weighs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "BACKGROUND_GROUP", "")
    done = subprocess.run(background.command(["nice"], 15), capture_output=True, text=True, check=True)
    assert (done.stdout.strip(), done.stderr) == (str(min(19, os.getpriority(os.PRIO_PROCESS, 0) + 15)), "")
