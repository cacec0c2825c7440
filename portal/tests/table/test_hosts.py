"""Cookies, and what the site believes of a request's Host."""

import json
import os
import subprocess
import sys

import pytest
from django.core import mail
from django.test import Client
from pytest_django import Settings

from conftest import PASSWORD
from portal.models import User

from .people import World

pytestmark = pytest.mark.django_db


def production() -> dict[str, object]:
    """The settings about cookies of a site with a certificate."""
    code = (
        "import json; from django.conf import settings as s;"
        "print(json.dumps({n: getattr(s, n) for n in dir(s) if 'COOKIE' in n and n.isupper()}))"
    )
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "PORTAL_URL": "https://portal.example.org",
        "LAB_DOMAIN": "lab.example.net",
        "SECRET_KEY": "for this test only",
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_it_gives_cookies_to_this_origin_alone(owner: User, settings: Settings) -> None:
    for name, value in production().items():
        setattr(settings, name, value)
    client = Client()
    client.get("/account/login/", secure=True)
    client.post("/account/login/", {"login": "owner", "password": PASSWORD}, secure=True)
    for name in ("__Host-portal", "__Host-csrf", "__Host-browser"):
        cookie = client.cookies[name]
        assert cookie["secure"]
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"
        assert cookie["path"] == "/"
        assert not cookie["domain"]
    assert set(client.cookies) <= {"__Host-portal", "__Host-csrf", "__Host-browser", "messages"}
    assert client.cookies["messages"]["secure"] if "messages" in client.cookies else True


HOSTS = [
    {"HTTP_HOST": "evil.example"},
    {"HTTP_HOST": "localhost.evil.example"},
    {"HTTP_HOST": "evil.example:8000"},
    {"HTTP_HOST": "localhost:8000@evil.example"},
]


def test_it_answers_to_no_other_name(owner: User) -> None:
    for forged in HOSTS:
        client = Client(**forged)  # type: ignore[arg-type]
        for address in ("/", "/account/login/", "/account/password/reset/"):
            assert client.get(address).status_code == 400
        assert client.post("/account/password/reset/", {"email": owner.email}).status_code == 400
    assert not mail.outbox


ASIDE = [
    {"HTTP_HOST": "localhost:6666"},
    {"HTTP_X_FORWARDED_HOST": "evil.example"},
    {"HTTP_X_FORWARDED_SERVER": "evil.example", "HTTP_X_HOST": "evil.example"},
    {"HTTP_FORWARDED": "host=evil.example", "HTTP_X_FORWARDED_PORT": "6666"},
    {"HTTP_X_ORIGINAL_URL": "http://evil.example/", "HTTP_X_REWRITE_URL": "/evil.example"},
]


@pytest.mark.slow
def test_it_writes_its_own_address_into_mails_and_pages(owner: User, world: World, settings: Settings) -> None:
    for number, forged in enumerate(ASIDE):
        mail.outbox.clear()
        check_mails_and_pages(forged, number, owner, world, settings)


def check_mails_and_pages(forged: dict[str, str], number: int, owner: User, world: World, settings: Settings) -> None:
    client = Client(**forged)  # type: ignore[arg-type]
    client.post("/account/password/reset/", {"email": owner.email})
    new = {
        "username": f"newcomer{number}",
        "email": f"n{number}@example.org",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    client.post("/account/signup/", new)
    signed_in = world.browser("administrator")
    signed_in.defaults.update(forged)
    signed_in.post("/account/email/", {"action_add": "", "email": f"more{number}@example.org"})
    made = signed_in.post(
        "/collabs/cortex/team/invitations/link/", {"link-role": "viewer", "link-days": 7, "link-uses": 1}
    )
    assert f"{settings.PORTAL_URL}/collabs/join/" in made.content.decode()
    described = client.get("/.well-known/openid-configuration").json()
    texts = [str(message.message()) for message in mail.outbox] + [made.content.decode(), json.dumps(described)]
    assert len(mail.outbox) == 3
    for text in texts:
        assert "evil" not in text
        assert ":6666" not in text  # four digits alone may be in a key of one use
    for message in mail.outbox:
        assert f"{settings.PORTAL_URL}/" in message.body, message.body
