"""Editing text on a page: nothing that somebody typed or saved is lost, and nobody's bytes are changed in passing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django.asserts import assertContains, assertNotContains

from drive.browser import views_edit
from drive.browser.views_edit import SAVED
from drive.models import Library, Version
from drive.storage import ABSENT, DiskFullError, open_library
from portal.models import User

SignIn = Callable[[User], Client]


@pytest.fixture
def url(library: Library) -> str:
    return f"/drive/{library.pk}/a.txt"


@pytest.fixture
def as_editor(editor: User, sign_in: SignIn) -> Client:
    return sign_in(editor)


def draft_of(client: Client, url: str) -> views_edit.Draft:
    return client.get(f"{url}?show=edit").context["draft"]


def save(client: Client, url: str, draft: views_edit.Draft, text: str, **more: str) -> Any:
    form = {"do": "save", "etag": draft.etag, "ending": draft.ending, "bom": draft.bom, "text": text}
    return client.post(url, form | more)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"one",
        b"one\n",
        b"one\ntwo\n\n",
        b"one\r\ntwo\r\n",
        b"one\r\ntwo",
        b"one\rtwo\r",
        b"\xef\xbb\xbfone\n",
        "\nnaïve \U0001f9e0\u2028\n".encode(),
        b"</textarea><script>alert(1)</script>\n",
    ],
)
def test_it_keeps_every_byte_that_nobody_changed(as_editor: Client, url: str, place: Path, content: bytes) -> None:
    (place / "a.txt").write_bytes(content)
    draft = draft_of(as_editor, url)
    typed = draft.text.replace("\n", "\r\n")  # as browsers send it
    response = save(as_editor, url, draft, typed)
    assert response["Location"] == url + SAVED
    assert (place / "a.txt").read_bytes() == content


def test_it_saves_what_was_typed(as_editor: Client, url: str, place: Path, editor: User) -> None:
    (place / "a.txt").write_bytes(b"one\r\n")
    draft = draft_of(as_editor, url)
    assert save(as_editor, url, draft, "one\r\ntwo\r\n", stay="1")["Location"] == f"{url}?show=edit{SAVED}"
    assert (place / "a.txt").read_bytes() == b"one\r\ntwo\r\n"
    assert Version.objects.latest("pk").by == editor


def test_it_says_when_lines_end_in_different_ways(as_editor: Client, url: str, place: Path) -> None:
    (place / "a.txt").write_bytes(b"one\r\ntwo\nthree\n")
    assertContains(as_editor.get(f"{url}?show=edit"), "This file has mixed line endings")


def test_it_shows_both_texts_when_somebody_was_faster(as_editor: Client, url: str, place: Path) -> None:
    (place / "a.txt").write_text("one\ntwo\n")
    draft = draft_of(as_editor, url)
    (place / "a.txt").write_text("one\ntheirs\n")
    response = save(as_editor, url, draft, "one\nmine\n")
    assert response.status_code == 412
    for words in ("theirs", "mine", "Save mine", "Keep theirs", "Somebody else saved this file"):
        assertContains(response, words, status_code=412)
    assert (place / "a.txt").read_text() == "one\ntheirs\n"
    again = response.context["draft"]
    assert save(as_editor, url, again, "one\nboth\n")["Location"] == url + SAVED
    assert (place / "a.txt").read_text() == "one\nboth\n"
    assert Version.objects.filter(file__library__pk=response.context["access"].library.pk).count() == 2


def test_it_asks_again_when_they_save_while_i_choose(as_editor: Client, url: str, place: Path) -> None:
    (place / "a.txt").write_text("one\n")
    first = save(as_editor, url, views_edit.Draft("", '"older"'), "mine\n")
    (place / "a.txt").write_text("two and more\n")
    second = save(as_editor, url, first.context["draft"], "mine\n")
    assertContains(second, "two and more", status_code=412)
    assert (place / "a.txt").read_text() == "two and more\n"


def test_it_puts_a_file_back_that_was_deleted(as_editor: Client, url: str, place: Path) -> None:
    (place / "a.txt").write_text("one")
    draft = draft_of(as_editor, url)
    (place / "a.txt").unlink()
    response = save(as_editor, url, draft, "mine")
    assertContains(response, "deleted or renamed", status_code=412)
    assert response.context["draft"].etag == ABSENT
    assert save(as_editor, url, response.context["draft"], "mine")["Location"] == url + SAVED
    assert (place / "a.txt").read_text() == "mine"


def test_it_overwrites_nothing_without_a_version(as_editor: Client, url: str, place: Path) -> None:
    (place / "a.txt").write_text("one")
    assert save(as_editor, url, views_edit.Draft("", ""), "mine").status_code == 409
    assert (place / "a.txt").read_text() == "one"


def test_it_compares_with_nothing_that_is_no_text(as_editor: Client, url: str, place: Path) -> None:
    (place / "a.txt").write_bytes(b"\0\1")
    response = save(as_editor, url, views_edit.Draft("", '"older"'), "mine & yours")
    assertContains(response, "mine &amp; yours", status_code=412)


@pytest.mark.parametrize("what", ["full", "long", "link", "folder gone"])
def test_it_gives_back_what_was_typed_whatever_goes_wrong(
    as_editor: Client, library: Library, place: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "sub").mkdir()
    (place / "sub/a.txt").write_text("one")
    url = f"/drive/{library.pk}/sub/a.txt"
    draft, typed = draft_of(as_editor, url), "typed for hours"
    match what:
        case "full":

            def no_room(*_: object, **__: object) -> None:
                raise DiskFullError("The disk is full. Nothing was changed.")

            monkeypatch.setattr("drive.files.operations.write", no_room)
        case "long":
            monkeypatch.setattr(views_edit, "MOST_BYTES", 10)
        case "link":
            (place / "sub/a.txt").unlink()
            (place / "sub/a.txt").symlink_to("/etc/passwd")
        case "folder gone":
            (place / "sub/a.txt").unlink()
            (place / "sub").rmdir()
    response = save(as_editor, url, draft, typed)
    assert response.status_code in (404, 409, 412, 413, 507)
    assertContains(response, typed, status_code=response.status_code)
    assertNotContains(response, "root:", status_code=response.status_code)


@pytest.mark.parametrize("content", [b"\0\1", b"\xff\xfe", b"x" * (2**20 + 1)], ids=["binary", "bytes", "large"])
def test_it_edits_nothing_but_text(as_editor: Client, url: str, place: Path, content: bytes) -> None:
    (place / "a.txt").write_bytes(content)
    assert as_editor.get(f"{url}?show=edit").status_code == 409


@pytest.mark.parametrize(
    ("who", "status"), [("owner", 200), ("editor", 200), ("viewer", 403), ("stranger", 404), ("anonymous", 302)]
)
def test_it_is_for_those_who_may_write(
    who: str, status: int, url: str, place: Path, stranger: User, sign_in: SignIn, library: Library
) -> None:
    (place / "a.txt").write_text("one")
    client = Client() if who == "anonymous" else sign_in(User.objects.get(username=who))
    assert client.get(f"{url}?show=edit").status_code == status
    with open_library(library) as files:
        draft = views_edit.Draft("", files.stat("a.txt").etag)
    assert save(client, url, draft, "two").status_code == (302 if status == 200 else status)
    assert (place / "a.txt").read_text() == ("two" if status == 200 else "one")


def test_it_shows_markdown_while_it_is_typed(as_editor: Client, library: Library, place: Path) -> None:
    (place / "a.md").write_text("# One\n")
    url = f"/drive/{library.pk}/a.md"
    assertContains(as_editor.get(f"{url}?show=edit"), "One</h2>")
    form = {"do": "preview", "text": "# Two\n\n<script>alert(1)</script>[here](b.md)"}
    part = as_editor.post(url, form, headers={"HX-Request": "true"})
    assertContains(part, "Two</h2>")
    assertContains(part, "b.md")
    assertNotContains(part, "<script")
    assertNotContains(part, "<html")
    assert (place / "a.md").read_text() == "# One\n"


def test_it_shows_markdown_without_scripts_and_keeps_what_was_typed(
    as_editor: Client, library: Library, place: Path
) -> None:
    (place / "a.md").write_text("# One\n")
    url = f"/drive/{library.pk}/a.md"
    draft = draft_of(as_editor, url)
    page = as_editor.post(url, {"do": ["save", "preview"], "etag": draft.etag, "text": "# Two\n"})
    assertContains(page, "Two</h2>")
    assertContains(page, 'data-unsaved="1"')
    assert page.context["draft"].text == "# Two\n"
    assert page.context["draft"].etag == draft.etag
    assert (place / "a.md").read_text() == "# One\n"


def test_only_who_may_write_is_shown_a_preview(viewer: User, sign_in: SignIn, library: Library, place: Path) -> None:
    (place / "a.md").write_text("# One\n")
    response = sign_in(viewer).post(f"/drive/{library.pk}/a.md", {"do": "preview", "text": "# Two"})
    assert response.status_code == 403
