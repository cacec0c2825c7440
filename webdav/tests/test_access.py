"""Who gets what by WebDAV: rights, scopes, tokens, and what the proxy is told before it reads a body."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import OperationalError
from django.test import Client
from pytest_django import Settings

from api import access as api_access
from api import services as tokens
from api.models import Scope
from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.libraries import services
from drive.models import Library, Quota
from drive.storage import promises
from portal.accounts.services import deactivate
from portal.models import User

from .conftest import CORTEX, Dav, Program

pytestmark = pytest.mark.django_db
WRITES = [
    ("PUT", ":a.txt", {}),
    ("PUT", ":new.txt", {}),
    ("DELETE", ":a.txt", {}),
    ("MKCOL", ":folder", {}),
    ("COPY", ":a.txt", {"Destination": ":b.txt"}),
    ("MOVE", ":a.txt", {"Destination": ":b.txt"}),
    ("LOCK", ":a.txt", {}),
    ("PROPPATCH", ":a.txt", {}),
]


@pytest.fixture
def world(place: Path, viewer: User, editor: User) -> None:
    (place / "a.txt").write_bytes(b"a")


@pytest.mark.parametrize(("method", "path", "headers"), WRITES)
def test_it_lets_nobody_write_but_who_may(
    world: None,
    dav: Dav,
    viewer: User,
    stranger: User,
    editor: User,
    place: Path,
    method: str,
    path: str,
    headers: dict,
) -> None:
    for user, status in ((viewer, 403), (stranger, 404)):
        assert dav(user).status(method, path, **headers) == status
    assert dav(editor, Scope.READ).status(method, path, **headers) == 403
    assert dav(editor).status(method, path, Authorization="", **headers) == 401
    assert [one.name for one in place.iterdir()] == ["a.txt"]
    assert (place / "a.txt").read_bytes() == b"a"


def test_it_lets_nobody_read_but_who_may(world: None, dav: Dav, viewer: User, stranger: User) -> None:
    for method in ("GET", "HEAD", "PROPFIND"):
        good = 207 if method == "PROPFIND" else 200
        assert dav(viewer).status(method, ":a.txt", Depth="0") == good
        assert dav(stranger).status(method, ":a.txt", Depth="0") == 404
        assert dav(viewer, Scope.WRITE).status(method, ":a.txt", Depth="0") == 403
    assert "Cortex" not in dav(stranger).find("Shared with groups", depth="1").body.decode()


def test_it_believes_no_cookie(world: None, sign_in: Callable[[User], Client], owner: User) -> None:
    browser = sign_in(owner)
    for method in ("GET", "PROPFIND", "DELETE", "PUT", "MOVE"):
        answer = browser.generic(method, f"/dav/{CORTEX}/a.txt", headers={"Destination": "http://testserver/dav/x"})
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"].startswith("Basic")


def test_it_asks_for_a_token_and_counts_no_request_without_one(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_access, "GUESSES", 2)
    for _ in range(5):
        assert program.status("PROPFIND", "", Authorization="") == 401
    assert program.status("PROPFIND", "", Depth="0") == 207
    wrong = Program(program.token, program.secret[:8] + "0" * 32)
    assert [wrong.status("PROPFIND", "") for _ in range(3)] == [401, 401, 429]
    assert wrong("PROPFIND", "").headers["Retry-After"] == str(api_access.GUESS_SECONDS)


def test_it_ends_access_at_once(
    world: None, dav: Dav, owner: User, viewer: User, editor: User, operator: User, collab: Collab
) -> None:
    reader, writer, revoked = dav(viewer), dav(editor), dav(owner)
    assert (reader.status("GET", ":a.txt"), writer.status("PUT", ":b.txt", b"x")) == (200, 201)
    collab_services.change_role(owner, collab, editor, Role.VIEWER)
    assert writer.status("PUT", ":b.txt", b"x") == 403
    collab_services.remove_member(owner, collab, editor)
    assert writer.status("GET", ":b.txt") == 404
    deactivate(operator, viewer)
    assert reader.status("GET", ":a.txt") == 401
    tokens.revoke_token(owner, revoked.token)
    assert revoked.status("GET", ":a.txt") == 401


def test_it_only_shows_the_libraries_of_a_limited_token(
    world: None, dav: Dav, owner: User, public_collab: Collab
) -> None:
    mine = services.create_library(owner, "Mine")
    limited = dav(owner, libraries=[mine.pk])
    shown = [limited.find(folder, depth="1").hrefs()[1:] for folder in ("My Libraries", "Shared with groups")]
    assert shown == [["/dav/My%20Libraries/Mine/"], []]
    assert limited.find("Shared with all", depth="1").hrefs() == ["/dav/Shared%20with%20all/"]
    assert limited.status("PUT", "My Libraries/Mine/x", b"x") == 201
    there = {"Destination": ":x"}
    for method in ("COPY", "MOVE"):
        assert limited.status(method, "My Libraries/Mine/x", **there) == 404
    assert limited.status("GET", ":a.txt") == 404
    assert limited.status("GET", f"Shared with all/{public_collab.title}/x") == 404
    assert limited.status("MKCOL", "My Libraries/Another") == 403
    assert limited.status("DELETE", "My Libraries/Mine") == 403


def test_it_lets_nobody_write_into_an_archived_collab(world: None, dav: Dav, owner: User, collab: Collab) -> None:
    collab_services.archive_collab(owner, collab)
    answer = dav(owner)("PUT", ":a.txt", b"new")
    assert answer.status == 403
    assert "archived" in answer.body.decode()
    assert dav(owner).status("GET", ":a.txt") == 200


def test_it_reads_public_libraries_and_writes_none_there(
    dav: Dav, owner: User, stranger: User, public_collab: Collab
) -> None:
    here = f"Shared with all/{public_collab.title}"
    assert dav(stranger).find("Shared with all", depth="1").hrefs()[1:] == [f"/dav/{here.replace(' ', '%20')}/"]
    assert dav(stranger).find(here).status == 207
    assert dav(stranger).status("PUT", f"{here}/x", b"x") == 403
    assert (
        dav(owner).status("PUT", f"{here}/x", b"x") == 403
    )  # an administrator writes in “Shared with groups”, as in a Lab


def test_it_makes_and_deletes_own_libraries_with_the_scope_for_it(
    dav: Dav, owner: User, editor: User, collab: Collab
) -> None:
    program = dav(owner)
    assert dav(owner, Scope.WRITE).status("MKCOL", "My Libraries/Data") == 403
    assert program.status("MKCOL", "My Libraries/Data") == 201
    assert program.status("MKCOL", "My Libraries/Data") == 405
    assert program.status("PUT", "My Libraries/Data/x", b"x") == 201
    assert dav(owner, Scope.WRITE).status("DELETE", "My Libraries/Data") == 403
    assert program.status("DELETE", "My Libraries/Data") == 204
    assert Library.objects.get(name="Data").deleted_at is not None  # restored on its page, for 30 days
    assert program.status("DELETE", "My Libraries/My Library") == 403
    assert program.status("DELETE", CORTEX) == 403
    for path in ("", "My Libraries", "Shared with all"):
        assert program.status("DELETE", path) == 403
        assert program.status("MKCOL", path) == 405
    assert program.status("MKCOL", "Another folder") == 404
    assert program.status("MKCOL", "Shared with me/x") == 404
    assert program.status("MOVE", "My Libraries/My Library", Destination="My Libraries/Mine") == 403


# The proxy's question


def may_upload(program: Program, path: str, length: str = "5", **headers: str) -> tuple[int, str]:
    asked = {"X-Original-URI": program.address(path), "X-Original-Length": length, "X-Original-Method": "PUT"}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    login = {"Authorization": f"Bearer {program.secret}"}
    answer = Client().get("/_gateway/webdav", headers=login | asked | named)
    promises.end(answer["X-Request-ID"], promises.BODY)  # its request ends
    return answer.status_code, answer.get("X-Dav-Status", "")


def test_it_tells_the_proxy_whom_not_to_read(
    world: None, dav: Dav, viewer: User, stranger: User, editor: User, collab: Collab, place: Path
) -> None:
    program = dav(editor)
    (place / "folder").mkdir()
    assert may_upload(program, ":a.txt") == (204, "")
    assert may_upload(program, ":new.txt", "") == (204, "")
    assert may_upload(dav(viewer), ":a.txt") == (403, "403")
    assert may_upload(dav(stranger), ":a.txt") == (403, "404")
    assert may_upload(program, ":a.txt", Authorization="") == (403, "401")
    assert may_upload(program, ":absent/a.txt") == (403, "409")
    assert may_upload(program, ":folder") == (403, "405")
    assert may_upload(program, "My Libraries") == (403, "403")
    assert may_upload(program, ":..") == (403, "400")
    Quota.objects.create(collab=collab, max_bytes=10)
    assert may_upload(program, ":a.txt", "11") == (204, "")  # of which one byte is there
    assert may_upload(program, ":a.txt", "12") == (403, "507")
    assert program.lock(":a.txt").status == 200
    assert may_upload(program, ":a.txt") == (403, "423")
    assert may_upload(program, ":a.txt", If='(["wrong"])') == (403, "412")


def test_it_lets_no_cookie_upload(world: None, sign_in: Callable[[User], Client], owner: User) -> None:
    asked = {"X-Original-URI": f"/dav/{CORTEX}/a.txt"}
    assert sign_in(owner).get("/_gateway/webdav", headers=asked)["X-Dav-Status"] == "401"


def test_it_says_that_the_database_is_away(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **_named: object) -> None:
        raise OperationalError

    monkeypatch.setattr("webdav.paths.entries", away)
    monkeypatch.setattr("webdav.listing.entries", away)
    answer = program.find("My Libraries/My Library")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("path", ["", "dav", "dav/", "dav/My%20Libraries/x"])
def test_it_says_to_anybody_at_every_level_that_this_is_webdav(client: Client, db: None, path: str) -> None:
    answer = client.options(f"/{path}")
    assert (answer.status_code, answer["DAV"], answer["MS-Author-Via"]) == (200, "1, 2", "DAV")
    assert "PROPFIND" in answer["Allow"]


def test_it_knows_no_other_methods(program: Program, settings: Settings) -> None:
    for method in ("POST", "PATCH", "SEARCH", "REPORT"):
        answer = program(method, ":a.txt")
        assert answer.status == 405
        assert "PROPFIND" in answer.headers["Allow"]
