"""Notebooks in a browser, through the real sandbox and proxy: shown whole, with links that lead there."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, FrameLocator, Page, expect

from drive.libraries import services
from drive.models import Library
from drive.preview.tests.test_notebook import CASES, code, of_cells, text
from drive.storage import layout

from ..support.browser import wait_until
from ..support.people import Person
from .test_hostile_files import signed_in

pytestmark = pytest.mark.browser
PATIENCE = 60_000
"""Milliseconds for what a busy machine has to render first."""


@pytest.fixture
def library(owner: Person) -> Library:
    return services.create_library(owner.user, "Notebooks")


@pytest.fixture
def place(library: Library) -> Path:
    return layout.find(library.pk)


def opened(page: Page, library: Library, name: str) -> FrameLocator:
    """The frame of a notebook's page, when it is as high as what is in it."""
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/{name}")
    expect(page.locator("iframe.rendered[data-measured]")).to_be_visible(timeout=PATIENCE)
    return page.frame_locator("iframe.rendered")


def is_whole(page: Page) -> bool:
    """True if the frame has no scroll bar of its own."""
    inside = page.frames[1].evaluate("[document.documentElement.scrollHeight, innerHeight]")
    return inside[0] <= inside[1]


def test_it_shows_every_case_whole(browser: Browser, owner: Person, library: Library, place: Path) -> None:
    cases = sorted(CASES.glob("*.ipynb"))
    for case in cases:
        (place / case.name).write_bytes(case.read_bytes())
    page = signed_in(browser, owner).new_page()
    for case in cases:
        frame = opened(page, library, case.name)
        expect(frame.locator("body")).to_contain_text("SENTINEL")
        assert is_whole(page), case.name
    assert len(cases) == 13
    (place / "broken.ipynb").write_text('{\n"cells": [\n')
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/broken.ipynb")
    expect(page.get_by_text("cannot be read as JSON (line 3")).to_be_visible(timeout=PATIENCE)
    page.get_by_role("link", name="show it as text").click()
    expect(page.get_by_text('"cells": [')).to_be_visible()


def test_it_leads_to_headings_sets_formulas_and_opens_links(
    browser: Browser, owner: Person, library: Library, place: Path
) -> None:
    parts = [text(f"# Part {number}\n\n" + "words\n\n" * 60) for number in range(4)]
    end = text("[up](#Part-1) [site](https://example.org/) $\\frac{a}{b}$ ![fig](fig.png)")
    long = code({"output_type": "stream", "name": "stdout", "text": "line\n" * 300})
    (place / "fig.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (place / "long.ipynb").write_text(json.dumps(of_cells(*parts, long, end)))
    page = signed_in(browser, owner).new_page()
    frame = opened(page, library, "long.ipynb")
    page.get_by_role("link", name="Part 3").click()
    wait_until(page, "location.hash === '#Part-3' && scrollY > 1000")
    expect(frame.get_by_role("heading", name="Part 3")).to_be_in_viewport()
    frame.get_by_text("275 more lines").click()
    wait_until(page, "document.querySelector('iframe.rendered').offsetHeight > 10000")
    assert is_whole(page)
    expect(frame.locator("mfrac")).to_be_visible()
    assert frame.locator("img").get_attribute("src") == "data:image/png;base64,iVBORw0KGgo="
    frame.get_by_role("link", name="up", exact=True).click()
    wait_until(page, "location.hash === '#Part-1'")
    expect(frame.get_by_role("heading", name="Part 1")).to_be_in_viewport()
    with page.context.expect_page() as other:
        frame.get_by_role("link", name="site").click()
    assert other.value.evaluate("window.opener") is None
    page.goto("about:blank")
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/long.ipynb#Part-2")
    expect(frame.get_by_role("heading", name="Part 2")).to_be_in_viewport()
