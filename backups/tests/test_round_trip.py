"""A site with something of everything is backed up and restored into an empty one; rows and files are compared."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from backups import database, restore
from backups.backup_store import BackupError, BackupStore
from backups.create import _Creation
from backups.manifest import Entry
from backups.walk import Found
from collabs.models import Collab
from drive.files import operations
from drive.models import File, Library, Trashed, Version
from drive.storage import layout
from drive.versions import scan, trash
from portal.accounts import oidc_signing_keys
from portal.models import User
from portal.ops import database_version

from .conftest import dump
from .odd_files import ODD, look
from .support import BackUp, next_second, silent

pytestmark = pytest.mark.django_db(transaction=True)
Move = Callable[[], Path]
KEPT = (b"private/", b"public/", b"trash/", b"objects/", b"staging/tus-")


def of_people(drive: Path) -> dict[bytes, tuple[object, ...]]:
    """What is in the libraries, the trash and the store, without our own directories' times."""
    found = {path: what for path, what in look(drive).items() if path.startswith(KEPT) and path != b"objects/lock"}
    links = {path for path in found if path.startswith(b"public/") and path.count(b"/") == 1}
    return {path: what[2:] if path in links else what for path, what in found.items() if path != b"public/.libraries"}


def rows_alike(rows: dict[str, list[dict[str, object]]]) -> dict[str, list[dict[str, object]]]:
    """Inodes and times of change are new; FTS5's own column is none."""
    hidden = {"drive_file": "signature", "collabs_search": "document"}
    return {
        table: [{name: value for name, value in row.items() if name != hidden.get(table)} for row in found]
        for table, found in rows.items()
    }


@pytest.mark.slow
def test_it_restores_every_row_and_every_file(
    full_site: Library, back_up: BackUp, store: BackupStore, other_site: Move, own_files: Path
) -> None:
    database_version.record(connection)  # as migrate does; tests delete all rows after each other
    rows, files = dump(), of_people(own_files)
    pipe = f"{full_site.pk}/pipe"
    assert files.pop(f"private/{pipe}".encode())
    assert len(files) > 25
    backup = back_up()
    assert backup.about["left_out"] == {f"libraries/{pipe}": "a pipe, socket or device"}
    assert (backup.about["missing"], backup.about["torn"]) == ([], [])

    drive = other_site()
    report = restore.into_site(store, backup, look=True, progress=silent)
    assert report.differs == []
    assert of_people(drive) == files
    assert rows_alike(dump()) | {"drive_library": []} == rows_alike(rows) | {"drive_library": []}
    assert (drive / f"private/{full_site.pk}/sparse").stat().st_blocks * 512 < 2**20
    assert list(Collab.objects.filter(title="Cortex"))


@pytest.mark.slow
def test_it_leaves_authors_and_histories_as_they_were(
    full_site: Library, back_up: BackUp, store: BackupStore, other_site: Move, editor: User
) -> None:
    backup = back_up()
    other_site()
    restore.into_site(store, backup, look=False, progress=silent)
    versions = Version.objects.count()
    outcome = scan.scan(full_site)
    assert outcome
    assert (outcome.new, outcome.changed, outcome.captured, outcome.vanished) == (0, 0, 0, 0)
    assert Version.objects.count() == versions
    assert File.objects.get(library=full_site, path="notes.md").changed_by == editor
    item = Trashed.objects.get(path="gone.md")
    assert trash.restore(None, item) == "gone.md"
    assert File.objects.get(library=full_site, path="gone.md", trashed=None).is_captured


@pytest.mark.slow
def test_it_makes_a_library_public_or_private_as_its_row_says(
    public_collab: Collab, back_up: BackUp, store: BackupStore, other_site: Move
) -> None:
    backup = back_up()
    drive = other_site()
    restore.into_site(store, backup, look=False, progress=silent)
    library = public_collab.library
    assert layout.find(library.pk) == drive / f"public/.libraries/{library.pk}"
    assert os.readlink(drive / "public/Open Cortex") == f".libraries/{library.pk}"


@pytest.mark.slow
def test_it_signs_as_before(
    collab: Collab, back_up: BackUp, store: BackupStore, other_site: Move, settings: Settings
) -> None:
    settings.IDENTITY_KEYS = Path(settings.VAR_DIR) / "keys"
    key = oidc_signing_keys.create(settings.IDENTITY_KEYS)
    secret, settings.SECRET_KEY = settings.SECRET_KEY, "the site's own"
    backup = back_up()
    other_site()
    settings.IDENTITY_KEYS, settings.SECRET_KEY = Path(settings.VAR_DIR) / "keys", secret
    assert restore.into_site(store, backup, look=False, progress=silent).differs == []
    restored = settings.IDENTITY_KEYS / key.name
    assert restored.read_bytes() == key.read_bytes()
    assert restored.stat().st_mode & 0o077 == 0
    assert (Path(settings.VAR_DIR) / "secret-key").read_text() == "the site's own"


@pytest.mark.slow
def test_it_copies_nothing_twice(
    full_site: Library, back_up: BackUp, place: Path, owner: User, store: BackupStore
) -> None:
    first = back_up()
    (place / "moved").mkdir()
    (place / "run.sh").rename(place / "moved/run.sh")
    (place / "notes copy.md").write_bytes(b"second")
    operations.write(owner, full_site, "more.md", b"something new")
    second = next_second(back_up)
    assert first.about["new_bytes"] > 0
    assert second.about["new_bytes"] == len(b"something new")
    objects = [path for path in store.objects.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in objects) == first.about["new_bytes"] + second.about["new_bytes"]


@pytest.mark.slow
def test_it_does_not_read_what_has_not_changed(
    full_site: Library, back_up: BackUp, monkeypatch: pytest.MonkeyPatch, place: Path
) -> None:
    back_up()
    (place / "fresh").write_text("fresh")
    read: list[bytes] = []
    real = _Creation._read

    def note(self: _Creation, entry: Entry, found: Found) -> Entry:
        read.append(entry.path)
        return real(self, entry, found)

    monkeypatch.setattr(_Creation, "_read", note)
    next_second(back_up)
    assert read == [f"libraries/{full_site.pk}/fresh".encode()]


# Refusals


@pytest.mark.slow
def test_it_refuses_a_site_that_is_not_empty(
    full_site: Library, back_up: BackUp, store: BackupStore, other_site: Move
) -> None:
    backup = back_up()
    with pytest.raises(BackupError, match="database is not empty"):
        restore.into_site(store, backup, look=False, progress=silent)
    drive = other_site()
    (drive / "private/somebody").mkdir(parents=True)
    with pytest.raises(BackupError, match="private is not empty"):
        restore.into_site(store, backup, look=False, progress=silent)
    assert os.listdir(drive / "private") == ["somebody"]
    assert database.is_empty()


def test_it_refuses_a_backup_of_a_newer_version(
    collab: Collab, back_up: BackUp, store: BackupStore, other_site: Move
) -> None:
    backup = back_up()
    backup.about["migrations"]["drive"].append("9999_of_the_future")
    other_site()
    with pytest.raises(BackupError, match=r"newer version.*drive\.9999_of_the_future"):
        restore.into_site(store, backup, look=False, progress=silent)


def test_it_refuses_a_backup_between_two_versions(
    collab: Collab, back_up: BackUp, store: BackupStore, other_site: Move
) -> None:
    backup = back_up()
    backup.about["migrations"]["lab"] = ["0001_initial", "0002_fork_server"]
    other_site()
    with pytest.raises(BackupError, match=r"lacks lab\.0003_signed_out_reason.*Restore it with ef712af, then update"):
        restore.into_site(store, backup, look=False, progress=silent)
    assert database.is_empty()


@pytest.fixture
def older_version(transactional_db: None) -> Iterator[None]:
    call_command("migrate", "api", "zero", verbosity=0)
    yield
    call_command("migrate", "api", verbosity=0)


@pytest.mark.slow
def test_it_brings_the_rows_of_an_older_version_up_to_date(
    older_version: None, collab: Collab, back_up: BackUp, store: BackupStore, other_site: Move
) -> None:
    backup = back_up()
    assert "api" not in backup.about["migrations"]
    other_site()
    restore.into_site(store, backup, look=False, progress=silent)
    assert "api" in database.applied()


def test_it_refuses_a_backup_of_another_kind_of_database(
    collab: Collab, back_up: BackUp, store: BackupStore, other_site: Move
) -> None:
    backup = back_up()
    kind = restore.backup_kind(backup)
    other = next(name for name in database.FILES if name != kind)
    backup.about["sha256"][database.FILES[other]] = backup.about["sha256"].pop(database.FILES[kind])
    other_site()
    with pytest.raises(BackupError, match="Set DATABASE_URL"):
        restore.into_site(store, backup, look=False, progress=silent)


@pytest.mark.slow
def test_it_does_not_start_a_site_that_is_half_restored(
    full_site: Library, back_up: BackUp, store: BackupStore, other_site: Move, monkeypatch: pytest.MonkeyPatch
) -> None:
    backup = back_up()
    other_site()
    monkeypatch.setattr(database, "load", lambda _path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        restore.into_site(store, backup, look=False, progress=silent)
    with pytest.raises(CommandError, match="cut off"):
        call_command("first_start")


# As plain files


@pytest.mark.slow
def test_it_writes_plain_files(full_site: Library, back_up: BackUp, store: BackupStore, tmp_path: Path) -> None:
    backup = back_up()
    report = restore.into_directory(store, backup, tmp_path / "all", "", silent)
    library = tmp_path / f"all/libraries/{full_site.pk}"
    assert (library / ODD).read_bytes() == b"odd"
    assert (library / "run.sh").stat().st_ino == (library / "same.sh").stat().st_ino
    assert (library / "run.sh").stat().st_mode & 0o7777 == 0o751
    assert (tmp_path / "all/secrets/secret-key").stat().st_mode & 0o077 == 0
    assert report.files > 5
    part = tmp_path / "part"
    restore.into_directory(store, backup, part, f"libraries/{full_site.pk}/deep", silent)
    assert [str(path.relative_to(part)) for path in part.rglob("*")][-2:] == [
        f"libraries/{full_site.pk}/deep",
        f"libraries/{full_site.pk}/deep/empty",
    ]
    with pytest.raises(BackupError, match="not empty"):
        restore.into_directory(store, backup, part, "", silent)
