"""A script in one Lab sets cookies for all Labs, as many as Chromium keeps; the browser gets into its own anyway."""

import pytest
from django.conf import settings
from playwright.sync_api import Browser, expect

from ..support.browser import Visitor
from ..support.people import Person

pytestmark = pytest.mark.browser

BOMB = """([count, path]) => {
    for (let n = 0; n < count; n++)
        document.cookie = `bomb${n}=${"x".repeat(4000)}; domain=lab.localhost; path=${path}; max-age=100000`;
    return document.cookie.length;
}"""


@pytest.mark.parametrize(("count", "path"), [(5, "/"), (25, "/lab"), (40, "/"), (150, "/")])
def test_a_browser_full_of_cookies_gets_into_its_lab(browser: Browser, owner: Person, count: int, path: str) -> None:
    owner.launch()
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    page = visitor.page
    page.goto(f"http://evil.{settings.LAB_DOMAIN}/.collaboratory/enter")  # any page on another Lab's origin
    page.evaluate(BOMB, [count, path])
    page.goto(f"{owner.origin}/lab")
    expect(page.get_by_role("heading", name="Too many cookies")).to_be_visible()
    page.get_by_role("link", name="Try again").click()
    expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=60_000)
    assert not [cookie for cookie in visitor.context.cookies() if cookie.get("name", "").startswith("bomb")]
    page.goto(f"{settings.PORTAL_URL}/account/")
    expect(page.get_by_label("First name")).to_be_visible()
