"""The APIs with the portal's own access tokens: attacks first, then what each scope gives, then how it ends."""

import secrets
from base64 import b64encode
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.idp.oidc.models import Client as Service
from allauth.idp.oidc.models import Token
from allauth.mfa.models import Authenticator
from django.test import Client
from django.utils import timezone

from collabs.models import Collab
from drive.files import operations
from drive.libraries import services as drive_services
from identity import access_tokens
from lab.models import Environment, Server, State
from lab.servers import api_tokens
from portal.accounts.services import deactivate, forget_second_factor
from portal.models import User

from .conftest import Hub, registered, userinfo

pytestmark = pytest.mark.django_db
READ, WRITE, TEAM = "clb.wiki.read", "clb.wiki.write", "team"
ALL = f"openid {READ} {WRITE} {TEAM}"
REST, V1 = "/rest/v1/collabs", "/api/v1/collabs"


def bearer(token: str) -> Client:
    return Client(headers={"authorization": f"Bearer {token}"})


def status(token: str, address: str = f"{V1}/cortex") -> int:
    return bearer(token).get(address).status_code


@pytest.fixture
def hub(db: None) -> Hub:
    """A service that may ask for the scopes of the APIs."""
    found = registered("hub", "The Hub")
    found.service.set_scopes([*found.service.get_scopes(), READ, WRITE])
    found.service.save()
    found.scope = ALL
    return found


Give = Callable[..., str]


@pytest.fixture
def give(hub: Hub, editor: User) -> Give:
    """An access token of the editor's with these scopes, as the token endpoint saves it; returns its secret."""

    def make(scopes: str, user: User = editor, **values: Any) -> str:
        secret = secrets.token_urlsafe(64)
        values = {"type": Token.Type.ACCESS_TOKEN, "expires_at": timezone.now() + timedelta(hours=1)} | values
        token = Token(client=hub.service, user=user, **values)
        token.set_value(secret)
        token.set_scopes(scopes.split())
        token.save()
        return secret

    return make


# Attacks


def test_no_token_for_another_audience_opens_anything(give: Give, collab: Collab) -> None:
    """RFC 8707: a service that got a token for itself, or for a third one, cannot turn it against this site."""
    secret = give(ALL)
    for audience, expected in (
        (["https://other.example.org"], 401),
        (["http://localhost:8000.example.org/"], 401),
        (["https://localhost:8000/"], 401),
        (["https://other.example.org", "http://localhost:8000/api/"], 200),
    ):
        token = Token.objects.get()
        token.set_resources(audience)
        token.save()
        assert status(secret) == expected, audience


def test_no_token_of_a_service_that_is_only_signed_in_to_opens_anything(hub: Hub, give: Give, collab: Collab) -> None:
    secret = give("openid profile email group")
    for address in (V1, f"{V1}/cortex", f"{V1}?mine=true", "/api/v1/me", "/api/v1/libraries", REST, f"{REST}/cortex"):
        assert status(secret, address) == 403, address
    assert userinfo(secret).status_code == 200


def test_no_token_with_more_than_its_client_may_ask_for_any_more(hub: Hub, give: Give, collab: Collab) -> None:
    """Operators who take a scope away from a service take it from the tokens that are out, too."""
    secret = give(ALL)
    assert status(secret) == 200
    hub.service.set_scopes(["openid", TEAM])
    hub.service.save()
    assert status(secret) == 403
    assert status(secret, f"{V1}?mine=true") == 200


def test_no_expired_token(give: Give, collab: Collab) -> None:
    assert status(give(ALL, expires_at=timezone.now() - timedelta(seconds=1))) == 401


@pytest.mark.parametrize(
    "kind", [Token.Type.REFRESH_TOKEN, Token.Type.INITIAL_ACCESS_TOKEN, Token.Type.AUTHORIZATION_CODE]
)
def test_no_other_kind_of_token(give: Give, collab: Collab, kind: str) -> None:
    assert status(give(ALL, type=kind)) == 401


def test_no_id_token_and_no_refresh_token(hub: Hub, browser: Client, collab: Collab) -> None:
    got = hub.sign_in(browser)
    assert status(got["access_token"]) == 200
    for name in ("id_token", "refresh_token"):
        assert status(got[name]) == 401, name
    assert "ID token" in bearer(got["id_token"]).get(V1).json()["message"]


def test_no_token_of_somebody_inactive(give: Give, editor: User, collab: Collab) -> None:
    """Also where the account was switched off without the service that ends tokens."""
    secret = give(ALL)
    User.objects.filter(pk=editor.pk).update(is_active=False)
    assert status(secret) == 401
    assert Token.objects.exists()


def test_no_token_of_a_client_without_a_person(give: Give, collab: Collab) -> None:
    secret = give(ALL)
    Token.objects.update(user=None)
    assert status(secret) == 401


def test_no_token_is_taken_by_another_scheme_or_another_door(give: Give, collab: Collab, sign_in: Any) -> None:
    secret = give(ALL)
    basic = b64encode(f"editor:{secret}".encode()).decode()
    for header in (f"Token {secret}", f"Basic {basic}", secret, f"Bearer {secret} x", f"Bearer {secret}x"):
        assert Client(headers={"authorization": header}).get(V1).status_code == 401, header
    assert Client().get(f"{V1}?access_token={secret}").status_code == 422
    assert bearer(secret).generic("PROPFIND", "/dav/").status_code == 401
    assert bearer(secret).get("/collabs/cortex/").status_code in (302, 404), "pages take no token"


def test_a_token_of_the_stranger_opens_what_a_stranger_sees(give: Give, stranger: User, collab: Collab) -> None:
    secret = give(ALL, stranger)
    assert status(secret) == 404
    assert status(secret, f"/api/v1/libraries/{collab.library.pk}/entries") == 404
    assert status(secret, f"{REST}/cortex") == 404


def test_a_labs_own_token_is_none_of_these_and_the_other_way_round(
    hub: Hub, browser: Client, give: Give, editor: User, collab: Collab
) -> None:
    base = Environment.objects.create(slug="base", name="Base", prefix="/base", is_default=True)
    server = Server.objects.create(owner=editor, environment=base, state=State.RUNNING)
    of_lab = api_tokens.make(server.pk)
    assert access_tokens.find(of_lab) is None
    assert userinfo(of_lab).status_code == 401
    assert bearer(of_lab).post(V1, {"title": "New"}, content_type="application/json").status_code == 403
    assert hub.post("token", {"grant_type": "refresh_token", "refresh_token": of_lab}).status_code == 400
    for path in ("saves/begin", "saves/end"):
        body = {"path": "Shared with groups/Cortex/a.txt"}
        answer = bearer(give(ALL)).post(f"/api/v1/lab/{path}", body, content_type="application/json")
        assert (answer.status_code, "Only a running Lab" in answer.json()["message"]) == (403, True)


def test_a_token_counts_and_the_cookie_beside_it_does_not(
    give: Give, collab: Collab, owner: User, sign_in: Any
) -> None:
    administrator = sign_in(owner)
    wrong = {"authorization": f"Bearer {secrets.token_urlsafe(64)}"}
    assert administrator.get(f"{V1}/cortex", headers=wrong).status_code == 401
    narrow = {"authorization": f"Bearer {give('openid')}"}
    assert administrator.get(f"{V1}/cortex", headers=narrow).status_code == 403


# What each scope gives


ASKED: list[tuple[str, str, Any, set[str]]] = [
    ("get", V1, None, {READ}),
    ("get", f"{V1}?mine=true", None, {READ, TEAM}),
    ("get", f"{V1}/cortex", None, {READ}),
    ("get", f"{V1}/cortex/team", None, {READ}),
    ("get", "/api/v1/me", None, {READ}),
    ("get", "/api/v1/libraries", None, {READ}),
    ("get", "/api/v1/libraries/{lib}/files/a.txt", None, {READ}),
    ("put", "/api/v1/libraries/{lib}/files/a.txt", b"new", {WRITE}),
    ("post", V1, {"title": "Of a script"}, {WRITE}),
    ("post", "/api/v1/libraries/{own}/shares", {"person": "viewer"}, {WRITE}),
    ("get", "/api/v1/lab", None, set()),
    ("post", "/api/v1/lab", {}, set()),
    ("get", REST, None, {READ}),
    ("get", f"{REST}?memberOnly=true", None, {READ, TEAM}),
    ("get", f"{REST}/cortex", None, {READ}),
    ("get", f"{REST}/cortex/team/viewer", None, {READ}),
    ("get", "/rest/v1/identity/groups", None, {READ}),
    ("get", "/rest/v1/identity/users/viewer", None, {READ}),
    ("post", REST, {"name": "of-another", "title": "Of another"}, {WRITE}),
]


@pytest.mark.slow
@pytest.mark.parametrize("scope", [READ, WRITE, TEAM])
def test_each_scope_gives_its_rights_and_no_others(
    give: Give, editor: User, viewer: User, collab: Collab, scope: str, settings: Any
) -> None:
    settings.DRIVE_USE_ACCEL = False
    client = bearer(give(f"openid {scope}"))
    operations.write(editor, collab.library, "a.txt", b"a")
    ids = {"lib": collab.library.pk, "own": drive_services.create_library(editor, "Own").pk}
    for method, address, body, enough in ASKED:
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        more = {} if body is None else {"data": body, "content_type": kind}
        answer = getattr(client, method)(address.format(**ids), **more)
        assert (answer.status_code < 300) is (scope in enough), (scope, method, address, answer.status_code)
        assert answer.status_code < 300 or answer.status_code == 403, (scope, method, address)


def test_team_lists_the_persons_own_collabs_alone(
    give: Give, collab: Collab, public_collab: Collab, editor: User
) -> None:
    public_collab.memberships.filter(user=editor).delete()
    client = bearer(give(f"openid {TEAM}"))
    found = client.get(f"{V1}?mine=true").json()["items"]
    assert [(one["slug"], one["my_role"]) for one in found] == [("cortex", "editor")]
    assert [one["name"] for one in client.get(f"{REST}?memberOnly=true").json()] == ["cortex"]
    assert "mine=true" in client.get(V1).json()["message"]


def test_it_tells_the_address_with_the_scope_email_alone(give: Give, editor: User) -> None:
    without, with_it = (bearer(give(f"openid {READ}{more}")).get("/api/v1/me").json() for more in ("", " email"))
    assert (without["email"], with_it["email"]) == ("", editor.email)
    assert without["scopes"] == ["read"]
    assert bearer(give(ALL)).get("/api/v1/me").json()["scopes"] == ["read", "write", "share", "manage"]


def test_a_service_gets_them_when_its_person_ticks_them(hub: Hub, browser: Client, collab: Collab) -> None:
    got = hub.exchange(hub.consent(browser, f"openid {READ}")["code"]).json()
    assert sorted(got["scope"].split()) == [READ, "openid"]
    assert status(got["access_token"]) == 200
    refused = bearer(got["access_token"]).post(V1, {"title": "New"}, content_type="application/json")
    assert (refused.status_code, "manage" in refused.json()["message"]) == (403, True)
    assert READ in Client().get("/.well-known/openid-configuration").json()["scopes_supported"]


def test_a_service_gets_none_that_operators_have_not_chosen_for_it(db: None, browser: Client) -> None:
    other = registered("other", "Another service")
    other.scope = ALL
    answer = browser.get(other.question())
    assert "invalid_scope" in str(answer.headers)
    assert not Service.objects.get(pk="other").get_scopes().count(READ)


# How it ends


@pytest.fixture
def token(hub: Hub, browser: Client, collab: Collab) -> str:
    """Of a sign-in with everything, that works."""
    found = str(hub.sign_in(browser)["access_token"])
    assert status(found) == 200
    assert status(found, f"{REST}/cortex") == 200
    return found


def test_it_ends_with_the_consent(token: str, browser: Client) -> None:
    browser.post("/account/services/hub/revoke/")
    assert (status(token), status(token, f"{REST}/cortex")) == (401, 401)


def test_it_ends_with_a_scope_that_is_left_out_at_the_next_sign_in(token: str, hub: Hub, browser: Client) -> None:
    hub.consent(browser, "openid team")
    assert status(token) == 401


def test_it_ends_with_signing_out_everywhere(token: str, browser: Client) -> None:
    """Also where no other browser is signed in."""
    browser.post("/account/sessions/")
    assert status(token) == 401
    assert browser.get("/account/sessions/").status_code == 200, "the browser that asked stays"


def test_it_ends_with_the_sessions_that_an_operator_ends(token: str, editor: User, operator: User) -> None:
    Authenticator.objects.create(user=editor, type=Authenticator.Type.TOTP, data={})
    assert forget_second_factor(operator, editor)
    assert status(token) == 401


def test_it_ends_with_the_account(token: str, editor: User, operator: User) -> None:
    deactivate(operator, editor)
    assert status(token) == 401


def test_it_ends_when_the_service_revokes_it(token: str, hub: Hub) -> None:
    hub.post("revoke", {"token": token})
    assert status(token) == 401


def test_it_ends_with_the_service(token: str, hub: Hub) -> None:
    hub.service.delete()
    assert status(token) == 401


def test_it_stays_at_an_ordinary_sign_out(token: str, browser: Client) -> None:
    browser.post("/account/logout/")
    assert status(token) == 200
