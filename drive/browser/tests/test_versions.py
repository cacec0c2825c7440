"""The pages of versions and the trash."""

import shutil
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from collabs.models import Collab
from conftest import Queue
from drive import tasks
from drive.files import operations
from drive.models import Library, Loss, Trashed, Version
from drive.storage import layout
from drive.versions import capture, scan, trash
from notices.models import Notice
from portal.models import User

SignIn = Callable[[User], Client]


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "PAUSE", 0.0)


@pytest.fixture
def past(library: Library, editor: User) -> Library:
    """A library with a file of three versions, and one in the trash."""
    for text in ("one\n", "one\ntwo\n", "one\nthree <b>\n"):
        operations.write(editor, library, "notes.txt", text.encode())
    operations.write(editor, library, "gone.txt", b"gone")
    operations.delete(editor, library, "gone.txt")
    return library


def versions() -> list[Version]:
    return list(Version.objects.filter(file__path="notes.txt").order_by("pk"))


def pages(library: Library) -> list[str]:
    first, *_, last = versions()
    here = f"/drive/{library.pk}/notes.txt"
    return [
        f"{here}?show=versions",
        f"{here}?show=version&id={first.pk}",
        f"{here}?show=old&id={first.pk}",
        f"{here}?show=compare&a={first.pk}&b={last.pk}",
        f"{here}?show=compare&a={first.pk}&b=now",
        f"/drive/{library.pk}/?show=trash",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("who", "expected"), [("viewer", 200), ("stranger", 404), ("anonymous", 302)])
def test_it_shows_the_past_to_those_who_see_the_file(
    past: Library, viewer: User, stranger: User, sign_in: SignIn, who: str, expected: int
) -> None:
    client = {"viewer": sign_in(viewer), "stranger": sign_in(stranger), "anonymous": Client()}[who]
    for page in pages(past):
        assert client.get(page).status_code == expected, page


@pytest.mark.slow
def test_only_writers_change_the_past(past: Library, viewer: User, sign_in: SignIn) -> None:
    client = sign_in(viewer)
    item = Trashed.objects.get()
    for data in (
        {"do": "go-back", "id": versions()[0].pk},
        {"do": "restore", "id": item.pk},
        {"do": "purge", "id": item.pk},
        {"do": "restore-all", "id": 1},
        {"do": "dismiss", "id": 1},
    ):
        assert client.post(f"/drive/{past.pk}/notes.txt", data).status_code == 403
    assert "Restore" not in client.get(f"/drive/{past.pk}/?show=trash").content.decode()


def test_it_compares_lines_and_shows_them_as_text(past: Library, editor: User, sign_in: SignIn) -> None:
    _first, second, third = versions()
    page = sign_in(editor).get(f"/drive/{past.pk}/notes.txt?show=compare&a={second.pk}&b={third.pk}").content.decode()
    assert "three &lt;b&gt;" in page
    assert page.count('class="removed"') == 1
    assert page.count('class="added"') == 1


def test_it_goes_back(past: Library, editor: User, sign_in: SignIn) -> None:
    client = sign_in(editor)
    response = client.post(f"/drive/{past.pk}/notes.txt", {"do": "go-back", "id": versions()[0].pk})
    assert response["Location"] == f"/drive/{past.pk}/notes.txt?show=versions"
    assert (layout.find(past.pk) / "notes.txt").read_text() == "one\n"


def test_it_restores_from_the_trash_within_a_collab(
    past: Library, collab: Collab, editor: User, sign_in: SignIn
) -> None:
    client, here = sign_in(editor), f"/collabs/{collab.slug}/files/"
    assert "gone.txt" in client.get(f"{here}?show=trash").content.decode()
    assert client.post(here, {"do": "restore", "id": Trashed.objects.get().pk})["Location"] == here
    assert (layout.find(past.pk) / "gone.txt").read_text() == "gone"
    assert client.post(here, {"do": "restore", "id": "1"}).status_code == 302


@pytest.mark.parametrize("wrong", ["", "x", "-1", "9" * 40, "1e3"])
def test_wrong_numbers_are_nothing(past: Library, editor: User, sign_in: SignIn, wrong: str) -> None:
    client, here = sign_in(editor), f"/drive/{past.pk}/notes.txt"
    for show in ("version", "old", "compare"):
        assert client.get(here, {"show": show, "id": wrong, "a": wrong}).status_code == 404
    for do in ("go-back", "restore", "purge"):
        assert client.post(here, {"do": do, "id": wrong}).status_code in (302, 404)


@pytest.mark.slow
def test_it_says_what_cannot_be_shown(library: Library, editor: User, sign_in: SignIn) -> None:
    client = sign_in(editor)
    for name, content in (("a.bin", b"\0\1"), ("latin.txt", b"caf\xe9"), ("large.txt", b"x" * 600_000)):
        operations.write(editor, library, name, content)
        version = Version.objects.get(file__path=name)
        for show in (f"version&id={version.pk}", f"compare&a={version.pk}"):
            assert client.get(f"/drive/{library.pk}/{name}?show={show}").status_code == 200


@pytest.mark.slow
def test_it_asks_no_more_for_more(past: Library, editor: User, sign_in: SignIn) -> None:
    client = sign_in(editor)
    counts = []
    for round in range(2):
        for page in (f"/drive/{past.pk}/notes.txt?show=versions", f"/drive/{past.pk}/?show=trash"):
            with CaptureQueriesContext(connection) as queries:
                client.get(page)
            counts.append(len(queries))
        for number in range(5):
            operations.write(editor, past, "notes.txt", f"{round} {number}".encode())
            operations.write(editor, past, f"{number}.txt", b"x")
            operations.delete(editor, past, f"{number}.txt")
    assert counts[:2] == counts[2:]


@pytest.mark.slow
def test_it_tells_of_a_loss_until_somebody_answers(
    library: Library, editor: User, viewer: User, sign_in: SignIn, queue: Queue
) -> None:
    place, here = layout.find(library.pk), f"/drive/{library.pk}/"
    for number in range(30):
        (place / f"{number}.txt").write_text("x")
    scan.scan(library)
    for path in place.iterdir():
        path.unlink()
    scan.scan(library)
    page = sign_in(viewer).get(here).content.decode()
    assert "30 of 30 files" in page
    assert "Restore all" not in page
    client = sign_in(editor)
    assert "Restore all" in client.get(here).content.decode()
    loss = Loss.objects.get()
    client.post(here, {"do": "restore-all", "id": loss.pk})
    assert ("drive.tasks.restore_loss", loss.pk, editor.pk) in queue
    queue.up = False
    assert (
        "cannot be done right now"
        in client.post(here, {"do": "restore-all", "id": loss.pk}, follow=True).content.decode()
    )
    client.post(here, {"do": "dismiss", "id": loss.pk})
    assert "30 of 30" not in client.get(here).content.decode()
    queue.up = True
    tasks.restore_loss(loss.pk, editor.pk)
    [notice] = Notice.objects.filter(user=editor, kind="done")
    assert (notice.subject, notice.text) == ("30 items were restored", "")


def test_it_says_how_long_versions_are_kept(past: Library, editor: User, sign_in: SignIn, settings: Settings) -> None:
    settings.VERSION_KEEP = ["2h:all", "10d:1d"]
    page = sign_in(editor).get(f"/drive/{past.pk}/notes.txt?show=versions").content.decode()
    assert "up to 2 hours: every version; up to 10 days: the last of each day by each person" in page


@pytest.mark.parametrize("way", ["restore", "undo"])
def test_it_leaves_very_much_to_a_task(
    library: Library, editor: User, sign_in: SignIn, queue: Queue, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(trash, "AT_ONCE", 1)
    place, here = layout.find(library.pk), f"/drive/{library.pk}/"
    (place / "data").mkdir()
    for name in ("a", "b"):
        (place / "data" / name).write_text(name)
    scan.scan(library)
    shutil.rmtree(place / "data")
    scan.scan(library)
    item = Trashed.objects.get()
    sign_in(editor).post(here, {"do": way, "id": item.pk})
    assert ("drive.tasks.restore_trashed", item.pk, editor.pk) in queue
    assert not (place / "data").exists()
    (place / "data").write_text("in its place")
    tasks.restore_trashed(item.pk, editor.pk)
    [back] = [found for found in place.iterdir() if found.is_dir()]
    assert (back / "b").read_text() == "b"
    [notice] = Notice.objects.filter(user=editor, kind="done")
    assert notice.subject == "“data” was restored"
    assert f"“{back.name}” now" in notice.text


def test_it_says_at_once_what_a_lab_has_written_since_the_newest_version(
    past: Library, editor: User, sign_in: SignIn
) -> None:
    client, url = sign_in(editor), f"/drive/{past.pk}/notes.txt?show=versions"
    operations.write(editor, past, "notes.txt", b"four\n")
    scan.capture_waiting(past)
    page = client.get(url).content.decode()
    assert page.count('badge">current') == 1
    assert "with the current content" not in page
    (layout.find(past.pk) / "notes.txt").write_bytes(b"x" * 2000)
    page = client.get(url).content.decode()
    assert "The current content (2.0\xa0KB) was changed" in page
    assert "by a Lab" in page
    assert page.count('badge">current') == 1
    assert page.index('badge">current') < page.index("with the current content")
    (layout.find(past.pk) / "notes.txt").unlink()
    assert 'badge">current' not in client.get(url).content.decode()
