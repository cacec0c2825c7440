"""Administration: permissions of operators, and the audit trail of their changes."""

from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse
from pytest_django.asserts import assertContains, assertRedirects

from portal import audit
from portal.models import AuditEntry, Session, User


def form_of(client: Client, user: User) -> dict[str, object]:
    """Form data that a browser would send for the person."""
    response = client.get(reverse("admin:portal_user_change", args=[user.pk]))
    form = response.context["adminform"].form
    values = {name: form[name].value() for name in form.fields}
    data = {name: value for name, value in values.items() if value not in (None, False) and name != "password"}
    joined = user.date_joined
    return data | {"date_joined_0": joined.strftime("%Y-%m-%d"), "date_joined_1": joined.strftime("%H:%M:%S")}


def test_it_signs_operators_in_where_everybody_signs_in(client: Client, operator: User) -> None:
    response = client.get("/admin/portal/user/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/account/login/?next=/admin/")
    client.force_login(operator)
    assertRedirects(client.get("/admin/login/?next=/admin/portal/user/"), "/admin/portal/user/")
    assertRedirects(client.get("/admin/login/?next=//evil.example/"), "/admin/")


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
    assertContains(response, "account.looked-at")
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
    assertContains(response, '<td class="field-verb">tested</td>', html=True)


def test_it_lets_nobody_write_what_one_signs_in_with(operator: User, sign_in: Callable[[User], Client]) -> None:
    page = sign_in(operator).get("/admin/").text
    for rows in ("account/emailaddress", "mfa/authenticator", "usersessions", "socialaccount"):
        assert f"/admin/{rows}" not in page


def test_it_forgets_a_lost_second_factor(owner: User, operator: User, sign_in: Callable[[User], Client]) -> None:
    TOTP.activate(owner, generate_totp_secret())
    theirs = sign_in(owner)
    data = {"action": "forget_second_factor", "_selected_action": [owner.pk]}
    assertContains(sign_in(operator).post("/admin/portal/user/", data, follow=True), "password alone: owner")
    assert not Authenticator.objects.exists()
    assert not theirs.get("/").wsgi_request.user.is_authenticated
    assert AuditEntry.objects.filter(verb="account.second-factor.forgotten", actor=operator).exists()
