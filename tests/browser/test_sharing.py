"""Sharing in a browser: a person found by the beginning of a name, and a link that a visitor opens."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, expect

from drive.libraries import public_links, services, upload_links
from drive.models import Library, PublicLink
from drive.storage import layout

from ..support.axe import wrong
from ..support.browser import Visitor
from ..support.people import Person
from ..support.site import wait_for

pytestmark = pytest.mark.browser


@pytest.fixture
def library(owner: Person) -> Library:
    library = services.create_library(owner.user, "Recordings")
    place = layout.find(library.pk)
    (place / "May").mkdir()
    (place / "May/notes.txt").write_text("spikes")
    (place / "private.txt").write_text("nobody's business")
    return library


@pytest.fixture
def at_home(browser: Browser, owner: Person) -> Visitor:
    """The owner at their browser."""
    visitor = Visitor(browser)
    owner.sign_in_at(visitor.context)
    return visitor


def test_it_shares_with_somebody_found_while_typing(
    at_home: Visitor, library: Library, person: Callable[..., Person]
) -> None:
    colleague = person("zora")
    page = at_home.page
    page.goto(f"{settings.PORTAL_URL}/drive/sharing/{library.pk}/")
    page.get_by_label("Person").press_sequentially("zor")
    expect(page.locator(f"#suggestions option[value='{colleague.user.username}']")).to_have_count(1)
    page.get_by_label("Person").fill(colleague.user.username)
    page.get_by_label("They", exact=True).select_option(label="can read and write")
    page.get_by_role("button", name="Share", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Shared.")
    page.get_by_label(f"Permission of {colleague.user.username}", exact=True).select_option(label="can read")
    page.get_by_role("button", name=f"Change the permission of {colleague.user.username}").click()
    expect(page.get_by_role("status")).to_contain_text("can read it now")
    page.get_by_role("button", name=f"Stop sharing with {colleague.user.username}").click()
    expect(page.get_by_text("Nobody yet.")).to_be_visible()
    assert at_home.complaints == []


def test_it_gives_a_visitor_a_folder(at_home: Visitor, browser: Browser, library: Library) -> None:
    page = at_home.page
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/May/")
    page.locator(".file-bar summary").filter(has_text="Share").click()
    page.get_by_role("link", name="Share by link").click()
    expect(page.get_by_role("heading", name="New link to “May”")).to_be_visible()
    page.get_by_label("Password").fill("open, sesame")
    page.get_by_role("button", name="Create link").click()
    address = page.get_by_label("Address of the link to May").input_value()
    page.get_by_role("button", name="Copy").click()
    visitor = Visitor(browser)
    visitor.page.goto(address)
    visitor.page.get_by_label("Password").fill("open, sesame")
    visitor.page.get_by_role("button", name="Continue").click()
    expect(visitor.page.get_by_role("heading", name="May")).to_be_visible()
    expect(visitor.page.get_by_role("link", name="notes.txt")).to_be_visible()
    assert "private.txt" not in visitor.page.content()
    visitor.page.get_by_label("More", exact=True).click()
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Download this folder").click()
    assert download.value.suggested_filename == "May.zip"
    link = PublicLink.objects.get(library=library)
    wait_for(lambda: PublicLink.objects.get(pk=link.pk).uses >= 2, 30, "the visits were not counted")
    page.get_by_role("button", name="Revoke the link to May").click()
    expect(page.get_by_role("status")).to_contain_text("was revoked")
    assert at_home.complaints == []
    assert visitor.complaints == []
    visitor.page.goto(address)
    expect(visitor.page.get_by_role("heading", name="Not found")).to_be_visible()


def test_somebody_with_an_account_copies_what_a_link_shows(
    browser: Browser, owner: Person, library: Library, person: Callable[..., Person]
) -> None:
    link = public_links.make_link(owner.user, library, "May")
    reader = person("reader")
    visitor = Visitor(browser)
    reader.sign_in_at(visitor.context)
    page = visitor.page
    page.goto(public_links.address(link))
    expect(page.get_by_role("heading", name="May")).to_be_visible()
    assert not wrong(page)
    page.get_by_role("button", name="Copy to My Library").click()
    expect(page.locator(".messages")).to_contain_text("“May” was copied to My Library.")
    expect(page.get_by_role("link", name="notes.txt", exact=True)).to_be_visible()
    own = Library.objects.get(owner_user=reader.user, is_default=True)
    assert (layout.find(own.pk) / "May/notes.txt").read_text() == "spikes"
    assert visitor.complaints == []


def test_a_visitor_uploads_through_a_link(at_home: Visitor, browser: Browser, library: Library, tmp_path: Path) -> None:
    """Asking for files takes two clicks from the folder; sending them one, and they are seen by their people only."""
    page = at_home.page
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/May/")
    page.locator(".file-bar summary").filter(has_text="Share").click()
    page.get_by_role("link", name="Ask for files").click()
    page.get_by_label("Title").fill("Homework 3")
    expect(page.get_by_label("Folder")).to_have_value("May")
    page.get_by_label("Message to the senders").fill("Notebooks only, please.")
    page.get_by_role("button", name="Create link").click()
    address = page.get_by_label("Address of the link to Homework 3").input_value()
    assert wrong(page) == []
    large, small = tmp_path / "large.bin", tmp_path / "notes.txt"
    large.write_bytes(os.urandom(9 * 2**20))
    small.write_text("mine")
    sender = Visitor(browser)
    sender.page.goto(address)
    expect(sender.page.get_by_role("heading", name="Homework 3")).to_be_visible()
    assert "spikes" not in sender.page.content()
    assert "notes.txt" not in sender.page.content()
    assert wrong(sender.page) == []
    sender.page.get_by_label("Your name (optional)").fill("Ada")
    sender.page.locator("input[type=file]").set_input_files([large, small])
    expect(sender.page.locator("[data-said]")).to_have_text("All uploads are done.")
    expect(sender.page.locator("[data-list] li")).to_have_text(["large.bin ✓", "notes.txt ✓"])
    place = layout.find(library.pk) / "May"
    assert (place / "notes.txt").read_text() == "spikes"
    assert (place / "Ada - notes.txt").read_text() == "mine"
    assert (place / "Ada - large.bin").read_bytes() == large.read_bytes()
    page.reload()
    page.get_by_text("What was uploaded lately").click()
    expect(page.get_by_text("notes.txt")).to_be_visible()
    assert [*at_home.complaints, *sender.complaints] == []


def test_a_visitor_uploads_without_javascript(
    browser: Browser, owner: Person, library: Library, tmp_path: Path
) -> None:
    link = upload_links.make_link(owner.user, library, "May", title="Homework", max_bytes=2**20)
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    context = browser.new_context(java_script_enabled=False)
    try:
        page = context.new_page()
        page.goto(upload_links.address(link))
        page.locator("input[type=file]").set_input_files(file)
        page.get_by_role("button", name="Upload").click()
        expect(page.get_by_text("1 file was uploaded. Thank you!")).to_be_visible()
    finally:
        context.close()
    assert (layout.find(library.pk) / "May/notes (2).txt").read_text() == "mine"
