"""The Drive's pages of files in a browser: by mouse, by keyboard, and without JavaScript."""

import base64
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, Route, expect

from drive.libraries import services
from drive.models import Library
from drive.storage import layout

from ..support.browser import Visitor
from ..support.people import Person

pytestmark = pytest.mark.browser
DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
"""One point, as PNG."""


@pytest.fixture
def library(owner: Person) -> Library:
    return services.create_library(owner.user, "Recordings")


@pytest.fixture
def place(library: Library) -> Path:
    return layout.find(library.pk)


def address(library: Library, path: str = "") -> str:
    return f"{settings.PORTAL_URL}/drive/{library.pk}/{path}"


def tick(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_role("checkbox", name=f"Select {name}", exact=True).check()


def menu(page: Page, name: str) -> None:
    """Open a menu of the bar above the list."""
    page.locator(".file-bar summary").filter(has_text=name).click()


def create(page: Page, kind: str, name: str) -> None:
    menu(page, "New")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name=kind, exact=True).click()


def names(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*")}


def test_it_manages_files_by_mouse(browser: Browser, owner: Person, library: Library, place: Path) -> None:
    other = services.create_library(owner.user, "Archive")
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    page = visitor.page
    page.goto(address(library))
    create(page, "Folder", "session 1")
    expect(page.locator(".crumbs [aria-current]")).to_have_text("session 1")
    create(page, "Notebook", "first look")
    expect(page.get_by_role("status")).to_contain_text(["“first look.ipynb” was created."])
    expect(page.get_by_role("row", name="first look.ipynb").get_by_role("link", name="Open in Lab")).to_be_visible()
    for name in ("a.csv", "b.csv", "c.csv"):
        (place / "session 1" / name).write_text(name)

    # Several are moved to another library, and what is in the way is named.
    page.reload()
    expect(page.get_by_role("button", name="Move…")).to_be_hidden()
    tick(page, "a.csv", "b.csv")
    expect(page.locator("[data-selected]")).to_have_text("2 files (10 bytes)")
    page.get_by_role("button", name="Move…").click()
    chooser = page.get_by_role("dialog", name="Move 2 items")
    expect(chooser.get_by_role("treeitem", name="session 1")).to_be_focused()
    chooser.get_by_role("treeitem", name="Archive").click()
    chooser.get_by_role("button", name="Move to “Archive”").click()
    expect(page.get_by_role("status")).to_contain_text(["2 items were moved to Archive."])
    assert names(layout.find(other.pk)) == {"a.csv", "b.csv"}
    (layout.find(other.pk) / "C.CSV").write_text("theirs")
    tick(page, "c.csv")
    page.get_by_role("button", name="Copy…").first.click()
    chooser = page.get_by_role("dialog", name="Copy “c.csv”")
    expect(chooser.get_by_role("treeitem", name="session 1")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("arch")
    expect(chooser.get_by_role("treeitem", name="Archive")).to_be_focused()
    chooser.get_by_label("In a new folder").fill("copies")
    chooser.get_by_label("In a new folder").press("Enter")
    expect(page.get_by_role("status")).to_contain_text(["“c.csv” was copied to Archive / copies."])
    assert (layout.find(other.pk) / "copies/c.csv").read_text() == "c.csv"

    # A row's menu: where its file is, another name, and away with it; and back.
    page.get_by_role("link", name="Actions for c.csv").click()
    actions = page.get_by_role("dialog", name="c.csv")
    expect(actions.get_by_role("link", name="Open", exact=True)).to_be_focused()
    expect(actions.get_by_role("link", name="Download")).to_have_attribute("href", re.compile("c.csv\\?show=raw$"))
    copies = actions.locator("[data-copy-text]").evaluate_all("all => all.map((one) => one.dataset.copyText)")
    assert copies == [f"{page.url}c.csv", "session 1/c.csv", "~/drive/My Libraries/Recordings/session 1/c.csv"]
    actions.get_by_role("link", name="Rename…").click()
    page.get_by_role("dialog", name="Rename “c.csv”").get_by_label("New name").fill("d.csv")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Actions for d.csv").click()
    page.get_by_role("dialog", name="d.csv").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_contain_text(["“d.csv” was moved to the library's trash."])
    assert names(place) == {"session 1", "session 1/first look.ipynb"}
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="d.csv", exact=True)).to_be_visible()

    # A picture, small, in place of its icon.
    (place / "session 1/dot.png").write_bytes(base64.b64decode(DOT))
    page.reload()
    expect(page.locator("a:has-text('dot.png') img.thumbnail")).to_be_visible(timeout=120_000)

    # All of them, as an archive.
    page.get_by_role("checkbox", name="Select all on this page").check()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download", exact=True).click()
    assert download.value.suggested_filename == "session 1.zip"

    # Found by name, in all libraries.
    page.goto(f"{settings.PORTAL_URL}/drive/")
    expect(page.get_by_role("search", name="Files")).to_have_count(0)  # the header has one
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/")
    page.get_by_label("Find files by name in this folder and below").fill("CSV")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Search all libraries").click()
    expect(page.get_by_role("link", name="a.csv", exact=True)).to_be_visible()
    page.get_by_role("link", name="Archive / copies").click()
    expect(page.get_by_role("link", name="c.csv", exact=True)).to_be_visible()
    assert visitor.complaints == []


def test_it_manages_files_by_keyboard(browser: Browser, owner: Person, library: Library, place: Path) -> None:
    (place / "folder").mkdir()
    for name in ("one.txt", "two.txt", "three.txt"):
        (place / name).write_text(name)
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    page, keys = visitor.page, visitor.page.keyboard
    page.goto(address(library))
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    keys.press("j")
    expect(page.get_by_role("link", name="folder/", exact=True)).to_be_focused()
    keys.press("ArrowDown")
    expect(page.get_by_role("link", name="one.txt", exact=True)).to_be_focused()
    keys.press("F2")
    expect(page.get_by_role("textbox", name="New name")).to_be_focused()
    keys.type("first")
    keys.press("Enter")
    expect(page.get_by_role("link", name="first.txt", exact=True)).to_be_visible()
    keys.press("Control+a")
    expect(page.locator("[data-selected]")).to_have_text("3 files (23 bytes), 1 folder")
    keys.press("Escape")
    expect(page.locator("[data-selected]")).to_be_hidden()
    keys.press("j")
    keys.press("End")
    expect(page.get_by_role("link", name="two.txt", exact=True)).to_be_focused()
    keys.press("Shift+ArrowUp")
    expect(page.locator("[data-selected]")).to_have_text("2 files (16 bytes)")
    keys.press("Escape")
    keys.press("Home")
    expect(page.get_by_role("link", name="folder/", exact=True)).to_be_focused()
    keys.press("m")
    expect(page.get_by_role("dialog", name="folder").get_by_role("link", name="Open", exact=True)).to_be_focused()
    keys.press("Escape")
    expect(page.get_by_role("link", name="Actions for folder")).to_be_focused()
    page.reload()
    for key in ("j", "j", "j", " ", "k", " ", "Delete"):
        keys.press(key)
    expect(page.get_by_role("status")).to_contain_text(["2 items were moved to the library's trash."])
    assert names(place) == {"folder", "two.txt"}
    keys.press("j")
    keys.press("Enter")
    expect(page.locator(".crumbs [aria-current]")).to_have_text("folder")
    page.go_back()
    keys.press("f")
    expect(page.get_by_label("Find files by name in this folder and below")).to_be_focused()
    keys.type("two j?")
    keys.press("Enter")
    expect(page.get_by_text("No name contains all of these words.")).to_be_visible()
    assert visitor.complaints == []


def test_it_needs_no_javascript(browser: Browser, owner: Person, library: Library, place: Path, tmp_path: Path) -> None:
    (place / "folder").mkdir()
    (place / "folder/data.txt").write_text("data")
    context = browser.new_context(java_script_enabled=False)
    owner.sign_in_at(context)
    page = context.new_page()
    page.goto(f"{settings.PORTAL_URL}/drive/")

    # Browse and download.
    page.get_by_role("link", name="Recordings", exact=True).click()
    page.get_by_role("link", name="folder/").click()
    with page.expect_download() as download:
        menu(page, "⋯")
        page.get_by_role("link", name="Download this folder").click()
    assert download.value.suggested_filename == "folder.zip"

    # Upload one file, rename it, delete it.
    upload = tmp_path / "upload.txt"
    upload.write_text("up")
    menu(page, "Upload")
    page.locator("input[type=file]").first.set_input_files(upload)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("link", name="upload.txt", exact=True)).to_be_visible()
    page.get_by_role("link", name="Actions for upload.txt").click()
    page.get_by_label("New name").fill("renamed.txt")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("link", name="renamed.txt", exact=True)).to_be_visible()
    assert (place / "folder/renamed.txt").read_text() == "up"
    page.get_by_role("link", name="Select all on this page").click()
    page.get_by_role("checkbox", name="Select data.txt").uncheck()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.get_by_text("“renamed.txt” was moved to the library's trash.")).to_be_visible()
    assert names(place) == {"folder", "folder/data.txt"}

    # Make and move.
    create(page, "Notebook", "notes")
    expect(page.get_by_text("“notes.ipynb” was created.")).to_be_visible()
    tick(page, "notes.ipynb")
    page.get_by_role("button", name="Move…").click()
    page.get_by_role("button", name="Recordings", exact=True).click()
    page.get_by_role("button", name="Move to “Recordings”").last.click()
    expect(page.get_by_text("“notes.ipynb” was moved to Recordings.")).to_be_visible()
    assert names(place) == {"folder", "folder/data.txt", "notes.ipynb"}
    context.close()


TELL = """() => new MutationObserver(() => {
  const busy = document.querySelectorAll("[aria-busy=true]").length;
  fetch(`/said/${document.getElementById("waiting").textContent} ${busy}`);
}).observe(document.getElementById("waiting"), { childList: true, subtree: true })"""
"""Tells of what stands in the line above the page, by a request: while another page is on its way it cannot be read."""


def test_it_says_that_it_is_at_work(browser: Browser, owner: Person, library: Library, place: Path) -> None:
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    page = visitor.page
    held: list[Route] = []
    said: list[str] = []

    def hold(route: Route) -> None:
        if route.request.method == "POST":
            held.append(route)
        else:
            route.fallback()

    def note(route: Route) -> None:
        said.append(unquote(route.request.url.rpartition("/said/")[2]))
        route.fulfill(status=204)

    page.goto(address(library))
    page.evaluate(TELL)
    page.route(address(library), hold)
    page.route("**/said/*", note)
    menu(page, "New")
    page.get_by_label("Name", exact=True).fill("slow")
    page.get_by_role("button", name="Folder", exact=True).dblclick(no_wait_after=True)
    for _ in range(600):
        page.wait_for_timeout(100)  # handlers run in it
        if len(said) == 2:
            break
    assert said == ["Working… 1", "Still working. Please keep this page open. 1"]
    [only] = held
    only.fallback()
    expect(page).to_have_url(address(library, "slow/"))
    assert names(place) == {"slow"}

    # A download is no page.
    page.goto(address(library))
    with page.expect_download():
        page.get_by_role("link", name="Actions for slow").click()
        page.get_by_role("dialog", name="slow").get_by_role("link", name="Download").click()
    page.wait_for_timeout(1000)  # twice as long as it takes to be shown
    expect(page.locator("#waiting")).to_have_text("")
