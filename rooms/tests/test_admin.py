"""The operators' page of rooms, and what is left of them when a library goes for good."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from drive.files import together
from drive.models import File, Library
from drive.storage import open_library
from portal.models import User
from rooms import journals, process
from rooms.models import Room
from rooms.process import OpenRoomStatus, RoomsProcessError
from rooms.room.room import Kind
from rooms.services import forget_library

pytestmark = pytest.mark.django_db

PAGE = "/admin/rooms/room/"


@pytest.fixture
def rooms(library: Library, place: object) -> list[Room]:
    """One that is open, and one whose journal is kept."""
    with open_library(library) as files:
        file = together.known_file(library, "notes.txt", files)
    made = [Room.objects.create(file=file, kind=kind, is_open=kind == Kind.TEXT) for kind in (Kind.TEXT, Kind.NOTEBOOK)]
    for room in made:
        journals.journal_of(room.pk).write_bytes(b"x" * 2048)
    return made


def see(monkeypatch: pytest.MonkeyPatch, room: Room, people: list[int], seconds: float | None, *states: str) -> None:
    status = OpenRoomStatus(people, document_bytes=5 * 2**20, unsaved_seconds=seconds, states=list(states))
    monkeypatch.setattr("rooms.admin.open_rooms", lambda: {room.pk: status})


def test_it_shows_who_is_there_and_what_is_not_saved(
    operator: User,
    owner: User,
    editor: User,
    rooms: list[Room],
    sign_in: Callable[[User], Client],
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    see(monkeypatch, rooms[0], [owner.pk, owner.pk, editor.pk], 3700.0, "quota")
    client = sign_in(operator)
    with django_assert_max_num_queries(9):
        text = " ".join(client.get(PAGE).text.replace("\xa0", " ").split())
    assert "notes.txt" in text
    assert f"{editor.username}, {owner.username} (2)" in text
    assert "5.0 MB" in text
    assert "2.0 KB" in text
    assert "for 1 hour, 1 minute (quota)" in text
    text = client.get(f"{PAGE}{rooms[0].pk}/change/").text.replace("\xa0", " ")
    assert f"{editor.username}, {owner.username} (2)" in text
    see(monkeypatch, rooms[0], [], None)
    assert "notes.txt" in client.get(PAGE).text


def test_it_says_so_when_the_process_does_not_answer(
    operator: User, rooms: list[Room], sign_in: Callable[[User], Client]
) -> None:
    page = sign_in(operator).get(PAGE)
    assert "is unknown" in page.text
    assert "notes.txt" in page.text


def test_what_was_typed_in_a_library_goes_with_it(library: Library, public_collab: object, rooms: list[Room]) -> None:
    other = Library.objects.exclude(pk=library.pk).earliest("pk")
    elsewhere = File.objects.create(library=other, path="other.txt", size=1, changed_at=timezone.now())
    kept = Room.objects.create(file=elsewhere, kind=Kind.TEXT)
    journals.journal_of(kept.pk).write_bytes(b"x")
    aside = journals.journal_of(rooms[0].pk).with_suffix(".damaged")
    aside.write_bytes(b"x")
    forget_library(library)
    assert list(Room.objects.all()) == [kept]
    assert [room_id for _path, room_id in journals.every_file()] == [kept.pk]


def test_a_process_that_says_nothing_of_use_is_an_error() -> None:
    with pytest.raises(RoomsProcessError):
        process.open_rooms()
