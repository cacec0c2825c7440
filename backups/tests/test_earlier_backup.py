"""A backup that an earlier version has made (make_earlier_backup.py) is restored by this one."""

import os
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection

from backups import restore, restore_library, verify
from backups.backup_store import BackupStore
from drive.models import File, Library, Trashed, Version
from drive.storage import layout
from drive.versions import scan, trash
from portal.models import User

from .test_round_trip import silent

pytestmark = pytest.mark.django_db(transaction=True)
MADE = Path(__file__).with_name("backup_ef712af.tar.xz")


@pytest.fixture
def earlier(tmp_path: Path) -> BackupStore:
    with tarfile.open(MADE) as archive:
        archive.extractall(tmp_path)
    return BackupStore(tmp_path / "backups")


@pytest.mark.slow
def test_it_becomes_a_site_of_this_version(earlier: BackupStore, other_site: Callable[[], Path]) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("it is of a site with SQLite")
    other_site()
    report = restore.into_site(earlier, earlier.find(None), look=True, progress=silent)
    assert [line for line in report.differs if "SECRET_KEY" not in line] == []
    library = Library.objects.get(name="Raw data")
    place = layout.find(library.pk)
    assert (place / "notes.md").read_bytes() == b"second"
    assert (place / os.fsdecode(b"caf\xe9\n.txt")).read_bytes() == b"odd"
    assert os.readlink(os.fsencode(place) + b"/to \xff") == b"\xfe\n"
    assert (place / "run.sh").stat().st_mode & 0o777 == 0o751
    assert (place / "sparse").stat().st_size == 10 * 2**20
    assert (place / "sparse").stat().st_blocks * 512 < 2**20
    assert File.objects.get(library=library, path="notes.md").changed_by == User.objects.get(username="owner")
    assert Version.objects.filter(file__path="notes.md").count() == 2
    assert trash.restore(None, Trashed.objects.get()) == "gone.md"
    assert scan.scan(library)


@pytest.mark.slow
def test_one_library_of_it_is_restored(earlier: BackupStore, stranger: User) -> None:
    backup = earlier.find(None)
    assert verify.verify(earlier, [backup]).damage == []
    with sqlite3.connect(backup.path / "database.sqlite3") as rows:
        (library_id,) = rows.execute("SELECT id FROM drive_library WHERE name = 'Raw data'").fetchone()
    rows.close()
    saved = restore_library.find_library(backup, str(UUID(library_id)))
    restore_library.into_new_library(earlier, backup, saved, stranger, silent)
    library = Library.objects.get(owner_user=stranger, name__startswith="Restored library (restored from")
    assert (layout.find(library.pk) / "notes.md").read_bytes() == b"second"
