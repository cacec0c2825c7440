"""What a service gets without a page, and what the person allowed: per service, per scope, by every method."""

import itertools
import json
import time
from typing import Any

import pytest
from allauth.account.internal.flows.login import record_authentication
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client as Service
from django.contrib.sessions.backends.base import SessionBase
from django.test import Client, RequestFactory
from pytest_django import Settings

from conftest import PASSWORD
from identity import services
from portal.models import AuditEntry, User
from tests.support.oidc_provider import NAME, provider

from .conftest import BACK, Hub, answer, came_back, registered, userinfo

pytestmark = pytest.mark.django_db

NOBODY = {"error", "error_description", "state"}


@pytest.fixture
def other(hub: Hub) -> Hub:
    """A second service, registered like the first, which nobody has let in."""
    return registered("other", "Another service")


def silent(browser: Client, hub: Hub, **changes: str) -> dict[str, str]:
    return came_back(browser.get(hub.question(prompt="none", **changes)))


# Without a page


def test_it_gives_nothing_to_a_service_because_another_was_let_in(hub: Hub, other: Hub, browser: Client) -> None:
    hub.sign_in(browser)
    told = silent(browser, other)
    assert told["error"] == "consent_required"
    assert set(told) <= NOBODY


def test_it_gives_without_a_page_what_this_service_was_allowed(hub: Hub, browser: Client) -> None:
    hub.sign_in(browser)
    assert hub.exchange(silent(browser, hub)["code"]).status_code == 200


def test_it_asks_again_for_more_than_was_allowed(hub: Hub, browser: Client) -> None:
    hub.consent(browser, scopes="openid profile")
    assert silent(browser, hub, scope="openid profile team")["error"] == "consent_required"
    assert "code" in silent(browser, hub, scope="openid profile")


def test_it_remembers_what_was_allowed_when_no_token_is_left(hub: Hub, browser: Client, editor: User) -> None:
    """And what was only asked for is not allowed."""
    hub.consent(browser, scopes="openid email")
    assert "code" in silent(browser, hub, scope="openid email")
    services.revoke(editor, editor, hub.service)
    assert silent(browser, hub, scope="openid email")["error"] == "consent_required"


def test_it_gives_nothing_for_somebody_elses_consent(hub: Hub, browser: Client, stranger: User, sign_in: Any) -> None:
    hub.sign_in(browser)
    assert silent(sign_in(stranger), hub)["error"] == "consent_required"


def test_it_shows_no_page_to_a_service_that_wants_none(hub: Hub) -> None:
    assert silent(Client(), hub)["error"] == "login_required"
    assert silent(Client(), hub, scope="profile")["error"] == "invalid_scope"


def test_it_needs_no_consent_for_a_trusted_service(hub: Hub, browser: Client) -> None:
    Service.objects.update(skip_consent=True)
    assert "code" in silent(browser, hub)


@pytest.mark.parametrize("trusted", [True, False])
def test_it_always_shows_a_page_for_a_program_that_anyone_can_pretend_to_be(browser: Client, trusted: bool) -> None:
    """RFC 8252, 8.6: a program without a secret, on the person's own machine, is known by nothing."""
    program = registered("cli", "Program", type="public", skip_consent=trusted)
    here = "http://127.0.0.1/back"
    Service.objects.update(redirect_uris=here)
    page = browser.get(program.question(redirect_uri=here))
    assert page.status_code == 200
    assert "code" in came_back(answer(browser, page, program.scope), here)
    told = browser.get(program.question(redirect_uri=here, prompt="none"))
    assert came_back(told, here)["error"] == "consent_required"


def test_it_tells_the_address_that_the_person_chose_without_a_page_too(hub: Hub, browser: Client, editor: User) -> None:
    EmailAddress.objects.create(user=editor, email="second@example.org", verified=True)
    page = browser.get(hub.question())
    data = {"scopes": ["openid", "email"], "email": "second@example.org", "action": "grant"}
    response = browser.post(page.context["address"], data)
    assert "code" in came_back(response)
    got = hub.exchange(silent(browser, hub, scope="openid email")["code"]).json()
    assert userinfo(got["access_token"]).json()["email"] == "second@example.org"


# What is allowed


def test_it_allows_what_is_ticked_and_always_who_it_is(hub: Hub, browser: Client) -> None:
    got = hub.exchange(hub.consent(browser, scopes="profile")["code"]).json()
    assert set(got["scope"].split()) == {"openid", "profile"}
    assert "email" not in userinfo(got["access_token"]).json()


def test_it_takes_no_scope_that_the_page_did_not_offer(hub: Hub, browser: Client) -> None:
    page = browser.get(hub.question(scope="openid"))
    response = answer(browser, page, "openid email team")
    assert "Refresh" not in response
    assert "Location" not in response
    assert silent(browser, hub, scope="openid email")["error"] == "consent_required"


def test_it_writes_down_what_was_allowed_and_lists_it(hub: Hub, browser: Client) -> None:
    hub.consent(browser, scopes="openid email")
    [entry] = AuditEntry.objects.filter(verb="account.service.allowed")
    assert entry.details == {"service": "The Hub", "scopes": ["email", "openid"]}
    hub.consent(browser, scopes="openid")
    assert AuditEntry.objects.filter(verb="account.service.allowed").count() == 1, "it was allowed already"
    assert "The Hub" in browser.get("/account/services/").text, "before the service has used the code"


def test_it_gives_nothing_for_a_code_from_before_the_consent_was_taken_back(hub: Hub, browser: Client) -> None:
    code = hub.consent(browser)["code"]
    browser.post("/account/services/hub/revoke/")
    assert hub.exchange(code).json()["error"] == "invalid_grant"


def test_it_asks_a_person_whose_service_is_trusted_when_the_service_wants_that(hub: Hub, browser: Client) -> None:
    Service.objects.update(skip_consent=True)
    assert "Allow" in browser.get(hub.question(prompt="consent")).text


# By every method


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("wrong", [{}, {"code_challenge": ""}, {"redirect_uri": f"{BACK}?evil"}])
def test_it_answers_no_other_method(hub: Hub, browser: Client, method: str, wrong: dict[str, str]) -> None:
    Service.objects.update(skip_consent=True)
    response = browser.generic(method, hub.question(**wrong))
    assert response.status_code == 405
    assert not {"Location", "Refresh"} & set(response.headers)


@pytest.mark.parametrize("address", ["/identity/o/authorize", "/identity/o/authorize/consent"])
def test_it_checks_the_answer_as_the_question(hub: Hub, browser: Client, address: str) -> None:
    """A form that is sent to another address than the page's own."""
    Service.objects.update(skip_consent=True)
    data = {"action": "grant", "scopes": ["openid"]}
    for wrong in ({"redirect_uri": "https://evil.example/"}, {"client_id": "nobody"}, {"redirect_uri": f"{BACK}?x=1"}):
        response = browser.post(hub.question(**wrong).replace("/identity/o/authorize", address), data, follow=True)
        assert response.status_code == 400, wrong
        assert "Refresh" not in response


def test_it_gives_no_code_to_a_form_of_ours_without_pkce(hub: Hub, browser: Client) -> None:
    question = hub.question(code_challenge="").replace("authorize", "authorize/consent")
    told = came_back(browser.post(question, {"action": "grant", "scopes": ["openid"]}))
    assert told["error"] == "invalid_request"


def test_it_leads_somebody_who_signed_out_before_the_answer_to_sign_in(hub: Hub, browser: Client) -> None:
    page = browser.get(hub.question())
    browser.logout()
    response = answer(browser, page, hub.scope)
    assert response["Location"].startswith("/account/login/?next=/identity/o/authorize%3F")


def test_it_takes_a_question_by_post(hub: Hub, browser: Client) -> None:
    """Core 3.1.2.1; asked again as GET, so that the browser's cookie is there."""
    path, _, query = hub.question().partition("?")
    response = Client(enforce_csrf_checks=True).post(path, query, "application/x-www-form-urlencoded")
    assert response["Location"].startswith("/identity/o/authorize?")
    assert browser.get(response["Location"]).status_code == 200


# How long ago somebody signed in


@pytest.fixture
def signed_in(editor: User) -> Client:
    """By the form, with a password: the session knows when."""
    editor.set_password(PASSWORD)
    editor.save()
    EmailAddress.objects.create(user=editor, email=editor.email, verified=True, primary=True)
    client = Client()
    client.post("/account/login/", {"login": editor.username, "password": PASSWORD})
    return client


def signed_in_ago(client: Client, seconds: int) -> None:
    session = client.session
    for record in session["account_authentication_methods"]:
        record["at"] = time.time() - seconds
    session.save()


def test_it_says_when_somebody_signed_in(hub: Hub, signed_in: Client) -> None:
    signed_in_ago(signed_in, 1000)
    got = hub.sign_in(signed_in)
    first = hub.read(got["id_token"])["auth_time"]
    assert first == pytest.approx(time.time() - 1000, abs=60)
    again = hub.renew(got["refresh_token"]).json()
    assert hub.read(again["id_token"])["auth_time"] == first, "Core 12.2: not when it was renewed"


def test_it_has_somebody_sign_in_again_who_did_so_too_long_ago(hub: Hub, signed_in: Client) -> None:
    signed_in_ago(signed_in, 1000)
    assert signed_in.get(hub.question(max_age="2000")).status_code == 200
    response = signed_in.get(hub.question(max_age="500"))
    assert response["Location"].startswith("/account/reauthenticate/?next=")
    page = signed_in.post(response["Location"], {"password": PASSWORD}, follow=True)
    told = came_back(answer(signed_in, page, hub.scope))
    got = hub.exchange(told["code"]).json()
    assert hub.read(got["id_token"])["auth_time"] == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize("change", [{"max_age": "0"}, {"prompt": "login"}])
def test_it_has_somebody_sign_in_again_once(hub: Hub, signed_in: Client, change: dict[str, str]) -> None:
    response = signed_in.get(hub.question(**change))
    assert response["Location"].startswith("/account/reauthenticate/?next=")
    page = signed_in.post(response["Location"], {"password": PASSWORD}, follow=True)
    assert "Allow" in page.text


@pytest.mark.parametrize("max_age", ["0", "500"])
def test_it_says_without_a_page_that_somebody_has_to_sign_in_again(hub: Hub, signed_in: Client, max_age: str) -> None:
    hub.sign_in(signed_in)
    signed_in_ago(signed_in, 1000)
    assert silent(signed_in, hub, max_age=max_age)["error"] == "login_required"
    assert "code" in silent(signed_in, hub, max_age="2000")


def test_it_holds_a_session_of_unknown_age_for_too_old(hub: Hub, browser: Client) -> None:
    hub.sign_in(browser)
    assert silent(browser, hub, max_age="100000")["error"] == "login_required"


@pytest.mark.parametrize("max_age", ["-1", "x", "1e3", "9" * 400])
def test_it_takes_no_age_that_is_none(hub: Hub, browser: Client, max_age: str) -> None:
    assert came_back(browser.get(hub.question(max_age=max_age)))["error"] == "invalid_request"


def test_it_sends_somebody_without_a_password_to_their_provider(hub: Hub, settings: Settings) -> None:
    """Who signs in elsewhere has nothing to type in here."""
    with provider() as institute:
        settings.OIDC_PROVIDERS = [institute.settings()]
        institute.claims("s-1", preferred_username="eva", email="eva@uni.example", email_verified=True)
        eva = Client()
        left = eva.post(f"/account/oidc/{NAME}/login/")["Refresh"].removeprefix("0; url=")
        eva.get(f"/account/oidc/{NAME}/login/callback/", institute.authorize(left, "s-1"))
        signed_in_ago(eva, 1000)
        again = eva.get(hub.question(max_age="500"))["Location"]
        assert again.startswith(f"/account/oidc/{NAME}/login/?next=%2Fidentity%2Fo%2Fauthorize")
        left = eva.post(again)["Refresh"].removeprefix("0; url=")
        assert "prompt=login" in left
        page = eva.get(f"/account/oidc/{NAME}/login/callback/", institute.authorize(left, "s-1"), follow=True)
        got = hub.exchange(came_back(answer(eva, page, hub.scope))["code"]).json()
        assert hub.read(got["id_token"])["auth_time"] == pytest.approx(time.time(), abs=60)


def test_it_says_so_when_somebody_cannot_sign_in_again(hub: Hub, browser: Client, editor: User) -> None:
    """An account with neither a password nor a provider."""
    editor.set_unusable_password()
    editor.save()
    browser.force_login(editor)
    assert came_back(browser.get(hub.question(prompt="login")))["error"] == "login_required"


# Strange questions


@pytest.mark.parametrize(
    ("strange", "error"),
    [
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"request_uri": "https://evil.example/"}, "request_uri_not_supported"),
        ({"claims": "[1]"}, "code"),
        ({"claims": "{"}, "code"),
        ({"claims": json.dumps({"userinfo": {"email": None}})}, "code"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"id_token_hint": "x"}, "login_required"),
        ({"resource": "nothing"}, "code"),
        ({"nonce": "\x00\ud7ff"}, "code"),
    ],
)
def test_it_answers_strange_questions_as_the_standard_says(
    hub: Hub, browser: Client, strange: dict[str, str], error: str
) -> None:
    Service.objects.update(skip_consent=True)
    told = came_back(browser.get(hub.question(**strange)))
    assert error in (told.get("error"), "code" if "code" in told else "")
    assert told["state"] == "the-state"


def test_it_asks_nobody_who_is_not_signed_in_about_a_hint(hub: Hub) -> None:
    assert Client().get(hub.question(id_token_hint="x"))["Location"].startswith("/account/login/")


@pytest.mark.parametrize(
    "query", ["", "%zz", "client_id=%00", "client_id=hub&%", "a=b;c=d", "client_id=%ff", "=", "&&", "client_id"]
)
def test_it_shows_its_own_page_for_a_question_that_is_none(hub: Hub, browser: Client, query: str) -> None:
    for response in (
        browser.get(f"/identity/o/authorize?{query}"),
        browser.post(f"/identity/o/authorize/consent?{query}", {"action": "grant"}),
    ):
        assert response.status_code == 400
        assert "Sign-in failed" in response.text


@pytest.mark.parametrize("path", ["token", "revoke", "userinfo"])
def test_it_answers_programs_that_send_rubbish(hub: Hub, path: str) -> None:
    bodies = (b"", b"%zz", b"client_id=%00&client_secret=%00&token=%00", b"\xff\xfe", b'{"a": [1]}', b"a=1;b=2&&=&%")
    kinds = ("application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x")
    for query, kind, body in itertools.product(("", "?%zz", "?a=b", "?access_token=%00"), kinds, bodies):
        response = Client().post(f"/identity/o/api/{path}{query}", body, kind)
        assert response.status_code in (400, 401), (query, kind, body, response.content)


def test_it_refuses_what_is_said_twice(hub: Hub, browser: Client) -> None:
    Service.objects.update(skip_consent=True)
    for name, value in (("redirect_uri", "https://evil.example/"), ("client_id", "other"), ("state", "x")):
        assert browser.get(f"{hub.question()}&{name}={value}").status_code == 400
    for name in ("code_challenge", "code_challenge_method", "nonce", "prompt", "max_age"):
        told = came_back(browser.get(f"{hub.question(prompt='consent', max_age='9999')}&{name}=x"))
        assert told["error"] == "invalid_request", name


def test_the_helpers_of_the_library_are_as_we_use_them(editor: User) -> None:
    request = RequestFactory().get("/")
    request.user, request.session = editor, SessionBase()
    record_authentication(request, editor, "password")
    assert services.signed_in_at(request) == pytest.approx(time.time(), abs=60)
