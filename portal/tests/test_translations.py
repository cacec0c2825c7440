"""Catalogues of sentences, in step with the code; the words that django-allauth makes are ours, by `locale/`."""

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
from django.utils import translation

from conftest import PASSWORD
from portal.models import User

sys.path.insert(0, str(settings.BASE_DIR / "bin/lib"))

import translations

OWN = {
    (app, language): polib.pofile(str(path))
    for app in translations.APPS
    for language in translations.LANGUAGES
    if (path := translations.catalogue(app, language)).exists()
}
"""Catalogues of our apps."""
SOURCES = [*sorted(translations.LOCALE.rglob("*.po")), *(translations.catalogue(*key) for key in OWN)]
ENGLISH = polib.pofile(str(translations.LOCALE / "en/LC_MESSAGES/django.po"))
PACKAGES = polib.pofile(str(Path(allauth.__file__).parent / "locale/de/LC_MESSAGES/django.po"))
PLACE = re.compile(r"%\(\w+\)s|%[sd]|{\w*}")
TAG = re.compile(r"</?[a-z]+")
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


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: "-".join(source.parts[-5:-2:2]))
def test_what_is_compiled_is_what_is_written(source: Path) -> None:
    assert source.with_suffix(".mo").read_bytes() == translations.compiled(source)


@pytest.mark.slow
@pytest.mark.parametrize("app", translations.APPS)
def test_catalogues_are_in_step_with_the_code(app: str) -> None:
    """Else: `python bin/lib/translations.py`."""
    wanted = {(sentence.context, sentence.text, sentence.plural) for sentence in translations.sentences(app)}
    for language in translations.LANGUAGES:
        there = {(entry.msgctxt or "", entry.msgid, entry.msgid_plural) for entry in OWN.get((app, language), [])}
        assert there == wanted, language


@pytest.mark.parametrize(("app", "language"), OWN)
def test_every_sentence_is_translated_with_its_places_and_elements(app: str, language: str) -> None:
    found = OWN[app, language]
    assert [entry.msgid for entry in found if translations.untranslated(entry)] == []
    assert [entry.msgid for entry in found for form in forms(entry) if not is_like(entry, form)] == []


def forms(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def is_like(entry: polib.POEntry, form: str) -> bool:
    """One of two forms may say "a file" in place of its number."""
    wanted = [entry.msgid, entry.msgid_plural] if entry.msgid_plural else [entry.msgid]
    places = any(set(PLACE.findall(form)) == set(PLACE.findall(text)) for text in wanted)
    tags = any(sorted(TAG.findall(form)) == sorted(TAG.findall(text)) for text in wanted)
    return places and tags and all(form[at].isspace() == entry.msgid[at].isspace() for at in (0, -1))


@pytest.mark.parametrize("language", translations.LANGUAGES)
def test_ours_are_the_words_that_people_see(language: str) -> None:
    """Not those of a package, or of another of our apps, which has the same sentence."""
    seen: dict[tuple[str, str], set[str]] = {}
    for (_, of), found in OWN.items():
        for entry in found if of == language else []:
            seen.setdefault((entry.msgctxt or "", entry.msgid), set()).add(forms(entry)[0])
    assert {text: ways for text, ways in seen.items() if len(ways) > 1} == {}
    with translation.override(language):
        wrong = [text for (context, text), ways in seen.items() if {said(context, text)} != ways]
    assert wrong == []


def test_english_is_as_it_stands_in_the_code() -> None:
    """`locale/en` replaces sentences of packages, none of ours."""
    ours = {(entry.msgctxt or "", entry.msgid) for found in OWN.values() for entry in found}
    with translation.override("en"):
        assert [text for context, text in ours if said(context, text) != text] == []


def said(context: str, text: str) -> str:
    """The sentence for one, as Django finds it."""
    if context:
        return translation.pgettext(context, text)
    return translation.ngettext(text, text, 1) if translation.gettext(text) == text else translation.gettext(text)


@pytest.mark.parametrize("language", ["en", *translations.LANGUAGES])
def test_every_sentence_is_one_of_the_package_and_keeps_its_places(language: str) -> None:
    known = {entry.msgid for entry in PACKAGES if not entry.obsolete}
    entries = polib.pofile(str(translations.LOCALE / language / "LC_MESSAGES/django.po"))
    assert [entry.msgid for entry in entries if entry.msgid not in known] == []
    wrong = [entry.msgid for entry in entries if set(PLACE.findall(entry.msgstr)) - set(PLACE.findall(entry.msgid))]
    assert wrong == []


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
