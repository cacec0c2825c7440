"""Access tokens of OpenID Connect, which services have of people who signed in there, in all versions of the client."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from allauth.idp.oidc.models import Token
from django.test import Client
from django.utils import timezone

from drive.models import Library
from identity.tests.conftest import registered
from portal.models import User

from .conftest import BOUNDARY, Answer, form, part

pytestmark = pytest.mark.django_db
READ, WRITE = "clb.wiki.read", "clb.wiki.write"
Give = Callable[..., str]


@pytest.fixture
def give(editor: User) -> Give:
    """Make an access token of the editor's with these scopes."""
    service = registered("hub", "The Hub").service
    service.set_scopes([*service.get_scopes(), READ, WRITE])
    service.save()

    def make(*scopes: str) -> str:
        secret = secrets.token_urlsafe(64)
        token = Token(client=service, user=editor, type=Token.Type.ACCESS_TOKEN)
        token.expires_at = timezone.now() + timedelta(hours=1)
        token.set_value(secret)
        token.set_scopes(["openid", *scopes])
        token.save()
        return secret

    return make


def ask(client: Client, authorization: str, address: str) -> Answer:
    return Answer(client.get(address, headers={"Authorization": authorization}))


def test_it_is_taken_as_it_is_and_exchanged(give: Give, client: Client, library: Library) -> None:
    """ebrains-drive before 0.6.2 sends it everywhere; later ones exchange it first, and send what they get as Token."""
    secret = give(READ, WRITE)
    exchanged = ask(client, f"Bearer {secret}", "/api2/account/token/")
    assert exchanged.status == 200
    for authorization in (f"Bearer {secret}", f"Token {exchanged.body.decode().strip()}"):
        assert str(library.pk) in [one["id"] for one in ask(client, authorization, "/api2/repos/").json]
    assert ask(client, f"Bearer {'x' * 86}", "/api2/account/token/").status == 401


def test_a_link_made_with_it_ends_with_it(give: Give, client: Client, library: Library, place: Path) -> None:
    secret = give(READ, WRITE)
    address = f"/api2/repos/{library.pk}/upload-link/?p=/"
    link = ask(client, f"Bearer {secret}", address).json.removeprefix("http://localhost:8000")
    body = form(part("parent_dir", "/"), part("file", b"x", "a.txt"))
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    assert client.generic("POST", link, body, kind).status_code == 200
    Token.objects.all().delete()
    assert client.generic("POST", link, body, kind).status_code == 403
    assert [path.name for path in place.iterdir()] == ["a.txt"]


def test_it_may_what_its_scopes_say(give: Give, client: Client, library: Library) -> None:
    address = f"/api2/repos/{library.pk}/upload-link/?p=/"
    assert ask(client, f"Bearer {give(READ)}", address).status == 403
    assert ask(client, f"Bearer {give()}", "/api2/repos/").status == 403
    signing_in = {"username": "editor", "password": give(READ, WRITE)}
    assert client.post("/api2/auth-token/", signing_in).status_code == 400
