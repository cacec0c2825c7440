"""The search in the header, in a browser: while typing, by the keyboard, on a phone, and without JavaScript."""

import json
import os
import random
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Locator, Page, expect

from collabs import services as collab_services
from drive.files import operations
from drive.libraries import services
from drive.models import Library
from search.models import IndexedFile

from ..support.axe import LOOKS, wrong
from ..support.browser import Visitor
from ..support.people import Person
from ..support.site import wait_for

pytestmark = pytest.mark.browser
HOME = f"{settings.PORTAL_URL}/"


@pytest.fixture
def word() -> str:
    """A word that nothing else on the site has, from an earlier try neither."""
    return "".join(random.sample("bcdfghjklmnpqrstvwxz", 10))


@pytest.fixture
def library(owner: Person, word: str) -> Library:
    """With three files, which the site's own task has put into the index."""
    library = services.create_library(owner.user, "Thesis")
    source = [f"# {word} <b>sightings</b>, year by year\n", "plot()"]
    notebook = json.dumps({"cells": [{"cell_type": "code", "source": source}]}).encode()
    for name, content in ((f"{word}.md", b"Nothing."), ("run.ipynb", notebook), ("other.md", b"Of numbats.")):
        operations.write(owner.user, library, name, content)
    collab_services.create_collab(owner.user, title=f"{word} islands", description="Where they are.", is_public=True)
    indexed = IndexedFile.objects.filter(file__library=library)
    wait_for(lambda: indexed.count() == 3, 90, "the files were not indexed")
    return library


def field(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search", exact=True)


def picture(page: Page, name: str) -> None:
    """Kept where SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder, f"{name}.png"))


def test_it_is_used_by_keyboard_and_mouse(browser: Browser, owner: Person, library: Library, word: str) -> None:
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    page = visitor.page
    page.goto(HOME)
    field(page).wait_for()
    page.keyboard.press("/")
    expect(field(page)).to_be_focused()
    expect(field(page)).to_have_value("")
    page.keyboard.type(word[:8])
    options = page.get_by_role("option")
    expect(options).to_contain_text([f"{word}.md", "run.ipynb", f"{word} islands", f"All results for “{word[:8]}”"])
    expect(field(page)).to_have_attribute("aria-expanded", "true")
    for look, width in LOOKS:
        page.emulate_media(color_scheme=look)
        page.set_viewport_size({"width": width, "height": 860})
        assert wrong(page) == []
        picture(page, f"suggestions-{look}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(options.nth(1)).to_have_attribute("aria-selected", "true")
    expect(field(page)).to_have_attribute("aria-activedescendant", "suggested-text-1")
    page.keyboard.press("ArrowUp")
    expect(options.nth(0)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    expect(field(page)).to_have_value(word[:8])
    page.keyboard.type(word[8])
    expect(options.nth(0)).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{HOME}drive/{library.pk}/{word}.md")

    page.goto(f"{HOME}collabs/new/")
    page.get_by_label("Title").fill("A")
    page.get_by_label("Title").press("/")
    expect(page.get_by_label("Title")).to_have_value("A/")
    field(page).fill(word)
    page.get_by_role("option", name=f"{word} islands").click()
    expect(page.get_by_role("heading", name=f"{word} islands")).to_be_visible()

    mistyped = word[:7] + word[8] + word[7] + word[9:]
    field(page).fill(mistyped)
    expect(options.nth(0)).to_contain_text(f"{word}.md")
    field(page).press("Enter")
    expect(page).to_have_url(f"{HOME}search/?q={mistyped}")
    expect(page.get_by_text("These have words that are close to it.")).to_be_visible()
    expect(page.locator("mark").first).to_have_text(word)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 860})
    field(page).fill("")
    for look, width in LOOKS:
        page.emulate_media(color_scheme=look)
        page.set_viewport_size({"width": width, "height": 860})
        assert wrong(page) == []
        picture(page, f"results-{look}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert visitor.complaints == []


def test_it_needs_no_javascript(browser: Browser, owner: Person, library: Library, word: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    owner.sign_in_at(context)
    page = context.new_page()
    page.goto(HOME)
    page.get_by_role("search", name="Site").get_by_role("searchbox").fill(f"{word} year")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="run.ipynb")).to_be_visible()
    expect(page.get_by_text(f"# {word} <b>sightings</b>, year by year")).to_be_visible()
    page.get_by_role("link", name="Text of files").click()
    expect(page.get_by_role("link", name="run.ipynb")).to_be_visible()
    context.close()
