"""A tab is closed in mid-cell, and opened elsewhere: every output is there, once."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from notices.models import Notice

from ..support.browser import Visitor
from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.browser

SOON = 60.0
PATIENCE = 30_000
NAME = "long.ipynb"
CUTS = """
const Real = window.WebSocket, open = new Set();
let isCut = false;
window.WebSocket = class extends Real {
  constructor(url, protocols) {
    super(isCut ? `${url}`.replace(/api.kernels.[^/]+/, "api/kernels/none") : url, protocols);
    open.add(this);
  }
};
window.cut = () => { isCut = true; open.forEach(one => one.close()); };
window.mend = () => { isCut = false; };
"""
"""Script of a page: `cut()` ends its connections to kernels until `mend()`, as a laptop does that is closed."""
FIRST = "import pathlib, sys, time\nprint('first')"
SECOND = """
for step in range(1, 4):
    print("aaa\\rbbb", end="\\r", file=sys.stderr)
    print(f"waits {step}")
    while not pathlib.Path(f"go{step}").exists():
        time.sleep(0.05)
print("over")
"""


@dataclass
class Place:
    """A folder of somebody's Lab with the notebook in it."""

    owner: Person
    folder: str

    def put(self, name: str, model: dict[str, Any]) -> None:
        answer = self.owner.lab("PUT", f"/api/contents/{self.folder}{name}", json=model)
        assert answer.ok, answer.text

    def go(self, step: int) -> None:
        """Let the second cell go on."""
        self.put(f"go{step}", {"type": "file", "format": "text", "content": ""})

    def cells(self) -> list[dict[str, Any]]:
        """Of the file."""
        answer = self.owner.lab("GET", f"/api/contents/{self.folder}{NAME}?type=file&format=text")
        try:
            found: list[dict[str, Any]] = json.loads(answer.json()["content"])["cells"]
        except ValueError:  # it is being written
            return []
        return found

    def has(self, *words: str) -> Callable[[], bool]:
        return lambda: all(word in json.dumps([cell["outputs"] for cell in self.cells()]) for word in words)

    def open(self, browser: Browser) -> Visitor:
        """In a browser of its own."""
        visitor = Visitor(browser)
        visitor.context.add_init_script(CUTS)
        self.owner.sign_in_at(visitor.context)
        visitor.page.goto(f"{self.owner.origin}/lab/tree/{quote(self.folder + NAME)}")
        expect(visitor.page.locator(".jp-Notebook .jp-CodeCell")).to_have_count(3, timeout=90_000)
        return visitor


@pytest.fixture(params=["", "drive/My Libraries/My Library/"], ids=["home", "drive"])
def place(request: pytest.FixtureRequest, site: Site, owner: Person) -> Place:
    owner.launch()
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": name, "metadata": {}, "source": source, "outputs": [], "execution_count": None}
        for name, source in (("one", FIRST), ("two", SECOND), ("three", "6 * 7"))
    ]
    made = Place(owner, request.param)
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    made.put(NAME, {"type": "notebook", "format": "json", "content": notebook})
    session = {"path": made.folder + NAME, "name": NAME, "type": "notebook", "kernel": {"name": "python3"}}
    assert owner.lab("POST", "/api/sessions", json=session).ok  # as the portal does for a notebook that is opened
    return made


def expect_idle(page: Page) -> None:
    """Its kernel is there."""
    expect(page.get_by_role("button", name="Python 3 (ipykernel) | Idle")).to_be_visible(timeout=PATIENCE)


def run_all(page: Page) -> None:
    expect_idle(page)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def output_of(page: Page, cell: int) -> Locator:
    return page.locator(".jp-CodeCell").nth(cell).locator(".jp-OutputArea")


def expect_all(page: Page) -> None:
    """Every output, once."""
    expect(output_of(page, 1)).to_contain_text("over", timeout=PATIENCE)
    expect(output_of(page, 2)).to_contain_text("42", timeout=PATIENCE)
    words = {"waits 1": 1, "waits 2": 1, "waits 3": 1, "over": 1, "aaa": 0}

    def each_once() -> bool:
        text = output_of(page, 1).inner_text()  # nothing at all while JupyterLab draws it anew
        return "bbb" in text and {word: text.count(word) for word in words} == words

    wait_for(each_once, SOON, "an output is missing, or there twice")
    expect(output_of(page, 0)).to_have_text("first", timeout=PATIENCE)
    expect(page.locator(".jp-CodeCell").nth(1).locator(".jp-InputPrompt")).to_contain_text("[2]", timeout=PATIENCE)


def test_a_tab_closed_in_mid_cell_is_complete_in_another_browser(
    site: Site, browser: Browser, owner: Person, place: Place
) -> None:
    visitor = place.open(browser)
    run_all(visitor.page)
    expect(output_of(visitor.page, 1)).to_contain_text("waits 1", timeout=PATIENCE)
    visitor.context.close()
    place.go(1)
    wait_for(place.has("waits 2"), SOON, "what came without a page is not in the file")
    page = place.open(browser).page
    second = output_of(page, 1)
    expect(second).to_contain_text("waits 2", timeout=PATIENCE)
    expect(page.locator(".jp-CodeCell").nth(1).locator(".jp-InputPrompt")).to_contain_text("[*]", timeout=PATIENCE)
    place.go(2)
    expect(second).to_contain_text("waits 3", timeout=PATIENCE)
    place.go(3)
    expect_all(page)
    page.get_by_role("button", name="Save and create checkpoint").click()
    wait_for(place.has("waits 3", "over"), SOON, "it was not saved")
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    outputs = place.cells()[1]["outputs"]
    assert "".join("".join(one["text"]) for one in outputs).count("waits 2") == 1


def test_a_page_whose_connection_was_cut_has_all_once_and_saves_without_a_question(
    site: Site, browser: Browser, owner: Person, place: Place
) -> None:
    """As of a laptop that was closed: the page is as it was, and comes back."""
    visitor = place.open(browser)
    page = visitor.page
    run_all(page)
    second = output_of(page, 1)
    expect(second).to_contain_text("waits 1", timeout=PATIENCE)
    page.evaluate("cut()")
    place.go(1)
    wait_for(place.has("waits 2"), SOON, "what came without a page is not in the file")
    page.evaluate("mend()")
    place.go(2)
    expect(second).to_contain_text("waits 3", timeout=PATIENCE)
    place.go(3)
    expect_all(page)
    page.get_by_role("button", name="Save and create checkpoint").click()
    wait_for(place.has("over", "42"), SOON, "it was not saved")
    expect(page.locator(".jp-Dialog")).to_have_count(0)


def test_run_all_and_tell_me(site: Site, browser: Browser, owner: Person, place: Place) -> None:
    visitor = place.open(browser)
    page = visitor.page
    expect_idle(page)
    page.get_by_role("button", name="Run, tell me").click()
    expect(output_of(page, 1)).to_contain_text("waits 1", timeout=PATIENCE)
    expect(page.get_by_text("You may close this page").first).to_be_visible()
    visitor.context.close()
    for step in (1, 2, 3):
        place.go(step)
    runs = Notice.objects.filter(user=owner.user, kind="run_ended")
    wait_for(runs.exists, SOON, "nobody was told")
    assert runs.get().subject.startswith("“long.ipynb” is done")
    wait_for(place.has("over", "42"), SOON, "the outputs are not in the file")
    page = place.open(browser).page
    expect_all(page)
