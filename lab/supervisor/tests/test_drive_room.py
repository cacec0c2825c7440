"""Bytes that Labs write into the Drive: when they are counted, and what can only be read then."""

from pathlib import Path

import pytest

from lab.supervisor import drive_room
from lab.supervisor.drive_limits import DriveQuota
from lab.supervisor.drive_plan import Library, MountPoint
from lab.supervisor.drive_room import DISK, QUOTA, DriveRoom, RoomWriter
from lab.supervisor.drive_view import Store

ONE, OTHER, ANOTHERS = (f"{digit * 8}-0000-0000-0000-{digit * 12}" for digit in "123")
QUOTAS = {ONE: DriveQuota("person 1", 0, 1000, (ONE, OTHER)), ANOTHERS: DriveQuota("person 2", 0, 1000, (ANOTHERS,))}
VIEW = {MountPoint("My Libraries", name): Library(name, mode) for name, mode in ((ONE, "rw"), (ANOTHERS, "rw"))}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store, here without mounts, and three libraries in it."""
    for library in (ONE, OTHER, ANOTHERS):
        (tmp_path / "private" / library).mkdir(parents=True)
    return Store(tmp_path, tmp_path)


def write(store: Store, library: str, size: int) -> None:
    (store.root / "private" / library / "file").write_bytes(b"x" * size)


def modes(room: DriveRoom) -> dict[str, str]:
    return {one.library: one.mode for one in room.restricted(VIEW, QUOTAS).values()}


def look(room: DriveRoom, written: int = 0) -> bool:
    """At the quotas of one Lab, as if the last look had been long ago."""
    for one in room.measured.values():
        one.rest_until = 0
    return room.look_at_quotas([RoomWriter(QUOTAS, written)])


def test_a_quota_that_is_used_up_makes_its_libraries_read_only(store: Store) -> None:
    """All libraries of the quota count, also those that no Lab has."""
    room = DriveRoom(store, 0)
    assert not look(room)
    write(store, OTHER, 600)
    write(store, ONE, 401)
    assert look(room, written=2000)
    assert modes(room) == {ONE: "ro", ANOTHERS: "rw"}
    assert (room.why(ONE, QUOTAS), room.why(ANOTHERS, QUOTAS)) == (QUOTA, "")
    write(store, OTHER, 599)
    room.measured["person 1"].next_at = 0
    assert look(room, written=2000)
    assert modes(room) == {ONE: "rw", ANOTHERS: "rw"}


def test_it_counts_only_when_so_much_may_be_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[list[Path]] = []
    monkeypatch.setattr(DriveRoom, "_free", lambda _self: 10**9)  # others write on this disk meanwhile

    def measure(directories: list[Path]) -> int:
        counted.append(directories)
        return 400

    monkeypatch.setattr(drive_room, "measure", measure)
    room = DriveRoom(store, 0)
    look(room)
    assert len(counted) == 2
    look(room, written=600)
    assert len(counted) == 2
    look(room, written=601)
    assert len(counted) == 4
    room.look_at_quotas([RoomWriter(QUOTAS, 10**6)])
    assert len(counted) == 4  # it rests first
    assert not room.look_at_quotas([])
    assert not room.measured


def test_the_disks_reserve_makes_all_libraries_read_only(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    room, free = DriveRoom(store, 800), [801]
    monkeypatch.setattr(DriveRoom, "_free", lambda _self: free[0])
    assert not room.look_at_disk()
    for left, changed, short in ((800, True, True), (900, False, True), (901, True, False)):
        free[0] = left
        assert (room.look_at_disk(), room.is_short) == (changed, short)
        assert modes(room) == dict.fromkeys((ONE, ANOTHERS), "ro" if short else "rw")
    free[0] = 0
    room.look_at_disk()
    assert room.why(ANOTHERS, QUOTAS) == DISK


def test_what_counts_is_what_the_scan_counts(tmp_path: Path) -> None:
    """A hole is not there, a small file has its own size, and a link its target's name."""
    for number in range(20):
        (tmp_path / f"{number}\n").write_bytes(b"x" * 100)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**30)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    assert drive_room.measure([tmp_path]) in (2000, 2007)  # some file systems keep no block for a link
