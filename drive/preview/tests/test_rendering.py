"""What is rendered, on pages: asked for, made once, kept within bounds, and shown where they can do nothing."""

import base64
import html
import io
import json
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from django.test import Client
from pytest_django import Settings
from pytest_django.asserts import assertContains

from conftest import Queue
from drive import tasks
from drive.browser import frames
from drive.files import operations
from drive.models import Library, Version
from drive.preview import rendering, sandbox
from drive.preview.tables import rendered as rendered_tables
from portal.models import User

SAID_BY_POLICY = {
    "sandbox", "default-src", "script-src", "img-src", "style-src", "base-uri", "form-action", "frame-ancestors"
}  # fmt: skip
SignIn = Callable[[User], Client]


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What went into the sandbox, in whose place something stands that only notes it."""
    seen: list[bytes] = []

    def render(what: str, source: BinaryIO, **_: Any) -> bytes:
        seen.append(source.read())
        if seen[-1].startswith(b"bad"):
            raise sandbox.RenderFailedError("Rendering takes too long.")
        return b"<h1>made</h1>" + seen[-1]

    monkeypatch.setattr(sandbox, "render", render)
    return seen


@pytest.fixture(autouse=True)
def only_renderings(library: Library, queue: Queue) -> None:
    """What was queued while the team came together is not looked at here."""
    queue.clear()


@pytest.fixture
def url(library: Library, place: Path) -> str:
    (place / "a.ipynb").write_bytes(b"{}")
    return f"/drive/{library.pk}/a.ipynb"


@pytest.fixture
def as_viewer(viewer: User, sign_in: SignIn) -> Client:
    return sign_in(viewer)


def work(queue: Queue) -> None:
    """What the workers would do."""
    while queue:
        name, *arguments = queue.pop(0)
        assert name == "drive.tasks.render_preview"
        tasks.render_preview(*arguments)


@pytest.mark.slow
def test_it_is_asked_for_made_once_and_shown_in_a_frame(
    as_viewer: Client, url: str, queue: Queue, rendered: list[bytes]
) -> None:
    for _ in range(3):
        assertContains(as_viewer.get(url), "This file is being rendered")
        assertContains(as_viewer.get(f"{url}?show=rendering"), "hx-get")
    assert queue.names() == ["drive.tasks.render_preview"]
    work(queue)
    assertContains(as_viewer.get(url), f'src="{url}?show=rendered"')
    assertContains(as_viewer.get(f"{url}?show=rendering"), "<iframe")
    assert as_viewer.get(f"{url}?show=rendered").content == b"<h1>made</h1>{}"
    assert rendered == [b"{}"]


def test_it_is_shown_where_it_can_do_nothing(as_viewer: Client, url: str, queue: Queue, rendered: list[bytes]) -> None:
    as_viewer.get(url)
    work(queue)
    response = as_viewer.get(f"{url}?show=rendered")
    policy = response["Content-Security-Policy"]
    said = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
    assert said["sandbox"].split() == ["allow-scripts", "allow-popups", "allow-popups-to-escape-sandbox"]
    assert said["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[\w+/=]+'", said["script-src"])
    assert set(said) == SAID_BY_POLICY
    assert "frame-ancestors 'self'" in policy
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert as_viewer.get(url)["X-Frame-Options"] == "DENY"
    assert "frame-src 'self'" in as_viewer.get(url)["Content-Security-Policy"]


def test_it_is_rendered_anew_when_the_file_changes(
    as_viewer: Client, url: str, place: Path, queue: Queue, rendered: list[bytes]
) -> None:
    as_viewer.get(url)
    (place / "a.ipynb").write_bytes(b'{"new": 1}')
    work(queue)
    assertContains(as_viewer.get(url), "<iframe")
    (place / "a.ipynb").write_bytes(b'{"newer": 2}')
    assertContains(as_viewer.get(url), "This file is being rendered")
    assert as_viewer.get(f"{url}?show=rendered")["Location"] == url
    work(queue)
    assert rendered == [b'{"new": 1}', b'{"newer": 2}']


def test_it_says_why_there_is_nothing_and_tries_again_later(
    as_viewer: Client, url: str, place: Path, queue: Queue, rendered: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "a.ipynb").write_bytes(b"bad")
    as_viewer.get(url)
    work(queue)
    page = as_viewer.get(url)
    for words in ("Rendering takes too long.", "Open in Lab", "?show=raw"):
        assertContains(page, words)
    assert not queue
    monkeypatch.setattr(rendering, "TRY_AGAIN", 0)
    assertContains(as_viewer.get(url), "This file is being rendered")
    assert queue


def test_it_says_so_while_the_broker_is_away(as_viewer: Client, url: str, queue: Queue) -> None:
    queue.up = False
    assertContains(as_viewer.get(url), "cannot be rendered right now")
    queue.up = True
    assertContains(as_viewer.get(url), "This file is being rendered")


def test_it_asks_again_for_what_was_lost(
    as_viewer: Client, url: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_viewer.get(url)
    queue.clear()
    monkeypatch.setattr(rendering, "ASK_AGAIN", 0)
    as_viewer.get(url)
    assert queue.names() == ["drive.tasks.render_preview"]


def test_it_renders_once_when_two_ask_at_once(rendered: list[bytes]) -> None:
    started, go_on = threading.Event(), threading.Event()
    made = sandbox.render

    def slowly(*arguments: Any, **options: Any) -> bytes:
        started.set()
        go_on.wait(10)
        return made(*arguments, **options)

    sandbox.render = slowly
    try:
        first = threading.Thread(target=rendering.make, args=(io.BytesIO(b"{}"), "a.ipynb"))
        first.start()
        started.wait(10)
        with pytest.raises(rendering.RenderBusyError):
            rendering.make(io.BytesIO(b"{}"), "a.ipynb")
        go_on.set()
        first.join()
        rendering.make(io.BytesIO(b"{}"), "a.ipynb")
    finally:
        sandbox.render = made
    assert rendered == [b"{}"]


def test_it_reads_no_more_than_it_renders(
    as_viewer: Client, url: str, place: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.truncate(place / "a.ipynb", 200 * 2**20)
    assertContains(as_viewer.get(url), "This notebook is too large to show")
    assert not queue
    monkeypatch.setattr(rendering, "MOST_BYTES", 1000)

    class Endless(io.RawIOBase):
        given = 0

        def read(self, size: int = -1) -> bytes:
            self.given += size
            return b"x" * size

    source = Endless()
    rendering.key_of(source, "notebook")  # type: ignore[arg-type]
    assert source.given == 1001


def test_it_keeps_no_more_than_it_may(rendered: list[bytes], settings: Settings) -> None:
    keys = [rendering.make(io.BytesIO(b"x" * 1000 + bytes([number])), "a.ipynb") for number in range(5)]
    for number, key in enumerate(keys):
        os.utime(rendering._place(key, "html"), (number + 1, number + 1))
    rendering.result(keys[0])  # is used
    settings.PREVIEW_CACHE_BYTES = 2500
    assert tasks.sweep_previews() == 3
    assert [rendering.state(key).name for key in keys] == ["ready", "none", "none", "none", "ready"]


def test_it_shows_nothing_to_those_who_see_no_file(
    as_viewer: Client, url: str, queue: Queue, rendered: list[bytes], stranger: User, sign_in: SignIn
) -> None:
    as_viewer.get(url)
    work(queue)
    for show in ("", "?show=rendered", "?show=rendering"):
        assert sign_in(stranger).get(url + show).status_code == 404
        assert Client().get(url + show).status_code == 302


def test_it_renders_nothing_else(as_viewer: Client, library: Library, place: Path, queue: Queue) -> None:
    (place / "a.txt").write_text("x")
    (place / "link.ipynb").symlink_to("/etc/passwd")
    for name in ("a.txt", "link.ipynb"):
        for show in ("rendered", "rendering"):
            assert as_viewer.get(f"/drive/{library.pk}/{name}?show={show}").status_code in (404, 409)
    assert not queue


def test_it_forgets_a_file_that_is_gone(library: Library, rendered: list[bytes]) -> None:
    tasks.render_preview(str(library.pk), "gone.ipynb")
    tasks.render_preview("6f1f1e3a-0000-4000-8000-000000000000", "a.ipynb")
    assert rendered == []


def test_it_compares_versions_of_a_notebook_cell_by_cell(
    as_viewer: Client, owner: User, library: Library, rendered: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in (b"{}", b'{"new": 1}'):
        operations.write(owner, library, "a.ipynb", content)
    first, second = Version.objects.order_by("pk").values_list("pk", flat=True)
    here = f"/drive/{library.pk}/a.ipynb?show="
    for _ in range(2):
        frame = f"{here}compared&amp;a={first}&amp;b={second}"
        assertContains(as_viewer.get(f"{here}compare&a={first}&b={second}"), f'src="{frame}"')
        shown = as_viewer.get(f"{here}compared&a={first}&b={second}")
        assert shown.content.startswith(b"<h1>made</h1>")
        assert shown["Content-Security-Policy"].startswith("sandbox ")
    assert rendered == [b'2\n{}{"new": 1}']
    monkeypatch.setattr(rendering, "MOST_COMPARED", 5)
    assertContains(as_viewer.get(f"{here}compare&a={first}&b={second}"), "lines of the file are compared")
    assert as_viewer.get(f"{here}compared&a={first}&b={second}").status_code == 302


PNG = b"\x89PNG\r\n\x1a\n"


def test_it_shows_pictures_beside_a_notebook_and_no_other_files(
    as_viewer: Client, library: Library, place: Path, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "sub/fig").mkdir(parents=True)
    (place / "sub/fig/a b.png").write_bytes(PNG)
    (place / "top.svg").write_text("<svg/>")
    (place / "secret.txt").write_text("secret")
    (place / "sub/a.ipynb").write_bytes(b"{}")
    sources = ["fig/a%20b.png", "../top.svg", "../secret.txt", "../../x/y.png", "gone.png", "fig", "//[", "%00.png"]
    made = "".join(f'<img src="library:{source}" alt="x">' for source in sources)
    made += '<script type="application/json" class="data">{"a": 1}</script>'
    monkeypatch.setattr(sandbox, "render", lambda *_, **__: made.encode())
    url = f"/drive/{library.pk}/sub/a.ipynb"
    as_viewer.get(url)
    work(queue)
    shown = as_viewer.get(f"{url}?show=rendered").content.decode()
    assert shown.count("data:image/") == 2
    assert f"data:image/png;base64,{base64.b64encode(PNG).decode()}" in shown
    assert base64.b64encode(b"secret").decode() not in shown
    assert '"a": 1' not in shown
    monkeypatch.setattr(frames, "MOST_BYTES", 4)
    assert as_viewer.get(f"{url}?show=rendered").content.count(b"data:image/") == 0


def test_it_lists_headings_beside_the_frame_as_text(
    as_viewer: Client, url: str, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    headings = [[1, "a-b", "A <b>"], [2, "x&y", "x"], [9, "z" * 500, ""]]
    said = html.escape(json.dumps({"headings": headings, "interactive": ["plotly", "evil"]}))
    made = f'<!doctype html><meta name="about" content="{said}">'.encode()
    monkeypatch.setattr(sandbox, "render", lambda *_, **__: made)
    as_viewer.get(url)
    work(queue)
    page = as_viewer.get(url).content.decode()
    assert f'href="{url}?show=rendered#x%26y" target="rendered" data-heading="x&amp;y">x</a>' in page
    assert "A &lt;b&gt;" in page
    assert "z" * 201 not in page


@pytest.mark.parametrize(
    "told", [b"", b'content="[1]"', b'content="{&quot;headings&quot;: [1]}"', b'content="{&quot;"']
)
def test_it_takes_nothing_on_trust_that_a_rendering_tells(told: bytes) -> None:
    path = rendering._place("0" * 64, "html")
    path.write_bytes(b'<meta name="about" ' + told + b">")
    assert rendering.about("0" * 64) == rendering.About()


def test_it_offers_a_notebook_that_cannot_be_read_as_text(
    as_viewer: Client, url: str, place: Path, queue: Queue, rendered: list[bytes]
) -> None:
    (place / "a.ipynb").write_bytes(b"bad <b>")
    as_viewer.get(url)
    work(queue)
    assertContains(as_viewer.get(url), f'<a href="{url}?as=text">show it as text</a>')
    assertContains(as_viewer.get(f"{url}?as=text"), "bad &lt;b&gt;")


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that tests write are read in place at once; the packages for that are installed."""
    monkeypatch.setattr(rendering, "QUIET", 0)
    monkeypatch.setattr(sandbox, "has_science", lambda: True)


def test_it_reads_a_large_file_in_place_and_knows_it_by_what_it_is(
    as_viewer: Client, library: Library, place: Path, queue: Queue, rendered: list[bytes], settled: None
) -> None:
    (place / "a.nii").write_bytes(b"\0volume")
    os.truncate(place / "a.nii", 200 * 2**20)
    url = f"/drive/{library.pk}/a.nii"
    with (place / "a.nii").open("rb") as source:
        key = rendering.key(source, "a.nii")
        assert source.tell() == 0
    assertContains(as_viewer.get(url), "This file is being rendered")
    os.utime(place / "a.nii", (1, 1))
    with (place / "a.nii").open("rb") as source:
        assert rendering.key(source, "a.nii") != key
    os.truncate(place / "a.nii", 7)
    work(queue)
    assertContains(as_viewer.get(url), "<iframe")
    assert rendered == [b"\0volume"]


def test_it_keeps_nothing_of_a_file_that_changed_while_it_was_rendered(
    library: Library, place: Path, monkeypatch: pytest.MonkeyPatch, settled: None
) -> None:
    file = place / "a.h5"
    file.write_bytes(b"\0one")

    def render(what: str, source: BinaryIO, **_: Any) -> bytes:
        os.utime(file, (1, 1))
        return b"torn"

    monkeypatch.setattr(sandbox, "render", render)
    with file.open("rb") as source:
        key = rendering.make(source, "a.h5")
        assert rendering.state(key).name == "none"
        assert rendering.state(rendering.key(source, "a.h5")).name == "none"


def test_it_waits_for_a_file_that_is_being_written(
    as_viewer: Client, library: Library, place: Path, queue: Queue, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "QUIET", 1000)
    (place / "a.h5").write_bytes(b"\0one")
    assertContains(as_viewer.get(f"/drive/{library.pk}/a.h5"), "This file is being written.")
    assert not queue


def test_it_says_that_packages_are_being_installed(
    as_viewer: Client, library: Library, place: Path, queue: Queue, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "has_science", lambda: False)
    (place / "a.h5").write_bytes(b"\0one")
    assertContains(as_viewer.get(f"/drive/{library.pk}/a.h5"), "is being installed")
    assert not queue


def test_it_shows_sheets_as_tables_of_the_page(
    as_viewer: Client, library: Library, place: Path, queue: Queue, settled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheets: list[dict[str, Any]] = [
        {"name": "<b>One", "head": [], "rows": [["name", "n"], ["<i>x", "1"]], "height": 5000, "width": 2, "notes": []},
        {"name": "Two", "head": ["a"], "rows": [], "height": 0, "width": 1, "notes": []},
    ]
    monkeypatch.setattr(sandbox, "render", lambda *_, **__: json.dumps(sheets).encode())
    (place / "a.xlsx").write_bytes(b"PK\3\4\0")
    url = f"/drive/{library.pk}/a.xlsx"
    as_viewer.get(url)
    work(queue)
    page = as_viewer.get(url).content.decode()
    for part in (
        "&lt;b&gt;One</a>",
        "&lt;i&gt;x</td>",
        '<th scope="col">name</th>',
        "The first 1 of 4,999 rows is shown.",
    ):
        assert part in page
    assert "<iframe" not in page
    assertContains(as_viewer.get(f"{url}?sheet=2"), '?sheet=2" aria-current="page"')
    assertContains(as_viewer.get(f"{url}?show=rendering&sheet=1"), "&lt;i&gt;x</td>")
    assert as_viewer.get(f"{url}?show=rendered")["Location"] == url
    for number in ("0", "3", "-1", "x", "9" * 50):
        assert as_viewer.get(f"{url}?sheet={number}").status_code == 200


def test_it_believes_nothing_of_what_tables_the_renderer_hands_on() -> None:
    for content in (b"{", b"[1]", b'[{"name": 1}]', b"{}", b'[{"name": "", "head": 1, "rows": 2}]'):
        assert rendered_tables.read(content) == []


def test_it_renders_nothing_into_the_disks_reserve(rendered: list[bytes], settings: Settings) -> None:
    settings.DISK_RESERVE_BYTES = 10**18
    key = rendering.make(io.BytesIO(b"{}"), "a.ipynb")
    assert (rendering.state(key).name, "disk is full" in rendering.state(key).why) == ("failed", True)
    assert rendered == []
