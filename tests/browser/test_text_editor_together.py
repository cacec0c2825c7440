"""Two people type into one text on the Drive's pages."""

from base64 import b64decode, b64encode
from pathlib import Path
from re import compile

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Locator, Page, expect

from collabs import services
from collabs.models import Collab
from drive.storage import layout

from ..support.browser import Visitor
from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.browser


@pytest.fixture
def place(collab: Collab) -> Path:
    place = layout.find(collab.library.pk)
    (place / "plan.md").write_text("# Plan\n")
    return place


def open_page(browser: Browser, someone: Person, collab: Collab) -> Page:
    """The text's editor."""
    visitor = Visitor(browser)
    someone.sign_in_at(visitor.context)
    visitor.page.goto(f"{settings.PORTAL_URL}/drive/{collab.library.pk}/plan.md?show=edit")
    return visitor.page


def open_editor(browser: Browser, someone: Person, collab: Collab) -> Page:
    """The text's editor, when it is shared."""
    page = open_page(browser, someone, collab)
    expect(page.get_by_role("link", name="Done")).to_be_visible()
    return page


def text_of(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Text of plan.md")


def status_of(page: Page) -> Locator:
    return page.locator("[data-room-status]")


PASTE = """([name, kind]) => {
  const bytes = Uint8Array.from(atob(kind), character => character.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name, { type: "image/png" }));
  const text = document.querySelector(".code-editor").shadowRoot.querySelector(".cm-content");
  text.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""
"""What a browser does when somebody pastes a picture: the file's name, its bytes in base64."""
DOT = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
"""A picture of one pixel (PNG)."""


def paste_picture(page: Page, name: str) -> None:
    text_of(page).click()
    page.keyboard.press("Control+End")
    page.evaluate(PASTE, [name, b64encode(DOT).decode()])


def test_pictures_that_are_pasted_or_chosen_stand_beside_the_text(
    browser: Browser, owner: Person, editor: Person, collab: Collab, place: Path
) -> None:
    mine, theirs = open_editor(browser, owner, collab), open_editor(browser, editor, collab)
    expect(status_of(mine)).to_contain_text(f"With {editor.user.username}")
    picture = mine.get_by_label("Preview").locator("img").first

    paste_picture(mine, "my plot (1).png")
    for page in (mine, theirs):
        expect(text_of(page)).to_contain_text("![my plot (1)](my%20plot%20%281%29.png)")
    assert (place / "my plot (1).png").read_bytes() == DOT
    expect(picture).to_have_js_property("naturalWidth", 1)

    # A name that is taken is never replaced, and one of the clipboard says the hour.
    theirs.get_by_label("Insert picture").set_input_files(
        {"name": "my plot (1).png", "mimeType": "image/png", "buffer": DOT + b"other"}
    )
    expect(text_of(mine)).to_contain_text("(my%20plot%20%281%29-2.png)")
    assert (place / "my plot (1).png").read_bytes() == DOT
    assert (place / "my plot (1)-2.png").read_bytes() == DOT + b"other"
    paste_picture(mine, "image.png")
    expect(text_of(theirs)).to_contain_text(compile(r"\]\(picture-[\d-]{17}\.png\)"))
    wait_for(lambda: "picture-" in (place / "plan.md").read_text(), 20, "it is not saved")
    assert "Uploading" not in (place / "plan.md").read_text()

    # What was refused is said, and leaves nothing in the text.
    services.remove_member(owner.user, collab, editor.user)
    expect(theirs.get_by_role("alert")).to_contain_text("Your text is below")
    paste_picture(theirs, "late.png")
    expect(theirs.locator("[data-picture-status]")).to_contain_text("“late.png”: ")
    expect(text_of(theirs)).not_to_contain_text("Uploading")
    assert not (place / "late.png").exists()


def type_at_end(page: Page, words: str) -> None:
    text_of(page).click()
    page.keyboard.press("Control+End")
    page.keyboard.type(words)


def test_two_people_type_into_one_text(
    browser: Browser, owner: Person, editor: Person, collab: Collab, place: Path
) -> None:
    mine = open_editor(browser, owner, collab)
    expect(status_of(mine)).to_have_text("Only you are here · Saved")
    theirs = open_editor(browser, editor, collab)
    expect(status_of(mine)).to_contain_text(f"With {editor.user.username}")

    type_at_end(mine, "first line\n")
    expect(text_of(theirs)).to_contain_text("first line")
    expect(theirs.locator(".other-caret")).to_have_text(owner.user.username)
    expect(theirs.get_by_label("Preview")).to_contain_text("first line")
    type_at_end(theirs, "second line\n")
    expect(text_of(mine)).to_contain_text("second line")
    for page in (mine, theirs):
        expect(status_of(page)).to_contain_text("Saved")
    wait_for(lambda: (place / "plan.md").read_text() == "# Plan\nfirst line\nsecond line\n", 20, "it is not saved")

    # Undoing is of what one typed oneself.
    mine.keyboard.press("Control+z")
    expect(text_of(theirs)).not_to_contain_text("first line")
    expect(text_of(theirs)).to_contain_text("second line")

    # What a program writes meanwhile appears, and is not taken for anybody's typing.
    wait_for(lambda: "first" not in (place / "plan.md").read_text(), 20, "it is not saved")
    (place / "plan.md").write_text("# The plan\nsecond line\n")
    expect(text_of(mine)).to_contain_text("# The plan")

    # Who is no member any more keeps the text on the page, and cannot save it.
    services.remove_member(owner.user, collab, editor.user)
    expect(theirs.get_by_role("alert")).to_contain_text("Your text is below")
    theirs.get_by_role("button", name="Save", exact=True).wait_for()
    expect(text_of(theirs)).to_contain_text("second line")
    type_at_end(theirs, "unheard\n")
    type_at_end(mine, "third line\n")
    wait_for(lambda: "third line" in (place / "plan.md").read_text(), 20, "it is not saved")
    assert "unheard" not in (place / "plan.md").read_text()


def test_done_shows_what_was_typed_the_moment_before(
    browser: Browser, owner: Person, collab: Collab, place: Path
) -> None:
    page = open_editor(browser, owner, collab)
    for number in range(3):
        type_at_end(page, f"word {number}\n")
        page.get_by_role("link", name="Done").click()
        expect(page).not_to_have_url(compile("show=edit"))
        expect(page.locator("main")).to_contain_text(f"word {number}", timeout=1)
        page.goto(f"{settings.PORTAL_URL}/drive/{collab.library.pk}/plan.md?show=edit")
        expect(page.get_by_role("link", name="Done")).to_be_visible()
    assert (place / "plan.md").read_text() == "# Plan\nword 0\nword 1\nword 2\n"


def test_done_asks_before_it_leaves_what_the_room_cannot_save(
    site: Site, browser: Browser, owner: Person, collab: Collab, place: Path
) -> None:
    """The room's process stands still: no answer comes, and the connection is open."""
    page = open_editor(browser, owner, collab)
    page.on("dialog", lambda dialog: dialog.dismiss())
    with site.paused("rooms"), page.expect_event("dialog", timeout=30_000) as asked:
        type_at_end(page, "word\n")
        page.get_by_role("link", name="Done").click()
        expect(status_of(page)).to_contain_text("Saving…")
    assert asked.value.type == "beforeunload"
    expect(text_of(page)).to_contain_text("word")
    wait_for(lambda: "word" in (place / "plan.md").read_text(), 20, "it is not saved")
    page.get_by_role("link", name="Done").click()
    expect(page).not_to_have_url(compile("show=edit"))
    expect(page.locator("main")).to_contain_text("word", timeout=1)


def test_typing_survives_that_the_rooms_are_away(
    site: Site, browser: Browser, owner: Person, editor: Person, collab: Collab, place: Path
) -> None:
    mine, theirs = open_editor(browser, owner, collab), open_editor(browser, editor, collab)
    type_at_end(mine, "before ")
    expect(text_of(theirs)).to_contain_text("before")
    wait_for(lambda: "before" in (place / "plan.md").read_text(), 20, "it is not saved")
    with site.without("rooms"):
        expect(status_of(mine)).to_contain_text("Offline")
        type_at_end(mine, "mine ")
        type_at_end(theirs, "theirs ")
        alone = open_page(browser, owner, collab)
        expect(alone.get_by_role("button", name="Save", exact=True)).to_be_visible()
        expect(text_of(alone)).to_contain_text("before")
    for page in (mine, theirs):
        expect(text_of(page)).to_contain_text("mine")
        expect(text_of(page)).to_contain_text("theirs")
    expect(status_of(mine)).to_contain_text("Saved")
    words = ["#", "Plan", "before", "mine", "theirs"]
    wait_for(lambda: sorted((place / "plan.md").read_text().split()) == words, 20, "it is not saved")
