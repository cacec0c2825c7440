"""What comes of one sign-in ends together: codes and refresh tokens that are used twice, tokens that are revoked."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from allauth.idp.oidc.models import Client as Service
from allauth.idp.oidc.models import Token
from django.db import connection
from django.db.models.signals import pre_delete
from django.test import Client
from django.utils import timezone

from identity import oauth, services, tasks
from identity.models import Grant, SpentRefreshToken
from portal.models import AuditEntry, User

from .conftest import BACK, SECRET, Hub, registered, userinfo

pytestmark = pytest.mark.django_db


def works(got: dict[str, Any]) -> bool:
    return userinfo(got["access_token"]).status_code == 200


# A code


def test_it_revokes_what_came_of_a_code_that_is_used_twice(hub: Hub, browser: Client) -> None:
    """RFC 6749, 4.1.2."""
    other_sign_in = hub.sign_in(browser)
    code = hub.consent(browser)["code"]
    got = hub.exchange(code).json()
    assert works(got)
    assert hub.exchange(code).json()["error"] == "invalid_grant"
    assert not works(got)
    assert hub.renew(got["refresh_token"]).json()["error"] == "invalid_grant"
    assert works(other_sign_in), "another sign-in is not its business"
    hub.exchange(code)
    assert AuditEntry.objects.filter(verb="account.service.reuse").count() == 1


def test_it_revokes_what_was_renewed_since_too(hub: Hub, browser: Client) -> None:
    code = hub.consent(browser)["code"]
    renewed = hub.renew(hub.exchange(code).json()["refresh_token"]).json()
    hub.exchange(code)
    assert not works(renewed)
    assert hub.renew(renewed["refresh_token"]).status_code == 400


def test_it_takes_a_code_for_one_try(hub: Hub, browser: Client) -> None:
    code = hub.consent(browser)["code"]
    assert hub.exchange(code, code_verifier="x" * 43).status_code == 400
    assert hub.exchange(code).status_code == 400


def test_nobody_else_can_use_up_a_code_or_end_what_came_of_it(hub: Hub, browser: Client) -> None:
    """Who has found an old code in a log cannot sign people out with it."""
    other = registered("other", "Another service")
    code = hub.consent(browser)["code"]
    for thief in (other, Hub(hub.service, secret="wrong"), Hub(hub.service, secret="")):
        thief.verifier = hub.verifier
        assert thief.exchange(code).status_code in (400, 401)
    got = hub.exchange(code).json()
    for thief in (other, Hub(hub.service, secret="wrong"), Hub(hub.service, secret="")):
        assert thief.exchange(code).status_code in (400, 401)
        assert thief.renew(got["refresh_token"]).status_code in (400, 401)
    assert works(got)


def test_it_takes_no_credentials_of_two_services(hub: Hub, browser: Client) -> None:
    """The code of one, asked for with the secret of the other."""
    registered("other", "Another service")
    basic = Client(
        headers={"authorization": "Basic " + __import__("base64").b64encode(f"other:{SECRET}".encode()).decode()}
    )
    data = {"grant_type": "authorization_code", "code": hub.consent(browser)["code"], "redirect_uri": BACK}
    data |= {"code_verifier": hub.verifier, "client_id": "hub"}
    assert basic.post("/identity/o/api/token", data).status_code == 400
    assert not Token.objects.exists()


# A refresh token


def test_it_revokes_all_when_a_refresh_token_is_used_twice(hub: Hub, browser: Client) -> None:
    """RFC 9700, 4.14.2: thief and service cannot both go on, and the second to come tells."""
    first = hub.sign_in(browser)
    second = hub.renew(first["refresh_token"]).json()
    third = hub.renew(second["refresh_token"]).json()
    assert works(third)
    assert hub.renew(first["refresh_token"]).json()["error"] == "invalid_grant"
    assert not any(works(got) for got in (first, second, third))
    assert hub.renew(third["refresh_token"]).json()["error"] == "invalid_grant"


def test_it_keeps_a_refresh_token_with_which_too_much_was_asked_for(hub: Hub, browser: Client) -> None:
    hub.scope = "openid profile"
    got = hub.sign_in(browser)
    assert hub.renew(got["refresh_token"], scope="openid email").json()["error"] == "invalid_scope"
    assert hub.renew(got["refresh_token"]).status_code == 200


def test_it_renews_what_is_older_than_this(hub: Hub, browser: Client) -> None:
    """Tokens of a site that was updated belong to no sign-in; they get one."""
    got = hub.sign_in(browser)
    Grant.objects.all().delete()
    second = hub.renew(got["refresh_token"]).json()
    assert works(second)
    hub.renew(got["refresh_token"])
    assert not works(second)


def test_it_ends_at_the_consent_of_another_person_too(hub: Hub, browser: Client, stranger: User, sign_in: Any) -> None:
    first, second = hub.sign_in(browser), hub.sign_in(sign_in(stranger))
    hub.renew(first["refresh_token"])
    hub.renew(first["refresh_token"])
    assert works(second)


# Revocation


def test_it_revokes_the_access_tokens_with_the_refresh_token(hub: Hub, browser: Client) -> None:
    """RFC 7009, 2.1."""
    first = hub.sign_in(browser)
    other_sign_in = hub.sign_in(browser)
    second = hub.renew(first["refresh_token"]).json()
    assert hub.post("revoke", {"token": second["refresh_token"]}).status_code == 200
    assert not works(first)
    assert not works(second)
    assert hub.renew(second["refresh_token"]).status_code == 400
    assert works(other_sign_in)


def test_it_revokes_an_access_token_alone(hub: Hub, browser: Client) -> None:
    got = hub.sign_in(browser)
    assert hub.post("revoke", {"token": got["access_token"]}).status_code == 200
    assert not works(got)
    assert hub.renew(got["refresh_token"]).status_code == 200


@pytest.mark.parametrize(("kind", "hint"), [("refresh_token", "access_token"), ("access_token", "refresh_token")])
def test_it_looks_further_than_the_hint(hub: Hub, browser: Client, kind: str, hint: str) -> None:
    got = hub.sign_in(browser)
    assert hub.post("revoke", {"token": got[kind], "token_type_hint": hint}).status_code == 200
    assert not works(got)


@pytest.mark.parametrize("kind", ["refresh_token", "access_token"])
def test_it_lets_no_service_revoke_what_is_anothers(hub: Hub, browser: Client, kind: str) -> None:
    got = hub.sign_in(browser)
    assert registered("other", "Another service").post("revoke", {"token": got[kind]}).status_code == 200
    assert works(got)
    assert hub.renew(got["refresh_token"]).status_code == 200


def test_it_revokes_with_a_refresh_token_that_is_spent(hub: Hub, browser: Client) -> None:
    first = hub.sign_in(browser)
    second = hub.renew(first["refresh_token"]).json()
    hub.post("revoke", {"token": first["refresh_token"]})
    assert not works(second)


# Userinfo


@pytest.mark.parametrize("method", ["get", "post"])
def test_userinfo_needs_openid(hub: Hub, browser: Client, method: str) -> None:
    """OpenID Connect Core 5.3.3, RFC 6750, 3.1."""
    got = hub.sign_in(browser)
    narrow = hub.renew(got["refresh_token"], scope="profile").json()
    asking = Client(headers={"authorization": f"Bearer {narrow['access_token']}"})
    response = getattr(asking, method)("/identity/o/api/userinfo")
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")
    assert "scope" in response["WWW-Authenticate"]


def test_userinfo_takes_no_token_in_its_address(hub: Hub, browser: Client) -> None:
    got = hub.sign_in(browser)
    assert Client().get(f"/identity/o/api/userinfo?access_token={got['access_token']}").status_code == 401


# Housekeeping


def test_it_forgets_what_can_be_used_no_more(hub: Hub, browser: Client) -> None:
    old = hub.sign_in(browser)
    hub.renew(old["refresh_token"])
    kept = hub.sign_in(browser)
    past = timezone.now() - timedelta(days=40)
    grant = Grant.objects.order_by("pk")[0]
    grant.tokens.update(expires_at=past)
    SpentRefreshToken.objects.update(expires_at=past)
    Grant.objects.filter(pk=grant.pk).update(created_at=past)
    tasks.forget_expired()
    assert Grant.objects.count() == 1
    assert not SpentRefreshToken.objects.exists()
    assert works(kept)


@pytest.mark.parametrize(
    "data",
    [
        {"grant_type": "password", "username": "editor", "password": "x"},
        {"grant_type": "client_credentials"},
        {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "x"},
        {"grant_type": ""},
        {"grant_type": "authorization_code"},
        {"grant_type": "authorization_code", "code": "\x00"},
        {"grant_type": "refresh_token", "refresh_token": "x", "resource": "nothing"},
    ],
)
def test_it_gives_nothing_for_anything_else(hub: Hub, data: dict[str, str]) -> None:
    Service.objects.update(grant_types="\n".join(Service.GrantType.values))
    response = hub.post("token", data)
    assert response.status_code == 400
    assert "no-store" in response["Cache-Control"]
    assert not Token.objects.exists()


# At the same moment


def at_once(work: Callable[[], Any]) -> list[Any]:
    """Four times, started together."""
    gate = threading.Barrier(4)

    def one(_: int) -> Any:
        gate.wait()
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(one, range(4)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["code", "refresh token"])
def test_nothing_is_left_of_what_is_used_several_times_at_once(hub: Hub, browser: Client, what: str) -> None:
    """One may be first, but no token outlives the second."""
    if what == "code":
        code = hub.consent(browser)["code"]
        answers = at_once(lambda: hub.exchange(code))
    else:
        got = hub.sign_in(browser)
        answers = at_once(lambda: hub.renew(got["refresh_token"]))
    assert sorted(one.status_code for one in answers)[1:] == [400, 400, 400]
    assert not Token.objects.exists()


def test_revoking_ends_what_a_renewal_is_about_to_give(hub: Hub, browser: Client, editor: User) -> None:
    """A renewal holds its sign-in's row until its tokens are there, and then somebody's revocation goes on."""
    hub.sign_in(browser)

    def finish_renewal(**_: Any) -> None:
        Token.objects.create(client=hub.service, user=editor, type=Token.Type.REFRESH_TOKEN, hash="of the renewal")

    pre_delete.connect(finish_renewal, sender=Grant)
    try:
        services.revoke(editor, editor, hub.service)
    finally:
        pre_delete.disconnect(finish_renewal, sender=Grant)
    assert not Token.objects.exists()


def test_no_renewal_outlives_a_revocation(
    hub: Hub, browser: Client, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a token that is older than grants, whose row is all that there is to look at."""
    got = hub.sign_in(browser)
    Grant.objects.all().delete()
    locked = oauth.Validator._locked_grant

    def after_revocation(self: oauth.Validator, request: Any) -> Grant | None:
        services.revoke(editor, editor, hub.service)
        return locked(self, request)

    monkeypatch.setattr(oauth.Validator, "_locked_grant", after_revocation)
    assert hub.renew(got["refresh_token"]).json()["error"] == "invalid_grant"
    assert not Token.objects.exists()


def test_no_code_outlives_a_revocation_that_comes_after_the_look_at_the_consent(
    hub: Hub, browser: Client, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = hub.consent(browser)["code"]
    looked_at = services.consent_of

    def revoked_then(*asked: Any) -> Any:
        found = looked_at(*asked)
        services.revoke(editor, editor, hub.service)
        return found

    monkeypatch.setattr(services, "consent_of", revoked_then)
    assert hub.exchange(code).json()["error"] == "invalid_grant"
    assert not Token.objects.exists()


# Scopes that are taken back


def test_it_ends_older_sign_ins_that_have_what_is_taken_back(hub: Hub, browser: Client) -> None:
    wide = hub.sign_in(browser)
    narrow = hub.exchange(hub.consent(browser, "openid team", scope="openid team")["code"]).json()
    assert works(wide), "what is not asked for is not taken back"
    narrower = hub.exchange(hub.consent(browser, scopes="openid profile group team")["code"]).json()
    assert not works(wide)
    assert hub.renew(wide["refresh_token"]).json()["error"] == "invalid_grant"
    assert works(narrow)
    assert works(narrower)


def test_it_ends_what_is_older_than_grants_too(hub: Hub, browser: Client) -> None:
    wide = hub.sign_in(browser)
    Grant.objects.all().delete()
    hub.consent(browser, scopes="openid profile")
    assert hub.renew(wide["refresh_token"]).json()["error"] == "invalid_grant"


def test_no_code_gives_what_is_taken_back_after_the_look_at_the_consent(
    hub: Hub, browser: Client, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = hub.consent(browser)["code"]
    looked_at = services.consent_of

    def narrowed_then(*asked: Any) -> Any:
        found = looked_at(*asked)
        services.allow(editor, hub.service, hub.scope.split(), ["openid"])
        return found

    monkeypatch.setattr(services, "consent_of", narrowed_then)
    assert hub.exchange(code).json()["error"] == "invalid_grant"
    assert not Token.objects.exists()
