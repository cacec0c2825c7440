"""Number of files in the Drive's libraries, as Labs make them: when it is counted, and whom it ends."""

from collections import namedtuple
from pathlib import Path

import pytest

from lab.supervisor import disk_limits, drive_limits
from lab.supervisor.disk_limits import DiskMonitor
from lab.supervisor.drive_limits import DriveFileMonitor, DriveQuota, DriveQuotas, Writer
from lab.supervisor.drive_view import Store

ONE, OTHER, ANOTHERS = (f"{digit * 8}-0000-0000-0000-{digit * 12}" for digit in "123")
Free = namedtuple("Free", "f_ffree")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store, here without mounts, and three libraries in it."""
    for library in (ONE, OTHER, ANOTHERS):
        (tmp_path / "private" / library).mkdir(parents=True)
    return Store(tmp_path, tmp_path)


class Machine:
    """A file system with so many files left, and what was ended."""

    free = 1_000_000

    def __init__(self) -> None:
        self.killed: list[int] = []
        self.busy: list[dict[int, int]] = []

    def busiest(self, spared: dict[int, int]) -> tuple[int, int]:
        self.busy.append(spared)
        return max(spared), max(spared) + 5


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(drive_limits.os, "statvfs", lambda _: Free(found.free))
    monkeypatch.setattr(disk_limits, "busiest", found.busiest)
    monkeypatch.setattr(disk_limits, "kill", found.killed.append)
    return found


def writer(tmp_path: Path, init: int, **quotas: DriveQuota) -> Writer:
    directory = tmp_path / str(init)
    directory.mkdir()
    ids = {"one": ONE, "other": OTHER, "anothers": ANOTHERS}
    return Writer(init, {ids[name]: quota for name, quota in quotas.items()}, DiskMonitor(directory))


def fill(store: Store, library: str, files: int) -> None:
    directory = store.root / "private" / library
    for number in range(len(list(directory.iterdir())), files):
        (directory / str(number)).mkdir()


def look(monitor: DriveFileMonitor, writers: list[Writer]) -> None:
    monitor.rest_until = 0
    monitor.look(writers)


def test_it_counts_when_many_files_have_gone_and_ends_who_makes_too_many(
    store: Store, machine: Machine, tmp_path: Path
) -> None:
    mine, quiet = DriveQuota("person 1", 600), DriveQuota("person 2", 600)
    writers = [writer(tmp_path, 10, one=mine, other=mine), writer(tmp_path, 20, anothers=quiet)]
    monitor = DriveFileMonitor(store)
    look(monitor, writers)
    fill(store, ONE, 400)
    fill(store, OTHER, 400)
    look(monitor, writers)
    assert machine.killed == []  # nothing is missing: nobody counts
    machine.free -= drive_limits.STEP
    look(monitor, writers)
    assert machine.killed == [15]
    assert machine.busy == [{10: 1}]  # of the Labs that may write there
    assert [one.monitor.count.drive_file_kills for one in writers] == [1, 0]
    look(monitor, writers)
    assert machine.killed == [15]  # nothing was made since
    fill(store, ONE, 650)
    look(monitor, writers)
    assert machine.killed == [15, 15]  # over it, every look counts


def test_it_ends_the_whole_lab_when_they_are_far_too_many(
    store: Store, machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive_limits, "STEP", 150)
    writers = [writer(tmp_path, 10, one=DriveQuota("person 1", 100))]
    monitor = DriveFileMonitor(store)
    look(monitor, writers)
    fill(store, ONE, 1000)
    machine.free -= drive_limits.STEP
    look(monitor, writers)
    assert machine.killed == [10]


def test_it_counts_now_and_then_where_files_have_no_number(store: Store, machine: Machine, tmp_path: Path) -> None:
    machine.free = 0
    writers = [writer(tmp_path, 10, one=DriveQuota("person 1", 100))]
    monitor = DriveFileMonitor(store)
    fill(store, ONE, 400)
    look(monitor, writers)
    assert machine.killed == [15]


def test_a_successor_knows_the_quotas(tmp_path: Path) -> None:
    mounts: list[dict[str, object]] = [
        {"library": ONE, "mode": "rw", "quota": "person 1", "quota_files": 5},
        {"library": OTHER, "mode": "ro", "quota": "person 2", "quota_files": 5},
        {"library": ANOTHERS, "mode": "rw"},
    ]
    DriveQuotas(tmp_path).take(mounts)
    successor = DriveQuotas(tmp_path)
    successor.resume()
    assert successor.by_library == {ONE: DriveQuota("person 1", 5)}
    (tmp_path / "quotas").write_text("[1]")
    other = DriveQuotas(tmp_path)
    other.resume()
    assert other.by_library == {}
