"""Files by program: the same bytes, the same conditions and the same refusals as on the pages."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from api.models import Scope
from collabs.models import Collab
from drive.libraries.services import create_library
from drive.models import Library, Version
from portal import audit
from portal.models import User

from .conftest import Program

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def without_nginx(settings: Settings) -> None:
    settings.DRIVE_USE_ACCEL = False


def base(collab: Collab) -> str:
    return f"/api/v1/libraries/{collab.library.pk}"


def put(client: Client, address: str, content: bytes, **headers: str) -> Any:
    return client.put(address, content, content_type="application/octet-stream", headers=headers)


def content(answer: Any) -> bytes:
    return b"".join(answer.streaming_content)


def test_it_puts_and_gets_a_file(program: Program, editor: User, collab: Collab) -> None:
    client, address = program(editor), f"{base(collab)}/files/notes/a b é.txt"
    assert put(client, address, b"one").status_code == 404  # no folder
    made = client.put(f"{address}?make_folders=true", b"one", content_type="text/plain")
    assert made.status_code == 201, made.content
    assert made.json()["path"] == "notes/a b é.txt"
    assert made["ETag"] == made.json()["etag"]
    read = client.get(address)
    assert (read.status_code, content(read)) == (200, b"one")
    assert read["ETag"] == made["ETag"]
    assert read["Content-Security-Policy"].startswith("sandbox")
    assert client.get(address, headers={"If-None-Match": read["ETag"]}).status_code == 304
    assert client.head(address).status_code == 200


@pytest.mark.slow
def test_it_never_overwrites_what_somebody_else_changed(program: Program, editor: User, collab: Collab) -> None:
    client, address = program(editor), f"{base(collab)}/files/a.txt"
    first = put(client, address, b"1")["ETag"]
    again = put(client, address, b"2", **{"If-Match": first})
    assert again.status_code == 200
    for headers in ({"If-Match": first}, {"If-None-Match": "*"}):
        refused = put(client, address, b"3", **headers)
        assert refused.status_code in (409, 412)
        assert refused.json()["error"] in ("conflict", "precondition_failed")
    assert put(client, address, b"3", **{"If-None-Match": '"x"'}).status_code == 400
    assert content(client.get(address)) == b"2"
    assert client.delete(address, headers={"If-Match": first}).status_code == 412
    assert client.delete(address, headers={"If-Match": again["ETag"]}).status_code == 204
    assert client.get(address).status_code == 404


@pytest.mark.slow
def test_it_lists_folders_page_by_page(program: Program, viewer: User, editor: User, collab: Collab) -> None:
    writer = program(editor)
    for number in range(3):
        put(writer, f"{base(collab)}/files/f{number}", b"x" * number)
    put(writer, f"{base(collab)}/files/.hidden", b"")
    made = writer.post(f"{base(collab)}/folders", {"path": "z"}, content_type="application/json")
    assert (made.status_code, made.json()["kind"]) == (201, "folder")
    reader = program(viewer, Scope.READ)
    listed = reader.get(f"{base(collab)}/entries?sort=-size").json()
    assert [item["path"] for item in listed["items"]] == ["z", "f2", "f1", "f0"]
    assert (listed["count"], listed["page"], listed["pages"]) == (4, 1, 1)
    assert reader.get(f"{base(collab)}/entries?page=2").json()["items"] == []
    assert reader.get(f"{base(collab)}/entries?hidden=true").json()["count"] == 5
    assert reader.get(f"{base(collab)}/entries?path=f1").status_code == 409
    assert reader.get(f"{base(collab)}/stat?path=f2").json()["size"] == 2
    assert reader.get(f"{base(collab)}/stat?path=none").status_code == 404


def test_it_moves_and_copies(program: Program, editor: User, collab: Collab) -> None:
    client, own = program(editor), create_library(editor, "Own")
    put(client, f"{base(collab)}/files/a.txt", b"a")
    body = {"path": "a.txt", "to_path": "b.txt", "to_library": str(own.pk)}
    copied = client.post(f"{base(collab)}/copy", body, content_type="application/json")
    assert (copied.status_code, copied.json()["path"]) == (201, "b.txt")
    assert client.post(f"{base(collab)}/copy", body, content_type="application/json").status_code == 409
    moved = client.post(f"{base(collab)}/move", {"path": "a.txt", "to_path": "c.txt"}, content_type="application/json")
    assert (moved.status_code, moved.json()["path"]) == (200, "c.txt")
    assert client.get(f"{base(collab)}/files/a.txt").status_code == 404
    assert client.get(f"/api/v1/libraries/{own.pk}/files/b.txt").status_code == 200


def test_it_moves_nothing_to_where_one_may_only_read(
    program: Program, viewer: User, stranger: User, collab: Collab
) -> None:
    own = create_library(viewer, "Own")
    client = program(viewer)
    put(client, f"/api/v1/libraries/{own.pk}/files/a", b"a")
    body = {"path": "a", "to_path": "a", "to_library": str(collab.library.pk)}
    for what in ("move", "copy"):
        assert (
            client.post(f"/api/v1/libraries/{own.pk}/{what}", body, content_type="application/json").status_code == 403
        )
    secret = create_library(stranger, "Secret")
    body["to_library"] = str(secret.pk)
    assert client.post(f"/api/v1/libraries/{own.pk}/move", body, content_type="application/json").status_code == 404


@pytest.mark.slow
def test_it_goes_back_to_a_version(program: Program, editor: User, collab: Collab) -> None:
    client, address = program(editor), f"{base(collab)}/files/a.txt"
    for written in (b"one", b"two"):
        put(client, address, written)
    versions = client.get(f"{base(collab)}/versions?path=a.txt").json()
    assert [row["size"] for row in versions["items"]] == [3, 3]
    assert versions["items"][0]["by"] == "editor"
    first = versions["items"][-1]["id"]
    old = client.get(f"{base(collab)}/versions/{first}?path=a.txt")
    assert content(old) == b"one"
    assert client.get(f"{base(collab)}/versions/{first}?path=other.txt").status_code == 404
    assert client.get(f"{base(collab)}/versions/{10**30}?path=a.txt").status_code == 404
    body = {"path": "a.txt"}
    assert (
        client.post(f"{base(collab)}/versions/{first}/restore", body, content_type="application/json").status_code
        == 200
    )
    assert content(client.get(address)) == b"one"
    assert Version.objects.count() == 3


def test_it_says_that_there_is_no_room(program: Program, editor: User, collab: Collab, settings: Settings) -> None:
    settings.QUOTA_COLLAB_BYTES = 3
    refused = put(program(editor), f"{base(collab)}/files/a", b"four")
    assert refused.status_code == 507
    assert refused.json()["error"] == "insufficient_storage"


@pytest.mark.parametrize("path", ["../a", "a/../../b", "a//b", "x" * 300])
def test_it_leaves_no_library(program: Program, editor: User, collab: Collab, path: str) -> None:
    client = program(editor)
    for question in ("stat", "entries", "versions"):
        assert client.get(f"{base(collab)}/{question}", {"path": path}).status_code in (400, 404)
    body = {"path": path, "to_path": path}
    assert client.post(f"{base(collab)}/move", body, content_type="application/json").status_code in (400, 404)


def test_it_follows_no_link(program: Program, editor: User, collab: Collab) -> None:
    from drive.storage import layout

    (layout.find(collab.library.pk) / "out").symlink_to("/etc/passwd")
    client = program(editor)
    assert client.get(f"{base(collab)}/files/out").status_code == 409
    assert client.get(f"{base(collab)}/stat?path=out").json()["kind"] == "link"


def test_it_hands_uploads_and_downloads_to_nginx(
    program: Program, editor: User, collab: Collab, settings: Settings
) -> None:
    settings.DRIVE_USE_ACCEL = True
    arrived = settings.DRIVE_ROOT / "staging/nginx/0000000001"
    arrived.parent.mkdir()
    arrived.write_bytes(b"from nginx")
    client, address = program(editor), f"{base(collab)}/files/a.txt"
    made = client.put(address, headers={"X-Body-File": str(arrived)})
    assert made.status_code == 201, made.content
    sent = client.get(address)
    assert sent["X-Accel-Redirect"].startswith("/_drive/private/")
    outside = client.put(address, headers={"X-Body-File": "/etc/passwd"})
    assert outside.status_code == 400


def test_it_writes_to_the_same_trail_as_the_pages(program: Program, owner: User, collab: Collab) -> None:
    client = program(owner)
    made = client.post("/api/v1/libraries", {"name": "Data"}, content_type="application/json")
    library = Library.objects.get(pk=made.json()["id"])
    assert [entry.verb for entry in audit.trail(library)] == ["library.created"]
