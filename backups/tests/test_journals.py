"""What people type together and may not be in the file yet is in the backup, with the rooms that it belongs to."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from backups import restore
from backups.backup_store import BackupStore
from drive.files import together
from drive.models import Library
from drive.storage import open_library
from rooms.journals import journal_of
from rooms.models import Room
from rooms.room.room import Kind

from .support import BackUp, silent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.slow
def test_journals_come_back_with_their_rooms(
    full_site: Library, back_up: BackUp, store: BackupStore, other_site: Callable[[], Path], settings: Settings
) -> None:
    with open_library(full_site) as files:
        file = together.known_file(full_site, "notes.md", files)
    room = Room.objects.create(file=file, kind=Kind.TEXT, is_open=True)
    journal = journal_of(room.pk)
    journal.write_bytes(b"typed, and not saved yet")
    backup = back_up()
    other_site()
    restore.into_site(store, backup, look=False, progress=silent)
    assert journal_of(room.pk) != journal
    assert journal_of(room.pk).read_bytes() == b"typed, and not saved yet"
    again = Room.objects.get()
    assert (again.pk, again.is_open, again.file and again.file.path) == (room.pk, True, "notes.md")
    assert settings.ROOMS_ROOT.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_a_backup_from_before_there_were_any_is_restored(
    full_site: Library, back_up: BackUp, store: BackupStore, other_site: Callable[[], Path], settings: Settings
) -> None:
    settings.ROOMS_ROOT.rmdir()
    backup = back_up()
    other_site()
    restore.into_site(store, backup, look=False, progress=silent)
    assert list(settings.ROOMS_ROOT.iterdir()) == []
