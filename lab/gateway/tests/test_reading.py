"""The notebook to read while JupyterLab is loaded: on the Lab's origin, of what its person may read now, harmless."""

import html
from collections.abc import Callable
from typing import Any, BinaryIO

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from collabs import services
from collabs.models import Collab
from conftest import Queue
from drive import tasks
from drive.browser import frames
from drive.browser.views_file import RENDERINGS
from drive.files import operations
from drive.preview import sandbox
from drive.storage import layout
from lab.gateway import passes, views_reading
from lab.models import Ticket
from portal.accounts.services import deactivate
from portal.models import User

pytestmark = pytest.mark.django_db

PATH = "drive/Shared with groups/Cortex/a.ipynb"
FRAME = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
Ask = Callable[..., Any]


@pytest.fixture
def ask(client: Client, viewer: User, collab: Collab) -> Ask:
    """`ask(path)`: a frame of the viewer's JupyterLab asks; `lab=` and headers for others."""
    client.force_login(viewer)
    secret, _expires = passes.issue_pass(
        Ticket(user=viewer, session_key=client.session.session_key or "", place="/lab")
    )

    def ask(path: str = PATH, *, lab: str = "viewer", **headers: str) -> Any:
        lone = Client()
        lone.cookies[passes.PASS_COOKIE] = secret
        return lone.get("/_gateway/lab/preview", {"path": path}, headers={"X-Lab-User": lab} | FRAME | headers)

    return ask


@pytest.fixture
def notebook(editor: User, collab: Collab, queue: Queue, monkeypatch: pytest.MonkeyPatch) -> Collab:
    """One in the Collab's library. The renderer's sandbox is replaced by a note of what went into it."""

    def render(what: str, source: BinaryIO, **_: Any) -> bytes:
        return b"<h1>made</h1>" + source.read()

    monkeypatch.setattr(sandbox, "render", render)
    operations.write(editor, collab.library, "a.ipynb", b'{"cells": []}')
    queue.clear()
    return collab


def work(queue: Queue) -> None:
    """What the workers would do."""
    while queue:
        name, *arguments = queue.pop(0)
        assert name == "drive.tasks.render_preview"
        tasks.render_preview(*arguments)


@pytest.fixture
def rendered(ask: Ask, notebook: Collab, queue: Queue) -> Collab:
    assert ask().status_code == 204
    work(queue)
    return notebook


def test_it_is_made_for_the_next_opening(ask: Ask, notebook: Collab, editor: User, queue: Queue) -> None:
    assert [ask().status_code for _ in range(3)] == [204] * 3
    work(queue)
    assert ask().content == b'<h1>made</h1>{"cells": []}'
    operations.write(editor, notebook.library, "a.ipynb", b'{"cells": [1]}')
    assert ask().status_code == 204, "what was there before is not shown"


def test_one_person_has_no_more_rendered_than_on_pages(ask: Ask, notebook: Collab, queue: Queue) -> None:
    assert {ask().status_code for _ in range(RENDERINGS + 5)} == {204}
    assert len(queue) == RENDERINGS


def test_it_is_shown_where_it_can_do_nothing(ask: Ask, rendered: Collab) -> None:
    answer = ask()
    assert answer["Content-Security-Policy"] == frames.STILL
    assert frames.STILL.startswith(
        "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox; script-src 'sha256-"
    )
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert not answer.cookies


def test_it_is_shown_to_nobody_else(ask: Ask, rendered: Collab) -> None:
    assert ask(lab="owner").status_code == 401
    for site in ("cross-site", "same-site"):
        assert ask(**{"Sec-Fetch-Site": site}).status_code == 403
    assert ask(Origin="http://owner.lab.localhost:8000").status_code == 403
    for kind in ("document", "empty", "script", "image"):
        assert ask(**{"Sec-Fetch-Dest": kind}).status_code == 404
    assert (
        Client().get("/_gateway/lab/preview", {"path": PATH}, headers={"X-Lab-User": "viewer"} | FRAME).status_code
        == 401
    )
    assert ask(lab="").status_code == 403


def test_it_shows_nothing_once_access_is_withdrawn(
    ask: Ask, rendered: Collab, owner: User, viewer: User, operator: User
) -> None:
    """Whatever the Lab has still mounted."""
    assert ask().status_code == 200
    services.remove_member(owner, rendered, viewer)
    assert ask().status_code == 204
    deactivate(operator, viewer)
    assert ask().status_code == 401


@pytest.mark.parametrize(
    "path",
    ["", "a.ipynb", "drive", "drive/Shared with groups/Cortex", "drive/Shared with groups/Cortex/missing.ipynb",
     "drive/Shared with groups/Cortex/../Cortex/a.ipynb", "drive/Shared with groups/Cortex/a.bin",
     "drive/Shared with all/Cortex/a.ipynb\x00", "drive/Shared with groups/Other/a.ipynb"],
)  # fmt: skip
def test_it_finds_files_of_libraries_alone(ask: Ask, rendered: Collab, editor: User, path: str) -> None:
    operations.write(editor, rendered.library, "a.bin", b"\0\1\2")
    assert ask(path).status_code == 204


def test_it_follows_no_link(ask: Ask, rendered: Collab) -> None:
    place = layout.find(rendered.library.pk)
    (place / "link.ipynb").symlink_to("/etc/passwd")
    assert ask("drive/Shared with groups/Cortex/link.ipynb").status_code == 204


HOSTILE = "<script>alert(1)</script></div><img src=x onerror=alert(2)>\n</style><base href=//evil.example>\n\n![x](//y)"


@pytest.fixture
def text(ask: Ask, notebook: Collab, editor: User) -> Callable[..., Any]:
    """A file with this content, as it is shown."""

    def text(name: str, content: bytes | str = HOSTILE) -> Any:
        content = content.encode() if isinstance(content, str) else content
        operations.write(editor, notebook.library, name, content)
        return ask(f"drive/Shared with groups/Cortex/{name}")

    return text


def test_a_text_is_shown_as_it_is_written(text: Callable[..., Any]) -> None:
    """Line by line, Markdown too: it is what the editor shows after it, and nothing in it means anything."""
    for name in ("a.md", "a.txt", "a.py", "Makefile"):
        answer = text(name)
        assert answer.status_code == 200
        assert answer["Content-Security-Policy"] == frames.STILL
        assert "no-store" in answer["Cache-Control"]
        body = answer.content.decode().partition("<body>")[2]
        lines, script = body.split("<script>")
        assert lines == "".join(f'<div class="cell">{html.escape(line)}</div>' for line in HOSTILE.split("\n"))
        assert frames._hash(script.partition("</script>")[0]) == frames.SCRIPT
    shown = text("b.txt", "a\r\nb\rc").content.decode()
    assert shown.count('<div class="cell">') == 3


def test_no_more_of_a_text_is_sent_than_anybody_reads(text: Callable[..., Any]) -> None:
    shown = text("long.txt", ("x" * 99 + "\n").encode() * 10_000)
    assert shown.status_code == 200
    assert shown.content.count(b"x" * 99) == views_reading.MOST_TEXT // 100


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", b"a,b\n"), ("a.json", b"{}"), ("a.HTML", b"<p>"), ("a.svg", b"<svg/>"), ("a.pdf", b"%PDF-1.4"),
     ("a.png", b"\x89PNG\r\n\x1a\n\0"), ("latin.txt", b"caf\xe9"), ("utf-16.txt", "text".encode("utf-16")),
     ("empty.txt", b"")],
)  # fmt: skip
def test_what_jupyterlab_shows_otherwise_or_not_at_all_has_none(
    text: Callable[..., Any], name: str, content: bytes
) -> None:
    assert text(name, content).status_code == 204


def test_a_text_is_not_shown_once_access_is_withdrawn(
    ask: Ask, text: Callable[..., Any], owner: User, viewer: User, notebook: Collab
) -> None:
    assert text("a.md").status_code == 200
    services.remove_member(owner, notebook, viewer)
    assert ask("drive/Shared with groups/Cortex/a.md").status_code == 204


def test_it_asks_for_the_library_once(
    ask: Ask, text: Callable[..., Any], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    text("a.md")
    with django_assert_max_num_queries(3):  # pass, library, access
        assert ask("drive/Shared with groups/Cortex/a.md").status_code == 200
