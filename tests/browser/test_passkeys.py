"""Passkeys in a browser, with an authenticator of its own (WebAuthn automation of the DevTools protocol)."""

import re

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from ..support.browser import Visitor
from ..support.people import Person

pytestmark = pytest.mark.browser

PASSWORD = "a long enough phrase"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


def plug_in(page: Page) -> None:
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})


def test_it_adds_a_passkey_and_signs_in_with_it(browser: Browser, owner: Person) -> None:
    owner.user.set_password(PASSWORD)
    owner.user.save()
    visitor = Visitor(browser)
    page = visitor.page
    plug_in(page)
    page.goto(f"{settings.PORTAL_URL}/account/login/?next=/account/2fa/webauthn/add/")
    page.locator("[name=login]").fill(owner.user.username)
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.locator("[name=password]").fill(PASSWORD)  # once more: a factor is about to be added
    page.locator("main form button[type=submit]").first.click()
    page.locator("[name=name]").fill("My key")
    page.locator("[name=passwordless]").check()
    page.locator("#mfa_webauthn_add").click()
    expect(page.get_by_label("Unused codes")).to_be_visible()
    visitor.context.clear_cookies()
    page.goto(f"{settings.PORTAL_URL}/account/login/")
    page.get_by_role("button", name=re.compile("passkey")).click()
    expect(page.get_by_role("heading", name=f"Hello, {owner.user.username}")).to_be_visible()
    assert visitor.complaints == []
