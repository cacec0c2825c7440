"""Bytes that Labs write into the Drive: when they are counted, and what can only be read then."""

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lab.supervisor import drive_space
from lab.supervisor.drive_limits import DriveQuota
from lab.supervisor.drive_plan import Library, MountPoint
from lab.supervisor.drive_space import DISK, QUOTA, DriveSpace, Found, SpaceWriter
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


def modes(space: DriveSpace) -> dict[str, str]:
    return {one.library: one.mode for one in space.restricted(VIEW, QUOTAS).values()}


def look(space: DriveSpace, written: int = 0) -> bool:
    """At the quotas of one Lab, as if the last look had been long ago."""
    for one in space.measured.values():
        one.rest_until = 0
    return space.look_at_quotas([SpaceWriter(QUOTAS, written)])


def test_a_quota_that_is_used_up_makes_its_libraries_read_only(store: Store) -> None:
    """All libraries of the quota count, also those that no Lab has."""
    space = DriveSpace(store, 0)
    assert not look(space)
    write(store, OTHER, 600)
    write(store, ONE, 401)
    assert look(space, written=2000)
    assert modes(space) == {ONE: "ro", ANOTHERS: "rw"}
    assert (space.why(ONE, QUOTAS), space.why(ANOTHERS, QUOTAS)) == (QUOTA, "")
    for size, is_back in ((598, False), (584, True)):  # some of it has to be free, or it would go back and forth
        write(store, OTHER, size)
        space.measured["person 1"].next_at = 0
        assert look(space, written=2000) == is_back
    assert modes(space) == {ONE: "rw", ANOTHERS: "rw"}


def test_it_counts_only_when_so_much_may_be_there(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[list[Path]] = []
    monkeypatch.setattr(DriveSpace, "_free", lambda _self: 10**9)  # others write on this disk meanwhile

    def measure(directories: list[Path]) -> Found:
        counted.append(directories)
        return Found(400)

    monkeypatch.setattr(drive_space, "measure", measure)
    space = DriveSpace(store, 0)
    look(space)
    assert len(counted) == 2
    look(space, written=600)
    assert len(counted) == 2
    look(space, written=601)
    assert len(counted) == 4
    space.look_at_quotas([SpaceWriter(QUOTAS, 10**6)])
    assert len(counted) == 4  # it rests first
    assert not space.look_at_quotas([])
    assert not space.measured


def test_who_filled_the_disk_can_only_read_and_others_go_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    space, free = DriveSpace(store, 800), [801]
    monkeypatch.setattr(DriveSpace, "_free", lambda _self: free[0])
    write(store, ONE, 300)
    look(space)
    assert not space.look_at_disk()
    write(store, ONE, 320)
    write(store, ANOTHERS, 900)
    for left, changed, short in ((800, True, True), (900, False, True), (901, True, False)):
        free[0] = left
        assert (space.look_at_disk(), space.is_short) == (changed, short)
        assert look(space) == changed
        assert modes(space) == {ONE: "rw", ANOTHERS: "ro" if short else "rw"}
        assert space.may_stop(ANOTHERS, QUOTAS) == short
        assert not space.may_stop(ONE, QUOTAS)


def test_when_half_of_the_reserve_is_gone_all_can_only_read_and_who_goes_on_is_stopped(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    space, free = DriveSpace(store, 800), [801]
    monkeypatch.setattr(DriveSpace, "_free", lambda _self: free[0])
    look(space)
    write(store, ANOTHERS, 900)
    write(store, ONE, 20)
    for left, low in ((401, False), (400, True), (500, True), (501, False), (0, True)):
        free[0] = left
        space.look_at_disk()
        look(space)
        assert space.is_low == low
        assert modes(space) == {ONE: "ro" if low else "rw", ANOTHERS: "ro"}
        assert (space.why(ONE, QUOTAS), space.may_stop(ONE, QUOTAS)) == (DISK if low else "", False)
    space.measured["person 1"].next_at = 0
    assert not look(space)
    write(store, ONE, 40)
    space.measured["person 1"].next_at = 0
    assert look(space)
    assert space.may_stop(ONE, QUOTAS)


def test_a_file_without_a_name_counts_for_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    space, free = DriveSpace(store, 800), [801]
    monkeypatch.setattr(DriveSpace, "_free", lambda _self: free[0])
    place = store.root / "private" / ONE
    writer = SpaceWriter(QUOTAS, 0, os.getpid(), {str(place): ONE})
    space.look_at_quotas([writer])
    with (place / "file").open("wb") as file:
        file.write(b"x" * 10_000)
        file.flush()
        os.fsync(file.fileno())
        (place / "file").unlink()
        free[0] = 700
        assert space.look_at_disk()
        assert space.look_at_quotas([writer])
    assert (space.growers, space.full) == ({"person 1"}, frozenset())


def test_space_that_is_reserved_beyond_a_files_size_counts(tmp_path: Path) -> None:
    """As by `fallocate --keep-size`."""
    (tmp_path / "file").write_bytes(b"x")
    subprocess.run(["fallocate", "--keep-size", "-l", "8M", tmp_path / "file"], check=True)
    found = drive_space.measure([tmp_path])
    assert found
    assert found.size >= 8 * 2**20


def test_what_cannot_be_measured_in_time_has_what_it_had(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(drive_space, "MEASURE_SECONDS", 0)
    space = DriveSpace(store, 0)
    told = QUOTAS | {ONE: replace(QUOTAS[ONE], used=1001)}
    assert space.look_at_quotas([SpaceWriter(told, 0)])
    assert space.full == {"person 1"}
    assert "could not be measured in time" in caplog.text


def test_what_moves_while_it_is_measured_is_no_less_than_before(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """`find` says that it has not seen all, here of a library that went in between."""
    space = DriveSpace(store, 0)
    write(store, ONE, 600)
    write(store, OTHER, 300)
    look(space)
    found = store.directory
    gone = store.root / "private/gone"
    monkeypatch.setattr(store, "directory", lambda one: gone if one.library == ONE else found(one))
    space.measured["person 1"].next_at = 0
    look(space)
    assert space.measured["person 1"].used == 900


def test_what_counts_is_what_the_scan_counts(tmp_path: Path) -> None:
    """A hole is not there, a small file has its own size, and a link its target's name."""
    for number in range(20):
        (tmp_path / f"{number}\n").write_bytes(b"x" * 100)
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**30)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    assert drive_space.measure([tmp_path]) in (Found(2000), Found(2007))  # some file systems keep no block for a link
