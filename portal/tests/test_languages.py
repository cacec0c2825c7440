"""In which language pages and mails are: the person's choice, the browser's, what the browser asks for."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.conf import settings
from django.test import Client, RequestFactory
from django.utils import translation
from django.utils.formats import get_format
from pytest_django import Settings

from collabs.models import Collab
from portal import languages
from portal.models import User
from portal.web import views_errors

GERMAN, FRENCH = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}, {"Accept-Language": "fr"}


def language_of(html: str) -> str:
    [found] = re.findall(r'<html lang="([\w-]+)">', html)
    return found


def of(client: Client, address: str = "/", **headers: str) -> str:
    return language_of(client.get(address, headers=headers).text)


def test_it_takes_what_the_browser_asks_for(client: Client, db: None) -> None:
    assert of(client) == "en"
    assert of(client, **GERMAN) == "de"
    assert of(client, **{"Accept-Language": "nl,fr-CA;q=0.2"}) == "fr"
    assert of(client, **{"Accept-Language": "nl, ,;;q=x"}) == "en"
    assert translation.get_language() == "en"  # the thread's next request begins anew


def test_the_administration_is_in_english_all_of_it(client: Client, operator: User) -> None:
    """Its own words are; Django's beside them in another language read as neither."""
    User.objects.filter(pk=operator.pk).update(language="de")
    client.force_login(operator)
    for address in ("/admin/", "/admin/groups/group/", "/admin/usage/"):
        assert '<html lang="en"' in client.get(address, headers=GERMAN).text


def test_it_says_on_what_the_page_depends(client: Client, db: None) -> None:
    varies = client.get("/")["Vary"]
    assert "Accept-Language" in varies
    assert "Cookie" in varies


def test_it_gives_no_page_for_one_in_another_language(client: Client, public_collab: Collab) -> None:
    """A browser that has the English page asks whether it is still that."""
    for address in ("/", public_collab.get_absolute_url(), "/docs/"):
        english = client.get(address)
        same = client.get(address, headers={"If-None-Match": english["ETag"]})
        assert same.status_code == 304
        assert "Accept-Language" in same["Vary"]
        german = client.get(address, headers={"If-None-Match": english["ETag"], **GERMAN})
        assert (german.status_code, language_of(german.text)) == (200, "de")


def test_a_visitor_chooses_for_the_browser(client: Client, db: None) -> None:
    answer = client.post("/language/", {"language": "fr", "back": "/collabs/?q=x"})
    assert answer["Location"] == "/collabs/?q=x"
    assert of(client, **GERMAN) == "fr"


def test_a_persons_choice_is_the_accounts(owner: User, sign_in: Callable[[User], Client]) -> None:
    sign_in(owner).post("/language/", {"language": "de"})
    elsewhere = sign_in(owner)
    assert of(elsewhere, **FRENCH) == "de"
    elsewhere.cookies["portal_language"] = "fr"
    assert of(elsewhere) == "de"
    elsewhere.post("/account/", {"first_name": "Ada", "last_name": "", "language": ""})
    assert of(elsewhere, **FRENCH) == "fr"


def test_the_account_has_the_same_choice(owner: User, sign_in: Callable[[User], Client]) -> None:
    browser = sign_in(owner)
    answer = browser.post("/account/", {"first_name": "Ada", "language": "de"}, follow=True)
    assert language_of(answer.text) == "de"
    assert "Gespeichert." in answer.text
    assert browser.post("/account/", {"first_name": "Ada", "language": "xx"}).status_code == 200
    owner.refresh_from_db()
    assert owner.language == "de"


@pytest.mark.parametrize(
    "back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x", "x", ""]
)
def test_it_leads_back_into_the_site_alone(client: Client, db: None, back: str) -> None:
    assert client.post("/language/", {"language": "de", "back": back})["Location"] == "/"


@pytest.mark.parametrize("name", ["", "xx", "en-us", "../de", "de\r\nSet-Cookie: a=b"])
def test_it_offers_no_other_language(client: Client, db: None, name: str) -> None:
    answer = client.post("/language/", {"language": name})
    assert (answer.status_code, dict(answer.cookies)) == (400, {})
    assert client.get("/language/").status_code == 405
    client.cookies["portal_language"] = name.partition("\r")[0] or "x"
    assert client.get("/").status_code == 200


def test_a_site_may_have_fewer_languages(
    client: Client, owner: User, sign_in: Callable[[User], Client], settings: Settings
) -> None:
    owner.language = "fr"
    owner.save()
    settings.LANGUAGES, settings.LANGUAGE_CODE = [("de", "Deutsch")], "de"
    for browser in (client, sign_in(owner)):
        page = browser.get("/", headers=FRENCH).text
        assert language_of(page) == "de"
        assert "/language/" not in page
    assert 'name="language"' not in sign_in(owner).get("/account/").text
    assert client.post("/language/", {"language": "en"}).status_code == 400
    assert languages.of_person(owner) == "de"


@pytest.mark.parametrize("path", ["/api/v1/me", "/rest/v1/", "/dav/x", "/api2/repos/", "/seafhttp/files/x", "/readyz"])
def test_programs_are_answered_in_english(rf: RequestFactory, path: str) -> None:
    assert languages.of_request(rf.get(path, headers=GERMAN)) == "en"
    assert languages.of_request(rf.get("/drive/", headers=GERMAN)) == "de"


@pytest.mark.parametrize(("template", "status"), [("400.html", 400), ("500.html", 500), ("503.html", 503)])
def test_pages_of_errors_have_the_language_too(template: str, status: int) -> None:
    with translation.override("fr"):
        assert language_of(views_errors.plain(template, status).text) == "fr"


def test_it_asks_no_more_of_the_database(
    owner: User,
    sign_in: Callable[[User], Client],
    django_assert_num_queries: Callable[..., AbstractContextManager[object]],
) -> None:
    browser = sign_in(owner)
    browser.get("/docs/")
    with django_assert_num_queries(4):  # session, person, Lab, unread messages
        browser.get("/docs/")
    with django_assert_num_queries(2):
        browser.get("/_gateway/upload", headers={"X-Original-URI": "/account/", "X-Original-Method": "GET"})


def test_each_language_names_each_format_of_dates_that_pages_use() -> None:
    """A name that a language lacks is read as letters of a format; letters in a page suit one language."""
    pages = [path.read_text() for path in (settings.BASE_DIR / "templates").rglob("*.html")]
    used = {form for page in pages for form in re.findall(r"""\|date:["']([^"']*)["']""", page)} - {"c", "Y-m"}
    assert {form for form in used if not re.fullmatch(r"[A-Z_]+_FORMAT", form)} == set()
    for language, _name in settings.LANGUAGES:
        assert {form for form in used if get_format(form, lang=language) == form} == set()
