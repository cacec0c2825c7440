"""A file is there to read while JupyterLab is loaded, does nothing to who reads it, and JupyterLab takes over."""

import io
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Frame, FrameLocator, Page, Route, expect

from drive.files import operations
from drive.models import Library
from drive.preview import rendering

from ..support.browser import wait_until
from ..support.people import Person
from ..support.site import Site, wait_for
from .test_hostile_files import Elsewhere, Victim, elsewhere, files, signed_in

__all__ = ["elsewhere"]

pytestmark = pytest.mark.browser

FOLDER = "drive/My Libraries/My Library"
COVER = "#collaboratory-reading"
PATIENCE = 90_000
"""Milliseconds for JupyterLab to be loaded."""
CELLS = 40
LINES = 400
VERSION = {"nbformat": 4, "nbformat_minor": 5}
LOOK_AROUND = """() => {
    const tried = {origin: self.origin};
    for (const [name, look] of Object.entries({
        cookies: () => document.cookie,
        storage: () => localStorage.length,
        around: () => parent.document.title,
        database: () => indexedDB.open("x"),
    })) {
        try { tried[name] = String(look()); } catch (error) { tried[name] = error.name; }
    }
    return tried;
}"""


@pytest.fixture(scope="module")
def reader(lasting_person: Callable[..., Person], site: Site) -> Person:
    """With a Lab that runs."""
    someone = lasting_person("reader")
    site.have_fork_server()
    someone.launch()
    return someone


def write(reader: Person, name: str, content: bytes) -> None:
    operations.write(reader.user, Library.objects.get(owner_user=reader.user, is_default=True), name, content)


def have_preview(reader: Person, name: str) -> None:
    """As after a look at the notebook's page in the Drive."""
    library = Library.objects.get(owner_user=reader.user, is_default=True)
    page = f"/drive/{library.pk}/{name}"
    wait_for(lambda: "show=rendered" in reader.get(page).text, 90, f"{name} was not rendered")


def open_held(page: Page, reader: Person, name: str, query: str = "") -> tuple[FrameLocator, list[Route]]:
    """JupyterLab's page at a file, without JupyterLab, whose program is held back; and the frame of the preview."""
    held: list[Route] = []
    page.route("**/jupyterlab/static/*/main.*", lambda route: held.append(route))
    page.goto(f"{reader.origin}/lab/tree/{quote(f'{FOLDER}/{name}')}{query}", wait_until="commit")
    frame = page.frame_locator(f"{COVER} iframe")
    frame.locator(".cell, .still").first.wait_for(state="attached")
    return frame, held


def frame_of(page: Page) -> Frame:
    [frame] = [one for one in page.frames if "/.collaboratory/preview" in one.url]
    return frame


def test_a_hostile_file_does_nothing_on_the_labs_origin(browser: Browser, reader: Person, elsewhere: Elsewhere) -> None:
    """The second has HTML in which all that follows is lost, our own script too: it is not shown, and does nothing."""
    hostile, text = (files(elsewhere.address)[name] for name in ("a.ipynb", "a.md"))
    contents = {"hostile.ipynb": hostile.replace("<style><!--</style>", ""), "swallows.ipynb": hostile, "text.md": text}
    assert len(set(contents.values())) == 3
    for name, content in contents.items():
        write(reader, name, content.encode())
        if name.endswith(".ipynb"):
            have_preview(reader, name)
    victim = Victim(browser, reader)
    page = victim.page
    for name in contents:
        shown, _held = open_held(page, reader, name)
        address = page.url
        frame_of(page).wait_for_load_state()
        for link in shown.get_by_text("click me").filter(visible=True).all():
            link.click(force=True, no_wait_after=True, timeout=2000)
        tried = frame_of(page).evaluate(LOOK_AROUND)
        assert tried == {"origin": "null"} | dict.fromkeys(
            ("cookies", "storage", "around", "database"), "SecurityError"
        )
        assert page.url == address
        if name != "swallows.ipynb":
            expect(page.locator(COVER)).to_be_visible()
        page.evaluate("document.body.append(Object.assign(document.createElement('div'), {className: 'jp-Dialog'}))")
        expect(page.locator(COVER)).to_have_count(0)  # what JupyterLab has to say is in front
        answer = page.goto(f"{reader.origin}/.collaboratory/preview?path={quote(f'{FOLDER}/{name}')}")
        assert answer
        assert answer.status == 404
        page.unroute_all()
    assert not victim.happened
    assert not elsewhere.heard


def test_jupyterlab_takes_over_at_the_place_that_was_read(browser: Browser, reader: Person) -> None:
    """First a text, which the editor takes over. The notebook is rendered meanwhile, because it was saved."""
    cells = [
        {"cell_type": "markdown", "id": f"c{n}", "metadata": {}, "source": f"# Heading {n}\n" + "Words.\n\n" * 12}
        for n in range(CELLS)
    ]
    notebook = json.dumps({"cells": cells, "metadata": {}} | VERSION).encode()
    write(reader, "long.ipynb", notebook)
    write(reader, "long.md", "".join(f"- Line {n}. {'word ' * (n % 50)}\n" for n in range(LINES)).encode())
    page = signed_in(browser, reader).new_page()
    shown, held = open_held(page, reader, "long.md", "?reset")
    expect(shown.get_by_text("- Line 0.")).to_be_visible()
    page.keyboard.press("x")
    expect(page.locator(COVER)).to_contain_text("what you type is not taken yet")
    scroll_and_go_on(page, held, 200)
    lines = page.locator(".jp-FileEditor .cm-line")
    expect(lines.filter(has_text="Line 200.")).to_be_in_viewport()
    expect(lines.filter(has_text="Line 0.")).not_to_be_in_viewport()

    key = rendering.key(io.BytesIO(notebook), "long.ipynb")
    wait_for(lambda: rendering.state(key).name == "ready", 90, "it was saved, and not rendered")
    shown, held = open_held(page, reader, "long.ipynb")
    expect(shown.locator("h1", has_text="Heading 0")).to_be_visible()
    scroll_and_go_on(page, held, 20)
    headings = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) h1")
    expect(headings.filter(has_text="Heading 20")).to_be_in_viewport()
    expect(headings.filter(has_text="Heading 0")).not_to_be_in_viewport()
    for height in (3000, 30):  # as cells above that are drawn late
        first = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell").first
        first.evaluate("(cell, height) => (cell.style.height = `${height}px`)", height)
        page.wait_for_timeout(500)
        expect(headings.filter(has_text="Heading 20")).to_be_in_viewport()


def test_a_cell_that_is_run_before_there_is_a_kernel_runs_when_there_is(browser: Browser, reader: Person) -> None:
    """As on a slow machine; JupyterLab alone would do nothing, without a word."""
    code: dict[str, object] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [code | {"id": f"c{n}", "source": f"print('early', {n})"} for n in range(2)]
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route) if route.request.method == "POST" else route.continue_()

    for view in ("lab/tree", "notebooks"):
        name = f"early-{view[:3]}.ipynb"
        write(reader, name, json.dumps({"cells": cells, "metadata": {}} | VERSION).encode())
        page = signed_in(browser, reader).new_page()
        page.set_default_timeout(PATIENCE)
        page.route("**/api/sessions?*", hold)
        page.goto(f"{reader.origin}/{view}/{quote(f'{FOLDER}/{name}')}" + "?reset" * (view == "lab/tree"))
        cell = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")
        expect(page.locator(COVER)).to_have_count(0, timeout=PATIENCE)
        expect(cell).to_have_count(2)
        cell.first.locator(".cm-content").click()
        page.keyboard.press("Shift+Enter")
        page.keyboard.press("Control+Enter")
        expect(cell.first.locator(".jp-InputPrompt")).to_have_text("[*]:")
        page.wait_for_timeout(1000)
        while held:
            held.pop().continue_()
        page.unroute_all()
        for number in range(2):
            expect(cell.nth(number).locator(".jp-OutputArea-output")).to_have_text(
                f"early {number}\n", timeout=PATIENCE
            )
        page.close()
        kernels = reader.lab("GET", "/api/sessions").json()
        assert all(reader.lab("DELETE", f"/api/sessions/{one['id']}").ok for one in kernels)


def scroll_and_go_on(page: Page, held: list[Route], cell: int) -> None:
    """Read on to a cell or line, have JupyterLab's program loaded, and wait until it has taken over."""
    frame_of(page).evaluate(f"document.querySelectorAll('.cell')[{cell}].scrollIntoView()")
    wait_until(page, f"window.collaboratoryReading.place?.cell >= {cell - 1}")
    while held:
        held.pop().continue_()
    page.unroute_all()
    expect(page.locator(COVER)).to_have_count(0, timeout=PATIENCE)


def test_its_button_shows_jupyterlab_as_it_is(browser: Browser, reader: Person) -> None:
    write(reader, "short.ipynb", json.dumps({"cells": [], "metadata": {}} | VERSION).encode())
    have_preview(reader, "short.ipynb")
    page = signed_in(browser, reader).new_page()
    shown, _held = open_held(page, reader, "short.ipynb")
    expect(shown.get_by_text("This notebook has no cells.")).to_be_visible()
    page.get_by_role("button", name="Show JupyterLab").click()
    expect(page.locator(COVER)).to_have_count(0)
