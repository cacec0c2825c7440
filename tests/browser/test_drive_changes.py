"""A document that is open in JupyterLab while its Collab changes: read-only, writable again, another title."""

import re
from urllib.parse import quote

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Route, expect

from collabs import services
from collabs.models import Role
from drive.files import operations
from drive.storage import layout

from ..support.browser import Visitor
from ..support.people import Person
from ..support.site import eventually, forked_only

pytestmark = pytest.mark.browser

LONG = 60_000
"""Milliseconds."""
NAME = "what? 100% back\\slash (1).txt"


@forked_only
def test_an_open_document_follows_its_library(way: str, browser: Browser, owner: Person, stranger: Person) -> None:
    """It says that it can only be read, and that it can be changed; after a new title it says where it is now.

    Access changes between its reading and its first checkpoint, which JupyterLab needs before it calls a file open.
    """
    collab = services.create_collab(owner.user, title=f"Followed (1) {owner.user.username}")
    services.update_collab(
        owner.user, collab, title=collab.title, description="", is_public=False, coediting=False
    )  # in a room, the room tells and follows
    operations.write(owner.user, collab.library, NAME, b"first\n")
    services.add_member(owner.user, collab, stranger.user, Role.EDITOR)
    visitor = Visitor(browser)
    stranger.sign_in_at(visitor.context)
    page, asked = visitor.page, list[Route]()
    page.route(
        "**/checkpoints*", lambda route: route.continue_() if route.request.method == "GET" else asked.append(route)
    )
    page.goto(f"{settings.PORTAL_URL}/lab/open?path=Shared with groups/{collab.title}/{quote(NAME)}")
    page.wait_for_url(re.compile(r"//[^/]+\.lab\.localhost"), timeout=90_000)
    editor = page.locator(".cm-content", has_text="first")
    expect(editor).to_be_visible(timeout=LONG)
    expect(page.locator(".lm-TabBar-tab.lm-mod-current .lm-TabBar-tabLabel", has_text=NAME).first).to_be_visible()
    while not asked:  # the test's own time limit ends it
        page.wait_for_timeout(100)

    services.change_role(owner.user, collab, stranger.user, Role.VIEWER)
    expect(page.get_by_text(f"“{NAME}” is read-only from now on.").first).to_be_visible(timeout=LONG)
    for route in asked:
        with page.expect_response("**/checkpoints*") as refused:
            route.continue_()
        assert refused.value.status == 403
    page.unroute("**/checkpoints*")
    services.change_role(owner.user, collab, stranger.user, Role.EDITOR)
    expect(page.get_by_text(f"You can change “{NAME}” now.").first).to_be_visible(timeout=LONG)

    services.update_collab(owner.user, collab, title=f"New {collab.title}", description="", is_public=False)
    collab.refresh_from_db()
    expect(page.get_by_text(f"“{NAME}” is in “Shared with groups/{collab.title}” now.").first).to_be_visible(
        timeout=LONG
    )

    editor.press("Control+End")
    editor.press_sequentially("second")
    editor.press("Control+s")
    saved = layout.find(collab.library.pk) / NAME
    eventually(saved.read_text, "first\nsecond", seconds=60)
