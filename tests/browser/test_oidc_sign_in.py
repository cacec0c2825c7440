"""Signing in with an account elsewhere, in a browser: two sites, two origins, one strict policy."""

import os
from collections.abc import Iterator

import pytest
from django.conf import settings
from playwright.sync_api import Browser, expect

from portal.models import User
from tests.support.oidc_provider import Provider, provider

from ..support.browser import Visitor
from ..support.site import Site

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def institute(site: Site) -> Iterator[Provider]:
    """At the address that the site knows (bin/test)."""
    with provider(int(os.environ["OIDC_INSTITUTE_ISSUER"].rpartition(":")[2])) as running:
        yield running


def test_it_signs_in_with_an_account_elsewhere(browser: Browser, institute: Provider) -> None:
    institute.claims("s-1", preferred_username="Eva.Browser", email="eva.browser@uni.example", name="Eva Browser")
    visitor = Visitor(browser)
    page = visitor.page
    page.goto(f"{settings.PORTAL_URL}/account/login/?next=/drive/")
    page.get_by_role("button", name="Sign in with Institute").click()
    page.wait_for_url(f"{institute.issuer}/**")
    page.locator("[name=sub]").fill("s-1")
    page.get_by_role("button", name="Authorize").click()
    page.wait_for_url(f"{settings.PORTAL_URL}/drive/")
    expect(page.get_by_role("link", name="My Library").first).to_be_visible()
    assert User.objects.get(email="eva.browser@uni.example").username == "eva-browser"
    page.goto(f"{settings.PORTAL_URL}/account/3rdparty/")
    expect(page.get_by_role("heading", name="Other accounts")).to_be_visible()
    assert [line for line in visitor.complaints if settings.PORTAL_URL in line] == []
