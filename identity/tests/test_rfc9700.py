"""The best current practice for OAuth 2.0 (RFC 9700), section by section, with Authlib as the service.

What the RFC asks of clients and of resource servers is theirs; what it asks of the portal is asked here. The service
discovers everything, as a program does whose author has read no page of ours.
"""

import contextlib
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from allauth.idp.oidc.models import Client as Service
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from django.test import Client
from requests.adapters import BaseAdapter

from portal.models import User

from .conftest import BACK, SECRET, Hub, answer, registered

pytestmark = pytest.mark.django_db
DISCOVERY = "http://localhost:8000/.well-known/openid-configuration"


class InProcess(BaseAdapter):
    """Sends a program's requests to the portal in this process."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        kind = request.headers.pop("Content-Type", "application/octet-stream")
        got = Client().generic(
            request.method or "GET", request.path_url, request.body or b"", kind, headers=dict(request.headers)
        )
        response = requests.Response()
        response.status_code, response._content, response.request = got.status_code, got.content, request
        response.headers.update(dict(got.headers))
        response.url = request.url or ""
        return response

    def close(self) -> None:
        pass


class Program(OAuth2Session, OpenIDMixin):
    """A service made with Authlib."""

    def __init__(self, client_id: str, secret: str | None, redirect_uri: str = BACK) -> None:
        super().__init__(
            client_id, secret, scope="openid profile email", redirect_uri=redirect_uri, code_challenge_method="S256"
        )
        self.mount("http://localhost:8000", InProcess())
        self.server_metadata: dict[str, Any] = {}
        self.verifier, self.nonce, self.asked = generate_token(64), generate_token(20), ""

    def load_server_metadata(self) -> dict[str, Any]:
        if not self.server_metadata:
            self.server_metadata = self.get(DISCOVERY, withhold_token=True).json()
        return self.server_metadata

    def _get_session(self) -> contextlib.AbstractContextManager["Program"]:
        return contextlib.nullcontext(self)

    def question(self, **more: str) -> str:
        """Where it sends the browser."""
        endpoint = self.load_server_metadata()["authorization_endpoint"]
        values = {"nonce": self.nonce, "code_verifier": self.verifier} | more
        address, self.asked = self.create_authorization_url(endpoint, **values)
        return str(address)

    def take(self, address: str) -> dict[str, Any]:
        """Handle what a browser came back with: OAuthError for errors, MismatchingStateException for another's."""
        given = parse_qs(urlsplit(address).query)
        assert given["iss"] == [self.load_server_metadata()["issuer"]], "4.4: whose answer it is"
        if "error" in given:
            raise OAuthError(given["error"][0], given.get("error_description", [""])[0])
        endpoint = self.load_server_metadata()["token_endpoint"]
        got = self.fetch_token(endpoint, authorization_response=address, state=self.asked, code_verifier=self.verifier)
        return dict(got)

    def again(self) -> dict[str, Any]:
        return dict(self.refresh_token(self.load_server_metadata()["token_endpoint"]))


@pytest.fixture
def program(hub: Hub) -> Program:
    return Program("hub", SECRET)


def through(browser: Client, address: str, action: str = "grant") -> str:
    """What a browser does with the question: the address that it is led to in the end."""
    response = browser.get(address.removeprefix("http://localhost:8000"))
    if "Refresh" not in response and "Location" not in response:
        assert response.status_code == 200, response.text
        response = answer(browser, response, " ".join(response.context["form"]["scopes"].initial), action)
    return str(response.headers.get("Location") or response["Refresh"].removeprefix("0; url="))


# 2. Best practices


def test_the_metadata_says_all_that_a_service_needs(program: Program) -> None:
    """2.6, RFC 8414."""
    metadata = AuthorizationServerMetadata(program.load_server_metadata())
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["request_uri_parameter_supported"] is False, "true where nothing is said (Core 9)"
    for name in ("response_types_supported", "grant_types_supported", "code_challenge_methods_supported"):
        getattr(metadata, f"validate_{name}")()
    assert "device_authorization_endpoint" not in metadata
    assert "registration_endpoint" not in metadata


def test_a_service_signs_somebody_in(program: Program, browser: Client, editor: User) -> None:
    """All of it, as Authlib checks it: state, issuer, PKCE, signature, audience, nonce, at_hash, and renewal."""
    got = program.take(through(browser, program.question()))
    told = program.parse_id_token(got, nonce=program.nonce)
    assert (told["sub"], told["iss"]) == (str(editor.uuid), "http://localhost:8000")
    assert program.userinfo()["preferred_username"] == "editor"
    renewed = program.again()
    assert renewed["access_token"] != got["access_token"]
    assert program.userinfo()["sub"] == str(editor.uuid)


@pytest.mark.parametrize("address", [f"{BACK}/", f"{BACK}?a=b", "https://hub.example.org", "https://evil.example/", ""])
def test_redirects_are_compared_letter_by_letter(browser: Client, hub: Hub, address: str) -> None:
    """2.1, 4.1; and 4.11.2: who comes with an error is led nowhere else either."""
    program = Program("hub", SECRET, address)
    for more in ({}, {"prompt": "none"}, {"response_type": "token"}, {"scope": "nothing"}):
        response = browser.get(program.question(**more).removeprefix("http://localhost:8000"))
        assert response.status_code == 400
        assert not {"Location", "Refresh"} & set(response.headers)


def test_a_code_without_pkce_is_not_given(browser: Client, program: Program) -> None:
    """2.1.1, 4.8: a service cannot be talked out of it; an attacker who takes the challenge away gets an error."""
    address = program.question().replace("code_challenge=", "other=")
    with pytest.raises(OAuthError, match="Code challenge required"):
        program.take(through(browser, address))


def test_no_token_comes_through_an_address(browser: Client, program: Program) -> None:
    """2.1.2, 4.3: no implicit flow; tokens in the address of userinfo are refused."""
    for kind in ("token", "id_token", "code token", "none"):
        led = through(browser, program.question(response_type=kind, prompt="none"))
        assert "error=" in led
        assert not {"code", "access_token", "id_token"} & set(
            parse_qs(urlsplit(led).query + "&" + urlsplit(led).fragment)
        )
    got = program.take(through(browser, program.question()))
    endpoint = program.load_server_metadata()["userinfo_endpoint"]
    assert program.get(f"{endpoint}?access_token={got['access_token']}", withhold_token=True).status_code == 401


def test_a_token_is_good_for_what_was_allowed_and_for_nothing_else(browser: Client, program: Program) -> None:
    """2.3, 4.10: scopes; without one for the portal's own API it opens nothing there."""
    program.scope = "openid"
    program.take(through(browser, program.question(scope="openid")))
    assert set(program.userinfo()) == {"sub"}
    assert program.get("http://localhost:8000/api/v1/me").status_code == 403
    with pytest.raises(OAuthError, match="invalid_scope"):
        program.refresh_token(program.load_server_metadata()["token_endpoint"], scope="openid email")


@pytest.mark.parametrize("grant", [{"username": "editor", "password": "x"}, {}])
def test_passwords_are_typed_in_at_the_portal_alone(program: Program, grant: dict[str, str]) -> None:
    """2.4; and no service signs in as itself (4.15: it cannot be taken for a person)."""
    Service.objects.update(grant_types="\n".join(Service.GrantType.values))
    kind = "password" if grant else "client_credentials"
    with pytest.raises(OAuthError, match="unsupported_grant_type"):
        program.fetch_token(program.load_server_metadata()["token_endpoint"], grant_type=kind, **grant)


def test_a_service_with_a_secret_needs_it(browser: Client, program: Program) -> None:
    """2.5."""
    led = through(browser, program.question())
    for secret in ("wrong", None):
        thief = Program("hub", secret)
        thief.verifier, thief.asked = program.verifier, program.asked
        with pytest.raises(OAuthError, match="invalid_client"):
            thief.take(led)
    assert program.take(led)["access_token"]


# 4. Attacks


def test_an_answer_leaves_no_trace_of_its_code(browser: Client, program: Program) -> None:
    """4.2, 4.3: no Referer, no cache; 4.12: no 307, which would send on the form with it; 4.16: no frame."""
    page = browser.get(program.question().removeprefix("http://localhost:8000"))
    sent = answer(browser, page, "openid")
    assert "frame-ancestors 'none'" in page["Content-Security-Policy"] or page["X-Frame-Options"] == "DENY"
    assert sent.status_code in (200, 302, 303)
    for response in (page, sent):
        assert "no-store" in response["Cache-Control"]
    assert sent["Referrer-Policy"] == "no-referrer"
    answered = browser.get(
        program.question(prompt="none", scope="openid").removeprefix("http://localhost:8000"),
        headers={"sec-fetch-site": "cross-site"},
    )
    assert (answered.status_code, answered["Referrer-Policy"]) == (302, "no-referrer")


def test_an_answer_says_whose_it_is(browser: Client, program: Program) -> None:
    """4.4.2.1, RFC 9207: yes, no, and errors alike."""
    for more, action in (
        ({}, "grant"),
        ({}, "cancel"),
        ({"scope": "nothing"}, ""),
        ({"response_mode": "fragment"}, "grant"),
    ):
        led = urlsplit(through(browser, program.question(**more), action))
        assert parse_qs(led.query or led.fragment)["iss"] == ["http://localhost:8000"]


def test_a_stolen_code_is_worth_nothing_in_another_sign_in(browser: Client, program: Program) -> None:
    """4.5: injected into the thief's own sign-in at the same service, it has another challenge."""
    stolen = through(browser, program.question())
    thief = Program("hub", SECRET)
    thief.question()
    with pytest.raises(OAuthError, match="invalid_grant"):
        thief.take(stolen.replace(f"state={program.asked}", f"state={thief.asked}"))


def test_a_code_is_bound_to_its_service_and_its_address(browser: Client, program: Program) -> None:
    """4.5, RFC 6749, 4.1.3."""
    registered("other", "Another service")
    for thief in (Program("other", SECRET), Program("hub", SECRET, "https://other.example/")):
        led = through(browser, program.question())
        thief.verifier, thief.asked = program.verifier, program.asked
        with pytest.raises(OAuthError):
            thief.take(led)


def test_an_answer_to_another_question_is_noticed(browser: Client, program: Program) -> None:
    """4.7: `state` comes back, and is the service's to compare; the nonce is in the ID token."""
    led = through(browser, program.question())
    program.question()
    with pytest.raises(Exception, match="State"):
        program.take(led)
    program.take(through(browser, program.question()))
    with pytest.raises(Exception, match="nonce"):
        program.parse_id_token(program.token, nonce="another")


def test_a_code_that_is_used_twice_ends_what_came_of_it(browser: Client, program: Program) -> None:
    """4.5.3, RFC 6749, 4.1.2."""
    led = through(browser, program.question())
    program.take(led)
    thief = Program("hub", SECRET)
    thief.verifier, thief.asked = program.verifier, program.asked
    with pytest.raises(OAuthError, match="invalid_grant"):
        thief.take(led)
    assert program.get(program.server_metadata["userinfo_endpoint"]).status_code == 401


@pytest.mark.parametrize("kind", ["confidential", "public"])
def test_a_stolen_refresh_token_is_noticed(browser: Client, hub: Hub, kind: str) -> None:
    """2.2.2, 4.14."""
    Service.objects.update(type=kind)
    program = Program("hub", SECRET if kind == "confidential" else None)
    stolen = program.take(through(browser, program.question()))["refresh_token"]
    program.again()
    with pytest.raises(OAuthError, match="invalid_grant"):
        program.refresh_token(program.server_metadata["token_endpoint"], refresh_token=stolen)
    with pytest.raises(OAuthError, match="invalid_grant"):
        program.again()
    assert program.get(program.server_metadata["userinfo_endpoint"]).status_code == 401


def test_tokens_can_be_given_back(browser: Client, program: Program) -> None:
    """4.14.2, RFC 7009."""
    got = program.take(through(browser, program.question()))
    assert program.revoke_token(program.server_metadata["revocation_endpoint"], got["refresh_token"]).status_code == 200
    assert program.get(program.server_metadata["userinfo_endpoint"]).status_code == 401


def test_no_program_is_signed_in_to_because_it_says_so(browser: Client) -> None:
    """RFC 8252, 7.3 and 8.6: any port of loopback, and always a page."""
    registered("cli", "Program", type="public")
    Service.objects.update(redirect_uris="http://127.0.0.1/back")
    for port in (49152, 65535):
        program = Program("cli", None, f"http://127.0.0.1:{port}/back")
        assert program.take(through(browser, program.question()))["access_token"]
        with pytest.raises(OAuthError, match="consent_required"):
            program.take(through(browser, program.question(prompt="none")))


def test_another_service_gets_nothing_without_a_page(browser: Client, program: Program) -> None:
    """Core 3.1.2.4: somebody's consent is to one service, not to all."""
    program.take(through(browser, program.question()))
    registered("other", "Another service")
    other = Program("other", SECRET)
    with pytest.raises(OAuthError, match="consent_required"):
        other.take(through(browser, other.question(prompt="none")))


def test_a_sign_in_is_as_fresh_as_the_service_wants(browser: Client, program: Program) -> None:
    """Core 3.1.2.1: `max_age`."""
    program.take(through(browser, program.question()))
    with pytest.raises(OAuthError, match="login_required"):
        program.take(through(browser, program.question(prompt="none", max_age="60")))
