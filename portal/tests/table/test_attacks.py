"""Attacks on sessions, forms, mails and ids, each through the whole site."""

import json
from collections.abc import Callable
from email.header import decode_header, make_header

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import Permission as Right
from django.core import mail
from django.core.cache import cache
from django.test import Client

from api.models import Scope, Token
from api.services import create_token
from collabs.models import Collab, Invitation, Membership, Role
from collabs.tasks import mail_invitation
from conftest import PASSWORD, Queue
from drive.models import Library, Permission, Share
from groups.models import Group
from lab.models import Server
from notices.mailing import message
from notices.models import Notice
from portal.models import Session, User

from .people import World

pytestmark = pytest.mark.django_db
OTHER = "another-correct-horse"


def signed_in(username: str = "owner", password: str = PASSWORD) -> Client:
    client = Client()
    assert client.post("/account/login/", {"login": username, "password": password}).status_code == 302
    return client


# Sessions


def test_a_new_password_ends_every_other_session_and_renews_this_one(owner: User) -> None:
    here, there = signed_in(), signed_in()
    before = here.session.session_key
    form = {"oldpassword": PASSWORD, "password1": OTHER, "password2": OTHER}
    assert here.post("/account/password/change/", form).status_code == 302
    assert here.session.session_key != before
    assert not Session.objects.filter(session_key=before).exists()
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302


def test_a_password_that_was_reset_by_mail_ends_every_session(owner: User) -> None:
    there = signed_in()
    client = Client()
    client.post("/account/password/reset/", {"email": owner.email})
    link = next(word for word in mail.outbox[0].body.split() if "/password/reset/key/" in word)
    form = client.get(link.removeprefix("http://localhost:8000"), follow=True)
    client.post(form.request["PATH_INFO"], {"password1": OTHER, "password2": OTHER})
    assert there.get("/account/").status_code == 302
    signed_in(password=OTHER)


def test_nobody_is_signed_in_before_the_second_factor_and_the_key_is_new_after_it(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    TOTP.activate(owner, generate_totp_secret())
    client = signed_in()
    planted = client.session.session_key
    assert client.get("/account/").status_code == 302
    assert not Session.objects.get(session_key=planted).user_id
    assert client.post("/account/2fa/authenticate/", {"code": "000000"}).status_code == 200
    monkeypatch.setattr(TOTP, "validate_code", lambda totp, code: code == "123456")
    client.post("/account/2fa/authenticate/", {"code": "123456"})
    assert client.get("/account/").status_code == 200
    assert client.session.session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()


def test_codes_of_the_second_factor_cannot_be_tried_at_speed(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    TOTP.activate(owner, generate_totp_secret())
    client = signed_in()
    for number in range(30):
        client.post("/account/2fa/authenticate/", {"code": f"{number:06}"})
    monkeypatch.setattr(TOTP, "validate_code", lambda totp, code: True)
    client.post("/account/2fa/authenticate/", {"code": "123456"})
    assert client.get("/account/").status_code == 302


def test_passwords_cannot_be_tried_at_speed_in_an_open_browser(owner: User) -> None:
    client = signed_in()
    answers = [client.post("/account/reauthenticate/", {"password": f"{n}"}).status_code for n in range(40)]
    assert answers[-1] == 429


# Fields that no form has


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


def test_no_form_takes_fields_that_it_does_not_show(owner: User, stranger: User) -> None:
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
    assert (Group.objects.get().slug, Group.objects.get().provider_name) == ("ours", "")
    assert Library.objects.get(name="Files").owner_user == stranger
    assert not Server.objects.filter(state="running").exists()
    assert not EmailAddress.objects.filter(email="owned@example.org", verified=True).exists()


def test_signing_up_makes_nobody_an_operator(db: None) -> None:
    form = {"username": "newcomer", "email": "n@example.org", "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/account/signup/", {**MORE, **form})
    made = User.objects.get(username="newcomer")
    assert not made.is_staff
    assert not made.is_superuser
    assert not EmailAddress.objects.get(user=made).verified


@pytest.mark.parametrize("role", ["owner", "superuser", "ADMINISTRATOR", "", "administrator "])
def test_there_are_no_other_roles(role: str, owner: User, viewer: User, stranger: User, collab: Collab) -> None:
    client = signed_in()
    client.post("/collabs/cortex/team/viewer/role/", {"role": role})
    client.post("/collabs/cortex/team/add/", {"person": "stranger", "role": role})
    client.post("/collabs/cortex/team/invitations/mail/", {"mail-email": "a@example.org", "mail-role": role})
    assert Membership.objects.get(user=viewer).role == Role.VIEWER
    assert not Membership.objects.filter(user=stranger).exists()
    assert not Invitation.objects.exists()


def test_a_viewer_gains_nothing_by_fields(world: World, viewer: User) -> None:
    client = world.browser("viewer")
    client.post("/collabs/cortex/join/", MORE | {"role": "administrator"})
    client.post(f"/collabs/join/{world.names['token']}/", MORE | {"role": "administrator"})
    client.post(f"/drive/sharing/{world.names['own']}/", {"person": "viewer", "permission": "rw"})
    assert Membership.objects.get(user=viewer, collab__slug="cortex").role == Role.VIEWER
    assert Share.objects.get(user=viewer).permission == Permission.READ


def test_the_api_refuses_fields_that_it_does_not_name(world: World, owner: User) -> None:
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


def test_a_token_never_has_a_scope_that_there_is_not(owner: User) -> None:
    client = signed_in()
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    for scopes in ("admin", "*", "read,manage", ""):
        client.post("/account/tokens/new/", {"name": "x", "days": "1", "scopes": scopes, "user": "1"})
    client.post("/account/tokens/new/", {"name": "x", "days": "100000", "scopes": "read"})
    assert not Token.objects.exists()


def test_an_operator_with_some_rights_cannot_give_themselves_all(person: Callable[..., User], operator: User) -> None:
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


# Mails


INJECTED = "Ada\r\nBcc: victim@evil.example\r\n\r\nBuy now"


def headers_of(made: mail.EmailMessage) -> dict[str, str]:
    return {name: str(make_header(decode_header(str(value)))) for name, value in made.message().items()}


def check_mail(made: mail.EmailMessage) -> None:
    headers = headers_of(made)
    assert "Bcc" not in headers
    assert "\n" not in headers["Subject"]
    assert "evil" not in headers["To"]
    assert made.recipients() == made.to
    assert len(made.to) == 1


def test_names_and_titles_write_no_mail_headers(owner: User, stranger: User, queue: Queue) -> None:
    User.objects.filter(pk=owner.pk).update(first_name=INJECTED, last_name="\nCc: victim@evil.example")
    client = signed_in()
    client.post("/account/", {"first_name": INJECTED, "last_name": "x"})
    client.post("/collabs/new/", {"title": f"Cortex {INJECTED}"})
    collab = Collab.objects.get()
    client.post(f"/collabs/{collab.slug}/team/add/", {"person": "stranger", "role": "editor"})
    client.post(
        f"/collabs/{collab.slug}/team/invitations/mail/",
        {"mail-email": "new@example.org", "mail-role": "viewer", "mail-days": "7"},
    )
    asked = [entry for entry in queue if entry[0] == mail_invitation.name]
    mail_invitation(*asked[0][1:])
    assert len(mail.outbox) == 1
    check_mail(mail.outbox[0])
    notices = Notice.objects.filter(user=stranger)
    assert notices.exists()
    for notice in notices:
        check_mail(message(notice))


@pytest.mark.parametrize(
    "address", ["a@example.org\nBcc: v@evil.example", "a@example.org,v@evil.example", "a@example.org\r\n", "<a@b.c>"]
)
def test_addresses_write_no_mail_headers(address: str, owner: User, collab: Collab, queue: Queue) -> None:
    client = signed_in()
    form = {"mail-email": address, "mail-role": "viewer", "mail-days": "7"}
    client.post("/collabs/cortex/team/invitations/mail/", form)
    client.post("/account/password/reset/", {"email": address})
    client.post("/account/email/", {"action_add": "", "email": address})
    new = {"username": "newcomer", "email": address, "password1": PASSWORD, "password2": PASSWORD}
    Client().post("/account/signup/", new)
    for invitation in Invitation.objects.all():
        assert invitation.email == "a@example.org"
    for made in mail.outbox:
        check_mail(made)
        assert made.to == ["a@example.org"]


def test_a_subject_by_program_writes_no_mail_headers(owner: User, viewer: User, collab: Collab) -> None:
    _token, secret = create_token(viewer, name="all", scopes=list(Scope), days=1)
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    body = {"emailSubject": INJECTED, "emailContent": INJECTED}
    client.post("/rest/v1/collabs/cortex/contactadministrator", body, content_type="application/json")
    notice = Notice.objects.get(user=owner, kind="request")
    check_mail(message(notice))


# Ids of one thing under the address of another


def test_ids_of_one_collab_do_nothing_under_another(world: World, owner: User) -> None:
    """The administrator of both asks: only the address is wrong."""
    names, client = world.names, world.browser("administrator")
    wrong = [
        "/collabs/open-cortex/team/invitations/{invitation}/revoke/",
        "/collabs/cortex/team/requests/{request}/",
        "/collabs/open-cortex/team/groups/inner/remove/",
        "/groups/outer/people/ingroup/remove/",
        "/groups/outer/groups/inner/remove/",
        "/drive/links/{lib}/{link}/revoke/",
        "/drive/links/{open_lib}/{link}/revoke/",
    ]
    for address in wrong:
        assert client.post(address.format(**names)).status_code == 404, address
    upload = f"/drive/uploads/{names['open_lib']}/{names['upload']}"
    assert client.delete(upload, headers={"Tus-Resumable": "1.0.0"}).status_code == 404
    _token, secret = create_token(owner, name="all", scopes=list(Scope), days=1)
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    lib, other = f"/api/v1/libraries/{names['open_lib']}", f"/api/v1/libraries/{names['deleted']}"
    assert program.delete("/api/v1/collabs/open-cortex/invitations/{invitation}".format(**names)).status_code == 404
    for base in (lib, other):
        assert program.delete(f"{base}/shares/{names['share']}").status_code in (403, 404)
        assert program.get(f"{base}/versions/{names['version']}", {"path": "a.txt"}).status_code == 404
    assert Invitation.objects.get(pk=names["invitation"]).revoked_at is None
    assert Share.objects.filter(pk=names["share"]).exists()


def test_numbers_of_other_people_open_nothing(world: World, owner: User) -> None:
    client = world.browser("stranger")
    for address in (
        "/notices/{notice}/",
        "/account/tokens/{api_token}/revoke/",
        "/account/sessions/{session}/end/",
        "/account/services/{service}/revoke/",
        "/drive/shares/{share}/end/",
    ):
        assert client.post(address.format(**world.names)).status_code == 404
    client.post("/account/email/", {"action_remove": "", "email": owner.email})
    client.post("/account/email/", {"action_primary": "", "email": owner.email})
    owner.refresh_from_db()
    assert owner.email == "owner@example.org"
    assert not Token.objects.exclude(revoked_at=None).exists()


# Guessing


def test_invitations_cannot_be_guessed_by_whichever_door(world: World, owner: User) -> None:
    cache.clear()
    client = Client()
    answers = [client.get(f"/collabs/join/guess{number}/").status_code for number in range(31)]
    assert answers == [404] * 30 + [429]
    assert client.post("/collabs/join/guess/").status_code == 429
    _token, secret = create_token(owner, name="all", scopes=list(Scope), days=1)
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    body = {"token": "guess"}
    assert program.post("/api/v1/invitations/accept", body, content_type="application/json").status_code == 429
    assert program.get("/rest/v1/collabs/invite/guess").status_code == 429


def test_tokens_cannot_be_guessed(owner: User) -> None:
    cache.clear()
    answers = [
        Client(headers={"Authorization": f"Bearer clb_{number:043}"}).get("/api/v1/me").status_code
        for number in range(120)
    ]
    assert answers[0] == 401
    assert answers[-1] == 429
