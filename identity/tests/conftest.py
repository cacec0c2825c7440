"""A service that people sign in to, and the whole way through it."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from allauth.idp.oidc.models import Client as Service
from django.test import Client
from pytest_django import Settings

from portal.accounts import oidc_signing_keys

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

    def consent(self, browser: Client, **changes: str) -> dict[str, str]:
        """Query parameters of the redirect after the person's consent."""
        page = browser.get(self.question(**changes))
        assert page.status_code == 200, page
        data = {"request": page.context["form"]["request"].value(), "scopes": self.scope.split(), "action": "grant"}
        return came_back(browser.post("/identity/o/authorize", data))

    def exchange(self, code: str, **changes: str) -> Any:
        data = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": self.verifier}
        return self.post("token", data | changes)

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


def came_back(response: Any) -> dict[str, str]:
    """The parameters with which a browser is sent to the service."""
    address = response["Refresh"].removeprefix("0; url=") if "Refresh" in response else response["Location"]
    assert address.startswith(BACK), address
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


def userinfo(token: str) -> Any:
    return Client(headers={"authorization": f"Bearer {token}"}).get("/identity/o/api/userinfo")


@pytest.fixture
def hub(db: None) -> Hub:
    service = Service(id="hub", name="The Hub", redirect_uris=BACK, scopes="openid\nprofile\nemail\nteam\ngroup")
    service.grant_types = "authorization_code\nrefresh_token"
    service.set_secret(SECRET)
    service.save()
    return Hub(service)
