"""A service that people sign in to, and the whole way through it."""

import base64
import hashlib
import html
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from allauth.account.models import EmailAddress
from allauth.idp.oidc.models import Client as Service
from django.test import Client
from pytest_django import Settings

from portal.accounts import oidc_signing_keys
from portal.models import User

BACK = "https://hub.example.org/hub/oauth_callback"
SECRET = "the-service-keeps-this"


@pytest.fixture(scope="session")
def key_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("signing-keys")
    oidc_signing_keys.create(directory)
    return directory


@pytest.fixture(autouse=True)
def signing(settings: Settings, key_directory: Path) -> None:
    settings.IDENTITY_KEYS = key_directory
    settings.IDP_OIDC_PRIVATE_KEYS = oidc_signing_keys.load(key_directory)


@dataclass
class Hub:
    """The service's side, as its programmers would write it."""

    service: Service
    secret: str = SECRET
    scope: str = "openid profile email team group"
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def question(self, **changes: str) -> str:
        """Address that the service sends a browser to."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        values = {"client_id": self.service.pk, "redirect_uri": BACK, "response_type": "code", "scope": self.scope}
        values |= {"state": "the-state", "nonce": "the-nonce"}
        values |= {"code_challenge": challenge, "code_challenge_method": "S256"} | changes
        return f"/identity/o/authorize?{urlencode({name: value for name, value in values.items() if value})}"

    def consent(self, browser: Client, scopes: str = "", **changes: str) -> dict[str, str]:
        """Query parameters of the redirect after the person's consent to `scopes`: to all that are asked for."""
        page = browser.get(self.question(**changes))
        assert page.status_code == 200, page
        return came_back(answer(browser, page, scopes or self.scope))

    def exchange(self, code: str, **changes: str) -> Any:
        data = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": self.verifier}
        return self.post("token", data | changes)

    def renew(self, refresh_token: str, **changes: str) -> Any:
        return self.post("token", {"grant_type": "refresh_token", "refresh_token": refresh_token} | changes)

    def post(self, name: str, data: dict[str, str]) -> Any:
        credentials = {"client_id": self.service.pk} | ({"client_secret": self.secret} if self.secret else {})
        return Client().post(f"/identity/o/api/{name}", credentials | data)

    def sign_in(self, browser: Client) -> dict[str, Any]:
        """The tokens that it gets."""
        answer = self.exchange(self.consent(browser)["code"])
        assert answer.status_code == 200, answer.content
        return answer.json()

    def read(self, id_token: str) -> dict[str, Any]:
        """Verified, with the keys that the portal publishes."""
        published = Client().get("/.well-known/jwks.json").json()["keys"]
        found = {key["kid"]: jwt.PyJWK(key) for key in published}
        key = found[jwt.get_unverified_header(id_token)["kid"]]
        issuer = "http://localhost:8000"
        return jwt.decode(id_token, key, algorithms=["RS256"], audience=self.service.pk, issuer=issuer)


def answer(browser: Client, page: Any, scopes: str, action: str = "grant") -> Any:
    """Send the form of the consent page."""
    [address] = re.findall(r'<form[^>]* action="(/identity/o/[^"]*)"', page.text)
    hidden = dict(re.findall(r'<input type="hidden" name="(request)" value="([^"]*)"', page.text))
    data = {name: html.unescape(value) for name, value in hidden.items()}
    return browser.post(html.unescape(address), data | {"scopes": scopes.split(), "action": action})


def came_back(response: Any, back: str = BACK) -> dict[str, str]:
    """The parameters with which a browser is sent to the service, but for `iss`, which is always the portal."""
    address = response["Refresh"].removeprefix("0; url=") if "Refresh" in response else response["Location"]
    assert address.startswith(back), address
    found = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert found.pop("iss") == "http://localhost:8000", "RFC 9207"
    return found


def userinfo(token: str) -> Any:
    return Client(headers={"authorization": f"Bearer {token}"}).get("/identity/o/api/userinfo")


@pytest.fixture
def hub(db: None) -> Hub:
    return registered("hub", "The Hub")


@pytest.fixture
def browser(editor: User, sign_in: Callable[[User], Client]) -> Client:
    EmailAddress.objects.create(user=editor, email=editor.email, verified=True, primary=True)
    return sign_in(editor)


def registered(client_id: str, name: str, **values: Any) -> Hub:
    """Another service, as an operator makes it."""
    service = Service(id=client_id, name=name, redirect_uris=BACK, **values)
    service.scopes = "openid\nprofile\nemail\nteam\ngroup"
    service.grant_types = "authorization_code\nrefresh_token"
    service.set_secret(SECRET)
    service.save()
    return Hub(service, secret="" if service.type == Service.Type.PUBLIC else SECRET)
