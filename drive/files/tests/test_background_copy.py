"""Copies that take long: a task makes them with the rights of then, and tells."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.test import Client

from collabs import services as collabs
from collabs.models import Collab
from conftest import Queue
from drive import tasks
from drive.files import background_copy
from drive.files.paths import name_in_form
from drive.libraries import services
from drive.models import Library
from drive.storage import layout
from notices.models import Notice
from portal.models import User

SignIn = Callable[[User], Client]
ODD = "caf\udce9 <b>"
"""A name that is no UTF-8."""


@pytest.fixture
def other(editor: User) -> Library:
    """A library of the editor's own."""
    return services.create_library(editor, "Data")


@pytest.fixture
def there(other: Library) -> Path:
    return layout.find(other.pk)


@pytest.fixture
def asked(
    monkeypatch: pytest.MonkeyPatch, sign_in: SignIn, editor: User, library: Library, place: Path, other: Library
) -> Client:
    """A folder with two files, and a file with an odd name, that the editor wants to have copied."""
    monkeypatch.setattr(background_copy, "QUICK_FILES", 2)
    (place / "data").mkdir()
    (place / "data/a").write_text("A")
    (place / "data/b").write_text("B")
    (place / ODD).write_text("odd")
    client = sign_in(editor)
    client.post(f"/drive/{library.pk}/", copying(other, "data", ODD))
    return client


def copying(other: Library, *names: str) -> dict[str, object]:
    return {"do": "copy", "name": [name_in_form(name) for name in names], "to": f"{other.pk}/", "go": "1"}


def run(queue: Queue) -> None:
    """What a worker does with the message."""
    [message] = [entry for entry in queue if entry[0] == "drive.tasks.copy"]
    tasks.copy(*message[1:])


def test_it_copies_later_and_tells(asked: Client, editor: User, there: Path, other: Library, queue: Queue) -> None:
    page = asked.get("/drive/").content.decode()
    assert f"2 items are being copied to <a href='/drive/{other.pk}/'>Data</a>. You are told when it is done." in page
    assert not list(there.iterdir())
    run(queue)
    assert (there / "data/b").read_text() == "B"
    assert (there / ODD).read_text() == "odd"
    [notice] = Notice.objects.filter(kind="done")
    assert (notice.user, notice.subject, notice.text) == (editor, "2 items were copied", "")
    assert asked.get(notice.url).status_code == 200


def test_it_copies_a_little_at_once(
    sign_in: SignIn, editor: User, library: Library, place: Path, other: Library, there: Path, queue: Queue
) -> None:
    (place / "a").write_text("A")
    sign_in(editor).post(f"/drive/{library.pk}/", copying(other, "a"))
    assert (there / "a").read_text() == "A"
    assert "drive.tasks.copy" not in queue.names()


def test_it_copies_with_the_rights_of_then(
    asked: Client, owner: User, editor: User, collab: Collab, there: Path, queue: Queue
) -> None:
    collabs.remove_member(owner, collab, editor)
    run(queue)
    assert not list(there.iterdir())
    [notice] = Notice.objects.filter(kind="done")
    assert notice.subject == "Copying “data” failed"
    assert "No such library." in notice.text


def test_it_names_what_could_not_be_copied(asked: Client, there: Path, queue: Queue) -> None:
    (there / "data").write_text("was made meanwhile")
    run(queue)
    assert (there / "data").read_text() == "was made meanwhile"
    assert (there / ODD).read_text() == "odd"
    [notice] = Notice.objects.filter(kind="done")
    assert notice.subject == "1 item was copied"
    assert notice.text.startswith("“data”: ")


def test_it_says_that_it_cannot_begin(asked: Client, library: Library, other: Library, queue: Queue) -> None:
    queue.up = False
    page = asked.post(f"/drive/{library.pk}/", copying(other, "data", ODD), follow=True).content.decode()
    assert "cannot be done right now" in page
