"""Signing in to another service with an account here: the way, what it is told, and the attacks (RFC 9700)."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.idp.oidc.models import Client as Service
from allauth.idp.oidc.models import Token
from django.test import Client
from django.urls import resolve, reverse
from django.utils.module_loading import import_string

from collabs.models import Collab, Role
from collabs.services import add_member
from groups.services import add_person, create_group, nest
from identity import services, tasks
from portal.accounts import services as portal_services
from portal.accounts.deletion import delete_account
from portal.models import AuditEntry, User

from .conftest import BACK, SECRET, Hub, answer, came_back, userinfo

pytestmark = pytest.mark.django_db


# The way


@pytest.mark.slow
def test_it_signs_somebody_in_and_says_who(hub: Hub, browser: Client, editor: User) -> None:
    got = hub.sign_in(browser)
    told = hub.read(got["id_token"])
    assert (told["sub"], told["nonce"], told["aud"]) == (str(editor.uuid), "the-nonce", "hub")
    info = userinfo(got["access_token"]).json()
    assert (info["sub"], info["preferred_username"]) == (str(editor.uuid), "editor")
    assert (info["email"], info["email_verified"]) == (editor.email, True)


@pytest.mark.slow
def test_it_tells_teams_and_groups_as_services_for_ebrains_read_them(
    hub: Hub, browser: Client, editor: User, owner: User, collab: Collab
) -> None:
    other = Collab.objects.create(slug="my-own-work", title="My own work")
    add_member(owner, other, editor, Role.VIEWER)
    institute, lab = create_group(owner, name="Neuro"), create_group(owner, name="Lab of Neuro")
    nest(owner, institute, lab)
    add_person(owner, lab, editor)
    got = hub.sign_in(browser)
    roles = {"team": [f"collab-{collab.slug}-editor", "collab-my-own-work-viewer"], "group": ["lab-of-neuro", "neuro"]}
    assert userinfo(got["access_token"]).json()["roles"] == roles
    assert hub.read(got["id_token"])["roles"] == roles


@pytest.mark.slow
def test_it_tells_no_more_than_was_asked_for(hub: Hub, browser: Client, collab: Collab) -> None:
    hub.scope = "openid"
    info = userinfo(hub.sign_in(browser)["access_token"]).json()
    assert set(info) == {"sub"}


def test_it_describes_itself_at_its_own_address(hub: Hub) -> None:
    """A forged Host, or another port, has no say."""
    found = Client(headers={"host": "localhost:9999"}).get("/.well-known/openid-configuration").json()
    assert found["issuer"] == "http://localhost:8000"
    addresses = [value for value in found.values() if isinstance(value, str) and value.startswith("http")]
    assert all(value.startswith("http://localhost:8000") for value in addresses)
    assert found["token_endpoint"] == "http://localhost:8000/identity/o/api/token"
    assert found["response_types_supported"] == ["code"]
    assert "team" in found["scopes_supported"]
    assert Client(headers={"host": "evil.example"}).get("/.well-known/openid-configuration").status_code == 400


def test_it_asks_somebody_to_sign_in_first_and_goes_on(hub: Hub, editor: User) -> None:
    response = Client().get(hub.question())
    assert response["Location"].startswith("/account/login/?next=/identity/o/authorize")
    assert "code_challenge" in response["Location"]


@pytest.mark.slow
def test_it_asks_nobody_for_a_trusted_service(hub: Hub, browser: Client) -> None:
    Service.objects.update(skip_consent=True)
    response = browser.get(hub.question(), headers={"sec-fetch-site": "cross-site"})
    assert response.status_code == 302
    assert hub.exchange(came_back(response)["code"]).status_code == 200
    after_sign_in = browser.get(hub.question(), headers={"sec-fetch-site": "same-origin"})
    assert after_sign_in.status_code == 200
    assert "code" in came_back(after_sign_in), "by a page: the policy for forms holds redirects after a sign-in"


def test_it_tells_nothing_when_somebody_says_no(hub: Hub, browser: Client) -> None:
    page = browser.get(hub.question())
    assert came_back(answer(browser, page, "", "cancel")) == {"error": "access_denied", "state": "the-state"}


@pytest.mark.slow
def test_it_renews_and_each_renewal_is_good_once(hub: Hub, browser: Client) -> None:
    first = hub.sign_in(browser)
    assert first["refresh_expires_in"] == pytest.approx(30 * 24 * 3600, abs=60)
    renew = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = hub.post("token", renew)
    assert second.status_code == 200
    assert userinfo(second.json()["access_token"]).status_code == 200
    again = hub.post("token", renew)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")


# Attacks


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example/",
        f"{BACK}/../evil",
        f"{BACK}?x=1",
        "https://hub.example.org.evil.example/hub/oauth_callback",
    ],
)
def test_it_leads_to_no_address_that_was_not_registered(hub: Hub, browser: Client, address: str) -> None:
    response = browser.get(hub.question(redirect_uri=address))
    assert response.status_code == 400
    assert "Location" not in response
    assert "Refresh" not in response
    assert "Sign-in failed" in response.text


def test_it_gives_nothing_for_a_code_without_its_verifier(hub: Hub, browser: Client) -> None:
    for changes in ({"code_verifier": ""}, {"code_verifier": "x" * 60}):
        answer = hub.exchange(hub.consent(browser)["code"], **changes)
        assert answer.status_code == 400, changes


@pytest.mark.slow
def test_it_takes_a_code_once(hub: Hub, browser: Client) -> None:
    code = hub.consent(browser)["code"]
    assert hub.exchange(code).status_code == 200
    assert hub.exchange(code).json()["error"] == "invalid_grant"


def test_it_gives_a_code_to_nobody_else(hub: Hub, browser: Client) -> None:
    other = Service(id="other", name="Other", redirect_uris=BACK, scopes="openid", grant_types="authorization_code")
    other.set_secret(SECRET)
    other.save()
    thief = Hub(other, verifier=hub.verifier)
    assert thief.exchange(hub.consent(browser)["code"]).status_code == 400
    wrong = Hub(hub.service, secret="guessed", verifier=hub.verifier)
    assert wrong.exchange(hub.consent(browser)["code"]).status_code == 401
    none = Hub(hub.service, secret="", verifier=hub.verifier)
    assert none.exchange(hub.consent(browser)["code"]).status_code == 401


def test_it_needs_the_token_of_its_own_form(hub: Hub, editor: User) -> None:
    guarded = Client(enforce_csrf_checks=True)
    guarded.force_login(editor)
    page = guarded.get(hub.question())
    assert answer(guarded, page, "openid").status_code == 403


def test_it_grants_no_scope_that_the_service_may_not_have(hub: Hub, browser: Client) -> None:
    Service.objects.update(scopes="openid")
    assert came_back(browser.get(hub.question()))["error"] == "invalid_scope"


@pytest.mark.parametrize("kind", ["token", "id_token", "id_token token", "code id_token"])
def test_it_gives_no_token_through_an_address(hub: Hub, browser: Client, kind: str) -> None:
    assert "error" in came_back(browser.get(hub.question(response_type=kind)))


def test_it_offers_no_sign_in_by_typed_code(hub: Hub, browser: Client) -> None:
    assert browser.get("/identity/o/device?code=X").status_code == 404
    assert hub.post("device/code", {"scope": "openid"}).status_code == 404


@pytest.mark.slow
@pytest.mark.parametrize("end", ["deactivated", "deleted", "revoked"])
def test_it_ends_at_once(hub: Hub, browser: Client, editor: User, end: str) -> None:
    code = hub.consent(browser)["code"]
    got = hub.sign_in(browser)
    match end:
        case "deactivated":
            portal_services.deactivate(None, editor)
        case "deleted":
            delete_account(editor, {})
        case "revoked":
            assert "The Hub" in browser.get("/account/services/").text
            browser.post("/account/services/hub/revoke/")
    assert userinfo(got["access_token"]).status_code == 401
    assert hub.post("token", {"grant_type": "refresh_token", "refresh_token": got["refresh_token"]}).status_code == 400
    if end != "revoked":
        assert hub.exchange(code).status_code == 400
    else:
        assert AuditEntry.objects.filter(verb="account.service.revoked").exists()


@pytest.mark.slow
def test_it_shows_and_revokes_only_ones_own(
    hub: Hub, browser: Client, stranger: User, sign_in: Callable[[User], Client]
) -> None:
    hub.sign_in(browser)
    other = sign_in(stranger)
    assert "The Hub" not in other.get("/account/services/").text
    assert other.post("/account/services/hub/revoke/").status_code == 404
    assert Token.objects.exists()


@pytest.mark.slow
def test_it_forgets_what_has_expired(hub: Hub, browser: Client, editor: User) -> None:
    hub.sign_in(browser)
    Token.objects.filter(type="at").update(expires_at="2020-01-01T00:00:00Z")
    tasks.forget_expired()
    assert list(Token.objects.values_list("type", flat=True)) == ["rt"]
    assert services.export(editor)["services.json"][0]["name"] == "The Hub"


def test_it_leaves_no_endpoint_to_the_library_that_checks_less() -> None:
    """Of allauth's own pages, those without a code or token."""
    names = [pattern.name for pattern in _patterns(import_string("allauth.idp.oidc.urls.urlpatterns"))]
    theirs = {name for name in names if resolve(reverse(f"idp:oidc:{name}")).func.__module__.startswith("allauth")}
    assert theirs == {"configuration", "jwks", "logout"}


def _patterns(found: list[Any]) -> Iterator[Any]:
    for one in found:
        yield from _patterns(one.url_patterns) if hasattr(one, "url_patterns") else [one]


# The admin


@pytest.fixture
def operator_browser(operator: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(operator)


def add(client: Client, **changes: Any) -> Any:
    data = {"name": "Hub", "type": "confidential", "redirect_uris": BACK, "allowed": ["openid", "team"]}
    return client.post("/admin/allauth_idp_oidc/client/add/", data | changes, follow=True)


def test_it_shows_a_secret_once(operator_browser: Client) -> None:
    page = add(operator_browser)
    service = Service.objects.get()
    [secret] = [word for word in page.text.replace("<", " ").replace(">", " ").split() if service.check_secret(word)]
    assert secret not in service.secret
    assert secret not in operator_browser.get(f"/admin/allauth_idp_oidc/client/{service.pk}/change/").text
    assert (service.get_scopes(), service.get_grant_types()) == (
        ["openid", "team"],
        ["authorization_code", "refresh_token"],
    )
    assert AuditEntry.objects.filter(verb="identity.client.created").exists()


@pytest.mark.parametrize(
    "address",
    ["http://hub.example.org/x", "https://*.example.org/x", "javascript:alert(1)", "https:///x", f"{BACK}#x", "/x"],
)
def test_it_takes_no_strange_address(operator_browser: Client, address: str) -> None:
    add(operator_browser, redirect_uris=address)
    assert not Service.objects.exists()


@pytest.mark.slow
def test_it_makes_another_secret_and_removes_services(operator_browser: Client, hub: Hub, browser: Client) -> None:
    hub.sign_in(browser)
    chosen = {"_selected_action": ["hub"]}
    operator_browser.post("/admin/allauth_idp_oidc/client/", chosen | {"action": "new_secret"})
    assert not Service.objects.get().check_secret(SECRET)
    operator_browser.post("/admin/allauth_idp_oidc/client/", chosen | {"action": "remove"})
    assert not Service.objects.exists()
    assert not Token.objects.exists()


@pytest.mark.parametrize("nothing", ["", "  ", "\n \n"])
def test_it_asks_for_an_address(operator_browser: Client, nothing: str) -> None:
    page = add(operator_browser, redirect_uris=nothing)
    assert "This field is required" in page.text
    assert not Service.objects.exists()


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1/back", "http://[::1]/back", "http://localhost:8000/x", "org.example.app:/x"]
)
def test_it_takes_the_addresses_of_programs(operator_browser: Client, address: str) -> None:
    add(operator_browser, redirect_uris=address)
    assert Service.objects.get().get_redirect_uris() == [address]
