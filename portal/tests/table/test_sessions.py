"""Attacks on sessions: what ends them, what renews their keys, and the guessing of codes and passwords."""

from importlib import import_module

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.core import mail
from django.test import Client

from conftest import PASSWORD
from portal.models import Session, User

from .people import signed_in

SessionStore = import_module(settings.SESSION_ENGINE).SessionStore
pytestmark = pytest.mark.django_db
OTHER = "another-correct-horse"


def test_it_renews_a_key_that_was_planted_before_sign_in(owner: User) -> None:
    client = Client()
    client.get("/account/login/")
    planting = SessionStore()
    planting["planted"] = True
    planting.create()
    client.cookies[settings.SESSION_COOKIE_NAME] = planting.session_key
    client.post("/account/login/", {"login": "owner", "password": PASSWORD})
    assert client.get("/account/").status_code == 200
    assert client.session.session_key != planting.session_key
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = planting.session_key
    assert thief.get("/account/").status_code == 302


def test_it_ends_every_other_session_and_renews_this_one_with_a_new_password(owner: User) -> None:
    here, there = signed_in(), signed_in()
    before = here.session.session_key
    form = {"oldpassword": PASSWORD, "password1": OTHER, "password2": OTHER}
    assert here.post("/account/password/change/", form).status_code == 302
    assert here.session.session_key != before
    assert not Session.objects.filter(session_key=before).exists()
    assert here.get("/account/").status_code == 200
    assert there.get("/account/").status_code == 302


def test_it_ends_every_session_when_a_password_is_reset_by_mail(owner: User) -> None:
    there = signed_in()
    client = Client()
    client.post("/account/password/reset/", {"email": owner.email})
    link = next(word for word in mail.outbox[0].body.split() if "/password/reset/key/" in word)
    form = client.get(link.removeprefix("http://localhost:8000"), follow=True)
    client.post(form.request["PATH_INFO"], {"password1": OTHER, "password2": OTHER})
    assert there.get("/account/").status_code == 302
    signed_in(password=OTHER)


def test_it_signs_nobody_in_before_the_second_factor_and_has_a_new_key_after_it(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    TOTP.activate(owner, generate_totp_secret())
    client = signed_in()
    planted = client.session.session_key
    assert client.get("/account/").status_code == 302
    assert not Session.objects.get(session_key=planted).user_id
    assert client.post("/account/2fa/authenticate/", {"code": "000000"}).status_code == 200
    monkeypatch.setattr(TOTP, "validate_code", lambda totp, code: code == "123456")
    client.post("/account/2fa/authenticate/", {"code": "123456"})
    assert client.get("/account/").status_code == 200
    assert client.session.session_key != planted
    assert not Session.objects.filter(session_key=planted).exists()


@pytest.mark.slow
def test_it_slows_the_guessing_of_codes(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    TOTP.activate(owner, generate_totp_secret())
    client = signed_in()
    for number in range(30):
        client.post("/account/2fa/authenticate/", {"code": f"{number:06}"})
    monkeypatch.setattr(TOTP, "validate_code", lambda totp, code: True)
    client.post("/account/2fa/authenticate/", {"code": "123456"})
    assert client.get("/account/").status_code == 302


@pytest.mark.slow
def test_it_slows_the_guessing_of_passwords_in_an_open_browser(owner: User) -> None:
    client = signed_in()
    answers = [client.post("/account/reauthenticate/", {"password": f"{n}"}).status_code for n in range(40)]
    assert answers[-1] == 429
