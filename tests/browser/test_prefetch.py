"""Links that are pressed: their page is asked for before the button is released, and never kept for later."""

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Locator, Page, expect

from collabs import services
from collabs.models import Collab

from ..support.browser import Visitor
from ..support.people import Person

pytestmark = pytest.mark.browser
MARKED = "a[data-pressed]"
DELIVERED = "performance.getEntriesByType('navigation')[0].deliveryType"


@pytest.fixture
def collab(owner: Person) -> Collab:
    return services.create_collab(owner.user, title=f"Pressed by {owner.user.username}")


@pytest.fixture
def visitor(browser: Browser, owner: Person) -> Visitor:
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    return visitor


def press(page: Page, link: Locator) -> None:
    """Put the mouse button down on a link; it is marked for a second only, and a slow machine may look later."""
    page.evaluate(
        f"addEventListener('pointerdown', () => {{ window.marked = document.querySelectorAll({MARKED!r}).length }})"
    )
    link.hover()
    page.mouse.down()
    assert page.evaluate("window.marked") == 1


def test_a_pressed_link_is_fetched_before_it_is_released(visitor: Visitor, collab: Collab) -> None:
    page = visitor.page
    for wait in (
        100,
        200,
        400,
        600,
        800,
        800,
        800,
    ):  # milliseconds; a slow machine may take longer than a press is kept
        page.goto(settings.PORTAL_URL)
        press(page, page.get_by_role("link", name=collab.title).first)
        page.wait_for_timeout(wait)
        page.mouse.up()
        expect(page).to_have_title(f"{collab.title} · {settings.SITE_NAME}")
        if page.evaluate(DELIVERED) == "navigational-prefetch":
            break
    else:
        pytest.fail("no press was enough")
    assert visitor.complaints == []


def test_what_was_pressed_and_not_clicked_is_not_shown_later(visitor: Visitor, collab: Collab) -> None:
    page = visitor.page
    page.goto(settings.PORTAL_URL)
    link = page.get_by_role("link", name=collab.title).first
    press(page, link)
    page.wait_for_timeout(500)  # long enough to have the page on most machines
    page.mouse.move(5, 5)
    page.mouse.up()
    expect(page.locator(MARKED)).to_have_count(0)
    Collab.objects.filter(pk=collab.pk).update(title=f"Renamed {collab.pk}")
    link.click()
    expect(page).to_have_title(f"Renamed {collab.pk} · {settings.SITE_NAME}")


def test_only_pages_that_change_nothing_are_fetched(visitor: Visitor) -> None:
    page = visitor.page
    page.goto(f"{settings.PORTAL_URL}/drive/")
    link = page.locator("header nav a").first
    for address, download in [("/lab/", False), ("/account/logout/", False), ("/collabs/?q=a", False), ("/", True)]:
        change = "(link, [href, yes]) => { link.href = href; link.toggleAttribute('download', yes) }"
        link.evaluate(change, [address, download])
        link.hover()
        page.mouse.down()
        assert page.locator(MARKED).count() == 0, address
        page.mouse.move(5, 5)
        page.mouse.up()
