"""Small pictures in lists: asked for where they can be seen, made once in the sandbox, and taken for nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from django.test import Client
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from collabs import services as collab_services
from collabs.models import Collab
from conftest import Queue
from drive import tasks
from drive.browser import views_file
from drive.libraries import public_links
from drive.models import Library
from drive.preview import sandbox, thumbnails
from drive.storage import layout
from portal.models import User

SignIn = Callable[[User], Client]
PNG = b"\x89PNG\r\n\x1a\nsmall"


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch, library: Library, queue: Queue, settings: Settings) -> list[str]:
    """What was asked of the sandbox, in whose place something stands: bad content fails, odd makes no picture."""
    settings.DRIVE_USE_ACCEL = False
    queue.clear()
    seen: list[str] = []

    def render(what: str, source: BinaryIO, *, ending: str = "", **_: Any) -> bytes:
        seen.append(f"{what} {ending}")
        content = source.read()
        if content.startswith(b"bad"):
            raise sandbox.RenderFailedError("This is not a valid picture.")
        return b"<script>" if content.startswith(b"odd") else PNG

    monkeypatch.setattr(sandbox, "render", render)
    return seen


def work(queue: Queue) -> None:
    while queue:
        name, *arguments = queue.pop(0)
        assert name == "drive.tasks.make_thumbnail"
        tasks.make_thumbnail(*arguments)


def small(client: Client, library: Library, path: str) -> Any:
    return client.get(f"/drive/{library.pk}/{path}?show=thumbnail")


def test_it_is_asked_for_made_once_and_kept(
    library: Library, place: Path, viewer: User, sign_in: SignIn, queue: Queue, asked: list[str]
) -> None:
    (place / "a.JPG").write_bytes(b"picture")
    client = sign_in(viewer)
    assertContains(client.get(f"/drive/{library.pk}/"), "data-thumbnail")
    for _ in range(3):
        waiting = small(client, library, "a.JPG")
        assert (waiting.status_code, waiting["Cache-Control"]) == (202, "private, no-store")
    assert queue.names() == ["drive.tasks.make_thumbnail"]
    work(queue)
    response = small(client, library, "a.JPG")
    assert (response.status_code, response.content, response["Content-Type"]) == (200, PNG, "image/png")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response["Cache-Control"] == "private, no-cache"
    assert asked == ["thumbnail jpg"]
    (place / "a.JPG").write_bytes(b"another picture")
    assert small(client, library, "a.JPG").status_code == 202


@pytest.mark.parametrize("content", [b"bad picture", b"odd picture"])
def test_what_is_no_picture_has_none_and_is_tried_once(
    library: Library, place: Path, viewer: User, sign_in: SignIn, queue: Queue, asked: list[str], content: bytes
) -> None:
    (place / "a.png").write_bytes(content)
    client = sign_in(viewer)
    assert small(client, library, "a.png").status_code == 202
    work(queue)
    response = small(client, library, "a.png")
    assert (response.status_code, response.content, len(asked)) == (204, b"", 1)
    assert not queue


def test_nothing_else_has_one(library: Library, place: Path, viewer: User, sign_in: SignIn, queue: Queue) -> None:
    client = sign_in(viewer)
    for name, content in (("a.svg", b"<svg/>"), ("a.txt", b"x"), ("a.tif", b"x"), ("empty.png", b""), ("png", b"x")):
        (place / name).write_bytes(content)
        assert small(client, library, name).status_code == 409
        tasks.make_thumbnail(str(library.pk), name)
    with (place / "large.png").open("wb") as file:
        file.truncate(thumbnails.THUMBNAIL.most + 1)
    assert small(client, library, "large.png").status_code == 409
    (place / "folder.png").mkdir()
    assert small(client, library, "folder.png/").status_code == 404
    assertNotContains(client.get(f"/drive/{library.pk}/"), "data-thumbnail")
    assert not queue


def test_it_is_for_those_who_see_the_file(
    library: Library, place: Path, owner: User, viewer: User, stranger: User, sign_in: SignIn, queue: Queue
) -> None:
    (place / "a.png").write_bytes(b"picture")
    small(sign_in(viewer), library, "a.png")
    work(queue)
    assert small(sign_in(stranger), library, "a.png").status_code == 404
    assert small(Client(), library, "a.png").status_code == 302
    (place / "b.png").write_bytes(b"picture")
    only = f"/l/{public_links.token(public_links.make_link(owner, library, 'a.png'))}/"
    assert Client().get(f"{only}a.png?show=thumbnail").content == PNG
    assert Client().get(f"{only}b.png?show=thumbnail").status_code == 404


def test_visitors_have_it_where_the_collab_is_open(public_collab: Collab, owner: User, queue: Queue) -> None:
    place = layout.find(public_collab.library.pk)
    (place / "a.png").write_bytes(b"picture")
    (place / ".hidden.png").write_bytes(b"picture")
    address = "/collabs/open-cortex/files/a.png?show=thumbnail"
    assert Client().get(address).status_code == 302
    collab_services.update_collab(
        owner, public_collab, title="Open Cortex", description="", is_public=True, visitors_read=True
    )
    queue.clear()
    assert Client().get(address).status_code == 202
    work(queue)
    response = Client().get(address)
    assert (response.content, response["X-Robots-Tag"]) == (PNG, "noindex, nofollow, noarchive")
    assert Client().get(address.replace("a.png", ".hidden.png")).status_code == 404


def test_one_person_cannot_have_too_many_made(
    library: Library,
    place: Path,
    viewer: User,
    owner: User,
    sign_in: SignIn,
    queue: Queue,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(views_file, "THUMBNAILS", 2)
    for number in range(3):
        (place / f"{number}.png").write_bytes(b"%d" % number)
    client = sign_in(viewer)
    assert [small(client, library, f"{number}.png").status_code for number in range(3)] == [202, 202, 204]
    assert small(sign_in(owner), library, "2.png").status_code == 202


def test_a_file_that_is_gone_is_no_error(library: Library) -> None:
    tasks.make_thumbnail(str(library.pk), "gone.png")
    tasks.make_thumbnail("00000000-0000-4000-8000-000000000000", "gone.png")
