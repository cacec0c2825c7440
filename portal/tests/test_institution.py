"""The face of the institution that runs the site: logo, colour, imprint, privacy, and terms that people accept."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings as site_settings
from django.test import Client
from pytest_django import Settings

from api.models import Scope
from api.services import create_token
from conftest import PASSWORD
from portal import institution
from portal.models import AuditEntry, User
from portal.web import colours

from .test_look import COLOURS, TEXT

SignIn = Callable[[User], Client]


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.INSTITUTION = tmp_path / "institution"
    settings.INSTITUTION.mkdir()
    return settings.INSTITUTION


def write(path: Path, text: str) -> None:
    """As an operator's editor does; with a time of its own, however fast that is."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    path.write_text(text)
    for place in (path, path.parent):
        at = max(place.stat().st_mtime_ns, before) + 1_000_000_000
        os.utime(place, ns=(at, at))


def sign_up(client: Client, **more: str) -> int:
    form = {"username": "ada", "email": "ada@example.org", "password1": PASSWORD, "password2": PASSWORD}
    return client.post("/account/signup/", form | more).status_code


def test_it_shows_what_is_there_in_the_language_of_the_page(client: Client, db: None, folder: Path) -> None:
    assert "/imprint/" not in client.get("/").text
    write(folder / "imprint.md", "# Who we are\n\n<script>alert(1)</script>\n\nThe *Institute*")
    write(folder / "imprint.de.md", "Das *Institut*")
    write(folder / "privacy.fr.md", "Rien")
    page = client.get("/imprint/").text
    assert "<em>Institute</em>" in page
    assert "alert(1)" not in page
    assert '<a href="/imprint/">Imprint</a>' in client.get("/").text
    german = client.get("/imprint/", headers={"Accept-Language": "de"}).text
    assert 'lang="de"><p>Das <em>Institut</em>' in german
    assert ">Impressum</a>" in german
    assert 'lang="fr"><p>Rien' in client.get("/privacy/").text
    assert client.get("/terms/").status_code == 404


def test_it_shows_the_logo_and_runs_nothing_of_it(client: Client, db: None, folder: Path) -> None:
    assert client.get("/institution/logo").status_code == 404
    write(folder / "logo.svg", "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    [address] = set(re.findall(r'src="(/institution/logo\?v=\w+)"', client.get("/").text))
    logo = client.get(address)
    assert logo["Content-Type"] == "image/svg+xml"
    assert "sandbox" in logo["Content-Security-Policy"]
    assert "script-src" not in logo["Content-Security-Policy"]
    assert "default-src 'none'" in logo["Content-Security-Policy"]
    write(folder / "logo.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert address not in client.get("/").text


def test_it_takes_no_other_file_for_one_of_its_own(client: Client, db: None, folder: Path) -> None:
    write(folder / "imprint.xx.md", "x")
    write(folder / "secret.md", "x")
    (folder / "terms.md").mkdir()
    os.utime(folder, ns=(1, 1))
    assert institution.documents() == {}
    for address in ("/secret/", "/imprint/", "/terms/", "/institution/secret.md"):
        assert client.get(address).status_code == 404


EXTREME = (
    "#000000 #ffffff #777777 #808080 #ffff00 #00ff00 #0000ff #ff0000 #ff00ff #00ffff #8a1538 #f7f8fa #11161d #5d8aa8"
)


@pytest.mark.parametrize("colour", EXTREME.split())
def test_people_can_read_whatever_the_colour_is(colour: str) -> None:
    made = {name: pair for name, *pair in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\)", _css(colour))}
    assert set(made) == {"accent", "accent-strong", "on-accent", "info-ground"}
    all_of_them = COLOURS | made
    for scheme in (0, 1):
        for ink, ground in TEXT:
            assert colours.contrast(all_of_them[ink][scheme], all_of_them[ground][scheme]) >= 4.5, (ink, ground)


def _css(colour: str) -> str:
    return colours.stylesheet(colour)


def test_it_knows_the_grounds_of_the_site() -> None:
    assert tuple(zip(COLOURS["ground"], COLOURS["surface"], strict=True)) == colours.GROUNDS
    assert list(colours.TEXTS) == COLOURS["text"]


def test_it_keeps_a_colour_that_can_be_read() -> None:
    assert "--accent: light-dark(#8a1538, " in _css("#8a1538")


def test_pages_have_the_colour(client: Client, db: None, settings: Settings) -> None:
    assert "colours.css" not in client.get("/").text
    settings.SITE_COLOUR = "#8a1538"
    page = client.get("/").text
    assert page.index("css/tokens.css") < page.index("/institution/colours.css?v=8a1538") < page.index("css/base.css")
    sheet = client.get("/institution/colours.css")
    assert (sheet.status_code, sheet["Content-Type"]) == (200, "text/css")


@pytest.fixture
def terms(folder: Path) -> Path:
    write(folder / "terms.md", "Be kind.")
    return folder / "terms.md"


def test_who_signs_up_accepts_the_terms(client: Client, db: None, terms: Path) -> None:
    assert '<a href="/terms/">terms of use</a>' in client.get("/account/signup/").text
    for wrong in ({}, {"terms": ""}, {"terms": "on"}, {"terms": "x"}):
        assert sign_up(client, **wrong) == 200
    assert not User.objects.filter(username="ada").exists()
    [version] = re.findall(r'name="terms" value="(\w+)"', client.get("/account/signup/").text)
    assert sign_up(client, terms=version) == 302
    ada = User.objects.get(username="ada")
    assert ada.terms_version == version == institution.terms_version()
    assert ada.terms_accepted_at is not None
    entry = AuditEntry.objects.get(verb="account.terms.accepted")
    assert (entry.actor, entry.details) == (ada, {"version": version})
    assert client.get("/drive/").status_code == 200


def test_who_signs_up_accepts_what_they_saw(client: Client, db: None, terms: Path) -> None:
    seen = institution.terms_version()
    write(terms, "Be kind, and pay.")
    assert sign_up(client, terms=seen) == 200
    assert not User.objects.filter(username="ada").exists()


def test_it_asks_once_and_again_when_they_change(owner: User, sign_in: SignIn, terms: Path) -> None:
    browser = sign_in(owner)
    asked = browser.get("/drive/?x=1")
    assert asked["Location"] == "/terms/accept/?next=%2Fdrive%2F%3Fx%3D1"
    page = browser.get(asked["Location"]).text
    assert "Be kind." in page
    [version] = re.findall(r'name="version" value="(\w+)"', page)
    write(terms, "Be kind, and pay.")
    assert browser.post("/terms/accept/", {"version": version, "next": "/drive/"}).status_code == 409
    assert browser.get("/drive/").status_code == 302
    accepted = browser.post("/terms/accept/", {"version": institution.terms_version(), "next": "/drive/?x=1"})
    assert accepted["Location"] == "/drive/?x=1"
    assert browser.get("/drive/").status_code == 200
    assert browser.get("/terms/accept/?next=//evil.example")["Location"] == "/"
    write(terms, "Be kind, and pay more.")
    assert browser.get("/drive/").status_code == 302
    assert AuditEntry.objects.filter(verb="account.terms.accepted").count() == 1


def test_the_operator_may_say_what_counts_as_a_change(
    owner: User, sign_in: SignIn, terms: Path, settings: Settings
) -> None:
    settings.TERMS_VERSION = "2026-12-01"
    browser = sign_in(owner)
    browser.post("/terms/accept/", {"version": "2026-12-01"})
    write(terms, "Be kind!")
    assert browser.get("/drive/").status_code == 200
    settings.TERMS_VERSION = "2027-01-01"
    assert browser.get("/drive/").status_code == 302


def test_who_does_not_accept_may_read_and_leave(owner: User, sign_in: SignIn, terms: Path) -> None:
    browser = sign_in(owner)
    for address in ("/terms/", "/docs/", "/account/export/", "/account/logout/", "/institution/logo"):
        assert "/terms/accept/" not in browser.get(address).headers.get("Location", ""), address
    assert browser.post("/language/", {"language": "de"})["Location"] == "/"
    assert "/account/reauthenticate/" in browser.get("/account/delete/").headers.get("Location", "")


def test_nothing_else_is_open_until_then(owner: User, collab: object, sign_in: SignIn, terms: Path) -> None:
    browser = sign_in(owner)
    for address in (
        "/",
        "/collabs/cortex/",
        "/lab/",
        "/lab/open?path=x",
        "/account/tokens/",
        "/account/",
        "/terms/accept",
    ):
        assert browser.get(address)["Location"].startswith(("/terms/accept/?next=", "/terms/accept/")), address
    sent = browser.post("/collabs/new/", {"title": "New"}, headers={"Referer": "http://testserver/collabs/new/"})
    assert sent["Location"] == "/terms/accept/?next=%2Fcollabs%2Fnew%2F"
    assert browser.post("/lab/start/")["Location"] == "/terms/accept/?next=%2F"
    part = browser.get("/lab/", headers={"HX-Request": "true", "Referer": "http://testserver/drive/"})
    assert (part.status_code, part["HX-Redirect"]) == (204, "/terms/accept/?next=%2Fdrive%2F")
    assert browser.get("/drive/", headers={"Sec-Fetch-Dest": "empty"}).status_code == 403
    answer = browser.get("/api/v1/me")
    assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (403, "application/json")


def test_a_program_goes_on(owner: User, terms: Path) -> None:
    _token, secret = create_token(owner, name="Script", scopes=[Scope.READ], days=1)
    bearer = {"Authorization": f"Bearer {secret}"}
    assert Client().get("/api/v1/me", headers=bearer).status_code == 200


def test_visitors_are_not_asked(client: Client, db: None, terms: Path) -> None:
    assert client.get("/").status_code == 200
    assert client.get("/terms/accept/")["Location"].startswith("/account/login/")


def test_there_is_no_such_thing_by_default(owner: User, sign_in: SignIn) -> None:
    assert institution.terms_version() == ""
    assert 'name="terms"' not in Client().get("/account/signup/").text
    assert sign_in(owner).get("/drive/").status_code == 200
    assert site_settings.SITE_COLOUR == ""
