"""The words of pages and mails that django-allauth makes: ours, by `locale/`."""

import re
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path

import allauth
import polib
import pytest
from django.conf import settings
from django.core import mail
from django.test import Client

from conftest import PASSWORD
from portal.models import User

sys.path.insert(0, str(settings.BASE_DIR / "bin/lib"))

import translations

SOURCES = sorted(translations.LOCALE.rglob("*.po"))
ENGLISH = polib.pofile(str(translations.LOCALE / "en/LC_MESSAGES/django.po"))
PACKAGES = polib.pofile(str(Path(allauth.__file__).parent / "locale/de/LC_MESSAGES/django.po"))
PLACE = re.compile(r"%\(\w+\)s|%[sd]")
TITLE_CASE = re.compile(r"\b[A-Z][a-z]+(?: [A-Z][a-z]+)+\b")
NAMES = {"Olga Owner"}
PAGES = [
    "login",
    "signup",
    "password/reset",
    "password/reset/key/1-never-was",
    "password/reset/key/done",
    "confirm-email/never-was",
]
OWN_PAGES = [
    "email",
    "password/change",
    "sessions",
    "2fa",
    "2fa/totp/activate",
    "2fa/webauthn",
    "2fa/webauthn/add",
    "3rdparty",
]
OWN_PAGES += ["logout", "reauthenticate", "2fa/recovery-codes/generate"]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.parts[-3])
def test_what_is_compiled_is_what_is_written(source: Path) -> None:
    assert source.with_suffix(".mo").read_bytes() == translations.compiled(source)


def test_every_sentence_is_one_of_the_package_and_keeps_its_places() -> None:
    known = {entry.msgid for entry in PACKAGES if not entry.obsolete}
    assert [entry.msgid for entry in ENGLISH if entry.msgid not in known] == []
    assert [
        entry.msgid for entry in ENGLISH if set(PLACE.findall(entry.msgstr)) - set(PLACE.findall(entry.msgid))
    ] == []


def words(html: str) -> str:
    main = html[html.index("<title>") : html.index("</title>")] + html[html.index("<main") : html.index("</main>")]
    return " ".join(unescape(re.sub(r"<[^>]+>", " | ", main)).split())


def faults(text: str) -> list[str]:
    """Sentences of the package that we replace, and headings in its capitals."""
    left = [entry.msgid for entry in ENGLISH if len(entry.msgid) > 8 and "%" not in entry.msgid and entry.msgid in text]
    return left + [found for found in TITLE_CASE.findall(text) if found not in NAMES]


@pytest.mark.slow
def test_pages_of_accounts_speak_as_the_others_do(
    client: Client, owner: User, sign_in: Callable[[User], Client]
) -> None:
    own = sign_in(owner)
    own.post("/account/reauthenticate/", {"password": PASSWORD})
    asked = [(client, page) for page in PAGES] + [(own, page) for page in OWN_PAGES]
    said = {page: words(browser.get(f"/account/{page}/", follow=True).text) for browser, page in asked}
    assert {page: found for page, text in said.items() if (found := faults(text))} == {}
    assert "Set up an authenticator app" in said["2fa/totp/activate"]  # and not the page that asks who it is


def test_mails_of_accounts_speak_as_the_others_do(
    client: Client, owner: User, sign_in: Callable[[User], Client]
) -> None:
    form = {"username": "ada", "password1": PASSWORD, "password2": PASSWORD}
    client.post("/account/signup/", form | {"email": "ada@example.org"})
    for address in (owner.email, "nobody@example.org"):
        Client().post("/account/password/reset/", {"email": address})
    new = PASSWORD[::-1]
    own = sign_in(owner)
    own.post("/account/password/change/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    subjects = " ".join(str(sent.subject) for sent in mail.outbox)
    for subject in (
        "Confirm your e-mail address",
        "Set a new password",
        "No account with",
    ):
        assert subject in subjects
    assert [found for sent in mail.outbox if (found := faults(f"{sent.subject}\n{sent.body}"))] == []
