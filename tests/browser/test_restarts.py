"""A notebook goes on computing in its tab while every process of the site is restarted, one after the other."""

import json
import re

import pytest
from django.conf import settings
from playwright.sync_api import Browser, expect

from drive.files import operations
from drive.models import Library

from ..support.browser import Visitor
from ..support.people import Person
from ..support.site import Site, wait_for
from ..support.truth import PROCESSES

pytestmark = pytest.mark.browser

COUNT = "import time\nfor n in range(100000):\n    print(f'count {n}', flush=True)\n    time.sleep(0.5)"


def notebook(code: str) -> bytes:
    """With one cell."""
    cell: dict[str, object] = {"cell_type": "code", "id": "a", "metadata": {}, "source": code}
    cell |= {"outputs": [], "execution_count": None}
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": [cell], "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}).encode()


def test_it_goes_on_computing_and_the_tab_comes_back_by_itself(site: Site, browser: Browser, owner: Person) -> None:
    operations.write(
        owner.user, Library.objects.get(owner_user=owner.user, is_default=True), "count.ipynb", notebook(COUNT)
    )
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    page = visitor.page
    page.goto(f"{settings.PORTAL_URL}/lab/open?path=My Libraries/My Library/count.ipynb")
    page.wait_for_url(re.compile(r"//[^/]+\.lab\.localhost"), timeout=90_000)
    output = page.locator(".jp-OutputArea-output").first
    page.locator(".jp-Cell .cm-content").first.click(timeout=60_000)
    page.keyboard.press("Shift+Enter")
    expect(output).to_contain_text("count 3", timeout=60_000)
    server = owner.server().pk
    for name in PROCESSES:
        site.kill(name)
        wait_for(site.answers, 60, f"the site did not come back after {name}")
        seen = _last(output.inner_text())
        expect(output).to_contain_text(f"count {seen + 6}", timeout=60_000)  # nobody touched the tab
    assert owner.server().pk == server
    # What the kernel sends again, and what was merged from the file meanwhile, are told apart when both are there.
    wait_for(lambda: _is_once(output.inner_text()), 30, "something is missing, or there twice")


def _counted(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"count (\d+)", text)]


def _last(text: str) -> int:
    return _counted(text)[-1]


def _is_once(text: str) -> bool:
    counted = _counted(text)
    return counted == list(range(len(counted)))
