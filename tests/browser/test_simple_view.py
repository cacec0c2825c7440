"""The simple view: a notebook on Jupyter Notebook's page, with what the Lab's extension does in JupyterLab."""

import contextlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from playwright.sync_api import TimeoutError as PatienceEndedError

from drive.files import operations
from drive.models import Library
from drive.storage import open_library
from lab.models import Server
from portal.models import NotebookView

from ..support.browser import Visitor
from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.browser

PLACE = "My Libraries/My Library"
NAME = "räts & 100%.ipynb"
"""As hostile to addresses as a name may be."""
COVER = "#collaboratory-reading"
PATIENCE = 90_000
"""Milliseconds for a page of Jupyter to be loaded."""


def notebook(*sources: str) -> bytes:
    code: dict[str, object] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [code | {"source": source, "id": f"cell-{number}"} for number, source in enumerate(sources)]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


@pytest.fixture(scope="module")
def reader(lasting_person: Callable[..., Person], site: Site) -> Person:
    """With a Lab that runs."""
    someone = lasting_person("simple")
    site.have_fork_server()
    someone.launch()
    return someone


@pytest.fixture
def library(reader: Person) -> Library:
    found = Library.objects.get(owner_user=reader.user, is_default=True)
    operations.write(reader.user, found, NAME, notebook("6 * 7", ""))
    return found


@pytest.fixture
def context(browser: Browser, reader: Person) -> BrowserContext:
    visitor = Visitor(browser)
    reader.sign_in_at(visitor.context)
    visitor.page.goto(f"{settings.PORTAL_URL}/")
    return visitor.context


def address(reader: Person, page: str = "notebooks", name: str = NAME) -> str:
    return f"{reader.origin}/{page}/drive/{quote(f'{PLACE}/{name}')}"


def source(page: Page, number: int) -> Locator:
    return page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell .cm-content").nth(number)


def is_loaded(page: Page) -> None:
    expect(source(page, 0)).to_be_visible(timeout=PATIENCE)
    expect(page.locator(COVER)).to_have_count(0, timeout=PATIENCE)


def item(page: Page, name: str) -> None:
    """Choose something of the Lab's menu."""
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Lab$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=name).click()


def test_a_choice_on_the_portal_opens_notebooks_in_it_until_jupyterlab_is_chosen(
    context: BrowserContext, reader: Person, library: Library
) -> None:
    """Chosen on the portal, read at once, worked with, and left for JupyterLab."""
    page = context.pages[0]
    link = f"{settings.PORTAL_URL}/lab/open?path={quote(f'{PLACE}/{NAME}')}"
    page.goto(f"{settings.PORTAL_URL}/lab/")
    page.get_by_label("The simple view").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("The simple view")).to_be_checked()

    page.goto(link)
    expect(page).to_have_url(address(reader), timeout=PATIENCE)
    is_loaded(page)
    source(page, 0).click()
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".jp-OutputArea-output", has_text="42")).to_be_visible(timeout=PATIENCE)
    source(page, 1).click()
    page.keyboard.type("kept = 'in the Drive'")

    def is_kept() -> bool:
        with open_library(library) as files, files.open(NAME) as file:
            return b"in the Drive" in file.read()

    page.keyboard.press("Control+s")
    wait_for(is_kept, 60, "it was not saved")

    page.get_by_role("link", name="Open in JupyterLab").click()
    expect(page).to_have_url(address(reader, "lab/tree"), timeout=PATIENCE)
    expect(page.locator("#jp-main-dock-panel")).to_be_visible(timeout=PATIENCE)
    is_loaded(page)
    expect(page.locator(".jp-OutputArea-output", has_text="42")).to_be_visible()
    item(page, "Open This Notebook in the Simple View")
    expect(page).to_have_url(address(reader), timeout=PATIENCE)
    is_loaded(page)

    item(page, "Open Notebooks in the Simple View")

    def is_jupyterlab() -> bool:
        reader.user.refresh_from_db()
        return reader.user.notebook_view == NotebookView.JUPYTERLAB

    wait_for(is_jupyterlab, 60, "the choice was not kept")
    page.goto(link)
    expect(page).to_have_url(address(reader, "lab/tree"), timeout=PATIENCE)


def test_it_is_in_one_room_with_jupyterlab(context: BrowserContext, reader: Person, library: Library) -> None:
    """What is typed in either is in the other. It says how long the Lab stays, and warns, as JupyterLab does."""
    simple, lab = context.pages[0], context.new_page()
    warning = simple.get_by_text(re.compile(r"Your Lab stops at \d\d:\d\d if it stays idle")).first

    def warned() -> bool:
        """The portal may look at the Lab just now, and find that its person has used it."""
        soon = timezone.now() - timedelta(seconds=settings.LAB_IDLE_LIMIT) + timedelta(minutes=10)
        Server.objects.filter(pk=reader.server().pk).update(last_interaction=soon)
        with simple.expect_response("**/.collaboratory/state", timeout=PATIENCE):
            simple.goto(address(reader))
        is_loaded(simple)
        with contextlib.suppress(PatienceEndedError):
            warning.wait_for(timeout=10_000)
        return warning.is_visible()

    wait_for(warned, 120, "it did not warn")
    lab.goto(f"{address(reader, 'lab/tree')}?reset")
    is_loaded(lab)
    expect(simple.locator(".collaboratory-RoomStatus")).to_be_visible()
    expect(simple.locator("#collaboratory-left")).to_contain_text("left")
    source(simple, 1).click()
    simple.keyboard.type("from_simple = 1")
    expect(source(lab, 1)).to_contain_text("from_simple = 1")
    source(lab, 1).click()
    lab.keyboard.press("Control+End")
    lab.keyboard.type("; from_lab = 2")
    expect(source(simple, 1)).to_contain_text("from_simple = 1; from_lab = 2")


RENAME = """import importlib.util, pathlib
folder = pathlib.Path(importlib.util.find_spec("notebook").origin).parent / "templates"
(folder / {!r}).rename(folder / {!r}).name"""


@pytest.mark.usefixtures("library")
def test_what_it_cannot_show_opens_in_jupyterlab(reader: Person) -> None:
    """Other files and folders, hostile addresses, and at last a notebook, where the package has no such page."""

    def led_to(path: str) -> str:
        answer = reader.lab("GET", path, allow_redirects=False)
        return answer.headers.get("Location", str(answer.status_code))

    reader.contents("")
    folder = f"drive/{quote(PLACE)}"
    assert led_to(f"/notebooks/{folder}/{quote(NAME)}") == "200"
    assert led_to(f"/notebooks/{folder}/text.md?reset") == f"/lab/tree/{folder}/text.md?reset"
    assert led_to(f"/edit/{folder}/text.md") == f"/lab/tree/{folder}/text.md"
    assert led_to(f"/tree/{folder}") == f"/lab/tree/{folder}"
    assert (led_to("/tree"), led_to("/terminals/1"), led_to("/consoles/a")) == ("/lab", "/lab", "/lab")
    assert led_to("/notebooks//example.org/x.md") == "/lab/tree/example.org/x.md"
    assert led_to("/edit//example.org") == "/lab/tree/example.org"
    assert led_to("/edit/%0d%0aSet-Cookie:%20a=b") == "/lab/tree/%0D%0ASet-Cookie%3A%20a%3Db"
    kernel = reader.kernel()
    assert "hidden" in kernel.run(RENAME.format("notebooks.html", "hidden")).text
    try:
        assert led_to(f"/notebooks/{folder}/{quote(NAME)}") == f"/lab/tree/{folder}/{quote(NAME)}"
    finally:
        kernel.run(RENAME.format("hidden", "notebooks.html"))
