"""JupyterLab's workspaces and settings in a Lab: what an address opens, what is there when a page is loaded anew."""

import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from drive.files import operations
from drive.models import Library

from ..support.browser import Visitor
from ..support.people import Person, new_name
from ..support.site import Site, wait_for

pytestmark = pytest.mark.browser

CELL = b'{"cell_type": "markdown", "id": "a", "metadata": {}, "source": "# Waves"}'
NOTEBOOK = b'{"cells": [%s], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}' % CELL
NAMES = ("one.ipynb", "two.ipynb")
FIGURE = {"data": [{"x": [1, 2], "y": [3, 4], "type": "scatter"}], "layout": {"title": {"text": "Waves of Plotly"}}}
FOLDER = "drive/My Libraries/My Library"
SAVES = "**/lab/api/workspaces/**"
EARLY_MS = 30_000
"""So old may an answer be that the page has asked for early (lab/supervisor/inside/early.html)."""
OPEN_SECONDS = 60_000
"""Milliseconds for JupyterLab to show a file: it is loaded anew each time."""


@pytest.fixture(scope="module")
def owner(lasting_person: Callable[..., Person], site: Site) -> Person:
    """With two notebooks, and a Lab that runs."""
    someone = lasting_person("spaces")
    library = Library.objects.get(owner_user=someone.user, is_default=True)
    for name in NAMES:
        operations.write(someone.user, library, name, NOTEBOOK)
    site.have_fork_server()
    someone.launch()
    return someone


@pytest.fixture
def context(browser: Browser, owner: Person) -> BrowserContext:
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    visitor.page.goto(f"{settings.PORTAL_URL}/")
    return visitor.context


def tab(page: Page, name: str) -> None:
    """The notebook is open, and in front."""
    expect(page.locator("#jp-main-dock-panel .lm-TabBar-tab.lm-mod-current", has_text=name)).to_be_visible(
        timeout=OPEN_SECONDS
    )
    expect(page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) h1", has_text="Waves")).to_be_visible()


def address(owner: Person, workspace: str = "", name: str = "") -> str:
    """Of JupyterLab, at a notebook where one is named."""
    of_workspace = f"/workspaces/{workspace}" if workspace else ""
    return f"{owner.origin}/lab{of_workspace}" + (f"/tree/{quote(f'{FOLDER}/{name}')}" if name else "")


def is_saved(owner: Person, workspace: str, name: str) -> bool:
    """Whether the workspace, as the Jupyter server keeps it, has this notebook open."""
    return f"notebook:{FOLDER}/{name}" in owner.lab("GET", f"/lab/api/workspaces/{workspace}").json()["data"]


def test_a_notebook_opens_before_the_workspace_is_saved(context: BrowserContext, owner: Person) -> None:
    """No save of it is answered until the notebook is there; they are made up for."""
    page, held, waits = context.pages[0], list[Route](), [True]

    def hold(route: Route) -> None:
        if route.request.method == "PUT" and waits:
            held.append(route)
        else:
            route.continue_()

    page.route(SAVES, hold)
    page.goto(address(owner, "held", "one.ipynb"))
    tab(page, "one.ipynb")
    waits.clear()
    for route in held:
        route.continue_()
    page.unroute(SAVES)  # what comes from now on is asked of nobody who waits below
    wait_for(lambda: is_saved(owner, "held", "one.ipynb"), 60, "the workspace was not saved")


def test_a_notebook_opens_where_the_workspace_cannot_be_read(context: BrowserContext, owner: Person) -> None:
    page = context.pages[0]
    page.route(SAVES, lambda route: route.fulfill(status=500) if route.request.method == "GET" else route.continue_())
    page.goto(address(owner, "unread", "one.ipynb"))
    tab(page, "one.ipynb")


def test_a_workspace_is_restored_copied_and_reset(context: BrowserContext, owner: Person) -> None:
    page, first, second = context.pages[0], new_name("first"), new_name("second")
    page.goto(address(owner, first, "one.ipynb"))
    tab(page, "one.ipynb")
    wait_for(lambda: is_saved(owner, first, "one.ipynb"), 60, "the workspace was not saved")

    page.goto(address(owner, first))  # restored, and one more beside it
    tab(page, "one.ipynb")
    page.goto(address(owner, first, "two.ipynb"))
    tab(page, "two.ipynb")
    expect(page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="one.ipynb")).to_be_visible()
    wait_for(lambda: is_saved(owner, first, "two.ipynb"), 60, "the workspace was not saved")

    page.goto(f"{address(owner, second)}?clone={first}")
    expect(page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="one.ipynb")).to_be_visible(timeout=OPEN_SECONDS)
    expect(page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="two.ipynb")).to_be_visible()
    expect(page).to_have_url(re.compile(f"/lab/workspaces/{second}(/tree/[^?]*)?$"))
    assert is_saved(owner, second, "one.ipynb")

    page.goto(f"{address(owner, first, 'two.ipynb')}?reset")
    tab(page, "two.ipynb")
    expect(page).to_have_url(re.compile(r"^[^?]*$"))
    expect(page.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="one.ipynb")).to_have_count(0)
    wait_for(lambda: not is_saved(owner, first, "one.ipynb"), 60, "the workspace was not emptied")


def test_a_second_tab_has_a_workspace_of_its_own(context: BrowserContext, owner: Person) -> None:
    page, other = context.pages[0], context.new_page()
    page.goto(address(owner, "", "one.ipynb"))
    tab(page, "one.ipynb")
    other.goto(address(owner, "", "two.ipynb"))
    tab(other, "two.ipynb")
    expect(other).to_have_url(re.compile("/lab/workspaces/auto-"))
    expect(other.locator("#jp-main-dock-panel .lm-TabBar-tab", has_text="one.ipynb")).to_have_count(0)
    wait_for(lambda: is_saved(owner, "default", "one.ipynb"), 60, "the workspace was not saved")


ASKED = """() => performance.getEntriesByType("resource").map(({name, startTime}) => [new URL(name), startTime])
    .filter(([{pathname, search}]) => pathname === "/lab/api/settings" && /^([?][0-9]+)?$/.test(search))
    .map(([{search}, startTime]) => [search, startTime])"""
"""How JupyterLab's page has asked for all settings, and when (ms)."""


def test_settings_are_those_of_the_site_and_those_that_a_person_changed(context: BrowserContext, owner: Person) -> None:
    """The first are taken from their schemas as they are, the second are read."""
    page, setting = context.pages[0], "/lab/api/settings/@jupyterlab/apputils-extension:themes"
    light = page.locator("body[data-jp-theme-light='true']")
    dark = page.locator("body[data-jp-theme-light='false']")
    page.emulate_media(color_scheme="dark")
    page.goto(address(owner, "settings", "one.ipynb"))
    tab(page, "one.ipynb")
    expect(dark).to_have_count(1)  # "adaptive-theme" is this site's default, not JupyterLab's
    first, *others = page.evaluate(ASKED)
    assert first[0] == "", "JupyterLab has asked itself, with the time in the address"
    assert all(began > EARLY_MS for _, began in others), "what was asked early was not used"
    try:
        assert owner.lab("PUT", setting, json={"raw": '{"adaptive-theme": false, /* mine */}'}).ok
        page.reload()
        tab(page, "one.ipynb")
        expect(light).to_have_count(1)
    finally:
        owner.lab("PUT", setting, json={"raw": "{}"})


def test_on_a_phone_one_document_has_the_page(browser: Browser, owner: Person) -> None:
    """And the status bar has what this Lab uses, where limits of memory are kept."""
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{settings.PORTAL_URL}/lab/open?path={quote(f'My Libraries/My Library/{NAMES[0]}')}")
    expect(page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) h1", has_text="Waves")).to_be_visible(
        timeout=OPEN_SECONDS
    )
    expect(page.locator("#jp-main-dock-panel[data-mode=single-document]")).to_be_attached()
    expect(page.locator("#jp-left-stack")).to_be_hidden()
    if owner.lab("GET", "/api/collaboratory/usage").json()["memory_limit"]:
        expect(page.locator("#jp-main-statusbar").get_by_text(re.compile("^Memory: "))).to_be_attached()


def test_a_figure_of_plotly_is_drawn_and_its_script_is_loaded_for_no_other_notebook(
    context: BrowserContext, owner: Person
) -> None:
    """Plotly's own extension, 4.8 MB that JupyterLab would wait for, is not loaded at all."""
    page, asked = context.pages[0], list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address(owner, new_name("plain"), "one.ipynb"))
    tab(page, "one.ipynb")
    assert [url for url in asked if "plotly" in url] == []
    output = {"output_type": "display_data", "metadata": {}, "data": {"application/vnd.plotly.v1+json": FIGURE}}
    cell = {"cell_type": "code", "id": "b", "metadata": {}, "source": "", "execution_count": 1, "outputs": [output]}
    notebook = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    library = Library.objects.get(owner_user=owner.user, is_default=True)
    name = f"{new_name('figure')}.ipynb"
    operations.write(owner.user, library, name, json.dumps(notebook).encode())
    page.goto(address(owner, new_name("figures"), name))
    expect(page.locator(".collaboratory-Plotly svg.main-svg").first).to_be_visible(timeout=OPEN_SECONDS)
    expect(page.locator(".collaboratory-Plotly").get_by_text("Waves of Plotly")).to_be_visible()
    assert [url.rpartition("/")[2] for url in asked if "plotly" in url] == ["plotly.js"]
