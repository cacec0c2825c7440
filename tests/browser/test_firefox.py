"""Two people in one notebook in Firefox: the same story as in Chromium, once, where Debian's Firefox is installed.

`apt-get install firefox-esr`, then `bin/test --browser tests/browser/test_firefox.py`.
"""

import json
from dataclasses import dataclass

import pytest
from django.conf import settings

from drive.files import operations
from drive.libraries import services
from drive.models import Library, Permission
from drive.storage import layout

from ..support.firefox import PROGRAM, Firefox, FirefoxWindow, firefox
from ..support.people import Person
from ..support.site import Site, launched_by, wait_for

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.skipif(PROGRAM is None, reason="Firefox is not installed."),
]

NAME = "both.ipynb"
CODE = "#jp-main-dock-panel .jp-Notebook .cm-content"
STATUS = ".collaboratory-RoomStatus"
SOON = 60.0
OUTPUT = "#jp-main-dock-panel .jp-OutputArea-output"


@dataclass
class Author:
    """One of the two, at their JupyterLab."""

    person: Person
    page: FirefoxWindow

    def open(self, path: str) -> None:
        """JupyterLab with one notebook, when it has a kernel."""
        self.page.set_cookie(settings.SESSION_COOKIE_NAME, self.person.session_key, "localhost")
        self.page.go(f"{self.person.origin}/lab/tree/{path}")
        self.page.wait_for(f"document.querySelector({CODE!r})", "the notebook is not shown")
        self.page.click(CODE)  # until something has the focus, JupyterLab shows no state
        self.until_text("#jp-main-statusbar", "| Idle")

    def until_text(self, selector: str, text: str) -> None:
        """Something that matches has the text."""
        found = f"[...document.querySelectorAll({selector!r})].some(one => one.textContent.includes({text!r}))"
        self.page.wait_for(found, f"{self.person.user.username} does not see {text!r}")

    def type(self, text: str) -> None:
        """At the end of the first cell."""
        self.page.click(CODE)
        self.page.press("Control", "End")
        self.page.type(text)

    def source(self) -> str:
        """Of the first cell."""
        return str(self.page.evaluate(f"document.querySelector({CODE!r}).textContent"))


def on_disk(library: Library) -> str:
    """The first cell."""
    content = json.loads((layout.find(library.pk) / NAME).read_text())
    return "".join(content["cells"][0]["source"])


def notebook() -> bytes:
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "one",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": "1",
    }
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


@pytest.fixture
def library(owner: Person, editor: Person) -> Library:
    """One of the owner's, shared with the editor."""
    made = services.create_library(owner.user, "Together")
    services.share_with_person(owner.user, made, editor.user, Permission.WRITE)
    operations.write(owner.user, made, NAME, notebook())
    return made


def authors(browser: Firefox, owner: Person, editor: Person) -> tuple[Author, Author]:
    """Both, with the notebook open."""
    ada, ben = Author(owner, browser.window()), Author(editor, browser.window())
    ada.open(f"drive/My Libraries/Together/{NAME}")
    ben.open(f"drive/Shared with me/Together/{NAME}")
    ada.until_text(STATUS, f"With {editor.user.display_name}")
    ben.until_text(STATUS, f"With {owner.user.display_name}")
    return ada, ben


def test_two_people_in_one_notebook_in_firefox(site: Site, owner: Person, editor: Person, library: Library) -> None:
    """Typing is seen by the other, a cell's output too; what is typed offline comes when the page is back."""
    with launched_by(site, "fork"):
        owner.launch()
        editor.launch()
    with firefox() as browser:
        ada, ben = authors(browser, owner, editor)
        ada.type(" + 20")
        ben.until_text(CODE, "1 + 20")
        ben.type(" + 300")
        ada.until_text(CODE, "1 + 20 + 300")
        ada.page.press("Control", "Enter")
        for author in (ada, ben):
            author.until_text(OUTPUT, "321")

        ben.page.set_offline(True)
        ben.until_text(STATUS, "Offline: typing is kept here")
        ben.type(" + 4000")
        ada.type(" # ada")
        wait_for(lambda: "# ada" in on_disk(library), SOON, "what is typed is not saved")
        assert "4000" not in ada.source()
        ben.page.set_offline(False)
        for author in (ada, ben):
            author.until_text(CODE, "4000")
            author.until_text(CODE, "# ada")
        wait_for(lambda: "4000" in on_disk(library), SOON, "what was typed offline is not saved")
        assert ada.source() == ben.source()
        assert on_disk(library).count("4000") == 1
