"""Rooms and journals go when nobody has come back for long enough, and with the file that they were of."""

import os
import time
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from drive.files import together
from drive.models import File, Library
from drive.storage import open_library
from rooms.journals import journal_of
from rooms.models import Room
from rooms.room.room import Kind
from rooms.tasks import OLD_ENOUGH, forget_rooms

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(library: Library, place: Path) -> File:
    with open_library(library) as files:
        return together.known_file(library, "notes.txt", files)


def room(file: File | None, days: float, *, is_open: bool = False, kind: Kind = Kind.TEXT) -> Room:
    """One that everybody left so long ago, with its journal."""
    left = timezone.now() - timedelta(days=days)
    made = Room.objects.create(file=file, kind=kind, is_open=is_open, left_at=left)
    write(journal_of(made.pk))
    return made


def write(journal: Path) -> Path:
    """A journal that has been there for long."""
    journal.write_bytes(b"typed")
    old = time.time() - OLD_ENOUGH - 60
    os.utime(journal, (old, old))
    return journal


def test_a_room_and_its_journal_go_when_nobody_comes_back(file: File) -> None:
    old, young = room(file, 15), room(file, 13, kind=Kind.NOTEBOOK)
    assert forget_rooms() == 1
    assert [one.pk for one in Room.objects.all()] == [young.pk]
    assert (journal_of(old.pk).exists(), journal_of(young.pk).exists()) == (False, True)


def test_what_is_open_or_not_saved_stays(file: File) -> None:
    one = room(file, 100, is_open=True)
    assert forget_rooms() == 0
    assert journal_of(one.pk).exists()


def test_a_room_of_a_file_that_is_gone_goes_too(file: File) -> None:
    one, lately = room(file, 100, is_open=True), room(file, 1, kind=Kind.NOTEBOOK)
    file.delete()
    assert forget_rooms() == 1
    assert (journal_of(one.pk).exists(), journal_of(lately.pk).exists()) == (False, True)


def test_journals_without_a_room_go_and_nothing_else(settings: Settings) -> None:
    lost = write(journal_of(uuid.uuid4()))
    aside = write(journal_of(uuid.uuid4()).with_suffix(".damaged1"))
    fresh = journal_of(uuid.uuid4())
    fresh.write_bytes(b"about to have a row")
    others = [write(settings.ROOMS_ROOT / name) for name in ("notes.journal", "notes.txt")]
    forget_rooms()
    assert not lost.exists()
    assert not aside.exists()
    assert [path.exists() for path in (fresh, *others)] == [True] * 3


def test_a_room_whose_process_died_goes_with_its_file(file: File) -> None:
    """Nobody was seen to leave it."""
    gone, kept, young = (Room.objects.create(file=one, kind=Kind.TEXT, is_open=True) for one in (None, file, None))
    Room.objects.filter(pk__in=[gone.pk, kept.pk]).update(opened_at=timezone.now() - timedelta(days=15))
    assert forget_rooms() == 1
    assert set(Room.objects.values_list("pk", flat=True)) == {kept.pk, young.pk}
