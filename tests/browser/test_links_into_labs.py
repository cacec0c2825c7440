"""Ways into the Lab in a browser: from a badge in somebody's README to the open notebook."""

from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from collabs import services
from collabs.models import Collab
from drive.files import operations
from drive.models import Library
from lab.models import Pull, PullState
from portal.models import User

from ..support.axe import LOOKS, wrong
from ..support.browser import Visitor
from ..support.people import Person

pytestmark = pytest.mark.browser

NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
PASSWORD = "correct-horse-battery"


@pytest.fixture
def collab(owner: Person) -> Collab:
    collab = services.create_collab(owner.user, title=f"Atlas of {owner.user.username}", is_public=True)
    operations.write(owner.user, collab.library, "first look.ipynb", NOTEBOOK)
    return collab


def look(page: Page) -> None:
    """Nothing on it shuts people out, in light and dark, wide and narrow."""
    before: Any = page.viewport_size
    for scheme, width in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 860})
        assert not wrong(page)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(before)


def page_of_notebook(collab: Collab) -> str:
    return f"{settings.PORTAL_URL}{collab.get_absolute_url()}files/{quote('first look.ipynb')}"


def test_a_notebooks_page_gives_link_and_badge_away(browser: Browser, owner: Person, collab: Collab) -> None:
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=settings.PORTAL_URL)
    page = visitor.page
    page.goto(page_of_notebook(collab))
    page.get_by_text("Link and badge for this notebook").click()
    badge = page.get_by_label("Badge in Markdown")
    page.locator("button[data-copy=lab-badge]").click()
    expect(page.locator("button[data-copy=lab-badge]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == badge.input_value()
    assert page.get_by_alt_text("The badge: Open in Lab").evaluate("image => image.naturalWidth") == 116
    look(page)
    assert not visitor.complaints


def test_it_gives_them_away_without_javascript_too(browser: Browser, owner: Person, collab: Collab) -> None:
    context = browser.new_context(java_script_enabled=False)
    owner.sign_in_at(context)
    page = context.new_page()
    page.goto(page_of_notebook(collab))
    page.get_by_text("Link and badge for this notebook").click()
    expect(page.get_by_label("Link", exact=True)).to_be_visible()
    expect(page.locator("button[data-copy]").first).to_be_hidden()
    context.close()


def test_a_badge_leads_from_the_sign_in_to_a_copy_in_jupyterlab(
    browser: Browser, collab: Collab, stranger: Person
) -> None:
    """Signed out, no Lab, not a member: sign in, choose, and the notebook is open and can be saved."""
    user = User.objects.get(pk=stranger.user.pk)
    user.set_password(PASSWORD)
    user.save()
    visitor = Visitor(browser)
    page = visitor.page
    page.goto(f"{settings.PORTAL_URL}/lab/open?path={quote(f'Shared with groups/{collab.title}/first look.ipynb')}")
    page.get_by_label("Username or email").or_(page.locator("input[name=login]")).first.fill(user.username)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("input[name=password]").press("Enter")
    expect(page.get_by_role("heading", name="first look.ipynb")).to_be_visible()
    look(page)
    page.get_by_role("button", name="Make my own copy").click()
    expect(page.get_by_role("tab", name="first look.ipynb")).to_be_visible(timeout=90_000)
    place = quote(f"My Libraries/My Library/{collab.title}/first look.ipynb")
    assert page.url.startswith(f"http://{user.username}.{settings.LAB_DOMAIN}/lab/")
    assert place in page.url
    page.goto(f"{settings.PORTAL_URL}/lab/open?path={quote(f'Shared with all/{collab.title}/first look.ipynb')}")
    expect(page.get_by_role("link", name="Open my copy")).to_be_visible()
    look(page)
    page.get_by_role("link", name="Open it read-only").click()
    expect(page.get_by_role("tab", name="first look.ipynb")).to_be_visible(timeout=90_000)
    assert quote(f"Shared with all/{collab.title}/") in page.url


def test_a_git_link_asks_and_says_how_far_it_is(browser: Browser, stranger: Person) -> None:
    visitor = Visitor(browser)
    stranger.sign_in_at(visitor.context)
    page = visitor.page
    link = "/lab/git-pull?repo=http://127.0.0.1:1/teacher/course.git&branch=main&path=first.ipynb"
    page.goto(settings.PORTAL_URL + link)
    expect(page.get_by_label("Folder")).to_have_value("course")
    look(page)
    page.get_by_role("button", name="Fetch and open it").click()
    expect(page.get_by_role("heading", name="The repository was not fetched")).to_be_visible(timeout=90_000)
    look(page)
    page.get_by_role("link", name="Try again").click()
    expect(page.get_by_label("Repository")).to_have_value("http://127.0.0.1:1/teacher/course.git")
    library = Library.objects.get(owner_user=stranger.user, is_default=True)
    report = {
        "what": "updated",
        "commit": "1a2b3c4",
        "kept": [{"path": "exercises/first.ipynb", "beside": "exercises/first (upstream 1a2b3c4).ipynb"}],
        "returned": ["data/measured.csv"],
    }
    done = Pull.objects.create(
        user=stranger.user, library=library, folder="course", repo="https://example.org/teacher/course",
        state=PullState.DONE, report=report,
    )  # fmt: skip
    page.goto(f"{settings.PORTAL_URL}/lab/git-pull/{done.pk}/")
    expect(page.get_by_text("exercises/first (upstream 1a2b3c4).ipynb")).to_be_visible()
    look(page)
    assert not visitor.complaints
