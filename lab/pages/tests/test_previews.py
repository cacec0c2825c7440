"""The file that somebody is on the way to can be read while the Lab starts, waits, is full, or has failed to start."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries, Settings
from pytest_django.asserts import assertContains, assertNotContains

from collabs import services as collab_services
from collabs.models import Collab
from conftest import Queue
from drive import tasks
from drive.files import operations
from drive.preview import sandbox
from lab.models import Environment, Server
from portal.models import User

pytestmark = pytest.mark.django_db

FOLDER = "Shared with groups/Cortex"
PLACE = f"/lab/tree/drive/{FOLDER}"
SHOWN = 'aria-label="Preview"'


@pytest.fixture
def me(editor: User, sign_in: Callable[[User], Client], environment: Environment) -> Client:
    return sign_in(editor)


@pytest.fixture
def write(editor: User, collab: Collab) -> Callable[[str, str], object]:
    return lambda name, content: operations.write(editor, collab.library, name, content.encode())


def opened(client: Client, name: str, status: int = 200) -> Any:
    response = client.get("/lab/open", {"path": f"{FOLDER}/{name}"})
    assert response.status_code == status
    return response


def test_a_notebook_is_shown_while_the_lab_starts(
    me: Client, write: Callable, collab: Collab, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the frame of its own page; where it was not rendered yet, it is now."""
    monkeypatch.setattr(sandbox, "render", lambda what, source, **_: b"<h1>made</h1>")
    write("a b.ipynb", "{}")
    page = opened(me, "a b.ipynb")
    address = f"/drive/{collab.library.pk}/a%20b.ipynb"
    assertContains(page, "Waiting for its turn")
    assertContains(page, f'hx-get="{address}?show=rendering"')
    for name, *arguments in queue:
        if name == "drive.tasks.render_preview":
            tasks.render_preview(*arguments)
    page = opened(me, "a b.ipynb")
    assertContains(page, SHOWN)
    assertContains(
        page, f'sandbox="allow-scripts allow-popups allow-popups-to-escape-sandbox" src="{address}?show=rendered"'
    )
    assertContains(page, "js/rendered.js")
    assertNotContains(me.get("/lab/status", {"next": f"{PLACE}/a%20b.ipynb"}), SHOWN)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.md", "A *title*\n\n<script>alert(1)</script>[x](javascript:alert(2))", "A <em>title</em>"),
        ("a.txt", "some <b>words</b>", "some &lt;b&gt;words&lt;/b&gt;"),
        ("a.py", "print('<i>')", "&lt;i&gt;"),
        ("a.csv", "a,b\n1,<u>2</u>\n", "<td>&lt;u&gt;2&lt;/u&gt;</td>"),
    ],
)
def test_other_files_are_shown_as_on_their_pages(
    me: Client, write: Callable, name: str, content: str, words: str
) -> None:
    write(name, content)
    page = opened(me, name)
    assertContains(page, SHOWN)
    assertContains(page, words)
    for evil in ("<script>alert", 'href="javascript', "<u>2"):
        assertNotContains(page, evil)


def test_what_cannot_be_shown_is_left_out(me: Client, write: Callable, editor: User, collab: Collab) -> None:
    write("a.bin", "\0\1\2")
    write("empty.txt", "")
    operations.make_folder(editor, collab.library, "folder")
    for name in ("a.bin", "empty.txt", "folder", ""):
        assertNotContains(opened(me, name), SHOWN)
    assertNotContains(me.get("/lab/"), SHOWN)
    for place in ("/lab", "/lab/tree/missing.md", f"{PLACE}/missing.md", f"{PLACE}/../Cortex/a.bin"):
        assertNotContains(me.get("/lab/", {"next": place}), SHOWN)


def test_it_is_beside_what_went_wrong_and_the_button_to_start_again(
    me: Client, write: Callable, editor: User, owner: User, server: Callable[..., Server], settings: Settings
) -> None:
    write("a.md", "A *title*")
    server("failed", owner=editor, stop_reason="start-failed", error="No space left.")
    page = me.get("/lab/", {"next": f"{PLACE}/a.md"})
    for words in (SHOWN, "<em>title</em>", "It did not start: No space left.", "Start my Lab and go there"):
        assertContains(page, words)
    settings.LAB_MAX_SERVERS = 1
    server("running", owner=owner)
    page = opened(me, "a.md", 503)
    for words in (SHOWN, "<em>title</em>", "is full"):
        assertContains(page, words, status_code=503)


def test_it_shows_nothing_once_access_is_withdrawn(
    me: Client, write: Callable, owner: User, editor: User, collab: Collab
) -> None:
    write("a.md", "A *title*")
    address = {"next": f"{PLACE}/a.md"}
    assertContains(me.get("/lab/", address), SHOWN)
    collab_services.remove_member(owner, collab, editor)
    assertNotContains(me.get("/lab/", address), SHOWN)


def test_it_asks_the_database_for_nothing_more(
    me: Client, write: Callable, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The library and the right to it were found with the place."""
    write("a.md", "A *title*")
    write("a.bin", "\0\1\2")
    opened(me, "a.md")
    with CaptureQueriesContext(connection) as queries:
        opened(me, "a.bin")
    with django_assert_num_queries(len(queries)):
        opened(me, "a.md")
