"""People who edit one file together, on the real site: through the proxy and the portal, with real passes."""

import contextlib
import os
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from django.conf import settings
from websockets.exceptions import ConnectionClosed, InvalidStatus

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.files import operations
from drive.libraries import services as drive_services
from drive.models import Library, Permission, Quota, Trashed
from drive.storage import layout
from drive.versions import history, store, trash
from portal.accounts import services as account_services
from rooms.models import Room
from rooms.room.room import Kind
from rooms.server.asgi import MOST_CONNECTIONS

from ..support.people import Person
from ..support.room_page import RoomPage
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

NOTEBOOK = (
    '{"cells": [{"cell_type": "code", "execution_count": null, "id": "one", "metadata": {}, "outputs": [], '
    '"source": ["first"]}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
)


@pytest.fixture(autouse=True)
def answering(site: Site) -> None:
    """An earlier test may have ended the process, and the next one takes seconds to listen."""
    wait_for(site.answers, 60, "the site does not answer")


@pytest.fixture
def place(collab: Collab) -> Path:
    """The Collab's library on disk, with a text and a notebook in it."""
    found = layout.find(collab.library.pk)
    (found / "notes.md").write_text("one\n")
    (found / "a.ipynb").write_text(NOTEBOOK)
    return found


@pytest.fixture
def page(collab: Collab, place: Path) -> Iterator[Callable[..., RoomPage]]:
    """Opens pages of a file of the Collab; all are closed at the end."""
    opened: list[RoomPage] = []

    def make(person: Person, name: str = "notes.md", kind: Kind = Kind.TEXT, *, folder: str = "") -> RoomPage:
        folder = folder or f"drive/Shared with groups/{collab.title}"
        opened.append(RoomPage(person, f"{folder}/{name}", kind))
        return opened[-1]

    yield make
    for one in opened:
        if one.socket:
            one.lose()


def versions(collab: Collab, path: str = "notes.md") -> list[tuple[str, str]]:
    """What each version holds and who made it, newest first."""
    found = history.with_contributors(history.versions_of(collab.library, path))
    return [(store.open_object(one.sha256).read().decode(), history.authors(one)) for one in found]


Open = Callable[..., RoomPage]


# Two people


def test_two_people_type_into_one_file_and_both_are_named(
    page: Open, collab: Collab, place: Path, owner: Person, editor: Person
) -> None:
    before = (place / "notes.md").stat()
    mine, theirs = page(owner).open(), page(editor).open()
    assert mine.text == theirs.text == "one\n"
    assert (place / "notes.md").stat().st_ino == before.st_ino  # opening has written nothing
    mine.type("mine ")
    theirs.until(lambda: "mine" in theirs.text, "it did not come")
    theirs.type("theirs")
    mine.until(lambda: "theirs" in mine.text, "it did not come")
    mine.until(lambda: (place / "notes.md").read_text() == "one\nmine theirs", "it is not in the file")
    mine.lose()
    theirs.lose()
    wait_for(lambda: len(versions(collab)) == 2, 30, "there is no version")
    assert versions(collab) == [
        ("one\nmine theirs", f"{owner.user.username} and {editor.user.username}"),
        ("one\n", "a Lab"),
    ]


def test_one_file_is_one_room_in_every_folder_and_on_both_origins(person: Callable[..., Person]) -> None:
    owner, reader = person("owner"), person("reader")
    collab = collab_services.create_collab(owner.user, title=f"Open {owner.user.username}", is_public=True)
    collab_services.add_member(owner.user, collab, reader.user, Role.EDITOR)
    (layout.find(collab.library.pk) / "a.md").write_text("")
    places = [f"drive/{folder}/{collab.title}/a.md" for folder in ("Shared with groups", "Shared with all")]
    pages = [RoomPage(who, path).open() for who in (owner, reader) for path in places]
    pages.append(RoomPage(owner, f"{collab.library.pk}/a.md", in_lab=False).open())
    assert {one.session["fileId"] for one in pages} == {Room.objects.get(file__library=collab.library).pk.hex}
    assert {one.session["sessionId"].rpartition(".")[2] for one in pages} == {"w"}
    pages[0].type("seen")
    for one in pages[1:]:
        one.until(lambda one=one: one.text == "seen", "it did not come")  # type: ignore[misc]
        one.lose()
    pages[0].lose()


def test_a_notebook_is_not_open_as_text_at_the_same_time(page: Open, owner: Person, editor: Person) -> None:
    notebook = page(owner, "a.ipynb", Kind.NOTEBOOK).open()
    refused = page(editor, "a.ipynb").ask()
    assert (refused.status_code, "as a notebook" in refused.json()["message"]) == (409, True)
    notebook.lose()
    wait_for(lambda: page(editor, "a.ipynb").ask().status_code == 200, 30, "it cannot be opened as text")


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [("none.md", Kind.TEXT, 404), ("binary", Kind.TEXT, 409), ("notes.md", Kind.NOTEBOOK, 409), ("", Kind.TEXT, 404)],
)
def test_what_is_no_document_is_refused(
    page: Open, place: Path, owner: Person, name: str, kind: Kind, status: int
) -> None:
    (place / "binary").write_bytes(b"\xff\0\xfe")
    answer = page(owner, name, kind).ask()
    assert (answer.status_code, bool(answer.json()["message"])) == (status, True)


# Who may


def test_a_viewer_follows_and_changes_nothing_with_a_client_of_their_own(
    page: Open, place: Path, owner: Person, viewer: Person
) -> None:
    mine, theirs = page(owner).open(), page(viewer).open()
    assert theirs.session["sessionId"].endswith(".r")
    forged = page(viewer)
    forged.session = theirs.session | {"sessionId": f"{theirs.session['sessionId'][:-1]}w"}
    forged.connect()
    forged.until(lambda: forged.is_synced, "the document did not come")
    for one in (theirs, forged):
        one.type("never")
    mine.type("typed")
    for one in (theirs, forged):
        one.until(lambda one=one: "typed" in one.text, "it did not come")  # type: ignore[misc]
        assert one.told["write"] is False
    mine.until(lambda: (place / "notes.md").read_text() == "one\ntyped", "it is not saved as it was typed")
    assert mine.text == "one\ntyped"


def test_strangers_find_nothing(page: Open, owner: Person, stranger: Person) -> None:
    mine = page(owner).open()
    theirs = page(stranger)
    assert theirs.ask().status_code == 404
    theirs.session = mine.session
    theirs.connect()
    assert theirs.until_closed()["errorReason"] == "You no longer have access to this file."
    assert theirs.text == ""


def test_nobody_says_who_they_are(page: Open, owner: Person, stranger: Person) -> None:
    mine, theirs = page(owner).open(), page(stranger)
    forged = {"X-Rooms-Person": str(owner.user.pk), "X_Rooms_Person": str(owner.user.pk), "X-Rooms-Grant": "pass 1"}
    assert theirs.ask(**forged).status_code == 404
    theirs.session = mine.session
    theirs.connect(**forged)
    theirs.until_closed()
    assert theirs.text == ""


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "other", "portal"])
def test_no_page_of_another_origin_gets_in_with_somebodys_cookies(
    page: Open, owner: Person, editor: Person, origin: str
) -> None:
    mine = page(owner).open()
    forged = {"other": editor.origin, "portal": settings.PORTAL_URL}.get(origin, origin)
    assert mine.ask(Origin=forged).status_code == 403
    mine.lose()
    with pytest.raises(InvalidStatus) as error:
        mine.connect(Origin=forged)
    assert error.value.response.status_code == 403


def test_no_page_of_a_lab_opens_the_portals_rooms(owner: Person, collab: Collab, place: Path) -> None:
    mine = RoomPage(owner, f"{collab.library.pk}/notes.md", in_lab=False).open()
    mine.lose()
    for origin in (owner.origin, "https://evil.example"):
        assert mine.ask(Origin=origin).status_code == 403
        with pytest.raises(InvalidStatus):
            mine.connect(Origin=origin)


def demote(collab: Collab, owner: Person, editor: Person) -> str:
    collab_services.change_role(owner.user, collab, editor.user, Role.VIEWER)
    return "What you may do with this file has changed. Reload it."


def remove(collab: Collab, owner: Person, editor: Person) -> str:
    collab_services.remove_member(owner.user, collab, editor.user)
    return "You no longer have access to this file."


def archive(collab: Collab, owner: Person, editor: Person) -> str:
    collab_services.archive_collab(owner.user, collab)
    return "What you may do with this file has changed. Reload it."


def delete(collab: Collab, owner: Person, editor: Person) -> str:
    collab_services.delete_collab(owner.user, collab)
    return "You no longer have access to this file."


def deactivate(collab: Collab, owner: Person, editor: Person) -> str:
    account_services.deactivate(None, editor.user)
    return "You are signed out. Sign in in another tab, then reload."


def sign_out(collab: Collab, owner: Person, editor: Person) -> str:
    editor.submit("/account/logout/", "/account/logout/", {})
    return "You are signed out. Sign in in another tab, then reload."


def switch_off(collab: Collab, owner: Person, editor: Person) -> str:
    values = {"title": collab.title, "description": "", "is_public": False}
    collab_services.update_collab(owner.user, collab, **values, coediting=False)  # type: ignore[arg-type]
    return "Editing together was switched off. Reload the file."


@pytest.mark.parametrize("change", [demote, remove, archive, delete, deactivate, sign_out, switch_off])
def test_every_change_of_access_holds_for_what_is_open(
    page: Open, collab: Collab, place: Path, owner: Person, editor: Person, change: Callable[..., str]
) -> None:
    theirs = page(editor).open()
    theirs.type("before ")
    theirs.until_saved()
    said = change(collab, owner, editor)
    assert theirs.until_closed()["errorReason"] == said
    theirs.type("after")
    session = theirs.session
    if change in (sign_out, deactivate):
        assert theirs.ask().status_code == 401
    theirs.connect()
    if change in (demote, archive):  # they may read: what they have typed meanwhile stays theirs
        theirs.until(lambda: theirs.told.get("write") is False, "they may write")
    else:
        theirs.until_closed()
    assert theirs.session == session
    assert "after" not in (place / "notes.md").read_text()


def test_a_viewer_who_becomes_an_editor_opens_the_file_again_to_write(
    page: Open, collab: Collab, place: Path, owner: Person, viewer: Person
) -> None:
    theirs = page(viewer).open()
    theirs.type("typed for herself")
    collab_services.change_role(owner.user, collab, viewer.user, Role.EDITOR)
    assert theirs.until_closed()["reloadable"] is True
    theirs.connect()  # y-websocket does that by itself
    theirs.until(lambda: theirs.told.get("write") is False, "she writes what she typed for herself")
    theirs.lose()
    again = page(viewer).open()
    again.type("typed for all")
    again.until(lambda: (place / "notes.md").read_text() == "one\ntyped for all", "it is not saved")


def test_a_share_that_is_withdrawn_ends_it(person: Callable[..., Person]) -> None:
    owner, friend = person("owner"), person("friend")
    library = drive_services.create_library(owner.user, "Data")
    (layout.find(library.pk) / "a.md").write_text("")
    share = drive_services.share_with_person(owner.user, library, friend.user, Permission.WRITE)
    name = Library.objects.get(pk=library.pk).shared_name
    theirs = RoomPage(friend, f"drive/Shared with me/{name}/a.md").open()
    drive_services.unshare(owner.user, share)
    assert theirs.until_closed()["errorReason"] == "You no longer have access to this file."


# Nothing is lost


def test_nothing_is_lost_when_the_process_is_killed(
    site: Site, page: Open, place: Path, owner: Person, editor: Person
) -> None:
    mine, theirs = page(owner).open(), page(editor).open()
    mine.type("before ")
    theirs.until(lambda: "before" in theirs.text, "it did not come")
    theirs.type("sent ")
    site.kill("rooms")
    for one in (mine, theirs):
        one.until(lambda one=one: one.closed, "the connection stands")  # type: ignore[misc]
    mine.type("offline ")
    theirs.type("offline too ")
    for one in (mine, theirs):
        one.connect_again()
    words = ("before ", "sent ", "offline ", "offline too ")
    for one in (mine, theirs):
        one.until(lambda one=one: all(word in one.text for word in words), "it did not come")  # type: ignore[misc]
    mine.until(lambda: (place / "notes.md").read_text() == mine.text, "it is not saved")
    assert mine.text == theirs.text
    assert [mine.text.count(word.strip()) for word in words] == [1, 1, 2, 1]


def test_what_nobody_comes_back_for_is_saved_after_the_process_was_killed(
    site: Site, page: Open, place: Path, owner: Person, editor: Person
) -> None:
    mine, theirs = page(owner).open(), page(editor).open()
    mine.type("typed")
    theirs.until(lambda: "typed" in theirs.text, "it did not come")  # and so it is in the journal
    site.kill("rooms")
    wait_for(lambda: (place / "notes.md").read_text() == "one\ntyped", 60, "it is not saved")


def test_all_is_saved_when_the_process_ends(
    site: Site, page: Open, collab: Collab, place: Path, owner: Person, editor: Person
) -> None:
    mine, theirs = page(owner).open(), page(editor).open()
    mine.type("typed")
    theirs.until(lambda: "typed" in theirs.text, "it did not come")
    old = site.pid("rooms")
    os.kill(old, 15)
    wait_for(lambda: site.has_another("rooms", old), 30, "it was not started again")
    assert (place / "notes.md").read_text() == "one\ntyped"
    assert versions(collab)[0] == ("one\ntyped", owner.user.username)


def test_what_is_written_outside_is_merged_and_kept_first(
    page: Open, collab: Collab, place: Path, owner: Person, editor: Person
) -> None:
    mine = page(owner).open()
    mine.type("typed\n")
    mine.until_saved()
    mine.until(lambda: "typed" in (place / "notes.md").read_text(), "it is not saved")
    text = f"by a notebook\n{(place / 'notes.md').read_text()}"
    (place / "new").write_text(text)
    (place / "new").rename(place / "notes.md")
    mine.type("more\n")
    wanted = "by a notebook\none\ntyped\nmore\n"
    mine.until(lambda: mine.text == wanted, "it is not merged")
    mine.until(lambda: (place / "notes.md").read_text() == wanted, "it is not saved")
    operations.write(editor.user, collab.library, "notes.md", f"{wanted}on a page\n".encode())
    mine.until(lambda: mine.text == f"{wanted}on a page\n", "it is not merged")
    found = versions(collab)
    assert (text, "a Lab") in found
    assert (f"{wanted}on a page\n", editor.user.username) in found


# Where the file goes


def test_it_follows_a_rename_on_the_web_and_in_a_lab(
    page: Open, collab: Collab, place: Path, owner: Person, editor: Person
) -> None:
    mine = page(owner).open()
    operations.rename(editor.user, collab.library, "notes.md", "renamed.md")
    mine.until(lambda: mine.told["path"] == "renamed.md", "it does not say so")
    mine.type("after ")
    mine.until(lambda: (place / "renamed.md").read_text() == "one\nafter ", "it is not saved")
    (place / "folder").mkdir()
    (place / "renamed.md").rename(place / "folder/moved.md")
    mine.until(lambda: mine.told["path"] == "folder/moved.md", "it does not say so")
    later = page(editor, "folder/moved.md").open()
    assert later.session["fileId"] == mine.session["fileId"]
    later.type("together")
    mine.until(lambda: "together" in mine.text, "it did not come")
    mine.until(lambda: (place / "folder/moved.md").read_text() == "one\nafter together", "it is not saved")
    assert sorted(path.name for path in place.iterdir()) == ["a.ipynb", "folder"]


def test_it_follows_and_merges_what_code_in_a_running_lab_does(
    page: Open, collab: Collab, place: Path, owner: Person, editor: Person
) -> None:
    """In a sandbox the library is another mount, and its files are another uid's."""
    editor.launch()
    kernel = editor.kernel()
    mine = page(owner).open()
    mine.type("typed\n")
    mine.until(lambda: (place / "notes.md").read_text() == "one\ntyped\n", "it is not saved")
    folder = f"/drive/Shared with groups/{collab.title}"
    code = f"""
import os
os.chdir(os.path.expanduser("~") + {folder!r})
print(open("notes.md").read() == "one\\ntyped\\n")
os.mkdir("sub"); os.rename("notes.md", "sub/b.md")
_ = open("sub/b.md", "a").write("by a kernel\\n")
"""
    ran = kernel.run(code)
    assert (ran.text, ran.error) == ("True\n", "")
    mine.until(lambda: mine.told["path"] == "sub/b.md", "it does not follow")
    mine.until(lambda: mine.text == "one\ntyped\nby a kernel\n", "it is not merged")
    mine.type("more\n")
    mine.until(lambda: (place / "sub/b.md").read_text() == mine.text, "it is not saved")
    assert kernel.run("print(open('sub/b.md').read().count('more'))").text == "1\n"
    assert kernel.run("os.remove('sub/b.md')").error == ""
    mine.until(lambda: "deleted" in mine.states(), "it does not say so")


def test_it_says_who_deleted_it_and_goes_on_when_it_is_restored(
    page: Open, collab: Collab, place: Path, owner: Person, editor: Person
) -> None:
    mine = page(owner).open()
    mine.type("typed ")
    mine.until(lambda: (place / "notes.md").read_text() == "one\ntyped ", "it is not saved")
    operations.delete(editor.user, collab.library, "notes.md")
    mine.until(lambda: "deleted" in mine.states(), "it does not say so")
    [word] = [word for word in mine.told["words"] if word["state"] == "deleted"]
    assert word["by"] == editor.user.username
    mine.type("while it was away")
    assert page(editor).ask().status_code == 404
    trash.restore(editor.user, Trashed.objects.get(library=collab.library))
    mine.until(lambda: "deleted" not in mine.states(), "it does not say that it is back")
    mine.until(lambda: (place / "notes.md").read_text() == "one\ntyped while it was away", "it is not saved")


def test_it_is_told_when_a_lab_has_deleted_it(page: Open, place: Path, owner: Person) -> None:
    mine = page(owner).open()
    (place / "notes.md").unlink()
    mine.until(lambda: "deleted" in mine.states(), "it does not say so")
    mine.type("more")
    mine.until(lambda: not mine.told["saved"], "it says that it is saved")
    assert not (place / "notes.md").exists()


def test_the_quota_is_told_and_what_was_typed_is_saved_when_there_is_room(
    page: Open, collab: Collab, place: Path, owner: Person
) -> None:
    mine = page(owner).open()
    quota = Quota.objects.create(collab=collab, max_bytes=1)
    mine.type("too much")
    mine.until(lambda: "quota" in mine.states(), "it does not say so")
    assert (place / "notes.md").read_text() == "one\n"
    quota.delete()
    mine.until(lambda: (place / "notes.md").read_text() == "one\ntoo much", "it is not saved")
    mine.until(lambda: "quota" not in mine.states(), "it does not say that there is room")


def test_a_full_disk_is_told_and_nothing_is_lost(
    site: Site, page: Open, place: Path, owner: Person, editor: Person
) -> None:
    """No file of the process grows beyond a limit (setrlimit(2)): its journal cannot, and the file cannot."""
    mine, theirs = page(owner).open(), page(editor).open()
    process = site.pid("rooms")
    limits = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (4096, limits[1]))
    mine.type("x" * 8192)
    mine.until(lambda: mine.closed, "the connection stands")
    assert mine.closed == (1013, "The disk is full.")
    theirs.until(lambda: "no-space" in theirs.states(), "nobody is told")
    assert theirs.text == "one\n"  # nobody sees what is not in the journal
    resource.prlimit(process, resource.RLIMIT_FSIZE, limits)
    mine.connect_again()
    theirs.until(lambda: theirs.text == mine.text, "it did not come")
    theirs.until(lambda: "no-space" not in theirs.states(), "it does not say that there is room")
    mine.until(lambda: (place / "notes.md").read_text() == f"one\n{'x' * 8192}", "it is not saved")


# The process


def test_a_file_is_opened_as_ever_while_the_process_is_away(site: Site, page: Open, owner: Person) -> None:
    one = page(owner)
    with site.without("rooms"):
        wait_for(lambda: one.ask().status_code == 503, 30, "it does not say so")
        assert one.ask().json()["message"]
        ready = requests.get(f"{settings.PORTAL_URL}/readyz", timeout=30)
        assert ready.status_code == 200
        wait_for(lambda: _is_degraded(), 30, "nobody is told")
    wait_for(lambda: one.ask().status_code == 200, 30, "it does not come back")


def _is_degraded() -> bool:
    return bool(requests.get(f"{settings.PORTAL_URL}/readyz", timeout=30).json()["status"] == "degraded")


def test_one_person_has_only_so_many_connections(page: Open, owner: Person) -> None:
    first = page(owner).open()
    others = []
    for _ in range(MOST_CONNECTIONS):
        other = page(owner)
        other.session = first.session
        other.connect()
        others.append(other)
    assert others[-1].until_closed()["errorReason"] == "You have too many files open. Close some."
    first.type("x")
    others[0].until(lambda: "x" in others[0].text, "it did not come")
    for one in others:
        with contextlib.suppress(ConnectionClosed):
            one.lose()
