"""The EBRAINS Collab API: bodies and statuses as scripts for it expect them."""

from typing import Any

import pytest
from django.test import Client

from collabs.models import Collab, Membership, Role
from groups import services as group_services
from groups.models import Group
from notices.models import Notice
from portal.models import AuditEntry, User

from .conftest import Program

pytestmark = pytest.mark.django_db
C, ID = "/rest/v1/collabs", "/rest/v1/identity"


def send(client: Client, method: str, address: str, body: Any = None) -> Any:
    return getattr(client, method)(address, body, content_type="application/json")


def test_it_goes_through_the_life_of_a_collab(program: Program, owner: User) -> None:
    client = program(owner)
    body = {"name": "my-first", "title": "My First", "description": "D", "drive": True, "chat": False, "public": False}
    made = send(client, "post", C, body)
    assert made.status_code == 201
    assert send(client, "post", C, body).status_code == 409
    assert send(client, "post", C, body | {"title": "Other"}).status_code == 409
    found = client.get(f"{C}/my-first").json()
    assert set(found) == {
        "name", "title", "description", "isPublic", "isMember", "hasDrive", "link", "createDate", "driveRepositoryId",
        "nbLike", "owner",
    }  # fmt: skip
    assert (found["name"], found["isPublic"], found["isMember"], found["owner"]) == ("my-first", False, True, "owner")
    assert found["link"] == "/collabs/my-first/"
    assert client.get(C, {"driveId": found["driveRepositoryId"]}).json()["name"] == "my-first"
    assert client.get(C, {"collabTitle": "my first"}).json()["name"] == "my-first"
    for missing in ({"driveId": "x"}, {"driveId": "00000000-0000-4000-8000-000000000000"}, {"collabTitle": "none"}):
        assert client.get(C, missing).status_code == 404
    changed = send(client, "put", f"{C}/my-first", body | {"description": "E", "public": True})
    assert (changed.status_code, changed.json()["description"], changed.json()["isPublic"]) == (200, "E", True)
    assert send(client, "put", f"{C}/my-first", body | {"name": "other"}).status_code == 400
    assert send(client, "delete", f"{C}/my-first").status_code == 200
    assert client.get(f"{C}/my-first").status_code == 404


@pytest.mark.parametrize("name", ["new", "deleted", "join", "invite", "a b", "../x", "ä"])
def test_it_gives_nobody_an_address_of_the_sites_own(program: Program, owner: User, name: str) -> None:
    refused = send(program(owner), "post", C, {"name": name, "title": "Title"})
    assert refused.status_code in (400, 409)
    assert set(refused.json()) == {"code", "message", "request_id"}
    assert not Collab.objects.exists()


@pytest.mark.slow
def test_it_finds_collabs(program: Program, owner: User, viewer: User, collab: Collab, public_collab: Collab) -> None:
    client = program(viewer)

    def names(**query: Any) -> list[str]:
        return [row["name"] for row in client.get(C, query).json()]

    assert names() == ["cortex", "open-cortex"]
    assert names(order="desc") == ["open-cortex", "cortex"]
    assert names(orderField="createDate", order="DESC") == ["open-cortex", "cortex"]
    assert names(search="everybody") == ["open-cortex"]
    assert names(limit=1, offset=1) == ["open-cortex"]
    assert names(visibility="private") == ["cortex"]
    assert names(memberOnly="true") == ["cortex", "open-cortex"]
    assert names(roles="administrator") == []
    assert client.get(f"{C}?roles=editor+viewer").json()[0]["name"] == "cortex"
    assert client.get(C, {"roles": "king"}).status_code == 404
    assert client.get(C, {"limit": "many"}).status_code == 400


def test_it_tells_visitors_no_more_than_the_page(public_collab: Collab, collab: Collab) -> None:
    listed = Client().get(C).json()
    assert [row["name"] for row in listed] == ["open-cortex"]
    assert listed[0]["isMember"] is None
    assert (listed[0]["driveRepositoryId"], listed[0]["owner"]) == (None, None)
    assert Client().get(C, {"driveId": str(public_collab.library.pk)}).status_code == 401
    assert Client().get(f"{C}/cortex").status_code == 404


def test_it_changes_teams(program: Program, owner: User, viewer: User, stranger: User, collab: Collab) -> None:
    client = program(owner)
    team = client.get(f"{C}/cortex/team/viewer").json()
    assert set(team) == {"users", "units", "groups"}
    assert set(team["users"][0]) == {
        "id", "mitreId", "username", "firstName", "lastName", "biography", "avatar", "active",
    }  # fmt: skip
    assert send(client, "put", f"{C}/cortex/team/editor/users/stranger").status_code == 204
    assert send(client, "put", f"{C}/cortex/team/editor/users/stranger").status_code == 204
    assert send(client, "put", f"{C}/cortex/team/viewer/users/stranger").status_code == 204
    assert Membership.objects.get(collab=collab, user=stranger).role == Role.VIEWER
    assert send(client, "delete", f"{C}/cortex/team/administrator/users/stranger").status_code == 204
    assert not Membership.objects.filter(collab=collab, user=stranger).exists()
    assert send(client, "put", f"{C}/cortex/team/king/users/stranger").status_code == 404
    assert send(client, "put", f"{C}/cortex/team/editor/users/nobody").status_code == 400
    last = send(client, "delete", f"{C}/cortex/team/administrator/users/owner")
    assert (last.status_code, last.json()["code"]) == (409, 409)


def test_it_invites_with_a_token_and_never_with_a_cookie(
    program: Program, owner: User, stranger: User, collab: Collab, sign_in: Any
) -> None:
    """A GET that changes something could be a picture on any page of the web."""
    made = program(owner).get(f"{C}/invite/cortex/role/editor")
    assert made.status_code == 201
    token = made.json()["inviteLink"].rstrip("/").rpartition("/")[2]
    assert sign_in(owner).get(f"{C}/invite/cortex/role/editor").status_code == 403
    assert sign_in(stranger).get(f"{C}/invite/{token}").status_code == 403
    assert collab.role_of(stranger) is None
    joined = program(stranger).get(f"{C}/invite/{token}")
    assert (joined.status_code, joined.json()) == (200, {"collabId": "cortex", "role": "editor"})
    assert program(stranger).get(f"{C}/invite/wrong").status_code == 404


def test_it_writes_to_administrators_only_what_they_can_read(
    program: Program, viewer: User, owner: User, collab: Collab
) -> None:
    body = {"emailSubject": "Hello\r\nBcc: all@example.org", "emailContent": "Please"}
    Notice.objects.all().delete()
    assert send(program(viewer), "post", f"{C}/cortex/contactadministrator", body).status_code == 201
    notice = Notice.objects.get()
    assert notice.user == owner
    assert "\n" not in notice.subject
    assert AuditEntry.objects.filter(verb="collab.contacted").count() == 1


def test_it_manages_groups(program: Program, owner: User, stranger: User) -> None:
    client = program(owner)
    body = {"name": "my-group", "title": "My Group", "description": "D", "acceptMembershipRequest": True}
    made = send(client, "post", f"{ID}/groups", body)
    assert (made.status_code, made.json()["name"]) == (201, "my-group")
    assert send(client, "post", f"{ID}/groups", body | {"title": "Other"}).status_code == 409
    assert send(client, "put", f"{ID}/groups/my-group", {"title": "Mine"}).json()["title"] == "Mine"
    for _ in range(2):
        assert send(client, "put", f"{ID}/groups/my-group/member/users/stranger").status_code == 204
    assert [row["username"] for row in client.get(f"{ID}/groups/my-group/member/users").json()] == ["stranger"]
    assert send(client, "put", f"{ID}/groups/my-group/administrator/users/stranger").status_code == 204
    group_services.create_group(owner, name="Inner")
    assert send(client, "put", f"{ID}/groups/my-group/member/groups/inner").status_code == 204
    assert [row["name"] for row in client.get(f"{ID}/groups/my-group/member").json()["groups"]] == ["inner"]
    assert send(client, "put", f"{ID}/groups/my-group/administrator/groups/inner").status_code == 400
    assert send(client, "put", f"{ID}/groups/my-group/king/users/stranger").status_code == 404
    assert send(client, "delete", f"{ID}/groups/my-group/administrator/users/owner").status_code == 204
    assert send(client, "delete", f"{ID}/groups/my-group").status_code == 403
    assert send(program(stranger), "delete", f"{ID}/groups/my-group").status_code == 204
    assert not Group.objects.filter(slug="my-group").exists()


@pytest.mark.slow
def test_it_finds_people_but_lists_nobody(program: Program, owner: User, viewer: User) -> None:
    client = program(owner)
    assert [row["username"] for row in client.get(f"{ID}/users?search=vera").json()] == ["viewer"]
    assert client.get(f"{ID}/users").json() == []
    assert client.get(f"{ID}/users?sub={viewer.uuid}").json()[0]["username"] == "viewer"
    assert client.get(f"{ID}/users?sub=nonsense").json() == []
    assert client.get(f"{ID}/users/{viewer.uuid}").json()["lastName"] == "Viewer"
    assert "@" not in client.get(f"{ID}/users/viewer").content.decode()
    statuses = {client.get(f"{ID}/users/nobody{number}").status_code for number in range(70)}
    assert statuses == {404, 429}


def test_it_leads_old_addresses_to_the_collab(collab: Collab) -> None:
    for rest in ("", "/", "/Some/Page?x=1"):
        answer = Client().get(f"/bin/view/Collabs/cortex{rest}")
        assert (answer.status_code, answer["Location"]) == (302, "/collabs/cortex/")


@pytest.mark.parametrize("address", [f"{C}/a/b/c", f"{ID}/nothing", f"{C}/%00"])
def test_it_says_errors_in_the_shape_of_this_api(program: Program, owner: User, address: str) -> None:
    answer = program(owner).get(address)
    assert answer.status_code == 404
    assert answer.json()["code"] == 404
    assert answer.json()["message"]
