"""A browser with too many cookies for a Lab: it is told to forget them."""

import pytest
from django.test import Client
from django.test.client import RequestFactory

from lab.gateway.views_cookies import clear_cookies

TOLD = {"X-Lab-User": "owner", "X-Original-URI": "/lab/tree/a.ipynb"}


def test_it_clears_all_and_leads_back() -> None:
    page = Client().get("/_gateway/clear-cookies", headers=TOLD)
    assert (page.status_code, page["Clear-Site-Data"]) == (431, '"cookies"')
    assert "no-store" in page["Cache-Control"]
    assert 'href="/lab/tree/a.ipynb"' in page.content.decode()
    assert "http://localhost:8000" in page["Content-Security-Policy"].partition("style-src")[2].partition(";")[0]


def test_it_expires_each_by_name_for_the_domain_of_all_labs() -> None:
    browser = Client()
    browser.cookies["bomb"] = "x" * 4000
    browser.cookies["lab_pass"] = "planted for the domain"
    page = browser.get("/_gateway/clear-cookies", headers=TOLD)
    assert set(page.cookies) == {"bomb", "lab_pass"}
    for cookie in page.cookies.values():
        assert (cookie.value, cookie["max-age"], cookie["domain"], cookie["path"]) == ("", 0, "lab.localhost", "/")


@pytest.mark.parametrize(
    "header", ["a b=1", "é=1", '"=1', "=1", ";;;", "a\tb=1", "x" * 5000, "[]=1; ok=1", "path=1; domain=evil"]
)
def test_it_takes_any_names(rf: RequestFactory, header: str) -> None:
    page = clear_cookies(rf.get("/", headers=TOLD, HTTP_COOKIE=header))
    assert page.status_code == 431
    assert all(cookie["domain"] == "lab.localhost" for cookie in page.cookies.values())


def test_its_headers_stay_within_what_the_proxy_takes(rf: RequestFactory) -> None:
    names = [f"{n:03}" + "n" * 300 for n in range(180)]
    page = clear_cookies(rf.get("/", headers=TOLD, HTTP_COOKIE="; ".join(f"{name}=1" for name in names)))
    assert 0 < len(page.cookies) < 180
    assert len(page.serialize_headers()) + len(page.cookies.output()) < 31_000


@pytest.mark.parametrize("uri", ["//evil.example", "https://evil.example/", "/\\evil.example", ""])
def test_it_leads_nowhere_else(uri: str) -> None:
    page = Client().get("/_gateway/clear-cookies", headers=TOLD | {"X-Original-URI": uri})
    assert "evil.example" not in page.content.decode()
    assert 'href="/lab"' in page.content.decode()
