"""The day of a research group, each act with its number of clicks: none may become longer unnoticed.

With STORY=FILE the acts are written there as a table, with the seconds that each of them took.
"""

import os
import re
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from collabs.models import Collab
from drive.storage import layout

from ..support.browser import Visitor
from ..support.people import Person, new_name
from ..support.site import CODE, Site, wait_for
from ..support.steps import Steps

pytestmark = pytest.mark.browser

NOTEBOOK = CODE / "lab/demo/Waves.ipynb"
CLICKS = {
    "create": 2,
    "invite": 2,
    "upload": 2,
    "look": 3,
    "share": 3,
    "open": 1,
    "run": 2,
    "edit": 4,
    "compare": 2,
    "restore": 2,
    "publish": 4,
    "stop": 2,
    "come back": 1,
}
"""Presses of the mouse that each act takes."""


def is_shown(page: Page) -> None:
    """The notebook is open, and its kernel waits."""
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=90_000)
    expect(page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]")).to_be_visible(timeout=60_000)


def test_each_act_of_a_day_takes_as_few_clicks_as_it_did(
    site: Site, browser: Browser, owner: Person, viewer: Person, tmp_path: Path
) -> None:
    ada, ben = Visitor(browser), Visitor(browser)
    owner.sign_in_at(ada.context)
    viewer.sign_in_at(ben.context)
    steps = Steps(ada.context, ben.context)
    page, title = ada.page, new_name("Wave Group ")
    readme = tmp_path / "README.md"
    readme.write_text("# About waves\n\nSee [the notebook](Waves.ipynb).\n")

    page.goto(settings.PORTAL_URL)
    with steps.act("create"):
        page.get_by_role("link", name="New Collab").click()
        page.locator("[name=title]").fill(title)
        page.get_by_role("button", name="Create the Collab").click()
        expect(page.get_by_role("heading", name=title)).to_be_visible()
    collab = page.url
    there = layout.find(Collab.objects.get(title=title).library.pk) / "README.md"
    with steps.act("invite"):
        page.get_by_role("link", name="Team", exact=True).click()
        page.locator("[name=person]").fill(viewer.user.username)
        page.locator("select[name=role]").first.select_option("viewer")
        page.get_by_role("button", name=re.compile("Add")).first.click()
        expect(page.get_by_role("cell", name=re.compile(viewer.user.username)).first).to_be_visible()
    with steps.act("upload"):
        page.get_by_role("link", name="Files", exact=True).click()
        page.locator(".file-bar summary").filter(has_text="Upload").click()
        page.locator("input[type=file]").first.set_input_files([readme, NOTEBOOK, CODE / "lab/demo/measurements.csv"])
        expect(page.get_by_role("link", name="Waves.ipynb", exact=True)).to_be_visible()
    ben.page.goto(settings.PORTAL_URL)
    with steps.act("look"):
        ben.page.get_by_role("main").get_by_role("link", name=title).first.click()
        ben.page.get_by_role("link", name="Files", exact=True).click()
        ben.page.get_by_role("link", name="Waves.ipynb", exact=True).click()
        expect(ben.page.locator("iframe.rendered")).to_be_visible(timeout=90_000)
    with steps.act("share"):
        page.get_by_role("link", name="Waves.ipynb", exact=True).click()
        page.get_by_role("link", name="Share by link").first.click()
        page.get_by_role("button", name="Create link").click()
        expect(page.get_by_label("Address of the link to Waves.ipynb")).to_have_value(re.compile("/l/"))
    page.goto(f"{collab}files/Waves.ipynb")
    with steps.act("open"):
        page.get_by_role("link", name="Open in Lab").first.click()
        page.wait_for_url(re.compile(r"\.lab\.localhost:\d+/lab/tree/"), timeout=90_000)
        is_shown(page)
    deep_link = page.url
    with steps.act("run"):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        expect(page.locator(".jp-RenderedImage img")).to_be_visible(timeout=90_000)
    page.keyboard.press("Control+s")
    page.goto(f"{collab}files/")
    with steps.act("edit"):
        page.get_by_role("link", name="README.md", exact=True).click()
        page.get_by_role("link", name="Edit", exact=True).click()
        page.locator(".cm-content").click()
        page.keyboard.press("Control+End")
        page.keyboard.type("Waves!")
        wait_for(lambda: "Waves!" in there.read_text(), 30, "it was not saved")
        page.locator("form .primary:visible").first.click()
        expect(page.get_by_role("main")).to_contain_text("Waves!")
    page.goto(f"{collab}files/README.md")
    with steps.act("compare"):
        page.get_by_role("link", name="Versions", exact=True).click()
        page.get_by_role("button", name="Compare A with B").click()
        expect(page.locator("tr.added")).to_contain_text("Waves!")
    with steps.act("restore"):
        page.get_by_role("link", name="All versions").click()
        page.get_by_role("button", name="Restore").last.click()
        expect(page.get_by_text("restored").first).to_be_visible()
    page.goto(collab)
    with steps.act("publish"):
        page.get_by_role("link", name="Settings", exact=True).click()
        page.get_by_label("Public", exact=True).check()
        page.get_by_role("button", name="Save", exact=True).click()
        page.get_by_role("button", name="Save and make it public").click()
        expect(page.locator("h1 .badge.public")).to_be_visible()
    with steps.act("stop"):
        page.get_by_role("banner").get_by_role("link", name=re.compile("^Lab")).click()
        page.get_by_role("button", name="Stop my Lab").click()
        expect(page.get_by_role("button", name=re.compile("^Start"))).to_be_visible(timeout=60_000)
    page.goto(deep_link)
    with steps.act("come back"):
        page.get_by_role("main").get_by_role("button", name=re.compile("Start|Open")).first.click()
        page.wait_for_url(deep_link, timeout=90_000)
        is_shown(page)
    page.goto("about:blank")

    if os.environ.get("STORY"):
        Path(os.environ["STORY"]).write_text(steps.table())
    assert {act.name: act.clicks for act in steps.acts} == CLICKS, steps.table()
    assert [*ada.complaints, *ben.complaints] == []
