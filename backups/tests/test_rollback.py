"""What a return to a restore point leaves whole: the database's log, versions, journals, Labs, restored libraries."""

import os
import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from backups import database
from backups.backup_store import BackupError
from backups.upgrades import restore_points, rollback
from backups.upgrades.restore_points import ROLLBACK, UPGRADE
from collabs.models import Collab
from drive.files import operations
from drive.libraries import purge, services
from drive.models import Library, Version
from drive.storage import layout
from drive.tasks import settle_unsettled
from drive.versions import retention, scan, store
from portal.models import User
from portal.ops import code_version
from portal.ops.code_version import CodeVersion
from rooms import tasks as room_tasks
from rooms.journals import journal_of

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = CodeVersion("0.1.9", "abc1234")


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> Path:
    """The site's own directory, with nothing in it."""
    var = tmp_path / "site"
    settings.VAR_DIR = settings.RUN_DIR = var
    settings.LAB_ROOT, settings.ROOMS_ROOT = var / "lab", var / "rooms"
    settings.REDIS_URL = f"unix://{var}/redis.sock"
    settings.ROOMS_ROOT.mkdir(parents=True)
    return var


def go_back(*words: str) -> str:
    """What it says, warnings included."""
    out = StringIO()
    call_command("rollback", "--yes", *words, stdout=out, stderr=out)
    return out.getvalue()


def what_was_replaced() -> str:
    return [point.name for point in restore_points.points() if point.about["kind"] == ROLLBACK][-1]


# The log of SQLite's database


@pytest.fixture
def logged(tmp_path: Path) -> Path:
    """A database whose last rows are in its log alone, as after a process was killed."""
    path, killed = tmp_path / "a.sqlite3", tmp_path / "killed.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as written:
        written.execute("PRAGMA journal_mode=WAL")
        written.execute("CREATE TABLE it (content)")
        written.execute("INSERT INTO it VALUES (randomblob(200000))")
        written.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        written.execute("INSERT INTO it VALUES (randomblob(300000))")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{path}{suffix}", f"{killed}{suffix}")
    return killed


def count(path: Path) -> int:
    with closing(sqlite3.connect(path)) as found:
        return int(found.execute("SELECT count(*) FROM it").fetchone()[0])


@contextmanager
def no_file_longer_than(size: int) -> Iterator[None]:
    """The kernel refuses to write more, as where the disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_log_that_cannot_be_taken_in_stays(logged: Path) -> None:
    with no_file_longer_than(logged.stat().st_size), pytest.raises(BackupError, match="could not be closed"):
        database._fold_log(logged)
    assert count(logged) == 2


def test_a_log_is_taken_in(logged: Path) -> None:
    database._fold_log(logged)
    assert not Path(f"{logged}-wal").exists()
    assert count(logged) == 2


@pytest.mark.slow
def test_a_log_that_another_process_uses_stays(logged: Path) -> None:
    with closing(sqlite3.connect(logged)) as other:
        other.execute("SELECT count(*) FROM it").fetchone()
        with pytest.raises(BackupError, match="Another process has"):
            database._fold_log(logged)
    assert count(logged) == 2


def test_the_log_of_a_damaged_database_goes(logged: Path) -> None:
    logged.write_bytes(b"no database" * 1000)
    database._fold_log(logged)
    assert not Path(f"{logged}-wal").exists()


# Versions, and journals


@pytest.fixture
def nights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is old enough to be removed."""
    monkeypatch.setattr(retention, "_is_old", lambda _seconds: True)
    monkeypatch.setattr(room_tasks, "OLD_ENOUGH", -10)


def a_night() -> None:
    retention.sweep_store()
    room_tasks.forget_rooms()


@pytest.mark.slow
def test_versions_and_journals_are_there_after_back_a_night_and_forward(
    owner: User, collab: Collab, nights: None
) -> None:
    restore_points.make(UPGRADE, BEFORE)
    operations.write(owner, collab.library, "since.md", b"stored since")
    scan.scan(collab.library)
    since = set(Version.objects.values_list("sha256", flat=True))
    assert since
    journal = journal_of(uuid4())
    journal.write_bytes(b"typed since")

    go_back()
    a_night()
    assert not any(store.has(sha256) for sha256 in since - set(Version.objects.values_list("sha256", flat=True)))
    assert not journal.exists()

    go_back("--to", what_was_replaced())
    assert all(store.has(sha256) for sha256 in Version.objects.values_list("sha256", flat=True))
    version = Version.objects.get(file__path="since.md")
    assert store.open_object(version.sha256).read() == b"stored since"
    assert journal.read_bytes() == b"typed since"


@pytest.mark.slow
def test_what_is_kept_goes_with_its_point(owner: User, collab: Collab, settings: Settings) -> None:
    operations.write(owner, collab.library, "a.md", b"a")
    scan.scan(collab.library)
    restore_points.make(UPGRADE, BEFORE)
    go_back()
    kept = layout.root() / "kept" / what_was_replaced()
    assert list(kept.glob("objects/*/*"))
    restore_points.remove_old()
    assert kept.exists()
    shutil.rmtree(restore_points.place() / kept.name)
    restore_points.remove_old()
    assert not kept.exists()
    assert all(store.has(sha256) for sha256 in Version.objects.values_list("sha256", flat=True))


# Labs


@pytest.mark.slow
def test_it_waits_for_labs_that_the_point_does_not_know(owner: User, settings: Settings) -> None:
    """The site removes a Lab without a row, and its home with it."""
    (settings.LAB_ROOT / "servers" / uuid4().hex / "home").mkdir(parents=True)
    restore_points.make(UPGRADE, BEFORE)
    since = settings.LAB_ROOT / "servers" / uuid4().hex
    (since / "home").mkdir(parents=True)
    User.objects.create(username="later")
    with pytest.raises(CommandError, match="bin/up --stop-labs"):
        go_back()
    assert User.objects.filter(username="later").exists()
    shutil.rmtree(since)
    go_back()
    assert not User.objects.filter(username="later").exists()


# What was deleted, and public, since


@pytest.mark.slow
def test_what_was_restored_since_is_not_removed_for_good(owner: User, collab: Collab, settings: Settings) -> None:
    library = services.create_library(owner, "Raw data")
    long_ago = timezone.now() - timedelta(days=settings.LIBRARY_KEEP_DAYS + 1)
    Library.objects.filter(pk__in=[library.pk, collab.library.pk]).update(deleted_at=long_ago)
    Collab.all_objects.filter(pk=collab.pk).update(deleted_at=long_ago)
    restore_points.make(UPGRADE, BEFORE)
    Library.objects.update(deleted_at=None)
    Collab.all_objects.update(deleted_at=None)
    used = layout.find(library.pk) / "used since"
    used.write_text("x")

    go_back()
    assert purge.purge() == 0
    assert used.exists()
    for row in (Library.objects.get(pk=library.pk), Collab.all_objects.get(pk=collab.pk)):
        assert row.removed_at is None
        assert row.deleted_at
        assert abs(row.deleted_at - timezone.now()) < timedelta(hours=1)


@pytest.mark.slow
def test_a_public_library_that_was_made_since_is_shown_to_nobody(owner: User) -> None:
    before = public_library(owner, "Open before")
    restore_points.make(UPGRADE, BEFORE)
    since = public_library(owner, "Open since")
    assert layout.public_on_disk() >= {before, since}

    go_back()
    settle_unsettled()
    assert (before in layout.public_on_disk(), since in layout.public_on_disk()) == (True, False)
    assert (before in layout.named_on_disk(), since in layout.named_on_disk()) == (True, False)
    assert layout.private_path(since).is_dir()
    shown = {os.readlink(path) for path in (layout.root() / "public").iterdir() if path.is_symlink()}
    assert f".libraries/{since}" not in shown


def public_library(owner: User, name: str) -> UUID:
    library = services.create_library(owner, name)
    services.set_public(owner, library, True)
    layout.settle(library.pk)
    return UUID(str(library.pk))


# What is noted, and removed


@pytest.mark.slow
def test_what_fails_after_the_database_was_replaced_is_a_warning(owner: User, var: Path) -> None:
    restore_points.make(UPGRADE, BEFORE)
    User.objects.create(username="later")
    (var / "code.json").mkdir()  # nothing can be noted there
    said = go_back()
    assert "The database was replaced, but the old version was not noted" in said
    assert "Done. What was replaced is the restore point" in said
    assert not User.objects.filter(username="later").exists()
    assert code_version.noted() == CodeVersion()


@pytest.mark.slow
def test_messages_about_rows_that_are_gone_go(owner: User, var: Path, settings: Settings) -> None:
    restore_points.make(UPGRADE, BEFORE)
    (var / "redis/appendonlydir").mkdir(parents=True)
    (var / "redis/appendonlydir/appendonly.aof.1.incr.aof").write_text("*")
    go_back()
    assert list((var / "redis").iterdir()) == []
    settings.REDIS_URL = "redis://elsewhere"
    assert "Empty the Redis that REDIS_URL names" in go_back()


@pytest.mark.slow
def test_what_lies_beside_the_points_is_none(owner: User) -> None:
    point = restore_points.make(UPGRADE, BEFORE)
    shutil.copytree(point.path, point.path.with_name(f"{point.name}.bak"))
    shutil.copytree(point.path, point.path.with_name("20269999T999999Z"))
    assert [found.name for found in restore_points.points()] == [point.name]
    restore_points.finish()


@pytest.mark.slow
def test_tries_of_an_upgrade_that_changed_nothing_leave_one_point(owner: User) -> None:
    made = [restore_points.make(UPGRADE, BEFORE) for _try in range(3)]
    assert [point.name for point in restore_points.points()] == [made[-1].name]
    restore_points.finish()
    restore_points.make(UPGRADE, BEFORE)
    assert made[-1].name in [point.name for point in restore_points.points()]  # that upgrade was made


@pytest.mark.slow
def test_a_point_that_has_a_second_name_stays(owner: User, tmp_path: Path) -> None:
    """Such as by a backup program's hard links."""
    restore_points.make(UPGRADE, BEFORE)
    go_back()
    kept = what_was_replaced()
    os.link(restore_points.find(kept).database, tmp_path / "second")
    restore_points.make(UPGRADE, BEFORE)
    assert restore_points.find(kept)


@pytest.mark.slow
def test_it_waits_for_other_connections(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL knows who they are; SQLite's are found by its lock."""
    restore_points.make(UPGRADE, BEFORE)
    User.objects.create(username="later")
    monkeypatch.setattr(rollback, "LEAVE_SECONDS", 0)
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM portal_user")
            cursor.fetchone()
        with pytest.raises(CommandError, match=r"is in use, by|Another process has"):
            go_back()
    finally:
        other.close()
    assert User.objects.filter(username="later").exists()
    go_back()
    assert not User.objects.filter(username="later").exists()
