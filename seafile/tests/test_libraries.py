"""Libraries as clients list them: owners, names, rights; creating and deleting; links and shares."""

from collections.abc import Callable
from typing import Any

import pytest

from api.models import Scope
from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.libraries import public_links, services
from drive.models import Library, Permission, PublicLink, Share
from portal.models import User

from .conftest import Program, Seafile

pytestmark = pytest.mark.django_db
REPO = "/api2/repos/{}"


def listed(program: Program, **query: object) -> dict[str, dict[str, Any]]:
    found = program.get("/api2/repos/", **query).json
    assert len({one["id"] for one in found}) == len(found)
    return {one["name"]: one for one in found}


def test_the_owner_of_a_collabs_library_says_the_role(
    seafile: Seafile, owner: User, editor: User, viewer: User, collab: Collab
) -> None:
    """By it ebrains-drive finds a library from a Collab's address; more than one of a Collab is an error there."""
    for user, role, permission in ((owner, "administrator", "rw"), (editor, "editor", "rw"), (viewer, "viewer", "r")):
        found = listed(seafile(user))[collab.title]
        assert (found["owner"], found["permission"]) == (f"collab-{collab.slug}-{role}", permission)
        assert (found["type"], found["group_name"]) == ("grepo", found["owner"])


def test_a_library_that_is_shared_with_the_team_does_not_look_like_the_collabs(
    seafile: Seafile, owner: User, editor: User, collab: Collab
) -> None:
    shared = services.create_library(owner, "Shared with the team")
    services.share_with_team(owner, shared, collab, Permission.WRITE)
    found = listed(seafile(editor))
    assert found["Shared with the team"]["owner"] == owner.username
    assert [one["owner"].startswith("collab-") for one in found.values()].count(True) == 1


def test_own_shared_and_public_libraries_say_what_they_are(
    seafile: Seafile, owner: User, stranger: User, public_collab: Collab
) -> None:
    lent = services.create_library(owner, "Lent")
    services.share_with_person(owner, lent, stranger, Permission.READ)
    found = listed(seafile(stranger))
    mine = found["My Library"]
    assert (mine["type"], mine["owner"], mine["permission"]) == ("repo", stranger.email, "rw")
    assert (found["Lent"]["type"], found["Lent"]["owner"], found["Lent"]["permission"]) == ("srepo", "owner", "r")
    public = found[public_collab.title]
    assert (public["type"], public["owner"], public["permission"]) == ("grepo", "Organization", "r")
    for kind, names in (("mine", ["My Library"]), ("shared", ["Lent"]), ("org", [public_collab.title])):
        assert list(listed(seafile(stranger), type=kind)) == names
    assert list(listed(seafile(stranger), nameContains="LIBR")) == ["My Library"]


def test_nobody_elses_library_takes_the_name_of_an_own_one(
    seafile: Seafile, owner: User, stranger: User, collab: Collab
) -> None:
    """rclone takes the first of a name: a sync must not go to somebody else's library one day."""
    mine = services.create_library(stranger, collab.title.upper())
    collab_services.add_member(owner, collab, stranger, Role.EDITOR)
    found = listed(seafile(stranger))
    assert found[mine.name]["id"] == str(mine.pk)
    other = f"{collab.title} ({str(collab.library.pk)[:8]})"
    assert found[other]["id"] == str(collab.library.pk)
    assert seafile(stranger).get(REPO).json["name"] == other


def test_one_library_by_itself_has_self_or_share_as_its_owner(program: Program, editor: User) -> None:
    mine = Library.objects.get(owner_user=editor, is_default=True)
    assert program.get(f"/api2/repos/{mine.pk}").json["owner"] == "self"
    found = program.get(REPO).json
    assert (found["owner"], found["permission"], found["encrypted"]) == ("share", "rw", False)
    assert program.get("/api2/repos/00000000-0000-0000-0000-000000000000").status == 404
    assert program.get("/api2/default-repo").json == {"exists": True, "repo_id": str(mine.pk)}


def test_a_library_is_made_and_its_deletion_can_be_undone(program: Program, editor: User) -> None:
    """rclone sends an empty password, which is none."""
    made = program.post("/api2/repos/", {"name": "New", "passwd": ""}).json
    row = Library.objects.get(pk=made["repo_id"], owner_user=editor)
    assert (made["repo_name"], row.name) == ("New", "New")
    assert program.json("/api2/repos", name="New").status == 400
    assert program.json("/api2/repos", name="").status == 400
    assert program.post("/api2/repos/", {"name": "Secret", "passwd": "x"}).status == 400
    assert program.post(f"/api2/repos/{row.pk}/", {"password": "x"}).status == 409
    assert program("DELETE", f"/api2/repos/{row.pk}").json == "success"
    row.refresh_from_db()
    assert row.deleted_at
    services.restore_library(editor, row)
    mine = Library.objects.get(owner_user=editor, is_default=True)
    assert program("DELETE", f"/api2/repos/{mine.pk}/").status == 403


def test_a_token_for_files_makes_and_deletes_no_library(seafile: Seafile, editor: User) -> None:
    row = services.create_library(editor, "Mine")
    program = seafile(editor, Scope.READ, Scope.WRITE)
    assert program.post("/api2/repos/", {"name": "New"}).status == 403
    assert program("DELETE", f"/api2/repos/{row.pk}/").status == 403


def test_the_list_needs_no_more_queries_for_more_libraries(
    program: Program, editor: User, django_assert_num_queries: Callable[..., Any]
) -> None:
    program.get("/api2/repos/")
    with django_assert_num_queries(5):
        program.get("/api2/repos/")
    for number in range(3):
        services.create_library(editor, f"Library {number}")
    with django_assert_num_queries(5):
        program.get("/api2/repos/")


def test_a_public_link_comes_in_the_header_and_is_made_once(seafile: Seafile, owner: User, library: Library) -> None:
    """ebrains-drive: PUT with a form, 201, `Location`; rclone asks for the list first."""
    program = seafile(owner)
    program.upload("a.txt", b"a")
    made = program("PUT", f"{REPO}/file/shared-link/", {"p": "/a.txt"})
    link = PublicLink.objects.get(library=library)
    assert (made.status, made.headers["Location"]) == (201, public_links.address(link))
    again = program.json("/api/v2.1/share-links/", repo_id="{}", path="/a.txt").json
    assert (again["link"], again["is_expired"], again["path"]) == (public_links.address(link), False, "/a.txt")
    query = {"repo_id": library.pk, "path": "/a.txt"}
    assert [one["token"] for one in program.get("/api/v2.1/share-links/", **query).json] == [again["token"]]
    assert PublicLink.objects.count() == 1
    guarded = program.json("/api/v2.1/share-links/", repo_id="{}", path="/a.txt", password="secret", expire_days=3).json
    assert guarded["expire_date"]
    assert PublicLink.objects.count() == 2
    assert program.json("/api/v2.1/share-links/", repo_id="{}", path="/no").status == 404
    assert program.json("/api/v2.1/share-links/", repo_id="{}", path="/a.txt", expire_days=0.5).status == 400
    assert program("PUT", f"{REPO}/dir/shared-link/", {"p": "/"}).status == 201
    assert program("DELETE", f"/api/v2.1/share-links/{again['token']}/").json == {"success": True}
    link.refresh_from_db()
    assert link.revoked_at
    assert program("DELETE", f"/api/v2.1/share-links/{again['token']}/").status == 404


def test_a_library_is_shared_with_people(seafile: Seafile, owner: User, stranger: User, viewer: User) -> None:
    row = services.create_library(owner, "Lent")
    program, items = seafile(owner), f"/api2/repos/{row.pk}/dir/shared_items/?p=/"
    given = {"share_type": "user", "username": [stranger.email, viewer.username, "nobody"], "permission": "rw"}
    answer = program("PUT", items, given)
    assert answer.status == 200
    assert [one["user_info"]["name"] for one in answer.json["success"]] == ["stranger", "viewer"]
    assert len(answer.json["failed"]) == 1
    assert program("POST", f"{items}&username={viewer.username}", {"permission": "r"}).json == {"success": True}
    found = {one["user_info"]["name"]: one["permission"] for one in program.get(items).json}
    assert found == {"stranger": "rw", "viewer": "r"}
    assert program("DELETE", f"{items}&share_type=user&username={stranger.email}").json == {"success": True}
    assert [share.user for share in Share.objects.filter(library=row)] == [viewer]
    for wrong in ({"username": "nobody"}, {"share_type": "group"}, {"permission": "admin"}):
        assert program("PUT", items, given | wrong).status == 400
    assert program("PUT", items.replace("p=/", "p=/folder"), given).status == 400
