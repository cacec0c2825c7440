"""Operations of the API beyond access: schemas, errors, lists with a constant number of queries."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from api.v1.api import api
from collabs import invitations
from collabs import services as collab_services
from collabs.models import Collab, Membership, Role
from conftest import Queue
from drive.files import operations as file_operations
from drive.libraries import public_links
from drive.libraries import services as drive_services
from drive.models import Permission
from groups import services as group_services
from lab.models import Environment, Server
from portal.models import AuditEntry, User

from .conftest import Program

pytestmark = pytest.mark.django_db
V1 = "/api/v1"


def send(client: Client, method: str, address: str, body: Any = None) -> Any:
    return getattr(client, method)(V1 + address, body, content_type="application/json")


@pytest.mark.slow
def test_it_makes_changes_and_restores_a_collab(program: Program, owner: User) -> None:
    client = program(owner)
    made = send(client, "post", "/collabs", {"title": "Retina", "is_public": False}).json()
    assert (made["slug"], made["my_role"], made["team_size"]) == ("retina", "administrator", 1)
    assert client.get(f"{V1}/libraries/{made['library']}").json()["name"] == "Retina"
    changed = send(client, "patch", "/collabs/retina", {"is_public": True}).json()
    assert (changed["is_public"], changed["title"]) == (True, "Retina")
    assert send(client, "delete", "/collabs/retina").status_code == 204
    assert client.get(f"{V1}/collabs/retina").status_code == 404
    assert send(client, "post", "/collabs/retina/restore").json()["slug"] == "retina"
    verbs = ["collab.created", "collab.changed", "collab.deleted", "collab.restored"]
    assert (
        list(AuditEntry.objects.filter(verb__startswith="collab").order_by("pk").values_list("verb", flat=True))
        == verbs
    )


@pytest.mark.slow
def test_it_archives_tags_and_marks(program: Program, owner: User, editor: User, collab: Collab) -> None:
    client = program(owner)
    assert send(client, "patch", "/collabs/cortex", {"tags": ["Mouse", "fMRI"]}).json()["tags"] == ["fmri", "mouse"]
    assert send(client, "patch", "/collabs/cortex", {"description": "x"}).json()["tags"] == ["fmri", "mouse"]
    assert [one["slug"] for one in client.get(f"{V1}/collabs?tag=mouse").json()["items"]] == ["cortex"]
    assert send(client, "patch", "/collabs/cortex", {"tags": ["a/b"]}).status_code == 422
    assert client.get(f"{V1}/collabs?tag=%2F").status_code == 422
    assert send(client, "put", "/collabs/cortex/favourite").status_code == 204
    assert client.get(f"{V1}/collabs?favourites=true").json()["items"][0]["is_favourite"]
    assert client.get("/rest/v1/collabs?favorite=true").json()[0]["name"] == "cortex"
    assert send(client, "post", "/collabs/cortex/archive").json()["is_archived"]
    assert client.get(f"{V1}/collabs").json()["items"] == []
    assert client.get(f"{V1}/collabs?archived=true").json()["count"] == 1
    assert send(client, "patch", "/collabs/cortex", {"description": "y"}).status_code == 409
    folder = send(program(editor), "post", f"/libraries/{collab.library.pk}/folders", {"path": "new"})
    assert folder.status_code == 403
    assert "archived" in folder.json()["message"]
    assert not send(client, "post", "/collabs/cortex/unarchive").json()["is_archived"]


def test_it_tells_a_taken_title_from_a_bad_one(program: Program, owner: User, collab: Collab) -> None:
    client = program(owner)
    taken = send(client, "post", "/collabs", {"title": "cortex"})
    assert (taken.status_code, taken.json()["error"]) == (409, "conflict")
    bad = send(client, "post", "/collabs", {"title": "a/b"})
    assert (bad.status_code, list(bad.json()["fields"])) == (422, ["title"])
    long = send(client, "post", "/collabs", {"title": "x" * 101})
    assert (long.status_code, list(long.json()["fields"])) == (422, ["title"])


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("post", "/collabs", {"title": "X", "slug": "mine", "created_by": 1}),
        ("post", "/collabs", {"title": "X", "my_role": "administrator"}),
        ("patch", "/collabs/cortex", {"slug": "other"}),
        ("patch", "/collabs/cortex", {"deleted_at": None}),
        ("post", "/collabs/cortex/team", {"person": "stranger", "is_staff": True}),
        ("put", "/collabs/cortex/team/viewer", {"role": "editor", "user": "owner"}),
        ("post", "/libraries", {"name": "X", "owner_user": 1}),
        ("post", "/groups", {"name": "X", "provider_name": "orcid:all"}),
        ("post", "/collabs/cortex/invitations", {"role": "viewer", "digest": "x"}),
        ("post", "/lab", {"path": "", "owner": 1}),
    ],
)
def test_it_takes_no_field_that_it_does_not_name(
    program: Program, owner: User, stranger: User, collab: Collab, method: str, address: str, body: dict
) -> None:
    refused = send(program(owner), method, address, body)
    assert refused.status_code == 422
    assert set(refused.json()["fields"]) <= set(body)


def test_it_shows_no_more_than_is_written_down(
    program: Program, viewer: User, stranger: User, public_collab: Collab
) -> None:
    """E-mail addresses are private; strangers and visitors see a public Collab, not its library."""
    shown = program(viewer).get(f"{V1}/collabs/open-cortex/team").content.decode()
    assert "@" not in shown
    assert set(json.loads(shown)["items"][0]) == {"username", "name", "role", "since", "is_active"}
    assert Client().get(f"{V1}/collabs/open-cortex").json()["library"] is None
    assert [one["slug"] for one in Client().get(f"{V1}/collabs").json()["items"]] == ["open-cortex"]
    assert Client().get(f"{V1}/collabs?mine=true").status_code == 401


def test_it_keeps_the_last_administrator(program: Program, owner: User, collab: Collab) -> None:
    client = program(owner)
    assert send(client, "put", "/collabs/cortex/team/owner", {"role": "viewer"}).status_code == 409
    assert send(client, "delete", "/collabs/cortex/team/owner").status_code == 409
    assert collab.role_of(owner) == Role.ADMINISTRATOR


def test_it_says_whom_it_does_not_know(program: Program, owner: User, editor: User, collab: Collab) -> None:
    client = program(owner)
    unknown = send(client, "post", "/collabs/cortex/team", {"person": "nobody"})
    assert (unknown.status_code, list(unknown.json()["fields"])) == (422, ["person"])
    assert send(client, "post", "/collabs/cortex/team", {"person": "editor"}).status_code == 409
    assert send(client, "put", "/collabs/cortex/team/nobody", {"role": "viewer"}).status_code == 404


@pytest.mark.slow
def test_it_shares_and_ends_shares(program: Program, owner: User, viewer: User, stranger: User, collab: Collab) -> None:
    client, own = program(owner), drive_services.create_library(owner, "Own")
    base = f"/libraries/{own.pk}"
    shared = send(client, "post", f"{base}/shares", {"person": "stranger", "permission": "rw"}).json()
    assert (shared["person"], shared["permission"]) == ("stranger", "rw")
    team = send(client, "post", f"{base}/shares", {"collab": "cortex"})
    assert (team.status_code, team.json()["collab"]) == (201, "cortex")
    for body in ({}, {"person": "viewer", "collab": "cortex"}, {"collab": "unknown"}, {"person": "nobody"}):
        assert send(client, "post", f"{base}/shares", body).status_code == 422
    assert send(client, "post", f"{base}/shares", {"person": "owner"}).status_code == 409
    other = drive_services.create_library(owner, "Other")
    assert send(client, "delete", f"/libraries/{other.pk}/shares/{shared['id']}").status_code == 404
    assert program(stranger).get(f"{V1}/libraries?folder=people").json()["items"][0]["name"] == "Own"
    assert send(program(stranger), "delete", f"{base}/shares/mine").status_code == 204
    assert program(stranger).get(f"{V1}{base}").status_code == 404


@pytest.mark.slow
def test_it_invites_by_link_and_lets_nobody_guess(
    program: Program, owner: User, stranger: User, collab: Collab
) -> None:
    made = send(program(owner), "post", "/collabs/cortex/invitations", {"role": "editor"}).json()
    token = made["link"].rstrip("/").rpartition("/")[2]
    listed = program(owner).get(f"{V1}/collabs/cortex/invitations").content.decode()
    assert token not in listed
    joined = send(program(stranger), "post", "/invitations/accept", {"token": token}).json()
    assert (joined["slug"], joined["my_role"]) == ("cortex", "editor")
    guesser = program(stranger)
    statuses = [
        send(guesser, "post", "/invitations/accept", {"token": f"guess-{number}"}).status_code
        for number in range(invitations.WRONG_TOKENS_PER_HOUR + 1)
    ]
    assert statuses == [404] * invitations.WRONG_TOKENS_PER_HOUR + [429]
    assert send(guesser, "post", "/invitations/accept", {"token": token}).status_code == 429


def test_it_refuses_addresses_that_carry_mail_headers(program: Program, owner: User, collab: Collab) -> None:
    client = program(owner)
    for address in ("a@example.org\nBcc: b@example.org", "not an address", "\x00@example.org"):
        refused = send(client, "post", "/collabs/cortex/invitations", {"email": address})
        assert (refused.status_code, list(refused.json()["fields"])) == (422, ["email"])


def test_it_starts_and_stops_the_lab(program: Program, editor: User, queue: Queue, collab: Collab) -> None:
    client = program(editor)
    assert client.get(f"{V1}/lab").json()["state"] == "off"
    assert send(client, "post", "/lab", {}).status_code == 503  # no environment
    Environment.objects.create(slug="base", name="Base", prefix="/base", is_default=True)
    place = {"path": "Shared with groups/Cortex"}
    started = send(client, "post", "/lab", place)
    assert (started.status_code, started.json()["state"]) == (202, "requested")
    assert send(client, "post", "/lab", place).json()["id"] == started.json()["id"]
    assert Server.objects.count() == 1
    stopped = send(client, "delete", "/lab").json()
    assert (stopped["state"], stopped["why_stopped"]) == ("stopped", "You stopped it.")
    assert send(client, "post", "/lab", {"path": "Shared with groups/Secret"}).status_code == 404
    assert send(client, "post", "/lab", {"path": "../x"}).status_code == 422


def test_it_says_503_while_the_broker_is_away(program: Program, editor: User, queue: Queue) -> None:
    Environment.objects.create(slug="base", name="Base", prefix="/base", is_default=True)
    queue.up = False
    refused = send(program(editor), "post", "/lab", {})
    assert (refused.status_code, refused.json()["error"]) == (503, "service_unavailable")
    assert refused["Retry-After"]
    assert not Server.objects.exists()


@pytest.mark.parametrize(
    ("method", "address", "status"),
    [
        ("get", "/nowhere", 404),
        ("get", "/collabs/has%00nul", 404),
        ("get", "/collabs?q=%00", 422),
        ("get", "/collabs?page=0", 422),
        ("get", "/collabs?page=99999999999999999999", 422),
        ("get", "/libraries/not-a-uuid", 404),
        ("delete", "/collabs/cortex/invitations/99999999999999999999999", 404),
        ("put", "/collabs", 405),
    ],
)
def test_it_says_everything_in_one_shape(
    program: Program, owner: User, collab: Collab, method: str, address: str, status: int
) -> None:
    answer = send(program(owner), method, address)
    assert answer.status_code == status
    if status >= 400:
        assert set(answer.json()) == {"status", "error", "message", "fields", "request_id"}
        assert answer.json()["request_id"] == answer["X-Request-ID"]
        assert answer.json()["status"] == status


@pytest.mark.parametrize("body", [b"{", b"[]", b"null", b'"x"', b'{"title": "\\ud800"}', b"\xff", b'{"title": 1e999}'])
def test_it_refuses_bodies_that_are_none(program: Program, owner: User, body: bytes) -> None:
    answer = program(owner).post(f"{V1}/collabs", body, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert answer.json()["message"]


def test_it_refuses_a_body_that_is_too_large(program: Program, owner: User) -> None:
    body = json.dumps({"title": "x" * 5 * 2**20})
    assert program(owner).post(f"{V1}/collabs", body, content_type="application/json").status_code == 413


def test_it_tells_how_to_sign_in_and_lets_nobody_keep_answers() -> None:
    answer = Client().get(f"{V1}/me")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert "no-store" in answer["Cache-Control"]
    assert "Authorization" in answer["Vary"]
    for scheme, said in (("Bearer", 'Bearer error="invalid_token"'), ("Token", "Bearer"), ("Bearers", "Bearer")):
        for address in (f"{V1}/me", "/rest/v1/collabs", f"{V1}/nowhere"):
            answer = Client(headers={"Authorization": f"{scheme} {'0' * 40}"}).get(address)
            assert (answer.status_code, answer.get("WWW-Authenticate")) in ((401, said), (404, None)), address
    sent = {"Authorization": "Bearer nothing", "X-Original-URI": f"{V1}/libraries/x/files/a"}
    assert Client().get("/_gateway/upload", headers=sent)["X-Challenge"] == 'Bearer error="invalid_token"'


@pytest.mark.slow
def test_it_shows_the_document_as_a_page_without_script(owner: User) -> None:
    page = Client().get(f"{V1}/docs")
    text = page.content.decode()
    assert page.status_code == 200
    inside = text.partition("<main")[2].partition("</main>")[0]
    assert "<script" not in inside
    assert "style=" not in inside
    document = Client().get(f"{V1}/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    for path, operations in document["paths"].items():
        assert path in text
        for details in operations.values():
            assert details["operationId"].replace(".", "-") in text
            assert details["summary"]


@pytest.mark.slow
def test_every_operation_has_one_scope_and_both_ways_in() -> None:
    names = set()
    for operations in api.get_openapi_schema()["paths"].values():
        for details in operations.values():
            assert details["x-scope"]
            assert {"PersonalToken": []} in details["security"]
            names.add(details["operationId"])
    assert len(names) == sum(len(operations) for operations in api.get_openapi_schema()["paths"].values())
    assert {"me.me", "me.launch", "me.stop", "collabs.create_collab"} <= names, "names in generated clients stay"


# Queries


def _more_of_everything(owner: User, collab: Collab, person: Callable, start: int) -> None:
    own = drive_services.create_library(owner, f"Own {start}")
    group = group_services.create_group(owner, name=f"Group {start}")
    group_services.nest(owner, group_services.create_group(owner, name=f"Outer {start}"), group)
    shelf = owner.libraries.get(name="Shelf")
    institute = group_services.Group.objects.get(slug="institute")
    for number in range(start, start + 4):
        someone = person(f"person{number}")
        collab_services.add_member(owner, collab, someone, Role.VIEWER)
        collab_services.create_collab(owner, title=f"Another {number}", is_public=True)
        drive_services.share_with_person(owner, shelf, someone, Permission.READ)
        group_services.add_person(owner, institute, someone)
        group_services.add_manager(owner, institute, someone)
        inner = group_services.create_group(owner, name=f"Inner {number}")
        group_services.nest(owner, institute, inner)
        collab_services.give_group_role(owner, collab, inner, Role.VIEWER)
        invitations.invite_by_link(owner, collab, Role.VIEWER)
        file_operations.write(owner, collab.library, f"note {number}.txt", b"n")
        file_operations.write(owner, collab.library, f"gone {number}.txt", b"g")
        file_operations.delete(owner, collab.library, f"gone {number}.txt")
        public_links.make_link(owner, collab.library, f"note {number}.txt")
    drive_services.set_public(owner, own, True)


LISTS = [
    "/api/v1/collabs",
    "/api/v1/collabs?mine=true",
    "/api/v1/collabs/cortex/team",
    "/api/v1/collabs/cortex/groups",
    "/api/v1/collabs/cortex/invitations",
    "/api/v1/invitations",
    "/api/v1/groups",
    "/api/v1/groups?mine=true",
    "/api/v1/groups/institute/people",
    "/api/v1/groups/institute/managers",
    "/api/v1/groups/institute/groups",
    "/api/v1/libraries",
    "/api/v1/libraries?folder=all",
    "/api/v1/libraries/{shelf}/shares",
    "/api/v1/libraries/{library}/entries",
    "/api/v1/libraries/{library}/trash",
    "/api/v1/libraries/{library}/changes",
    "/api/v1/libraries/{library}/search?q=note",
    "/api/v1/libraries/search?q=note",
    "/api/v1/libraries/{library}/links",
    "/api/v1/people?q=person",
    "/rest/v1/collabs",
    "/rest/v1/collabs/cortex/team/viewer",
    "/rest/v1/identity/groups",
    "/rest/v1/identity/groups/institute/member",
    "/rest/v1/identity/users?search=person",
]


@pytest.mark.slow
def test_it_asks_the_same_number_of_queries_however_long_a_list_is(
    program: Program, owner: User, collab: Collab, person: Callable
) -> None:
    shelf = drive_services.create_library(owner, "Shelf")
    group_services.create_group(owner, name="Institute")
    client = program(owner)
    client.get("/api/v1/me")
    _more_of_everything(owner, collab, person, 0)
    addresses = [address.format(shelf=shelf.pk, library=collab.library.pk) for address in LISTS]
    few = [_count(client, address) for address in addresses]
    _more_of_everything(owner, collab, person, 10)
    many = [_count(client, address) for address in addresses]
    assert few == many
    assert max(many) <= 12, dict(zip(addresses, many, strict=True))


def _count(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200, address
    return len(queries)


def test_it_pages(program: Program, owner: User) -> None:
    client = program(owner)
    for number in range(5):
        collab_services.create_collab(owner, title=f"C{number}")
    pages = [client.get(f"{V1}/collabs?page_size=2&page={page}").json() for page in (1, 2, 3, 4)]
    assert [[one["title"] for one in page["items"]] for page in pages] == [["C0", "C1"], ["C2", "C3"], ["C4"], []]
    assert {(page["count"], page["pages"]) for page in pages} == {(5, 3)}
    assert Membership.objects.count() == 5


def test_it_opens_a_public_collab_to_visitors_and_no_other(program: Program, owner: User, client: Client) -> None:
    own = program(owner)
    send(own, "post", "/collabs", {"title": "Retina", "is_public": False})
    refused = send(own, "patch", "/collabs/retina", {"visitors_read": True})
    assert (refused.status_code, "visitors_read" in refused.json()["fields"]) == (422, True)
    opened = send(own, "patch", "/collabs/retina", {"is_public": True, "visitors_read": True}).json()
    assert opened["visitors_read"] is True
    assert client.get("/collabs/retina/files/").status_code == 200
    assert client.get(f"{V1}/collabs/retina").json()["visitors_read"] is True
    assert send(own, "patch", "/collabs/retina", {"title": "Retina 2"}).json()["visitors_read"] is True
    shut = send(own, "patch", "/collabs/retina", {"is_public": False}).json()
    assert (shut["is_public"], shut["visitors_read"]) == (False, False)
    assert send(own, "patch", "/collabs/retina", {"is_public": True}).json()["visitors_read"] is False
