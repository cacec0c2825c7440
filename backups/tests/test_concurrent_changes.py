"""The site goes on while it is backed up: what moves, is thrown away or removed for good at the worst moment."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from backups import create, restore
from backups.backup_store import Backup, BackupError, BackupStore
from collabs.models import Collab
from conftest import Queue
from drive import tasks
from drive.files import operations
from drive.libraries import purge, services
from drive.models import Library, Trashed, Version
from drive.storage import deletion_lock, layout, removal
from drive.versions import retention, scan, trash
from drive.versions import store as version_store
from portal.models import User

from .support import silent

pytestmark = pytest.mark.django_db(transaction=True)
BackUp = Callable[..., Backup]
At = Callable[[str, Callable[[], object]], None]


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> At:
    """`at("trash", act)`: act once, right before the backup reads this; `library 2` is the second one."""

    def plan(when: str, act: Callable[[], object]) -> None:
        what, _, number = when.partition(" ")
        real, left = getattr(create._Creation, f"_{what}"), [int(number or 1)]

        def wrapped(self: create._Creation, *arguments: object) -> None:
            left[0] -= 1
            if left[0] == 0:
                act()
            real(self, *arguments)

        monkeypatch.setattr(create._Creation, f"_{what}", wrapped)

    return plan


def paths_of(backup: Backup) -> set[str]:
    with backup.manifest() as manifest:
        return {entry.path.decode() for entry in manifest.entries()}


@pytest.fixture
def second(owner: User, collab: Collab) -> Library:
    """Of the owner, who has Cortex' library as well."""
    return Library.objects.get(owner_user=owner, is_default=True)


@pytest.mark.slow
def test_it_finds_what_moves_from_a_library_not_read_yet_to_one_that_was(
    owner: User, collab: Collab, second: Library, back_up: BackUp, at: At
) -> None:
    early, late = collab.library, second
    Library.objects.filter(pk=late.pk).update(name_key="zzz")  # they are read by name
    operations.write(owner, late, "hops.txt", b"hop")
    at(f"library {Library.objects.count()}", lambda: operations.move(owner, late, "hops.txt", early, "hops.txt"))
    paths = paths_of(back_up())
    assert f"libraries/{early.pk}/hops.txt" in paths
    assert f"libraries/{late.pk}/hops.txt" not in paths


@pytest.mark.slow
def test_it_finds_what_a_notebook_moves_within_a_library(collab: Collab, back_up: BackUp, at: At) -> None:
    place = layout.find(collab.library.pk)
    (place / "a").mkdir()
    (place / "a/data.txt").write_text("data")
    at(f"library {Library.objects.count() + 1}", lambda: (place / "a").rename(place / "b"))
    paths = paths_of(back_up())
    assert f"libraries/{collab.library.pk}/b/data.txt" in paths
    assert f"libraries/{collab.library.pk}/a/data.txt" not in paths
    assert f"libraries/{collab.library.pk}/a" not in paths


@pytest.mark.slow
def test_it_has_what_is_thrown_away_after_the_trash_was_read(
    owner: User, collab: Collab, back_up: BackUp, at: At, store: BackupStore, tmp_path: Path
) -> None:
    operations.write(owner, collab.library, "thrown.txt", b"thrown")
    at("library", lambda: trash.delete(owner, collab.library, "thrown.txt"))
    backup = back_up()
    restore.into_directory(store, backup, tmp_path / "out", f"trash/{collab.library.pk}", silent)
    assert [path.read_bytes() for path in (tmp_path / "out").rglob("thrown.txt")] == [b"thrown"]


@pytest.mark.slow
def test_it_has_what_is_removed_for_good_after_the_rows_were_read(
    owner: User,
    collab: Collab,
    back_up: BackUp,
    at: At,
    store: BackupStore,
    other_site: Callable[[], Path],
    queue: Queue,
) -> None:
    operations.write(owner, collab.library, "thrown.txt", b"thrown")
    item = trash.delete(owner, collab.library, "thrown.txt")

    def purge() -> None:
        trash.purge(owner, item)
        assert tasks.empty_bin() == 0
        tasks.tidy()

    at("trash", purge)
    backup = back_up()
    assert backup.about["missing"] == []
    assert {"drive.tasks.tidy", "drive.tasks.purge_deleted"} <= set(queue.names())
    assert removal.empty_bin() > 0
    other_site()
    restore.into_site(store, backup, look=True, progress=silent)
    restored = Trashed.objects.get(path="thrown.txt")
    assert trash.restore(owner, restored) == "thrown.txt"
    assert (layout.find(collab.library.pk) / "thrown.txt").read_bytes() == b"thrown"


@pytest.mark.slow
def test_it_has_what_is_restored_from_the_trash_before_that_is_read(
    owner: User, collab: Collab, back_up: BackUp, at: At, store: BackupStore, other_site: Callable[[], Path]
) -> None:
    operations.write(owner, collab.library, "back.txt", b"back")
    item = trash.delete(owner, collab.library, "back.txt")
    at("trash", lambda: trash.restore(owner, item))
    backup = back_up()
    assert backup.about["missing"] == []
    other_site()
    restore.into_site(store, backup, look=False, progress=silent)
    trash.mend()
    assert not Trashed.objects.exists()
    assert (layout.find(collab.library.pk) / "back.txt").read_bytes() == b"back"


def test_it_keeps_objects_and_libraries_until_it_is_done(
    owner: User, collab: Collab, second: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    operations.write(owner, collab.library, "a.txt", b"content")
    monkeypatch.setattr(retention, "OLD_ENOUGH", timedelta(0))
    library = services.create_library(owner, "Old")
    services.delete_library(owner, library)
    objects = [path for path in version_store.root().rglob("*") if path.is_file() and path.name != "lock"]
    assert objects
    later = timezone.now() + timedelta(days=400)
    with deletion_lock.no_deletion(0) as alone:
        assert alone
        Version.objects.all().delete()
        assert retention.sweep_store() == 0
        assert purge.purge(later) == 0
    assert all(path.exists() for path in objects)
    assert retention.sweep_store() == len(objects)
    assert purge.purge(later) == 1


def test_it_waits_for_a_removal_that_is_under_way(collab: Collab, store: BackupStore, back_up: BackUp) -> None:
    with deletion_lock.deleting() as may:
        assert may
        with pytest.raises(BackupError, match="still being removed"):
            back_up()
    assert back_up().about["files"] >= 0


def test_it_makes_one_backup_at_a_time(collab: Collab, store: BackupStore, back_up: BackUp) -> None:
    with store.alone(), pytest.raises(BackupError, match="Another backup"):
        back_up()


@pytest.mark.slow
def test_it_says_what_was_written_all_the_time(
    collab: Collab, back_up: BackUp, store: BackupStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = layout.find(collab.library.pk) / "log.txt"
    path.write_bytes(b"x" * 2**20)
    real = create._parts

    def parts(fd: int, status: os.stat_result) -> list[tuple[int, int]]:
        with path.open("r+b") as log:  # between the look at the file and its reading, at each attempt
            log.write(os.urandom(1000))
        return real(fd, status)

    monkeypatch.setattr(create, "_parts", parts)
    backup = back_up()
    assert backup.about["torn"] == [f"libraries/{collab.library.pk}/log.txt"]
    report = restore.into_directory(store, backup, tmp_path / "out", "", silent)
    assert report.damaged == 0
    assert (tmp_path / f"out/libraries/{collab.library.pk}/log.txt").stat().st_size >= 2**20


def test_it_has_each_scan_of_a_busy_site(collab: Collab, back_up: BackUp, at: At, owner: User) -> None:
    """A capture between the rows and the files: its object may come along, and nothing misses."""
    at("library", lambda: scan.scan(collab.library))
    (layout.find(collab.library.pk) / "new.txt").write_text("new")
    backup = back_up()
    assert backup.about["missing"] == []
    assert f"libraries/{collab.library.pk}/new.txt" in paths_of(backup)
