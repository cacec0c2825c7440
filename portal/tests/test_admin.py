"""Administration: permissions of operators, and the audit trail of their changes."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from console.models import Announcement
from portal import audit
from portal.accounts import services
from portal.admin import NAMED
from portal.models import AuditEntry, Session, User


def form_of(client: Client, user: User) -> dict[str, object]:
    """Form data that a browser would send for the person."""
    response = client.get(reverse("admin:portal_user_change", args=[user.pk]))
    form = response.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    return {name: value for name, value in values.items() if value not in (None, False) and name != "password"}


def test_it_signs_operators_in_where_everybody_signs_in(client: Client, operator: User) -> None:
    response = client.get("/admin/portal/user/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/account/login/?next=/admin/")
    client.force_login(operator)
    assertRedirects(client.get("/admin/login/?next=/admin/portal/user/"), "/admin/portal/user/")
    assertRedirects(client.get("/admin/login/?next=//evil.example/"), "/admin/")


def test_it_calls_no_two_things_the_same(operator: User, sign_in: Callable[[User], Client]) -> None:
    page = sign_in(operator).get("/admin/")
    apps = page.context["app_list"]
    names = [str(model["name"]) for app in apps for model in app["models"]]
    assert sorted(names) == sorted(set(names))
    assert len({str(app["name"]) for app in apps}) == len(apps)
    assert "Groups" in names


def test_it_is_closed_to_everybody_else(owner: User, sign_in: Callable[[User], Client]) -> None:
    response = sign_in(owner).get("/admin/", follow=True)
    assertContains(response, "operators of this site", status_code=403)


def test_it_shuts_an_account_when_the_tick_is_taken_away(
    owner: User, operator: User, sign_in: Callable[[User], Client]
) -> None:
    sign_in(owner)
    client = sign_in(operator)
    data = form_of(client, owner)
    del data["is_active"]
    assertRedirects(client.post(reverse("admin:portal_user_change", args=[owner.pk]), data), "/admin/portal/user/")
    owner.refresh_from_db()
    assert not owner.is_active
    assert not Session.objects.filter(user=owner).exists()
    entry = audit.trail(owner)[0]
    assert (entry.verb, entry.actor) == ("account.deactivated", operator)


@pytest.mark.parametrize("tick", ["is_active", "is_staff", "is_superuser"])
def test_no_superuser_locks_themselves_out_by_their_own_form(
    operator: User, person: Callable[..., User], sign_in: Callable[[User], Client], tick: str
) -> None:
    person("other", is_staff=True, is_superuser=True)
    client = sign_in(operator)
    data = form_of(client, operator) | {"first_name": "Changed"}
    del data[tick]
    address = reverse("admin:portal_user_change", args=[operator.pk])
    assertContains(client.post(address, data, follow=True), "Nothing was saved. You cannot deactivate your own account")
    operator.refresh_from_db()
    assert (operator.is_active, operator.is_staff, operator.is_superuser) == (True, True, True)
    assert operator.first_name == ""


def test_no_superuser_locks_themselves_out_by_the_list(
    operator: User, owner: User, editor: User, sign_in: Callable[[User], Client]
) -> None:
    services.deactivate(None, editor)
    client = sign_in(operator)
    chosen = {"action": "deactivate", "_selected_action": [operator.pk, owner.pk, editor.pk]}
    page = client.post("/admin/portal/user/", chosen, follow=True)
    assertContains(page, "Deactivated: 1 user (owner).")
    assertContains(page, "Nothing to do for 1 user (editor).")
    assertContains(page, "Not changed: 1 user (operator). You cannot deactivate your own account")
    assert set(User.objects.filter(is_active=True)) == {operator}


def test_another_superuser_takes_rights_by_the_form(
    operator: User, person: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    other = person("other", is_staff=True, is_superuser=True)
    client = sign_in(operator)
    data = form_of(client, other) | {"first_name": "Otto"}
    del data["is_superuser"]
    assertRedirects(client.post(reverse("admin:portal_user_change", args=[other.pk]), data), "/admin/portal/user/")
    other.refresh_from_db()
    assert (other.is_staff, other.is_superuser, other.first_name) == (True, False, "Otto")
    trail = {entry.verb: entry.details for entry in audit.trail(other)}
    assert trail["account.rights.changed"] == {"staff": True, "superuser": False}
    assert trail["account.changed"] == {"fields": ["first_name"]}


def test_a_superuser_keeps_a_way_to_sign_in(operator: User, owner: User, sign_in: Callable[[User], Client]) -> None:
    client, nothing = sign_in(operator), {"usable_password": "false", "unset-password": "1"}
    page = client.post(reverse("admin:auth_user_password_change", args=[operator.pk]), nothing)
    assertContains(page, "no other way to sign in")
    client.post(reverse("admin:auth_user_password_change", args=[owner.pk]), nothing)
    people = User.objects.in_bulk(field_name="username")
    assert {name: user.has_usable_password() for name, user in people.items()} == {"operator": True, "owner": False}
    SocialAccount.objects.create(user=operator, provider="institute", uid="1")
    client.post(reverse("admin:auth_user_password_change", args=[operator.pk]), nothing)
    operator.refresh_from_db()
    assert not operator.has_usable_password()


def test_the_report_of_an_action_names_some_of_many(
    operator: User, person: Callable[..., User], sign_in: Callable[[User], Client]
) -> None:
    people = [person(f"person-{number}") for number in range(NAMED + 3)]
    chosen = {"action": "deactivate", "_selected_action": [user.pk for user in people]}
    page = sign_in(operator).post("/admin/portal/user/", chosen, follow=True)
    assertContains(page, "Deactivated: 13 users (person-")
    assertContains(page, " and 3 more).")


def test_the_report_of_an_action_is_text(operator: User, sign_in: Callable[[User], Client]) -> None:
    text, tomorrow = "<script>alert(1)</script>", timezone.now() + timedelta(days=1)
    row = Announcement.objects.create(text=text, ends_at=tomorrow)
    chosen = {"action": "end", "_selected_action": [row.pk]}
    page = sign_in(operator).post("/admin/console/announcement/", chosen, follow=True)
    assertContains(page, "Ended: 1 announcement (&lt;script&gt;alert(1)&lt;/script&gt;).")
    assertNotContains(page, text)


def test_it_opens_an_account_again(owner: User, operator: User, sign_in: Callable[[User], Client]) -> None:
    client = sign_in(operator)
    for action, active in (("deactivate", False), ("activate", True)):
        client.post("/admin/portal/user/", {"action": action, "_selected_action": [owner.pk]})
        owner.refresh_from_db()
        assert owner.is_active is active


def test_it_never_changes_a_username(owner: User, operator: User, sign_in: Callable[[User], Client]) -> None:
    client = sign_in(operator)
    data = form_of(client, owner) | {"username": "other", "first_name": "Olivia"}
    client.post(reverse("admin:portal_user_change", args=[owner.pk]), data)
    owner.refresh_from_db()
    assert (owner.username, owner.first_name) == ("owner", "Olivia")


def test_it_shows_the_trail_beside_the_person(owner: User, operator: User, sign_in: Callable[[User], Client]) -> None:
    audit.record(operator, "account.looked-at", owner, why="<b>to see</b>")
    response = sign_in(operator).get(reverse("admin:portal_user_change", args=[owner.pk]))
    assertContains(response, "looked at what this person sees")
    assertContains(response, "&lt;b&gt;to see")
    assertContains(response, str(owner.uuid))


@pytest.mark.parametrize("action", ["add", "change", "delete"])
def test_it_lets_nobody_edit_the_trail(
    owner: User, operator: User, sign_in: Callable[[User], Client], action: str
) -> None:
    audit.record(operator, "tested", owner)
    entry = AuditEntry.objects.first()
    assert entry
    client = sign_in(operator)
    args = [] if action == "add" else [entry.pk]
    response = client.post(reverse(f"admin:portal_auditentry_{action}", args=args), {"verb": "forged", "post": "yes"})
    assert response.status_code == 403
    assert AuditEntry.objects.get(pk=entry.pk).verb == "tested"


def test_it_finds_what_was_done_by_whom(owner: User, operator: User, sign_in: Callable[[User], Client]) -> None:
    audit.record(operator, "tested", owner)
    response = sign_in(operator).get("/admin/portal/auditentry/?q=operator&verb=tested")
    assertContains(response, '<td class="field-did">tested</td>', html=True)


def test_it_lets_nobody_write_what_one_signs_in_with(operator: User, sign_in: Callable[[User], Client]) -> None:
    page = sign_in(operator).get("/admin/").text
    for rows in ("account/emailaddress", "mfa/authenticator", "usersessions", "socialaccount"):
        assert f"/admin/{rows}" not in page


def test_it_forgets_a_lost_second_factor(owner: User, operator: User, sign_in: Callable[[User], Client]) -> None:
    TOTP.activate(owner, generate_totp_secret())
    theirs = sign_in(owner)
    data = {"action": "forget_second_factor", "_selected_action": [owner.pk]}
    assertContains(
        sign_in(operator).post("/admin/portal/user/", data, follow=True), "password alone from now on: 1 user (owner)."
    )
    assert not Authenticator.objects.exists()
    assert not theirs.get("/").wsgi_request.user.is_authenticated
    assert AuditEntry.objects.filter(verb="account.second-factor.forgotten", actor=operator).exists()
