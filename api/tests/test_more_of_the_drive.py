"""What the pages of the Drive can, by the API: people, public links, trash, search, changes, comparison."""

import json
from datetime import timedelta
from io import BytesIO
from typing import Any, BinaryIO

import pytest
from django.test import Client
from django.utils import timezone

from api.models import Scope
from api.services import create_token
from collabs import services as collab_services
from collabs.models import Collab, Role
from conftest import Queue
from drive.files import changes, operations
from drive.libraries import public_links
from drive.libraries import services as drive_services
from drive.models import File, Library, PublicLink, Trashed, Version
from drive.preview import sandbox
from drive.preview.inside import notebook_diff
from drive.storage import open_library
from drive.versions import records, scan, trash
from portal.accounts import people_search
from portal.models import AuditEntry, User
from search import indexing

from .conftest import Program

pytestmark = pytest.mark.django_db
V1 = "/api/v1"


def send(client: Client, method: str, address: str, body: Any = None) -> Any:
    return getattr(client, method)(f"{V1}{address}", body, content_type="application/json")


@pytest.fixture
def library(collab: Collab) -> Library:
    return collab.library


# People


def test_it_finds_people_and_lists_nobody(program: Program, owner: User, viewer: User) -> None:
    client = program(owner)
    found = client.get(f"{V1}/people?q=vera").json()
    assert [one["username"] for one in found["items"]] == ["viewer"]
    assert set(found["items"][0]) == {"username", "name"}, "addresses are private"
    for q in ("v", "", "%", "viewer@example.org"):
        assert client.get(f"{V1}/people", {"q": q}).json()["items"] == [], q
    viewer.is_active = False
    viewer.save()
    assert client.get(f"{V1}/people?q=vera").json()["count"] == 0


def test_it_counts_searches_for_people_with_those_of_the_pages(
    program: Program, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_search, "SEARCHES_PER_MINUTE", 2)
    client = program(owner)
    statuses = [client.get(f"{V1}/people?q=ve").status_code for _ in range(3)]
    assert statuses == [200, 200, 429]


# Public links


def test_it_makes_changes_and_ends_a_public_link(program: Program, owner: User, library: Library) -> None:
    client, address = program(owner), f"/libraries/{library.pk}/links"
    operations.write(owner, library, "a.txt", b"hello")
    until = timezone.now() + timedelta(days=2)
    made = send(client, "post", address, {"path": "a.txt", "expires_at": until.isoformat()}).json()
    assert (made["path"], made["is_folder"], made["is_open"], made["has_password"]) == ("a.txt", False, True, False)
    path = made["url"].removeprefix("http://localhost:8000")
    visitor = Client()
    assert visitor.get(path, follow=True).status_code == 200
    assert client.get(f"{V1}{address}").json()["items"][0]["uses"] == 1
    changed = send(client, "patch", f"{address}/{made['id']}", {"password": "let me in please"}).json()
    assert (changed["has_password"], changed["url"]) == (True, made["url"])
    assert changed["expires_at"] == made["expires_at"], "what is left out stays"
    assert "hello" not in visitor.get(path, follow=True).content.decode()
    assert send(client, "patch", f"{address}/{made['id']}", {"expires_at": None}).json()["has_password"] is True
    assert send(client, "patch", f"{address}/{made['id']}", {"password": None}).json()["has_password"] is False
    assert send(client, "delete", f"{address}/{made['id']}").status_code == 204
    assert visitor.get(path).status_code == 404
    for method in ("patch", "delete"):
        assert send(client, method, f"{address}/{made['id']}", {}).status_code == 404
    assert client.get(f"{V1}{address}").json()["count"] == 0
    assert AuditEntry.objects.filter(verb__in=("link.made", "link.changed", "link.revoked")).count() == 5


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"path": "nothing.txt"}, 404, None),
        ({"path": "../a.txt"}, 409, None),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 422, "expires_at"),
        ({"expires_at": "9999-12-31T23:59:59Z"}, 422, "expires_at"),
        ({"expires_at": "2090-01-01T00:00:00"}, 422, "expires_at"),
        ({"password": "short"}, 422, "password"),
    ],
)
def test_it_makes_no_link_of_that(
    program: Program, owner: User, library: Library, body: dict, status: int, field: str | None
) -> None:
    answer = send(program(owner), "post", f"/libraries/{library.pk}/links", body)
    assert answer.status_code in ((404, 409, 422, 400) if field is None else (status,)), answer.content
    assert list(answer.json()["fields"]) == ([field] if field else [])
    assert not PublicLink.objects.exists()


def test_a_token_that_shares_makes_nothing_public(program: Program, owner: User, library: Library) -> None:
    """Tokens of running Labs have this scope: a notebook that somebody sent must not open a Collab to the world."""
    for scope in (Scope.READ, Scope.WRITE, Scope.SHARE, Scope.LAB):
        assert send(program(owner, scope), "post", f"/libraries/{library.pk}/links", {}).status_code == 403
        assert program(owner, scope).get(f"{V1}/libraries/{library.pk}/links").status_code == 403
    assert not PublicLink.objects.exists()


def test_it_says_when_a_link_is_shut(program: Program, owner: User, editor: User, library: Library) -> None:
    collab = library.owner_collab
    assert collab
    collab_services.change_role(owner, collab, editor, Role.ADMINISTRATOR)
    public_links.make_link(editor, library, "")
    client = program(owner)
    assert client.get(f"{V1}/libraries/{library.pk}/links").json()["items"][0]["is_open"] is True
    collab_services.change_role(owner, collab, editor, Role.EDITOR)
    assert client.get(f"{V1}/libraries/{library.pk}/links").json()["items"][0]["is_open"] is False


# Trash


def test_it_lists_and_restores_the_trash(program: Program, editor: User, library: Library) -> None:
    client, address = program(editor), f"/libraries/{library.pk}/trash"
    for name in ("a.txt", "b.txt"):
        operations.write(editor, library, name, name.encode())
        operations.delete(editor, library, name)
    listed = client.get(f"{V1}{address}").json()
    assert [(one["path"], one["by"], one["files"]) for one in listed["items"]] == [
        ("b.txt", "editor", 1), ("a.txt", "editor", 1),
    ]  # fmt: skip
    assert client.get(f"{V1}{address}?q=A.").json()["count"] == 1
    operations.write(editor, library, "b.txt", b"another")
    restored = send(client, "post", f"{address}/{listed['items'][0]['id']}/restore")
    assert restored.status_code == 200
    assert restored.json()["path"] != "b.txt", "nothing is replaced"
    with open_library(library) as files, files.open(restored.json()["path"]) as source:
        assert source.read() == b"b.txt"
    assert send(client, "post", f"{address}/{listed['items'][0]['id']}/restore").status_code == 404
    assert client.get(f"{V1}{address}").json()["count"] == 1


def test_it_deletes_for_good_what_is_in_the_trash_one_or_all(
    program: Program, editor: User, library: Library, queue: Queue
) -> None:
    mine = drive_services.create_library(editor, "Mine")
    for name in ("a.txt", "b.txt", "old.txt", "c.txt"):
        operations.write(editor, library, name, name.encode())
    items = {name: operations.delete(editor, library, name) for name in ("a.txt", "b.txt", "old.txt", "c.txt")}
    Trashed.objects.filter(pk=items["old.txt"].pk).update(deleted_at=timezone.now() - timedelta(days=5))
    client, address = program(editor), f"/libraries/{library.pk}/trash"

    def left() -> list[str]:
        return sorted(library.trash.values_list("path", flat=True))

    without = program(editor, *(scope for scope in Scope if scope != Scope.MANAGE))
    for one in (f"{address}/{items['a.txt'].pk}", address):
        assert send(without, "delete", one).status_code == 403, "a notebook in a Lab must not"
    assert send(client, "delete", f"/libraries/{mine.pk}/trash/{items['a.txt'].pk}").status_code == 404
    assert send(client, "delete", f"/libraries/{mine.pk}/trash").status_code == 204
    assert left() == ["a.txt", "b.txt", "c.txt", "old.txt"]
    assert send(client, "delete", f"{address}/{items['a.txt'].pk}").status_code == 204
    assert send(client, "delete", f"{address}/{items['a.txt'].pk}").status_code == 404
    assert left() == ["b.txt", "c.txt", "old.txt"]
    assert send(client, "delete", f"{address}?keep_days=-1").status_code == 422
    assert send(client, "delete", f"{address}?keep_days=4").status_code == 204
    assert left() == ["b.txt", "c.txt"]
    assert send(client, "delete", address).status_code == 204
    assert left() == []
    assert ("drive.tasks.empty_bin",) in queue
    assert not Version.objects.filter(file__library=library).exists()
    purged = AuditEntry.objects.filter(verb="file.purged").values_list("actor__username", flat=True)
    assert list(purged) == ["editor"] * 4


def test_it_restores_nothing_of_another_library(program: Program, editor: User, library: Library) -> None:
    mine = drive_services.create_library(editor, "Mine")
    operations.write(editor, library, "a.txt", b"a")
    item = operations.delete(editor, library, "a.txt")
    assert send(program(editor), "post", f"/libraries/{mine.pk}/trash/{item.pk}/restore").status_code == 404
    assert Trashed.objects.filter(pk=item.pk).exists()


def test_it_leaves_what_takes_long_to_a_task(
    program: Program, editor: User, library: Library, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trash, "AT_ONCE", 0)
    operations.write(editor, library, "a.txt", b"a")
    with open_library(library) as files:
        files.delete("a.txt")
    item = trash.vanished(library, "a.txt", records.within(library, "a.txt"))
    assert item
    address = f"/libraries/{library.pk}/trash/{item.pk}/restore"
    assert send(program(editor), "post", address).status_code == 202
    assert ("drive.tasks.restore_trashed", item.pk, editor.pk) in queue
    queue.up = False
    assert send(program(editor), "post", address).status_code == 503


# Search


def test_it_searches_names_in_one_library_and_in_all(
    program: Program, owner: User, viewer: User, stranger: User, library: Library
) -> None:
    operations.make_folder(owner, library, "data")
    operations.write(owner, library, "data/Spikes 2026.csv", b"a")
    operations.write(owner, library, "notes.txt", b"a")
    mine = drive_services.create_library(viewer, "Mine")
    operations.write(viewer, mine, "my spikes.txt", b"a")
    client = program(viewer)
    [hit] = client.get(f"{V1}/libraries/{library.pk}/search?q=SPIKES+2026").json()["items"]
    assert (hit["library"], hit["entry"]["path"]) == (str(library.pk), "data/Spikes 2026.csv")
    assert client.get(f"{V1}/libraries/{library.pk}/search?q=notes&path=data").json()["count"] == 0
    everywhere = client.get(f"{V1}/libraries/search?q=spikes").json()
    assert everywhere["is_complete"] is True
    assert {one["library"] for one in everywhere["items"]} == {str(library.pk), str(mine.pk)}
    paged = client.get(f"{V1}/libraries/search?q=spikes&page=2&page_size=1").json()
    assert (len(paged["items"]), paged["count"], paged["pages"]) == (1, 2, 2)
    assert program(stranger).get(f"{V1}/libraries/search?q=spikes").json()["items"] == []
    assert client.get(f"{V1}/libraries/search").status_code == 422


def test_it_searches_texts_in_all_libraries(
    program: Program, owner: User, viewer: User, stranger: User, library: Library
) -> None:
    for number in range(3):
        operations.write(owner, library, f"deep {number}.md", b"Spikes & <b>waves</b>")
    while indexing.follow():
        pass
    client = program(viewer)
    found = client.get(f"{V1}/libraries/search/text?q=wav&page_size=2").json()
    assert [hit["path"] for hit in found["items"]] == ["deep 2.md", "deep 1.md"]
    assert (found["items"][0]["excerpt"], found["has_more"]) == ("Spikes & <b>waves</b>", True)
    found = client.get(f"{V1}/libraries/search/text?q=wav&page_size=2&page=2").json()
    assert (len(found["items"]), found["has_more"]) == (1, False)
    assert client.get(f"{V1}/libraries/search/text?q=wav&page=1000").json()["items"] == []
    assert program(stranger).get(f"{V1}/libraries/search/text?q=wav").json()["items"] == []


def test_a_token_for_some_libraries_searches_no_others(viewer: User, owner: User, library: Library) -> None:
    public = drive_services.create_library(owner, "Public")
    drive_services.set_public(owner, public, True)
    for one in (library, public):
        operations.write(owner, one, "spikes.txt", b"waves")
    limited = drive_services.create_library(viewer, "Limited")
    operations.write(viewer, limited, "spikes.txt", b"waves")
    while indexing.follow():
        pass
    _token, secret = create_token(viewer, name="t", scopes=[Scope.READ], days=1, libraries=[limited.pk])
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    for address in ("search?q=spikes", "search/text?q=waves"):
        found = client.get(f"{V1}/libraries/{address}").json()["items"]
        assert [one["library"] for one in found] == [str(limited.pk)]
    assert client.get(f"{V1}/libraries/{library.pk}/changes").status_code == 404
    assert client.get(f"{V1}/people?q=owner").status_code == 403


# Changes


class Follower:
    """A program that follows a library, as its programmers would write it."""

    def __init__(self, client: Client, library: Library, page_size: int = 50) -> None:
        self.client, self.address = client, f"{V1}/libraries/{library.pk}/changes?page_size={page_size}"
        self.after = self.client.get(self.address).json()["after"]

    def poll(self) -> list[tuple[str, str]]:
        """What and where, of everything new; more than once perhaps."""
        found = []
        while True:
            answer = self.client.get(f"{self.address}&after={self.after}")
            assert answer.status_code == 200, answer.content
            said = answer.json()
            found += [(one["what"], one["path"]) for one in said["items"]]
            self.after = said["after"]
            if not said["has_more"]:
                return found


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every commit is told at once: in one process there is no transaction that comes later."""
    monkeypatch.setattr(changes, "SETTLED", timedelta(0))


def test_it_tells_a_follower_of_everything(settled: None, program: Program, editor: User, library: Library) -> None:
    operations.write(editor, library, "before.txt", b"a")
    follower = Follower(program(editor), library)
    assert follower.poll() == []
    operations.write(editor, library, "a.txt", b"a")
    assert follower.poll() == [("changed", "a.txt")]
    assert follower.poll() == []
    operations.write(editor, library, "a.txt", b"aa")
    operations.rename(editor, library, "before.txt", "after.txt")
    operations.copy(editor, library, "a.txt", library, "copy.txt")
    assert follower.poll() == [("changed", "a.txt"), ("changed", "after.txt"), ("changed", "copy.txt")]
    item = operations.delete(editor, library, "a.txt")
    assert follower.poll() == [("deleted", "a.txt")]
    trash.restore(editor, item)
    assert follower.poll() == [("changed", "a.txt")]


def test_it_tells_of_what_a_lab_wrote_long_before_it_was_seen(
    settled: None, program: Program, editor: User, library: Library
) -> None:
    """Files keep the time at which they were written: a list by these times would have gone past it."""
    follower = Follower(program(editor), library)
    operations.write(editor, library, "new.txt", b"a")
    assert follower.poll() == [("changed", "new.txt")]
    with open_library(library) as files:
        with files.staged(BytesIO(b"old"), 3) as staged:
            files.put("old.txt", staged)
        files.set_modified("old.txt", 10**9)
    scan.scan(library)
    assert follower.poll() == [("changed", "old.txt")]


def test_it_misses_nothing_that_is_committed_late(program: Program, editor: User, library: Library) -> None:
    """A transaction that noted its time before the last request, and is committed after it."""
    follower = Follower(program(editor), library)
    operations.write(editor, library, "first.txt", b"a")
    operations.write(editor, library, "late.txt", b"a")
    File.objects.filter(path="late.txt").update(trashed=None, noted_at=None)
    assert follower.poll() == [("changed", "first.txt")]
    File.objects.filter(path="late.txt").update(noted_at=timezone.now() - timedelta(seconds=30))
    assert ("changed", "late.txt") in follower.poll()


@pytest.mark.slow
def test_it_goes_through_many_of_the_same_moment(
    settled: None, program: Program, editor: User, library: Library
) -> None:
    """A folder that is moved: all its files are noted at one time."""
    operations.make_folder(editor, library, "from")
    for number in range(7):
        operations.write(editor, library, f"from/{number}.txt", b"a")
    follower = Follower(program(editor), library, page_size=2)
    operations.rename(editor, library, "from", "to")
    assert sorted(follower.poll()) == [("changed", f"to/{number}.txt") for number in range(7)]
    assert follower.poll() == []


def test_it_names_the_file_the_person_and_the_newest_to_begin_with(
    program: Program, editor: User, library: Library
) -> None:
    client, address = program(editor), f"{V1}/libraries/{library.pk}/changes"
    for name in ("a.txt", "b.txt", ".hidden"):
        operations.write(editor, library, name, b"abc")
    said = client.get(f"{address}?page_size=1").json()["items"]
    assert [(one["path"], one["by"], one["size"], one["kind"]) for one in said] == [("b.txt", "editor", 3, "file")]
    number = said[0]["file"]
    operations.rename(editor, library, "b.txt", "c.txt")
    moved = client.get(address).json()["items"][-1]
    assert (moved["path"], moved["file"]) == ("c.txt", number), "a file keeps its number"
    assert ".hidden" in [one["path"] for one in client.get(f"{address}?hidden=true").json()["items"]]
    for wrong in ("x", "!", "MjAyNg", "MjAyNi0wMS0wMSAxIDE"):
        assert client.get(f"{address}?after={wrong}").status_code == 422, wrong


# Comparison


def test_it_compares_versions_of_a_text(program: Program, editor: User, library: Library) -> None:
    client, here = program(editor), f"{V1}/libraries/{library.pk}"
    for text in ("one\ntwo\n", "one\n2\n"):
        operations.write(editor, library, "a.txt", text.encode())
    older = client.get(f"{here}/versions?path=a.txt").json()["items"][-1]["id"]
    said = client.get(f"{here}/compare?path=a.txt&older={older}").json()
    assert said["is_text"] is True
    assert [(line["kind"], line["text"]) for line in said["blocks"][0]] == [
        ("same", "one"), ("removed", "two"), ("added", "2"),
    ]  # fmt: skip
    assert client.get(f"{here}/compare?path=a.txt&older={older}&newer={older}").json()["blocks"] == []
    operations.write(editor, library, "a.txt", b"\xff\x00")
    binary = client.get(f"{here}/compare?path=a.txt&older={older}").json()
    assert (binary["is_text"], binary["blocks"], bool(binary["why_not"])) == (False, [], True)
    operations.write(editor, library, "b.txt", b"b")
    assert client.get(f"{here}/compare?path=b.txt&older={older}").status_code == 404, "a version of another file"
    asked = client.get(f"{here}/compare?path=a.txt&older={older}&cells=true").json()
    assert (asked["cells"], asked["why_no_cells"]) == (None, "This file is no notebook.")
    assert client.get(f"{here}/compare?path=a.txt").status_code == 422


def test_it_compares_versions_of_a_notebook_by_cells(
    program: Program, editor: User, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program that reads notebooks runs here in place of its sandbox, which has tests of its own."""

    def render(what: str, source: BinaryIO, *, seconds: float) -> bytes:
        assert what == "cells"
        return notebook_diff.differing_cells(source.read()).encode()

    monkeypatch.setattr(sandbox, "render", render)
    client, here = program(editor), f"{V1}/libraries/{library.pk}"
    for sources in (["a = 1\nb = 2", "gone"], ["a = 1\nb = 3", "x" * 99, "y"]):
        cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in sources]
        content = json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": cells})
        operations.write(editor, library, "a.ipynb", content.encode())
    older = client.get(f"{here}/versions?path=a.ipynb").json()["items"][-1]["id"]
    address = f"{here}/compare?path=a.ipynb&older={older}"
    assert client.get(address).json()["cells"] is None
    said = client.get(f"{address}&cells=true").json()
    assert [(one["change"], one["kind"], one["older"], one["newer"]) for one in said["cells"]] == [
        ("changed", "code", 1, 1), ("removed", "code", 2, None), ("added", "code", None, 2), ("added", "code", None, 3),
    ]  # fmt: skip
    lines = [(line["kind"], line["text"]) for line in said["cells"][0]["blocks"][0]]
    assert lines == [("same", "a = 1"), ("removed", "b = 2"), ("added", "b = 3")]
    assert said["why_no_cells"] == ""
    monkeypatch.setattr(sandbox, "render", lambda *_, **__: b"[1]")  # a program that was taken over
    operations.write(editor, library, "a.ipynb", b"{}")
    broken = client.get(f"{address}&cells=true").json()
    assert (broken["cells"], broken["why_no_cells"]) == (None, "The notebooks cannot be compared.")
