"""Fields that no form shows (mass assignment), on the pages and by program."""

import json
from collections.abc import Callable

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.models import Permission as Right
from django.test import Client

from api.models import Scope, Token
from api.services import create_token
from collabs.models import Collab, Invitation, Membership, Role
from conftest import PASSWORD
from drive.models import Library, Permission, Share
from groups.models import Group
from lab.models import Server
from portal.models import User

from .people import World, signed_in

pytestmark = pytest.mark.django_db
OTHER = "another-correct-horse"


MORE = {
    "is_staff": "1",
    "is_superuser": "1",
    "is_active": "1",
    "id": "1",
    "pk": "1",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "username": "root2",
    "password": "x",
    "verified": "1",
    "groups": "1",
    "user_permissions": "1",
    "owner": "stranger",
    "owner_user": "1",
    "owner_collab": "1",
    "slug": "admins",
    "deleted_at": "",
    "archived_at": "2020-01-01",
    "created_by": "1",
    "provider_name": "keycloak:admins",
    "is_public": "",
    "user": "1",
    "state": "running",
}


def test_it_takes_no_fields_that_its_forms_do_not_show(owner: User, stranger: User) -> None:
    client = signed_in("stranger")
    client.post("/account/", MORE | {"first_name": "Ada"})
    client.post("/collabs/new/", MORE | {"title": "Mine"})
    client.post("/groups/new/", MORE | {"name": "Ours"})
    client.post("/groups/ours/settings/", MORE | {"name": "Ours"})
    client.post("/drive/", MORE | {"name": "Files"})
    client.post("/lab/start", MORE)
    client.post("/account/email/", MORE | {"action_add": "", "email": "owned@example.org"})
    client.post("/notices/settings/", MORE | {"by_mail": ["everything", "role"]})
    stranger.refresh_from_db()
    assert (stranger.first_name, stranger.username) == ("Ada", "stranger")
    assert not stranger.is_staff
    assert not stranger.is_superuser
    assert stranger.check_password(PASSWORD)
    assert str(stranger.uuid) != MORE["uuid"]
    made = Collab.objects.get()
    assert (made.slug, made.archived_at, made.is_public) == ("mine", None, False)
    assert [row.user for row in made.memberships.all()] == [stranger]
    assert (Group.objects.get().slug, Group.objects.get().provider_name) == ("ours", None)
    assert Library.objects.get(name="Files").owner_user == stranger
    assert not Server.objects.filter(state="running").exists()
    assert not EmailAddress.objects.filter(email="owned@example.org", verified=True).exists()


def test_it_makes_nobody_an_operator_at_sign_up(db: None) -> None:
    form = {"username": "newcomer", "email": "n@example.org", "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/account/signup/", {**MORE, **form})
    made = User.objects.get(username="newcomer")
    assert not made.is_staff
    assert not made.is_superuser
    assert not EmailAddress.objects.get(user=made).verified


@pytest.mark.parametrize("role", ["owner", "superuser", "ADMINISTRATOR", "", "administrator "])
def test_it_gives_no_other_roles(role: str, owner: User, viewer: User, stranger: User, collab: Collab) -> None:
    client = signed_in()
    client.post("/collabs/cortex/team/viewer/role/", {"role": role})
    client.post("/collabs/cortex/team/add/", {"person": "stranger", "role": role})
    client.post("/collabs/cortex/team/invitations/mail/", {"mail-email": "a@example.org", "mail-role": role})
    assert Membership.objects.get(user=viewer).role == Role.VIEWER
    assert not Membership.objects.filter(user=stranger).exists()
    assert not Invitation.objects.exists()


@pytest.mark.slow
def test_it_gives_a_viewer_nothing_for_more_fields(world: World, viewer: User) -> None:
    client = world.browser("viewer")
    client.post("/collabs/cortex/join/", MORE | {"role": "administrator"})
    client.post(f"/collabs/join/{world.names['token']}/", MORE | {"role": "administrator"})
    client.post(f"/drive/sharing/{world.names['own']}/", {"person": "viewer", "permission": "rw"})
    assert Membership.objects.get(user=viewer, collab__slug="cortex").role == Role.VIEWER
    assert Share.objects.get(user=viewer).permission == Permission.READ


@pytest.mark.slow
def test_it_refuses_by_program_what_is_not_in_the_document(world: World, owner: User) -> None:
    _token, secret = create_token(owner, name="all", scopes=list(Scope), days=1)
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    bodies = {
        ("POST", "/api/v1/collabs"): {"title": "Mine"},
        ("PATCH", "/api/v1/collabs/cortex"): {"description": "x"},
        ("POST", "/api/v1/collabs/cortex/team"): {"person": "stranger"},
        ("PUT", "/api/v1/collabs/cortex/team/viewer"): {"role": "viewer"},
        ("POST", "/api/v1/groups"): {"name": "Ours"},
        ("PATCH", "/api/v1/groups/institute"): {"description": "x"},
        ("POST", "/api/v1/libraries"): {"name": "Files"},
        ("PATCH", f"/api/v1/libraries/{world.names['own']}"): {"name": "Own"},
        ("POST", f"/api/v1/libraries/{world.names['own']}/shares"): {"person": "editor"},
    }
    for (method, address), body in bodies.items():
        for field in ("owner", "is_staff", "slug", "deleted_at", "created_by", "provider_name", "id"):
            if field in body or (field == "slug" and method == "POST"):
                continue
            sent = json.dumps(body | {field: "1"})
            answer = client.generic(method, address, sent, "application/json")
            assert answer.status_code == 422, (method, address, field)


def test_it_gives_no_token_a_scope_that_there_is_not(owner: User) -> None:
    client = signed_in()
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    for scopes in ("admin", "*", "read,manage", ""):
        client.post("/account/tokens/new/", {"name": "x", "days": "1", "scopes": scopes, "user": "1"})
    client.post("/account/tokens/new/", {"name": "x", "days": "100000", "scopes": "read"})
    assert not Token.objects.exists()


def test_it_lets_no_operator_give_themselves_more_rights(person: Callable[..., User], operator: User) -> None:
    helper = person("helper", is_staff=True)
    for right in ("change_user", "view_user"):
        helper.user_permissions.add(Right.objects.get(codename=right, content_type__app_label="portal"))
    client = signed_in("helper")
    mine, theirs = f"/admin/portal/user/{helper.pk}", f"/admin/portal/user/{operator.pk}"
    page = client.get(f"{mine}/change/")
    assert page.status_code == 200
    form = {"email": "h@example.org", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00", "is_active": "on"}
    rights = {
        "is_staff": "on",
        "is_superuser": "on",
        "user_permissions": [right.pk for right in Right.objects.all()[:3]],
    }
    client.post(f"{mine}/change/", form | rights)
    helper.refresh_from_db()
    assert not helper.is_superuser
    assert helper.user_permissions.count() == 2
    assert client.post(f"{theirs}/password/", {"password1": OTHER, "password2": OTHER}).status_code == 403
    assert client.post(f"{theirs}/change/", form).status_code == 403
    for action in ("deactivate", "forget_second_factor"):
        client.post("/admin/portal/user/", {"action": action, "_selected_action": [operator.pk]})
    operator.refresh_from_db()
    assert operator.is_active
    assert operator.check_password(PASSWORD)
    signed_in("operator")
