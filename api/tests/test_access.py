"""Access table of the API: every operation as every kind of person. An operation without a row fails."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import resolve
from ninja import NinjaAPI

from api.ebrains.api import api as rest
from api.models import Scope
from api.v1.api import api as v1
from collabs.models import Collab
from portal.accounts.services import deactivate
from portal.models import User

from .conftest import Program, reset_files

pytestmark = pytest.mark.django_db
CHANGING = ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class Row:
    """One operation, with the status that each kind of person gets.

    Whoever came to the Collab by a group is a viewer there, an operator a stranger: nothing is theirs by office.
    """

    method: str
    path: str
    stranger: int
    viewer: int
    editor: int
    administrator: int
    body: dict[str, Any] | bytes | None = None
    anonymous: int = 401
    more: dict[str, int] = field(default_factory=dict)

    def expected(self, kind: str) -> int:
        others = {"anonymous": self.anonymous, "deactivated": 401, "operator": self.stranger, "by group": self.viewer}
        return self.more.get(kind, others[kind] if kind in others else getattr(self, kind))


C, LIB, OWN = "/api/v1/collabs/cortex", "/api/v1/libraries/{lib}", "/api/v1/libraries/{own}"
G = "/api/v1/groups/institute"
V1 = [
    Row("GET", "/api/v1/me", 200, 200, 200, 200),
    Row("GET", "/api/v1/collabs", 200, 200, 200, 200, anonymous=200),
    Row("POST", "/api/v1/collabs", 201, 201, 201, 201, {"title": "New"}),
    Row("GET", C, 404, 200, 200, 200, anonymous=404),
    Row("GET", "/api/v1/collabs/open-cortex", 200, 200, 200, 200, anonymous=200),
    Row("PATCH", C, 404, 403, 403, 200, {"description": "x"}),
    Row("PATCH", "/api/v1/collabs/open-cortex", 403, 403, 403, 200, {"description": "x"}, more={"by group": 403}),
    Row("DELETE", C, 404, 403, 403, 204),
    Row("POST", "/api/v1/collabs/gone/restore", 404, 404, 404, 200),
    Row("POST", f"{C}/archive", 404, 403, 403, 200),
    Row("POST", f"{C}/unarchive", 404, 403, 403, 200),
    Row("PUT", f"{C}/favourite", 404, 204, 204, 204),
    Row("DELETE", f"{C}/favourite", 404, 204, 204, 204),
    Row("GET", f"{C}/team", 404, 200, 200, 200),
    Row("GET", "/api/v1/collabs/open-cortex/team", 200, 200, 200, 200),
    Row("POST", f"{C}/team", 404, 403, 403, 201, {"person": "stranger"}),
    Row("PUT", f"{C}/team/viewer", 404, 403, 403, 200, {"role": "editor"}),
    Row("DELETE", f"{C}/team/viewer", 404, 204, 403, 204, more={"by group": 403}),
    Row("DELETE", f"{C}/team/owner", 404, 403, 403, 409),
    Row("GET", f"{C}/groups", 404, 200, 200, 200),
    Row("PUT", f"{C}/groups/inner", 404, 403, 403, 200, {"role": "viewer"}),
    Row("DELETE", f"{C}/groups/institute", 404, 403, 403, 204),
    Row("GET", f"{C}/invitations", 404, 403, 403, 200),
    Row("POST", f"{C}/invitations", 404, 403, 403, 201, {"email": "new@example.org"}),
    Row("DELETE", f"{C}/invitations/{{invitation}}", 404, 403, 403, 204),
    Row("GET", "/api/v1/invitations", 200, 200, 200, 200),
    Row("POST", "/api/v1/invitations/accept", 200, 200, 200, 200, {"token": "{token}"}),
    Row("POST", "/api/v1/invitations/{invitation}/accept", 404, 404, 404, 404),
    Row("POST", "/api/v1/invitations/{invitation}/decline", 404, 404, 404, 404),
    Row("GET", "/api/v1/groups", 200, 200, 200, 200),
    Row("POST", "/api/v1/groups", 201, 201, 201, 201, {"name": "New"}),
    Row("GET", G, 200, 200, 200, 200),
    Row("PATCH", G, 403, 403, 403, 200, {"description": "x"}),
    Row("DELETE", G, 403, 403, 403, 204),
    Row("GET", f"{G}/people", 403, 403, 403, 200, more={"by group": 200}),
    Row("POST", f"{G}/people", 403, 403, 403, 201, {"person": "stranger"}),
    Row("DELETE", f"{G}/people/ingroup", 403, 403, 403, 204, more={"by group": 204}),
    Row("GET", f"{G}/managers", 403, 403, 403, 200, more={"by group": 200}),
    Row("POST", f"{G}/managers", 403, 403, 403, 201, {"person": "stranger"}),
    Row("DELETE", f"{G}/managers/owner", 403, 403, 403, 409),
    Row("GET", f"{G}/groups", 403, 403, 403, 200, more={"by group": 200}),
    Row("PUT", f"{G}/groups/outer", 403, 403, 403, 204),
    Row("DELETE", f"{G}/groups/inner", 403, 403, 403, 204),
    Row("GET", "/api/v1/libraries", 200, 200, 200, 200),
    Row("POST", "/api/v1/libraries", 201, 201, 201, 201, {"name": "New"}),
    Row("GET", LIB, 404, 200, 200, 200),
    Row("GET", OWN, 404, 200, 404, 200, more={"by group": 404}),
    Row("PATCH", LIB, 404, 403, 403, 403, {"name": "x"}),
    Row("PATCH", OWN, 404, 403, 404, 200, {"name": "x"}, more={"by group": 404}),
    Row("DELETE", LIB, 404, 403, 403, 403),
    Row("DELETE", OWN, 404, 403, 404, 204, more={"by group": 404}),
    Row("POST", "/api/v1/libraries/{deleted}/restore", 404, 404, 404, 200),
    Row("GET", f"{OWN}/shares", 404, 403, 404, 200, more={"by group": 404}),
    Row("POST", f"{OWN}/shares", 404, 403, 404, 201, {"person": "editor"}, more={"by group": 404}),
    Row("PATCH", f"{OWN}/shares/{{share}}", 404, 403, 404, 200, {"permission": "rw"}, more={"by group": 404}),
    Row("DELETE", f"{OWN}/shares/{{share}}", 404, 403, 404, 204, more={"by group": 404}),
    Row("DELETE", f"{OWN}/shares/mine", 404, 204, 404, 404, more={"by group": 404}),
    Row("GET", "/api/v1/people?q=own", 200, 200, 200, 200),
    Row("GET", f"{LIB}/links", 404, 403, 403, 200),
    Row("GET", f"{OWN}/links", 404, 403, 404, 200, more={"by group": 404}),
    Row("POST", f"{LIB}/links", 404, 403, 403, 201, {"path": "a.txt"}),
    Row("POST", f"{OWN}/links", 404, 403, 404, 201, {}, more={"by group": 404}),
    Row("PATCH", f"{LIB}/links/{{link}}", 404, 403, 403, 200, {"password": "eight or more"}),
    Row("DELETE", f"{LIB}/links/{{link}}", 404, 403, 403, 204),
    Row("DELETE", f"{OWN}/links/{{link}}", 404, 403, 404, 404, more={"by group": 404}),
    Row("GET", f"{LIB}/upload-links", 404, 403, 200, 200),
    Row("GET", f"{OWN}/upload-links", 404, 403, 404, 200, more={"by group": 404}),
    Row("POST", f"{LIB}/upload-links", 404, 403, 201, 201, {"path": "sent", "title": "Homework", "max_bytes": 1000}),
    Row("PATCH", f"{LIB}/upload-links/{{upload_link}}", 404, 403, 200, 200, {"password": "eight or more"}),
    Row("DELETE", f"{LIB}/upload-links/{{upload_link}}", 404, 403, 204, 204),
    Row("DELETE", f"{OWN}/upload-links/{{upload_link}}", 404, 403, 404, 404, more={"by group": 404}),
    Row("GET", f"{LIB}/trash", 404, 200, 200, 200),
    Row("POST", f"{LIB}/trash/{{trashed}}/restore", 404, 403, 200, 200),
    Row("POST", f"{OWN}/trash/{{trashed}}/restore", 404, 403, 404, 404, more={"by group": 404}),
    Row("DELETE", f"{LIB}/trash/{{trashed}}", 404, 403, 204, 204),
    Row("DELETE", f"{OWN}/trash/{{trashed}}", 404, 403, 404, 404, more={"by group": 404}),
    Row("DELETE", f"{LIB}/trash", 404, 403, 204, 204),
    Row("GET", "/api/v1/libraries/search?q=a", 200, 200, 200, 200),
    Row("GET", "/api/v1/libraries/search/text?q=a", 200, 200, 200, 200),
    Row("GET", f"{LIB}/search?q=a", 404, 200, 200, 200),
    Row("GET", f"{LIB}/changes", 404, 200, 200, 200),
    Row("GET", f"{LIB}/compare?path=a.txt&older={{version}}", 404, 200, 200, 200),
    Row("GET", f"{LIB}/entries", 404, 200, 200, 200),
    Row("GET", f"{LIB}/stat?path=a.txt", 404, 200, 200, 200),
    Row("GET", f"{LIB}/files/a.txt", 404, 200, 200, 200),
    Row("PUT", f"{LIB}/files/a.txt", 404, 403, 200, 200, b"new"),
    Row("DELETE", f"{LIB}/files/a.txt", 404, 403, 204, 204),
    Row("POST", f"{LIB}/folders", 404, 403, 201, 201, {"path": "new"}),
    Row("POST", f"{LIB}/move", 404, 403, 200, 200, {"path": "a.txt", "to_path": "b.txt"}),
    Row("POST", f"{LIB}/copy", 404, 403, 201, 201, {"path": "a.txt", "to_path": "b.txt"}),
    Row("GET", f"{LIB}/versions?path=a.txt", 404, 200, 200, 200),
    Row("GET", f"{LIB}/versions/{{version}}?path=a.txt", 404, 200, 200, 200),
    Row("POST", f"{LIB}/versions/{{version}}/restore", 404, 403, 200, 200, {"path": "a.txt"}),
    Row("GET", "/api/v1/lab", 200, 200, 200, 200),
    Row("GET", "/api/v1/lab/environments", 200, 200, 200, 200),
    Row("POST", "/api/v1/lab", 202, 202, 202, 202, {}),
    Row("POST", "/api/v1/lab", 202, 202, 202, 202, {"environment": "base"}),
    Row("POST", "/api/v1/lab", 404, 404, 404, 404, {"environment": "nothing"}),
    Row("DELETE", "/api/v1/lab", 202, 202, 202, 202),
    Row("POST", "/api/v1/lab/saves/begin", 403, 403, 403, 403, {"path": "Shared with groups/Cortex/a.txt"}),
    Row("POST", "/api/v1/lab/runs", 403, 403, 403, 403, {"path": "a.ipynb", "seconds": 1, "cells": 1}),
    Row("POST", "/api/v1/lab/saves/end", 403, 403, 403, 403, {"path": "Shared with groups/Cortex/a.txt"}),
]
R, ID = "/rest/v1/collabs", "/rest/v1/identity"
T, GR = f"{R}/cortex/team/viewer", f"{ID}/groups/institute"
REST = [
    Row("GET", R, 200, 200, 200, 200, anonymous=200),
    Row("POST", R, 201, 201, 201, 201, {"name": "new-one", "title": "New"}),
    Row("GET", f"{R}/cortex", 404, 200, 200, 200, anonymous=404),
    Row("GET", f"{R}/open-cortex", 200, 200, 200, 200, anonymous=200),
    Row("PUT", f"{R}/cortex", 404, 403, 403, 200, {"title": "Cortex", "public": False}),
    Row("DELETE", f"{R}/cortex", 404, 403, 403, 200),
    Row("POST", f"{R}/cortex/contactadministrator", 404, 201, 201, 201, {"emailSubject": "s", "emailContent": "c"}),
    Row("GET", f"{R}/invite/cortex/role/viewer", 404, 403, 403, 201),
    Row("GET", f"{R}/invite/{{token}}", 200, 200, 200, 200),
    Row("GET", T, 404, 200, 200, 200),
    Row("GET", f"{T}/users", 404, 200, 200, 200),
    Row("GET", f"{T}/units", 404, 200, 200, 200),
    Row("GET", f"{T}/groups", 404, 200, 200, 200),
    Row("PUT", f"{T}/users/stranger", 404, 403, 403, 204),
    Row("DELETE", f"{T}/users/editor", 404, 403, 403, 204),
    Row("PUT", f"{T}/users/nobody", 404, 403, 403, 400),
    Row("PUT", f"{T}/units/unit", 404, 403, 403, 400),
    Row("DELETE", f"{T}/units/unit", 404, 403, 403, 400),
    Row("PUT", f"{T}/groups/inner", 404, 403, 403, 204),
    Row("DELETE", f"{T}/groups/institute", 404, 403, 403, 204),
    Row("GET", f"{ID}/groups", 200, 200, 200, 200),
    Row("POST", f"{ID}/groups", 201, 201, 201, 201, {"name": "new-group", "title": "New group"}),
    Row("GET", GR, 200, 200, 200, 200),
    Row("PUT", GR, 403, 403, 403, 200, {"title": "Institute"}),
    Row("DELETE", GR, 403, 403, 403, 204),
    Row("GET", f"{GR}/member", 403, 403, 403, 200, more={"by group": 200}),
    Row("GET", f"{GR}/administrator/users", 403, 403, 403, 200, more={"by group": 200}),
    Row("GET", f"{GR}/member/groups", 403, 403, 403, 200, more={"by group": 200}),
    Row("PUT", f"{GR}/member/users/stranger", 403, 403, 403, 204),
    Row("DELETE", f"{GR}/member/users/ingroup", 403, 403, 403, 204),
    Row("PUT", f"{GR}/member/groups/outer", 403, 403, 403, 204),
    Row("DELETE", f"{GR}/member/groups/inner", 403, 403, 403, 204),
    Row("GET", f"{ID}/users?search=own", 200, 200, 200, 200),
    Row("GET", f"{ID}/users/owner", 200, 200, 200, 200),
]


@pytest.fixture
def clients(
    world: dict, program: Program, owner: User, editor: User, viewer: User, stranger: User, operator: User, person: Any
) -> Iterator[dict[str, Client]]:
    gone = person("gone")
    clients = {
        "anonymous": Client(),
        "stranger": program(stranger),
        "viewer": program(viewer),
        "editor": program(editor),
        "administrator": program(owner),
        "by group": program(User.objects.get(username="ingroup")),
        "operator": program(operator),
        "deactivated": program(gone),
    }
    deactivate(operator, gone)
    return clients  # type: ignore[return-value]


def ask(client: Client, row: Row, world: dict[str, object]) -> Any:
    body = row.body
    if isinstance(body, dict):
        body = {name: world["token"] if value == "{token}" else value for name, value in body.items()}
    send = getattr(client, row.method.lower())
    address = row.path.format(**world)
    if body is None or row.method in ("GET", "HEAD"):
        return send(address)
    return send(
        address, body, content_type="application/octet-stream" if isinstance(body, bytes) else "application/json"
    )


@pytest.mark.slow
@pytest.mark.parametrize("rows", [V1, REST], ids=["v1", "rest"])
def test_it_gives_everybody_what_the_table_says(
    rows: list[Row], clients: dict[str, Client], world: dict, collab: Collab
) -> None:
    wrong = []
    for row in rows:
        for kind, client in clients.items():
            reset_files(collab)
            with transaction.atomic():
                answer = ask(client, row, world)
                transaction.set_rollback(True)
            if answer.status_code != row.expected(kind):
                wrong.append((row.method, row.path, kind, row.expected(kind), answer.status_code, _text(answer)))
            if answer.status_code >= 400:
                assert "message" in answer.json(), (row, kind)
    assert not wrong, "\n".join(map(str, wrong))


def _text(answer: Any) -> str:
    return "" if answer.streaming else answer.content.decode()[:200]


def operations(api: NinjaAPI, base: str) -> set[tuple[str, str]]:
    """Method and route, as Django's resolver calls it, of all operations; HEAD is GET without the body."""
    found = set()
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            route = f"{base}{router.prefix}{path}".replace("{", "<").replace("}", ">")
            found |= {
                (method, route) for operation in view.operations for method in operation.methods if method != "HEAD"
            }
    return found


@pytest.mark.parametrize(("api", "base", "rows"), [(v1, "api/v1", V1), (rest, "rest/v1", REST)], ids=["v1", "rest"])
def test_it_has_no_operation_that_is_not_in_the_table(api: NinjaAPI, base: str, rows: list[Row]) -> None:
    example = dict.fromkeys(("share", "invitation", "version", "token", "trashed"), "1")
    example |= dict.fromkeys(("lib", "own", "deleted", "link", "upload_link"), "00000000-0000-4000-8000-000000000000")
    covered = {(row.method, resolve(row.path.format(**example).partition("?")[0]).route) for row in rows}
    missing = operations(api, base) - covered
    assert not missing, missing


@pytest.mark.slow
@pytest.mark.parametrize("rows", [V1, REST], ids=["v1", "rest"])
def test_head_works_where_get_does(rows: list[Row], clients: dict[str, Client], world: dict) -> None:
    """But for the two invitations of the EBRAINS API, whose GET changes something."""
    for row in rows:
        if row.method != "GET":
            continue
        path = row.path.format(**world)
        answer = clients["administrator"].head(path)
        if "/invite/" in path:
            assert (answer.status_code, answer["Allow"]) == (405, "GET"), path
            continue
        full = clients["administrator"].get(path)
        assert answer.status_code == full.status_code == row.administrator, path
        assert answer["Content-Type"] == full["Content-Type"], path
        if not full.streaming:
            assert (answer.content, answer["Content-Length"]) == (b"", str(len(full.content))), path
        assert clients["anonymous"].head(path).status_code == row.expected("anonymous"), path


@pytest.mark.slow
def test_it_asks_every_operation_for_its_scope(world: dict, program: Program, owner: User, collab: Collab) -> None:
    """A token with every scope but the one that the document names gets a 403, before anything else is looked at."""
    document = v1.get_openapi_schema()
    without = {scope: [other for other in Scope if other != scope] for scope in Scope}
    without[Scope.SHARE].remove(Scope.MANAGE)  # which contains it
    clients = {scope: program(owner, *scopes) for scope, scopes in without.items()}
    for row in V1:
        route = resolve(row.path.format(**world).partition("?")[0]).route
        path = "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
        scope = Scope(document["paths"][path][row.method.lower()]["x-scope"])
        answer = ask(clients[scope], row, world)
        assert answer.status_code == 403, (row.method, row.path)
        assert f"“{scope.value}”" in answer.json()["message"]
        if row.method in CHANGING:
            assert scope != Scope.READ, (row.method, row.path)
