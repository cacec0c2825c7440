"""Who gets what by Seafile's Web API: rights, scopes, tokens, cookies, guesses, and what the proxy is told."""

import re
from pathlib import Path
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from api import access as api_access
from api import services as tokens
from api.models import Scope
from collabs import services as collab_services
from collabs.models import Collab
from drive.libraries import public_links, services
from drive.models import File, Library, Permission, PublicLink, Quota, Share
from lab.models import Environment, Server, State
from lab.servers import api_tokens
from portal.accounts.services import deactivate
from portal.models import User
from seafile import uploads, views

from .conftest import BOUNDARY, Program, Seafile, form, part

pytestmark = pytest.mark.django_db
FORM = "application/x-www-form-urlencoded"
REPO, V21 = "/api2/repos/{}", "/api/v2.1/repos/{}"
IN_LIBRARY: list[tuple[str, str, object, str]] = [
    # method, address, body, and what it needs: r, w (write), m (the owner alone), l (public links), s (list of them)
    ("GET", REPO, None, "r"),
    ("POST", REPO, None, "r"),
    ("GET", f"{REPO}/dir/?p=/", None, "r"),
    ("GET", f"{REPO}/dir/?p=/&recursive=1", None, "r"),
    ("GET", f"{REPO}/file/?p=/a.txt", None, "r"),
    ("GET", f"{REPO}/file/detail/?p=/a.txt", None, "r"),
    ("GET", V21, None, "r"),
    ("GET", f"{V21}/dir/?p=/", None, "r"),
    ("GET", f"{V21}/dir/?p=/&recursive=1", None, "r"),
    ("GET", f"{V21}/dir/detail/?path=/d", None, "r"),
    ("GET", f"{V21}/file/?p=/a.txt", None, "r"),
    ("POST", f"{V21}/zip-task/", {"parent_dir": "/", "dirents": "d"}, "r"),
    ("GET", "/api/v2.1/share-links/?repo_id={}&path=/a.txt", None, "s"),
    ("GET", f"{REPO}/upload-link/?p=/", None, "w"),
    ("GET", f"{REPO}/update-link/?p=/", None, "w"),
    ("GET", f"{V21}/upload-link/?p=/", None, "w"),
    ("GET", f"{V21}/file-uploaded-bytes/?parent_dir=/&file_name=a.txt", None, "w"),
    ("POST", f"{REPO}/dir/?p=/n", {"operation": "mkdir"}, "w"),
    ("POST", f"{REPO}/dir/?p=/d", {"operation": "rename", "newname": "e"}, "w"),
    ("DELETE", f"{REPO}/dir/?p=/d", None, "w"),
    ("POST", f"{REPO}/file/?p=/n", {"operation": "create"}, "w"),
    ("POST", f"{REPO}/file/?p=/a.txt", {"operation": "rename", "newname": "e"}, "w"),
    ("POST", f"{REPO}/file/?p=/a.txt", {"operation": "copy", "dst_repo": "{}", "dst_dir": "/d"}, "w"),
    ("POST", f"{REPO}/file/?p=/a.txt", {"operation": "move", "dst_repo": "{}", "dst_dir": "/d"}, "w"),
    ("DELETE", f"{REPO}/file/?p=/a.txt", None, "w"),
    ("POST", f"{V21}/dir/?p=/n", {"operation": "mkdir"}, "w"),
    ("DELETE", f"{V21}/dir/?p=/d", None, "w"),
    ("POST", f"{V21}/file/?p=/a.txt", {"operation": "copy", "dst_repo": "{}", "dst_dir": "/d"}, "w"),
    ("POST", f"{V21}/file/?p=/a.txt", {"operation": "move", "dst_repo": "{}", "dst_dir": "/d"}, "w"),
    ("DELETE", f"{V21}/file/?p=/a.txt", None, "w"),
    ("DELETE", f"{V21}/trash/", None, "w"),
    ("DELETE", "/api/v2.1/repos/batch-delete-item/", {"repo_id": "{}", "parent_dir": "/", "dirents": "a.txt"}, "w"),
    *(
        ("POST", f"/api/v2.1/{address}/", {"src_repo_id": "{}", "src_parent_dir": "/", "dst_repo_id": "{}"} | more, "w")
        for address, more in {
            "copy-move-task": {"src_dirent_name": "a.txt", "dst_parent_dir": "/d", "operation": "copy"},
            "repos/sync-batch-move-item": {"src_dirents": "a.txt", "dst_parent_dir": "/d"},
            "repos/async-batch-copy-item": {"src_dirents": "a.txt", "dst_parent_dir": "/d"},
        }.items()
    ),
    ("DELETE", REPO, None, "m"),
    ("DELETE", V21, None, "m"),
    ("GET", f"{REPO}/dir/shared_items/?p=/", None, "m"),
    ("PUT", f"{REPO}/dir/shared_items/?p=/", {"share_type": "user", "username": "stranger"}, "m"),
    ("POST", f"{REPO}/dir/shared_items/?p=/&username=viewer", {"permission": "rw"}, "m"),
    ("DELETE", f"{REPO}/dir/shared_items/?p=/&username=viewer", None, "m"),
    ("PUT", f"{REPO}/file/shared-link/", {"p": "/a.txt"}, "l"),
    ("PUT", f"{REPO}/dir/shared-link/", {"p": "/d"}, "l"),
    ("POST", "/api/v2.1/share-links/", {"repo_id": "{}", "path": "/a.txt"}, "l"),
]
OF_PERSON = {
    "api2/auth/ping",
    "api2/account/token",
    "api2/account/info",
    "api2/repos",
    "api2/default-repo",
    "api/v2.1/query-zip-progress",
    "api/v2.1/query-copy-move-progress",
    "api/v2.1/share-links",
    "api/v2.1/share-links/x",
}


@pytest.fixture
def world(place: Path, viewer: User, editor: User) -> None:
    (place / "a.txt").write_bytes(b"a")
    (place / "d").mkdir()


def ask(program: Program, method: str, address: str, body: object, scheme: str = "Token") -> int:
    address = address.replace("{}", str(program.library.pk))
    if isinstance(body, dict):
        body = {key: str(program.library.pk) if value == "{}" else value for key, value in body.items()}
    return program(method, address, body, scheme=scheme).status


@pytest.mark.slow
def test_it_gives_each_address_to_those_who_may(
    world: None, seafile: Seafile, viewer: User, stranger: User, editor: User, owner: User, place: Path
) -> None:
    asking = {"stranger": seafile(stranger), "viewer": seafile(viewer), "reader": seafile(editor, Scope.READ)}
    wrong = []
    for method, address, body, need in IN_LIBRARY:
        ok, refused = {200, 201, 409}, {403}
        expected = {"viewer": ok if need in "rs" else refused, "reader": ok if need == "r" else refused}
        expected["stranger"] = {404}
        for who, program in asking.items():
            if (status := ask(program, method, address, body)) not in expected[who]:
                wrong.append(f"{method} {address} {body}: {who} got {status}")
        if ask(asking["viewer"], method, address, body, scheme="") != 401:
            wrong.append(f"{method} {address}: without a token")
    assert wrong == []
    assert sorted(path.name for path in place.iterdir()) == ["a.txt", "d"]
    assert not Share.objects.exists()
    assert not PublicLink.objects.exists()
    editors = seafile(editor)
    for method, address, body, need in IN_LIBRARY:
        if need in "ml":
            assert ask(editors, method, address, body) == 403, (method, address)
    owners = seafile(owner)
    assert [ask(owners, *row[:3]) for row in IN_LIBRARY if row[3] == "l"] == [201, 201, 200]


def test_the_table_above_has_every_address_that_needs_a_person(seafile: Seafile, editor: User) -> None:
    asked = [(method, address.partition("?")[0].strip("/")) for method, address, _body, _need in IN_LIBRARY]
    for pattern, methods in views.PERSONS.items():
        for method in methods:
            here = [one for one in asked if one[0] == method and re.fullmatch(pattern, one[1].format(uuid4()))]
            assert here or any(re.fullmatch(pattern, one) for one in OF_PERSON), (method, pattern)


def test_it_takes_no_cookie(client: Client, editor: User, world: None, library: Library) -> None:
    client.force_login(editor)
    for method, address, _body, _need in IN_LIBRARY:
        assert client.generic(method, address.replace("{}", str(library.pk))).status_code == 401
    for address in OF_PERSON:
        assert client.get(f"/{address}/").status_code == 401


def test_guesses_are_slowed_by_their_beginning_and_no_credentials_are_no_guess(client: Client, editor: User) -> None:
    for _time in range(30):
        assert client.get("/api2/repos/").status_code == 401
    wrong = {"Authorization": f"Token {'a' * 40}"}
    answers = [client.get("/api2/repos/", headers=wrong).status_code for _time in range(api_access.GUESSES + 1)]
    assert answers == [401] * api_access.GUESSES + [429]
    signed_in = client.post("/api2/auth-token/", {"username": editor.username, "password": "a" * 40})
    assert (signed_in.status_code, set(signed_in.json())) == (429, {"non_field_errors"})
    assert int(signed_in["Retry-After"]) > 0
    _token, secret = tokens.create_token(editor, name="x", scopes=[Scope.READ], days=1)
    assert client.get("/api2/repos/", headers={"Authorization": f"Token {secret}"}).status_code == 200


def test_wrong_passwords_are_guesses_too(client: Client, editor: User) -> None:
    given = {"username": editor.username, "password": "b" * 40}
    answers = [client.post("/api2/auth-token/", given).status_code for _time in range(api_access.GUESSES + 1)]
    assert answers == [400] * api_access.GUESSES + [429]


def test_a_token_ends_with_its_person_and_with_its_revocation(program: Program, editor: User) -> None:
    assert program.get("/api2/repos/").status == 200
    tokens.revoke_token(editor, program.token)
    assert program.get("/api2/repos/").status == 401


def test_who_is_deactivated_is_nobody(program: Program, editor: User, operator: User, place: Path) -> None:
    (place / "a.txt").write_bytes(b"x")
    link = program.link(f"{REPO}/file/", p="/a.txt")
    deactivate(operator, editor)
    assert program.get("/api2/repos/").status == 401
    assert program.follow(link).status == 403


def test_a_limited_token_reaches_its_libraries_alone(seafile: Seafile, editor: User, library: Library) -> None:
    other = services.create_library(editor, "Other")
    limited = seafile(editor, libraries=[library.pk])
    assert [one["id"] for one in limited.get("/api2/repos/").json] == [str(library.pk)]
    assert limited.get(f"/api2/repos/{other.pk}/").status == 404
    assert limited.get("/api2/default-repo/").json["exists"] is False
    assert limited.get("/api/v2.1/share-links/").status == 403
    move = {"operation": "move", "dst_repo": str(other.pk), "dst_dir": "/"}
    limited.upload("a.txt", b"a")
    assert limited.json(f"{V21}/file/?p=/a.txt", **move).status == 404


def test_no_token_without_manage_publishes_anything(seafile: Seafile, owner: User, library: Library) -> None:
    """As by the API: `share`, which a Lab's own token has too, is for people and teams, not for everybody."""
    seafile(owner).upload("a.txt", b"a")
    link = public_links.make_link(owner, library, "a.txt")
    base = Environment.objects.create(slug="base", name="Base", prefix="/base", is_default=True)
    server = Server.objects.create(owner=owner, environment=base, state=State.RUNNING)
    of_lab = Client(headers={"Authorization": f"Token {api_tokens.make(server.pk)}"})
    assert of_lab.get("/api2/repos/").status_code == 200
    sharing = seafile(owner, Scope.READ, Scope.WRITE, Scope.SHARE)
    body = {"p": "/a.txt", "repo_id": str(library.pk), "path": "/a.txt"}
    for method, address in (
        ("PUT", f"/api2/repos/{library.pk}/file/shared-link/"),
        ("POST", "/api/v2.1/share-links/"),
        ("GET", "/api/v2.1/share-links/"),  # the address is what opens it
        ("DELETE", f"/api/v2.1/share-links/{public_links.token(link)}/"),
    ):
        assert sharing(method, address, body).status == 403, (method, address)
        assert of_lab.generic(method, address, urlencode(body), FORM).status_code == 403, (method, address)
    assert [one.revoked_at for one in PublicLink.objects.all()] == [None]


def test_a_lab_that_comes_by_its_socket_gets_links_there_which_end_with_it(
    editor: User, library: Library, place: Path, settings: Settings
) -> None:
    settings.DRIVE_USE_ACCEL = False
    base = Environment.objects.create(slug="base", name="Base", prefix="/base", is_default=True)
    server = Server.objects.create(owner=editor, environment=base, state=State.RUNNING)
    login = {"Authorization": f"Token {api_tokens.make(server.pk)}"}
    client = Client(headers=login | {"X-Links-At": "http://portal"})
    link = client.get(f"/api2/repos/{library.pk}/upload-link/?p=/").json()
    assert link.startswith("http://portal/seafhttp/upload-api/")
    body = form(part("parent_dir", "/"), part("file", b"from a Lab", "a.txt"))

    def upload() -> int:
        kind = f"multipart/form-data; boundary={BOUNDARY}"
        return client.generic("POST", link.removeprefix("http://portal"), body, kind).status_code

    assert upload() == 200
    assert (place / "a.txt").read_bytes() == b"from a Lab"
    assert File.objects.get(library=library, path="a.txt").changed_by == editor
    found = client.get(f"/api2/repos/{library.pk}/file/?p=/a.txt").json()
    assert found.startswith("http://portal/seafhttp/files/")
    assert client.get(found.removeprefix("http://portal")).status_code == 200
    Server.objects.update(state=State.STOPPED)
    assert upload() == 403
    assert client.get(found.removeprefix("http://portal")).status_code == 403
    assert client.get("/api2/repos/").status_code == 401


def test_a_token_of_one_library_needs_no_id(seafile: Seafile, editor: User, library: Library, place: Path) -> None:
    """seafileapi2's `Repo(token, url)`: `path` instead of `p`."""
    limited = seafile(editor, libraries=[library.pk])
    base = "/api/v2.1/via-repo-token"
    assert limited.get(f"{base}/repo-info/").json["repo_id"] == str(library.pk)
    assert limited.json(f"{base}/dir/?path=/d", operation="mkdir").json["obj_name"] == "d"
    link = limited.link(f"{base}/upload-link/", path="/d") + "?ret-json=1"
    assert limited.send(link, form(part("parent_dir", "/d"), part("file", b"x", "a.txt"))).json[0]["name"] == "a.txt"
    assert limited.get(f"{base}/dir/", path="/d").names == ["a.txt"]
    assert limited.get(f"{base}/file/", path="/d/a.txt").json["size"] == 1
    assert limited.follow(limited.link(f"{base}/download-link/", path="/d/a.txt")).body == b"x"
    assert limited("DELETE", f"{base}/dir/", b"", path="/d").json["success"] is True
    assert list(place.iterdir()) == []
    for other in (seafile(editor), seafile(editor, libraries=[library.pk, services.create_library(editor, "O").pk])):
        answer = other.get(f"{base}/repo-info/")
        assert (answer.status, "one library" in answer.json["error_msg"]) == (403, True)


def test_nobody_writes_into_an_archived_collab(
    program: Program, owner: User, collab: Collab, place: Path, world: None
) -> None:
    link = program.link(f"{REPO}/upload-link/", p="/")
    collab_services.archive_collab(owner, collab)
    assert program.get(f"{REPO}/dir/", p="/").status == 200
    assert program.get(f"{REPO}/").json["permission"] == "r"
    for method, address, body, need in IN_LIBRARY:
        if need == "w":
            assert ask(program, method, address, body) == 403, (method, address)
    assert program.send(link, form(part("parent_dir", "/"), part("file", b"x", "b.txt"))).status == 403
    assert sorted(path.name for path in place.iterdir()) == ["a.txt", "d"]


def test_a_withdrawn_share_ends_with_the_next_request(seafile: Seafile, owner: User, stranger: User) -> None:
    mine = services.create_library(owner, "Lent")
    share = services.share_with_person(owner, mine, stranger, Permission.READ)
    program = seafile(stranger)
    assert program.get(f"/api2/repos/{mine.pk}/dir/", p="/").status == 200
    services.unshare(owner, share)
    assert program.get(f"/api2/repos/{mine.pk}/dir/", p="/").status == 404


def test_the_proxy_hears_before_the_body_what_an_upload_would_end_with(
    program: Program, client: Client, collab: Collab, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = program.link(f"{REPO}/upload-link/", p="/")

    def hear(address: str, length: str = "5") -> tuple[int, str]:
        headers = {"X-Original-URI": address, "X-Original-Length": length}
        said = client.get("/_gateway/seafile", headers=headers)
        return said.status_code, said.headers.get("X-Seafile-Status", "")

    assert hear(link) == hear(f"{link}?ret-json=1") == hear(link, "") == (204, "")
    assert hear(link.replace("~", "%7E")) == (204, "")
    assert hear("/seafhttp/upload-api/x") == (403, "403")
    assert hear("/seafhttp/other/x") == hear("") == (403, "404")
    limit = Quota.objects.create(collab=collab, max_bytes=uploads.FRAMING, max_files=10)
    assert hear(link, str(uploads.FRAMING * 3)) == (403, "443")
    assert hear(link, str(uploads.FRAMING)) == (204, "")
    limit.delete()
    tokens.revoke_token(program.token.user, program.token)
    assert hear(link) == (403, "403")

    def fail(*_args: object) -> None:
        raise OperationalError

    monkeypatch.setattr(uploads, "may_upload", fail)
    assert hear(link) == (403, "503")


def test_an_upload_in_place_of_the_largest_file_is_not_refused_before_it_comes(
    program: Program, place: Path, collab: Collab, client: Client
) -> None:
    size = uploads.FRAMING * 4
    program.upload("a.bin", bytes(size))
    Quota.objects.create(collab=collab, max_bytes=size + 10, max_files=10)
    link = program.link(f"{REPO}/upload-link/", p="/")
    headers = {"X-Original-URI": link, "X-Original-Length": str(size + 200)}
    assert client.get("/_gateway/seafile", headers=headers).status_code == 204
    assert program.upload("a.bin", b"b" * size, replace="1").status == 200
    assert program.upload("b.bin", b"b" * size).status == 443
