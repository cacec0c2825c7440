"""Second factors and sessions, as a person meets them. Passkeys need a browser: tests/browser/test_passkeys.py."""

import re
from collections.abc import Callable

import pytest
from allauth.usersessions.models import UserSession
from django.test import Client

from conftest import PASSWORD
from portal.models import Session, User

from .support import code

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


def signed_in(user: User, agent: str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0") -> Client:
    """By the form, as in a browser; the password given once more, as changes of factors ask for it."""
    client = Client(headers={"user-agent": agent})
    client.post("/account/login/", {"login": user.username, "password": PASSWORD})
    client.post("/account/reauthenticate/", {"password": PASSWORD})
    return client


@pytest.mark.slow
def test_it_asks_for_a_code_from_then_on(owner: User) -> None:
    client = signed_in(owner)
    page = client.get("/account/2fa/totp/activate/")
    assert page.status_code == 200
    secret = page.context["form"].secret
    assert secret in page.text
    activated = client.post("/account/2fa/totp/activate/", {"code": code(secret)}, follow=True)
    codes = client.get("/account/2fa/recovery-codes/")
    assert activated.status_code == codes.status_code == 200
    other = Client()
    asked = other.post("/account/login/", {"login": "owner", "password": PASSWORD})
    assert asked["Location"] == "/account/2fa/authenticate/"
    assert not other.get("/").wsgi_request.user.is_authenticated
    assert other.post("/account/2fa/authenticate/", {"code": "000000"}).status_code == 200
    assert not other.get("/").wsgi_request.user.is_authenticated
    recovery = re.search(r"\d{4}[- ]?\d{4}", codes.text)
    assert recovery
    other.post("/account/2fa/authenticate/", {"code": recovery.group()})
    assert other.get("/").wsgi_request.user == owner


def test_it_asks_for_the_password_before_it_changes_factors(sign_in: SignIn, owner: User) -> None:
    """A browser left open is not enough to lock its owner out."""
    assert "/account/reauthenticate/" in sign_in(owner).get("/account/2fa/totp/activate/")["Location"]


@pytest.mark.slow
def test_pages_of_factors_look_like_the_site(owner: User) -> None:
    client = signed_in(owner)
    for path in ("2fa/", "2fa/totp/activate/", "2fa/webauthn/add/", "2fa/webauthn/", "sessions/", "email/"):
        page = client.get(f"/account/{path}")
        assert page.status_code == 200, path
        assert 'aria-label="Account"' in page.text
        assert "<script>" not in page.text


def test_it_shows_and_ends_sessions(owner: User) -> None:
    here, there = signed_in(owner), signed_in(owner, "Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36")
    page = here.get("/account/sessions/")
    assert "Firefox on Linux" in page.text
    assert "Chrome on Windows" in page.text
    assert all(session.session_key not in page.text for session in Session.objects.all())
    theirs = UserSession.objects.get(user_agent__contains="Chrome")
    assert here.post(f"/account/sessions/{theirs.pk}/end/", follow=True).status_code == 200
    assert there.get("/account/")["Location"].startswith("/account/login/")
    assert here.get("/account/").status_code == 200


def test_it_ends_nobody_elses_session(owner: User, stranger: User) -> None:
    signed_in(owner)
    session = UserSession.objects.get(user=owner)
    assert signed_in(stranger).post(f"/account/sessions/{session.pk}/end/").status_code == 404


def test_it_ends_all_others(owner: User) -> None:
    here, there = signed_in(owner), signed_in(owner)
    here.post("/account/sessions/")
    assert there.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 200
