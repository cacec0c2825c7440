"""Two people in one notebook, in two browsers, where it is not edited together: they know of each other, and neither
overwrites the other unasked."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from collabs import services
from collabs.models import Collab, Role
from drive.files import operations

from ..support.browser import Visitor
from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.browser


def notebook(source: str) -> bytes:
    """One cell of text."""
    cell = {"cell_type": "markdown", "metadata": {}, "source": source, "id": "one"}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


@pytest.fixture
def collab(owner: Person, person: Callable[..., Person]) -> Collab:
    title = f"Beside {owner.user.username}"
    collab = services.create_collab(owner.user, title=title)
    services.update_collab(owner.user, collab, title=title, description="", is_public=False, coediting=False)
    operations.write(owner.user, collab.library, "plan.ipynb", notebook("first words"))
    return collab


def open_plan(browser: Browser, someone: Person, collab: Collab) -> Page:
    """The notebook in their JupyterLab."""
    visitor = Visitor(browser)
    someone.sign_in_at(visitor.context)
    place = quote(f"Shared with groups/{collab.title}/plan.ipynb")
    visitor.page.goto(f"{settings.PORTAL_URL}/lab/open?path={place}")
    visitor.page.wait_for_url(re.compile(r"/lab/tree/drive/"), timeout=90_000)
    expect(visitor.page.locator(".jp-Notebook .jp-Cell")).to_be_visible(timeout=60_000)
    return visitor.page


def on_disk(collab: Collab) -> str:
    """What the library holds."""
    [path] = (Path(settings.DRIVE_ROOT) / "private" / str(collab.library.pk)).glob("plan.ipynb")
    return path.read_text()


def test_two_people_in_one_notebook_know_of_each_other(
    site: Site, browser: Browser, owner: Person, person: Callable[..., Person], collab: Collab
) -> None:
    other = person("ben")
    services.add_member(owner.user, collab, other.user, Role.EDITOR)
    mine = open_plan(browser, owner, collab)
    expect(mine.locator("#jp-main-statusbar")).to_contain_text("left")
    theirs = open_plan(browser, other, collab)
    expect(theirs.get_by_text(f"{owner.user.display_name} has “plan.ipynb” open, too").first).to_be_visible(
        timeout=20_000
    )
    mine.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when one comes back to the tab
    expect(mine.locator("#jp-main-statusbar")).to_contain_text(other.user.display_name, timeout=20_000)
    expect(mine.get_by_text(f"{other.user.display_name} has “plan.ipynb” open, too").first).to_be_visible()


def test_a_save_over_a_newer_file_is_asked_about(site: Site, browser: Browser, owner: Person, collab: Collab) -> None:
    """By JupyterLab's own dialog, which compares when the file was changed: that must be true through our mounts."""
    page = open_plan(browser, owner, collab)
    page.wait_for_timeout(2000)
    operations.write(owner.user, collab.library, "plan.ipynb", notebook("words of somebody else"))
    page.locator(".jp-Notebook .jp-Cell").click()
    page.keyboard.press("Escape")
    page.keyboard.press("b")  # one more cell
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(2)
    page.keyboard.press("Control+s")
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("changed on disk", timeout=20_000)
    assert "words of somebody else" in on_disk(collab)
    dialog.get_by_role("button", name="Overwrite").click()
    wait_for(lambda: "first words" in on_disk(collab), 20, "it was not saved")
    assert "words of somebody else" not in on_disk(collab)
