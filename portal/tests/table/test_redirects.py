"""No address of the site leads to another site because somebody wrote that into a link."""

from dataclasses import replace
from urllib.parse import quote, urlsplit

import pytest
from django.test import Client

from conftest import PASSWORD
from notices.models import Kind, Notice
from portal.models import User

from .people import World
from .requests import ask
from .table import all_rows

pytestmark = pytest.mark.django_db

EVIL = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "////evil.example",
    "/\\evil.example/",
    "\\\\evil.example/",
    "\\/evil.example/",
    "https:evil.example",
    "https:///evil.example",
    "http:/\\evil.example",
    "HtTpS://evil.example",
    "javascript:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>",
    "/\t/evil.example/",
    "/\n/evil.example/",
    "\t//evil.example/",
    "\x00//evil.example/",
    "//evil.example\\@testserver/",
    "http://testserver@evil.example/",
    "http://testserver.evil.example/",
    "http://evil.example#testserver",
    "//evil%E3%80%82example/",
    "/%09/evil.example/",
    "%2F%2Fevil.example",
    "／／evil.example",
    "ftp://testserver/",
]


RETURNS = ("next", "return", "redirect_to", "url", "back", "post_logout_redirect_uri")


def leads_home(target: str) -> bool:
    """As browsers read it: tabs and line ends are dropped, a backslash is a slash."""
    read = "".join(c for c in target if c not in "\t\r\n").strip("\x00 ").replace("\\", "/")
    parts = urlsplit(read)
    inside = parts.netloc in ("", "testserver") and parts.scheme in ("", "http", "https")
    return inside and not (parts.netloc == "" and parts.scheme) and not read.startswith("//")


def check(answer: object) -> None:
    headers = answer.headers  # type: ignore[attr-defined]
    for target in (headers.get("Location", ""), headers.get("Refresh", "").partition("url=")[2]):
        assert not target or leads_home(target) or _own_lab(target), target


def _own_lab(target: str) -> bool:
    return target.startswith("http://owner.lab.localhost:8000/")


@pytest.mark.parametrize("evil", EVIL)
def test_it_leads_nowhere_else_after_signing_in_up_and_out(evil: str, owner: User) -> None:
    form = {"login": "owner", "password": PASSWORD}
    check(Client().post("/account/login/", form | {"next": evil}))
    check(Client().post("/account/login/", form, query_params={"next": evil}))
    new = {"username": "newcomer", "email": "n@example.org", "password1": PASSWORD, "password2": PASSWORD}
    check(Client().post("/account/signup/", new | {"next": evil}))
    client = Client()
    client.force_login(owner)
    for address in ("/account/login/", "/account/signup/", "/account/logout/", "/admin/login/", "/lab/", "/lab/open"):
        check(client.get(address, query_params={"next": evil, "path": evil}))
    check(client.post("/account/reauthenticate/", {"password": PASSWORD, "next": evil}))
    check(client.post("/lab/start", {"next": evil}))
    check(client.get("/lab/enter", {"user": "owner", "next": evil, "state": "x"}))
    check(client.post("/account/logout/", {"next": evil}))
    check(client.get("/identity/o/logout", {"post_logout_redirect_uri": evil}))


@pytest.mark.slow
def test_it_leads_nowhere_else_whatever_a_form_says(world: World) -> None:
    owner = User.objects.get(username="owner")
    notice = Notice.objects.create(user=owner, kind=Kind.ROLE, subject="x")
    forms = [row for row in all_rows() if row.method == "POST"]
    for evil in (text for text in EVIL if "\0" not in text):  # PostgreSQL stores none
        Notice.objects.filter(pk=notice.pk).update(url=evil)
        check(world.browser("administrator").post(f"/notices/{notice.pk}/"))
    for row in forms:
        for evil in ("//evil.example/", "/\\evil.example"):
            more = "&".join(f"{name}={quote(evil, safe='')}" for name in RETURNS)
            body = f"{row.body}&{more}" if row.body else more
            check(ask(replace(row, body=body), world, world.browser("administrator")))


@pytest.mark.parametrize("path", ["//evil.example/collabs", "/\\evil.example/collabs", "//evil.example/%2e%2e"])
def test_it_makes_no_other_site_of_an_address_of_ours(path: str, db: None) -> None:
    check(Client().get(path))


@pytest.mark.slow
@pytest.mark.parametrize("referrer", ["http://evil.example/", "http://testserver//evil.example/", "http://testserver"])
def test_it_comes_back_to_a_page_of_ours_after_a_form_that_needed_an_account(
    referrer: str, owner: User, world: World
) -> None:
    client = world.browser("anonymous")
    asked = client.post("/collabs/open-cortex/favourite/", headers={"Referer": referrer})
    check(asked)
    check(client.post(asked.headers["Location"], {"login": "owner", "password": PASSWORD}))
