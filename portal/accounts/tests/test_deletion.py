"""Deleting one's account, and taking one's data along."""

import io
import json
import zipfile
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from collabs.models import Collab, Role
from conftest import PASSWORD
from drive.libraries import services as drive_services
from drive.models import Library, Permission, Share
from groups import services as group_services
from portal import audit
from portal.accounts import services
from portal.models import Session, User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def signed_in(user: User) -> Client:
    """With the password given once more, as a deletion asks for it."""
    client = Client()
    client.post("/account/login/", {"login": user.username, "password": PASSWORD})
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    return client


@pytest.mark.slow
def test_it_asks_for_the_password_and_the_name(sign_in: SignIn, stranger: User) -> None:
    assert "/account/reauthenticate/" in sign_in(stranger).get("/account/delete/")["Location"]
    client = signed_in(stranger)
    assert client.post("/account/delete/", {"typed_username": "Stranger"}).status_code == 422
    assert client.post("/account/delete/", {"typed_username": "stranger"})["Location"] == "/"
    stranger.refresh_from_db()
    assert (stranger.is_active, stranger.email, stranger.has_usable_password()) == (False, "", False)
    assert not Session.objects.filter(user=stranger).exists()
    assert not EmailAddress.objects.filter(user=stranger).exists()
    assert client.get("/account/").status_code == 302


def test_it_asks_what_becomes_of_collabs_and_libraries(
    owner: User, editor: User, collab: Collab, public_collab: Collab
) -> None:
    data = drive_services.create_library(owner, "Data")
    drive_services.share_with_person(owner, data, editor, Permission.WRITE)
    alone = drive_services.create_library(owner, "Mine alone")
    client = signed_in(owner)
    page = client.get("/account/delete/").text
    for name in ("Cortex", "Open Cortex", "Data"):
        assert name in page
    assert "Mine alone" not in page
    form = {"typed_username": "owner", f"collab-{collab.pk}": "editor", f"collab-{public_collab.pk}": "delete"}
    assert client.post("/account/delete/", form).status_code == 422, "of the library nothing was said"
    assert User.objects.get(pk=owner.pk).is_active
    client.post("/account/delete/", form | {f"library-{data.pk}": "editor"})
    collab.refresh_from_db()
    public_collab.refresh_from_db()
    data.refresh_from_db()
    alone.refresh_from_db()
    assert collab.role_of(editor) == Role.ADMINISTRATOR
    assert not collab.memberships.filter(user=owner).exists()
    assert public_collab.deleted_at
    assert data.owner_user == editor
    assert alone.deleted_at
    assert not Library.objects.filter(owner_user=owner, deleted_at=None).exists()


def test_it_takes_no_answer_that_was_not_offered(owner: User, stranger: User, collab: Collab) -> None:
    client = signed_in(owner)
    form = {"typed_username": "owner", f"collab-{collab.pk}": "stranger"}
    assert client.post("/account/delete/", form).status_code == 422
    assert collab.role_of(stranger) is None


def test_it_leaves_teams_groups_and_shares(owner: User, editor: User, collab: Collab) -> None:
    group = group_services.create_group(owner, name="Institute")
    group_services.add_person(owner, group, editor)
    drive_services.share_with_person(owner, drive_services.create_library(owner, "Data"), editor, Permission.READ)
    signed_in(editor).post("/account/delete/", {"typed_username": "editor"})
    assert not collab.memberships.filter(user=editor).exists()
    assert not group.members.exists()
    assert not Share.objects.exists()


def test_it_leaves_an_empty_account_that_nobody_gets(stranger: User) -> None:
    signed_in(stranger).post("/account/delete/", {"typed_username": "stranger"})
    assert audit.trail(stranger)[0].verb == "account.deleted"
    services.activate(None, stranger)
    assert not User.objects.get(pk=stranger.pk).is_active
    form = {"username": "stranger", "email": "new@example.org", "password1": PASSWORD, "password2": PASSWORD}
    assert Client().post("/account/signup/", form).status_code == 200
    assert User.objects.filter(username="stranger").count() == 1


def test_it_gives_what_it_knows(sign_in: SignIn, editor: User, collab: Collab) -> None:
    response = sign_in(editor).get("/account/export/")
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        found = {name: json.loads(archive.read(name)) for name in archive.namelist()}
    assert found["account.json"]["username"] == "editor"
    assert found["collabs.json"][0]["collab__title"] == "Cortex"
    assert [library["name"] for library in found["libraries.json"]] == ["My Library"]
    assert "password" not in str(found)
    assert Client().get("/account/export/").status_code == 302
