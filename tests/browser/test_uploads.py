"""Uploads in a browser: broken connections, reloads, whole folders."""

import os
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, Route, expect

from drive.libraries import services
from drive.models import Library
from drive.storage import layout

from ..support.browser import Visitor, wait_until
from ..support.people import Person

pytestmark = pytest.mark.browser

SIZE = 20 * 2**20


@pytest.fixture
def library(owner: Person) -> Library:
    return services.create_library(owner.user, "Uploads")


@pytest.fixture
def visitor(browser: Browser, owner: Person, library: Library) -> Visitor:
    """The owner, at the library's page."""
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    visitor.page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/")
    return visitor


def choose(page: Page, *paths: Path) -> None:
    page.locator("input[name=file]").set_input_files(list(paths))  # they are sent as soon as they are chosen


def break_once(page: Page, method: str) -> list[str]:
    """Cut the connection of the second request of this kind; returns the methods that were asked for."""
    seen: list[str] = []

    def handle(route: Route) -> None:
        seen.append(route.request.method)
        if route.request.method == method and seen.count(method) == 2:
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/drive/uploads/**", handle)
    return seen


def test_it_goes_on_after_a_broken_connection(library: Library, visitor: Visitor, tmp_path: Path) -> None:
    file = tmp_path / "large ü.bin"
    file.write_bytes(os.urandom(SIZE))
    seen = break_once(visitor.page, "PATCH")
    choose(visitor.page, file)
    expect(visitor.page.get_by_role("link", name="large ü.bin", exact=True)).to_be_visible()
    assert (layout.find(library.pk) / "large ü.bin").read_bytes() == file.read_bytes()
    assert seen.count("POST") == 1
    assert "HEAD" in seen


def test_it_goes_on_after_a_reload(library: Library, visitor: Visitor, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(SIZE))
    seen: list[str] = []

    def handle(route: Route) -> None:
        seen.append(route.request.method)
        if route.request.method == "PATCH" and seen.count("PATCH") == 2:
            return  # it hangs, and stays routed: without a route the browser would send it after all
        route.continue_()

    page = visitor.page
    page.on("dialog", lambda dialog: dialog.accept())
    page.route("**/drive/uploads/**", handle)
    choose(page, file)
    wait_until(page, "() => Object.keys(localStorage).some((key) => key.startsWith('upload '))")
    while seen.count("PATCH") < 2:
        page.wait_for_timeout(50)
    page.reload()
    later: list[str] = []
    page.on("request", lambda request: later.append(request.method) if "/drive/uploads/" in request.url else None)
    choose(page, file)
    expect(page.get_by_role("link", name="large.bin", exact=True)).to_be_visible()
    assert (layout.find(library.pk) / "large.bin").read_bytes() == file.read_bytes()
    assert "POST" not in later
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('upload ')).length") == 0


def test_it_loses_nothing_while_the_portal_is_away(library: Library, visitor: Visitor, tmp_path: Path) -> None:
    """As during an update: the proxy answers 502, to the question how much has arrived as well."""
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(SIZE))
    seen: list[str] = []

    def handle(route: Route) -> None:
        seen.append(route.request.method)
        is_away = seen.count("PATCH") == 2 and seen.count("HEAD") < 2
        route.fulfill(status=502) if is_away else route.continue_()

    visitor.page.route("**/drive/uploads/**", handle)
    choose(visitor.page, file)
    expect(visitor.page.get_by_role("link", name="large.bin", exact=True)).to_be_visible(timeout=20_000)
    assert (layout.find(library.pk) / "large.bin").read_bytes() == file.read_bytes()
    assert seen[:6] == ["POST", "PATCH", "PATCH", "HEAD", "HEAD", "PATCH"]
    assert seen.count("POST") == 1


def test_it_asks_about_a_large_file_that_is_there(library: Library, visitor: Visitor, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(SIZE))
    place = layout.find(library.pk)
    (place / "large.bin").write_text("there")
    choose(visitor.page, file)
    visitor.page.get_by_role("button", name="Keep both").click()
    expect(visitor.page.get_by_role("link", name="large (2).bin", exact=True)).to_be_visible()
    assert (place / "large.bin").read_text() == "there"
    assert (place / "large (2).bin").read_bytes() == file.read_bytes()


def test_it_removes_what_has_arrived_of_a_cancelled_file(library: Library, visitor: Visitor, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(SIZE))
    page, seen = visitor.page, list[str]()
    others = set(layout.staging().glob("tus-*"))

    def handle(route: Route) -> None:
        seen.append(route.request.method)
        if seen.count("PATCH") < 2 or route.request.method == "DELETE":
            route.continue_()  # the second piece hangs

    page.route("**/drive/uploads/**", handle)
    choose(page, file)
    while seen.count("PATCH") < 2:
        page.wait_for_timeout(50)
    assert set(layout.staging().glob("tus-*")) - others
    with page.expect_response(lambda response: response.request.method == "DELETE") as deleted:
        page.get_by_role("button", name="Cancel large.bin").click()
    assert deleted.value.status == 204
    expect(page.locator("[data-list] li")).to_have_count(0)
    assert not set(layout.staging().glob("tus-*")) - others
    assert page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('upload ')).length") == 0


def test_it_uploads_a_folder_and_asks_about_what_is_there(library: Library, visitor: Visitor, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    for name in ("a.txt", "b.txt", "deep/c.txt"):
        (tree / name).write_text(name)
    place = layout.find(library.pk)
    (place / "tree").mkdir()
    for name in ("a.txt", "b.txt"):
        (place / "tree" / name).write_text("there")
    page = visitor.page
    page.locator("[data-folder-input]").set_input_files(tree)
    page.get_by_label("the same for all").check()
    page.get_by_role("button", name="Keep both").click()
    expect(page.locator("[data-list] li")).to_have_count(0)
    page.wait_for_load_state()
    found = {str(path.relative_to(place)): path.read_text() for path in place.rglob("*") if path.is_file()}
    assert found == {
        "tree/a.txt": "there",
        "tree/b.txt": "there",
        "tree/a (2).txt": "a.txt",
        "tree/b (2).txt": "b.txt",
        "tree/deep/c.txt": "deep/c.txt",
    }
    # Dropped, wherever on the page: here on its foot.
    drop = """() => {
      const data = new DataTransfer();
      data.items.add(new File(["dropped"], "dropped.txt"));
      for (const type of ["dragenter", "dragover", "drop"]) {
        const event = new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true });
        document.querySelector("footer").dispatchEvent(event);
      }
    }"""
    page.evaluate(drop)
    expect(page.get_by_role("link", name="dropped.txt", exact=True)).to_be_visible()
    assert (place / "dropped.txt").read_text() == "dropped"
    visitor.complaints = [text for text in visitor.complaints if "409" not in text]  # the browser notes each
    assert not visitor.complaints
