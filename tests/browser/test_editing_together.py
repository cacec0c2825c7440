"""Two people in one notebook at the same time, in two browsers, each in their own Lab: what either sees of the other.

The library is one person's own and shared with the other, so that it stands in another folder for each. One pair of
running Labs serves all tests.
"""

import json
import re
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Locator, Page, expect

from collabs import services as collab_services
from drive.files import operations
from drive.libraries import services
from drive.libraries.visibility import entries
from drive.models import Library, Permission, Quota
from lab.models import Server, StopReason
from lab.servers.services import stop_server
from portal.models import User

from ..support.browser import Visitor, chromium
from ..support.people import Person, new_name
from ..support.site import Site, wait_for

pytestmark = pytest.mark.browser

KEPT_SECONDS = 20.0
WAYS = {"onerror", "script", "javascript"}
"""In which an output can run a script."""
NOTE = "window.ran = [...(window.ran || []), '{}']"
ATTACK = f"""
from IPython.display import HTML, Javascript, display
display(HTML('''<img src=x onerror="{NOTE.format("onerror")}"><script>{NOTE.format("script")}</script><b>shown</b>'''))
display(Javascript('''{NOTE.format("javascript")}'''))
""".strip().replace("'''", '"' * 3)


def notebook(*sources: str) -> bytes:
    """Cells of code."""
    code: dict[str, object] = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    cells = [code | {"source": source, "id": f"cell-{number}"} for number, source in enumerate(sources)]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


@dataclass
class Author:
    """One of the two, at their JupyterLab."""

    person: Person
    page: Page
    folder: str
    """Of the library, below the home."""

    @property
    def name(self) -> str:
        return self.person.user.display_name

    @property
    def status(self) -> Locator:
        return self.page.locator(".collaboratory-RoomStatus")

    @property
    def dialog(self) -> Locator:
        return self.page.locator(".jp-Dialog")

    def open(self, path: str) -> None:
        """One more file, below the home, in the page that is there: loading it again takes seconds."""
        self.page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^File$")).click()
        self.page.locator(".lm-Menu-itemLabel", has_text="Open from Path").click()
        self.dialog.locator("input").fill(path)
        self.page.keyboard.press("Enter")
        tab = self.page.locator(".lm-DockPanel-tabBar .lm-mod-current", has_text=path.rpartition("/")[2])
        expect(tab).to_be_visible()
        expect(self.in_front.locator(".cm-content").first).to_be_visible()
        expect(self.in_front.locator(".jp-Spinner")).to_have_count(0)
        if path.endswith(".ipynb"):  # until then JupyterLab may take the keyboard from the cell that is typed into
            expect(self.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")

    def reload(self, name: str) -> None:
        """JupyterLab's whole page anew, with one file of the library."""
        self.page.goto(f"{self.person.origin}/lab/tree/{self.folder}/{name}?reset")
        expect(self.in_front.locator(".cm-content").first).to_be_visible()

    @property
    def in_front(self) -> Locator:
        return self.page.locator("#jp-main-dock-panel .lm-DockPanel-widget:not(.lm-mod-hidden)")

    def source(self, number: int) -> Locator:
        return self.in_front.locator(".cm-content").nth(number)

    def outputs(self, number: int) -> Locator:
        return self.in_front.locator(".jp-Cell").nth(number).locator(".jp-OutputArea-output")

    def type(self, number: int, text: str) -> None:
        """At the end of a cell."""
        self.source(number).click()
        expect(self.source(number)).to_be_focused()
        self.page.keyboard.press("Control+End")
        self.page.keyboard.type(text)

    def type_offline(self, number: int, text: str) -> None:
        """As `type`, and again where JupyterLab's own dialog about the connection has taken the keyboard meanwhile."""

        def typed() -> bool:
            if text not in self.source(number).inner_text():
                self.source(number).click()
                self.page.keyboard.press("Control+End")
                self.page.keyboard.insert_text(f"  {text}")
            return text in self.source(number).inner_text()

        wait_for(typed, KEPT_SECONDS, f"{text} cannot be typed")

    def save_offline(self) -> None:
        """Ask for it, until the dialog says that there is no connection."""
        kept = self.dialog.filter(has_text="kept in this page")

        def refused() -> bool:
            if not kept.count():
                expect(self.source(0)).to_be_visible()  # closes JupyterLab's own dialog
                self.source(0).focus()
                self.page.keyboard.press("Control+s")
            return bool(kept.count())

        wait_for(refused, KEPT_SECONDS, "nothing is said of what is not saved")
        self.answer("Close")

    def run(self, number: int) -> None:
        """JupyterLab runs nothing, and says nothing, before there is a kernel."""
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text("| Idle")
        self.source(number).click()
        self.page.keyboard.press("Control+Enter")

    def ran(self) -> set[str]:
        """Which scripts of outputs have run in this page."""
        return set(self.page.evaluate("window.ran || []"))

    def answer(self, button: str) -> None:
        self.dialog.get_by_role("button", name=button).click()
        expect(self.dialog).to_have_count(0)


@dataclass
class Pair:
    """Two who edit one library together; `ben` may be made a viewer of it."""

    ada: Author
    ben: Author
    library: Library

    def write(self, name: str, content: bytes) -> None:
        """A new file."""
        operations.write(self.ada.person.user, self.library, name, content)

    def both_open(self, name: str, *sources: str) -> None:
        self.write(name, notebook(*sources))
        for author in (self.ada, self.ben):
            author.open(f"{author.folder}/{name}")
        expect(self.ada.status).to_contain_text(f"With {self.ben.name}")
        expect(self.ben.status).to_contain_text(f"With {self.ada.name}")

    def on_disk(self, name: str) -> str:
        """Content of a file; empty where there is none."""
        path = Path(settings.DRIVE_ROOT) / "private" / str(self.library.pk) / name
        return path.read_text() if path.exists() else ""

    def wait_until_saved(self, name: str, *words: str) -> None:
        wait_for(lambda: all(word in self.on_disk(name) for word in words), KEPT_SECONDS, f"{words} not saved")


@pytest.fixture(scope="module")
def pair(site: Site) -> Iterator[Pair]:
    people = [Person(_user(new_name(name))) for name in ("ada-together", "ben-together")]
    library = services.create_library(people[0].user, "Measurements")
    services.share_with_person(people[0].user, library, people[1].user, Permission.WRITE)
    with chromium() as browser:
        for someone in people:
            someone.launch()
        ada, ben = (Author(one, _page(browser, one), _folder(one, library)) for one in people)
        yield Pair(ada, ben, library)
    for server in Server.objects.live().filter(owner__in=[someone.user for someone in people]):
        stop_server(None, server, StopReason.OPERATOR)


@pytest.fixture(autouse=True)
def nothing_in_the_way(pair: Pair) -> Iterator[None]:
    """What a test that failed has left is not the next one's."""
    yield
    for author in (pair.ada, pair.ben):
        author.page.context.set_offline(False)
        for _ in range(author.dialog.count()):
            author.page.keyboard.press("Escape")


def _close_jupyterlabs_own_word(page: Page) -> None:
    """JupyterLab says, too, that there is no connection, once it notices: before our dialog where it is slow."""
    close = page.locator(".jp-Dialog", has_text="Server Connection Error").get_by_role("button", name="Close")
    page.add_locator_handler(close, lambda: close.click())


def _user(name: str) -> User:
    return User.objects.create_user(name, email=f"{name}@example.org", password="unused")


def _folder(someone: Person, library: Library) -> str:
    """Of the library, below the home: two libraries with one name are told apart where they are shared."""
    [entry] = entries(someone.user, library=library.pk)
    return f"drive/{entry.lab_path()}"


def _page(browser: Browser, someone: Person) -> Page:
    visitor = Visitor(browser)
    _close_jupyterlabs_own_word(visitor.page)
    someone.sign_in_at(visitor.context)
    visitor.page.goto(f"{settings.PORTAL_URL}/lab/open?path=My Libraries")
    visitor.page.wait_for_url(re.compile(r"//[^/]+\.lab\.localhost.*/lab"), timeout=90_000)
    expect(visitor.page.locator("#jp-main-dock-panel")).to_be_visible(timeout=60_000)
    return visitor.page


def test_each_sees_what_the_other_types_and_it_is_saved(pair: Pair) -> None:
    pair.both_open("typing.ipynb", "one = 1", "two = 2")
    pair.ada.type(0, "  # by ada")
    expect(pair.ben.source(0)).to_contain_text("by ada")
    pair.ben.type(0, " and ben")
    expect(pair.ada.source(0)).to_contain_text("by ada and ben")
    expect(pair.ada.page.locator(".jp-remote-userFlag", has_text=pair.ben.name)).to_be_attached()
    pair.wait_until_saved("typing.ipynb", "by ada and ben")
    for author, other in ((pair.ada, pair.ben), (pair.ben, pair.ada)):
        expect(author.status).to_have_text(f"With {other.name} · saved")


def test_the_session_is_asked_for_once_while_jupyterlab_looks_at_the_file(pair: Pair) -> None:
    """JupyterLab looks three times before it makes the notebook's document; the room is entered beside that."""
    pair.write("once.ipynb", notebook("one = 1"))
    asked: list[str] = []
    pair.ada.page.on("request", lambda request: asked.append(f"{request.method} {request.url}"))
    pair.ada.open(f"{pair.ada.folder}/once.ipynb")
    expect(pair.ada.status).to_have_text(re.compile("saved", re.IGNORECASE))
    mine = [one for one in asked if "once.ipynb" in one]
    sessions = [number for number, one in enumerate(mine) if one.startswith("PUT ") and "/session/" in one]
    looks = [number for number, one in enumerate(mine) if one.startswith("GET ") and "content=0" in one]
    assert len(sessions) == 1
    assert sessions[0] < looks[1]


def test_outputs_are_seen_by_both_and_each_has_a_kernel_of_their_own(pair: Pair) -> None:
    pair.both_open("kernels.ipynb", "secret = 41\nprint(secret + 1)", "secret")
    pair.ada.run(0)
    expect(pair.ben.outputs(0)).to_have_text(re.compile("^42"))
    pair.ben.run(1)
    expect(pair.ben.outputs(1)).to_contain_text("NameError")
    expect(pair.ada.outputs(1)).to_contain_text("NameError")
    pair.wait_until_saved("kernels.ipynb", "42", "NameError")


def test_scripts_in_one_persons_outputs_run_for_nobody_else(pair: Pair) -> None:
    """Also in a cell that the other has run, too, which JupyterLab trusts there; also after a reload."""
    pair.both_open("attack.ipynb", ATTACK)
    pair.ben.run(0)
    wait_for(lambda: pair.ben.ran() == WAYS, KEPT_SECONDS, "no script runs for whoever runs the cell")
    expect(pair.ada.outputs(0).first).to_contain_text("shown")
    assert pair.ada.ran() == set()
    pair.ben.page.evaluate("window.ran = []")
    pair.ada.run(0)
    wait_for(lambda: pair.ada.ran() == WAYS, KEPT_SECONDS, "no script runs for whoever runs the cell")
    expect(pair.ben.outputs(0)).to_have_count(2)
    pair.ada.type(0, "  # after it")  # whatever came before is there
    expect(pair.ben.source(0)).to_contain_text("# after it")
    assert pair.ben.ran() == set()
    pair.wait_until_saved("attack.ipynb", "onerror", "# after it")
    pair.ben.reload("attack.ipynb")
    expect(pair.ben.outputs(0).first).to_contain_text("shown")
    expect(pair.ben.status).to_contain_text("With")
    assert pair.ben.ran() == set()


def test_a_cell_that_the_other_runs_is_asked_about_and_who_runs_it_last_has_the_outputs(pair: Pair) -> None:
    slow = "import os, time\nwhile not os.path.exists('go'):\n    print('of ada'); time.sleep(0.2)"
    pair.both_open("running.ipynb", slow, "print('of ' 'ben')")
    pair.ada.run(0)
    mark = pair.ben.page.locator(".collaboratory-CellRunner")
    expect(mark).to_have_text(f"{pair.ada.name} runs this cell")
    expect(pair.ben.outputs(0)).to_contain_text("of ada")
    pair.ben.run(0)
    expect(pair.ben.dialog).to_contain_text(f"{pair.ada.name} runs this cell now")
    pair.ben.answer("Cancel")
    pair.ben.source(0).click()
    pair.ben.page.keyboard.press("Control+a")
    pair.ben.page.keyboard.insert_text("print('of ' 'ben')")
    pair.ben.run(0)
    with paused(pair.ada.page):  # as on a slow machine; what her kernel says meanwhile is put out afterwards
        pair.ben.answer("Run it too")
        pair.ben.page.wait_for_timeout(1000)
    for author in (pair.ben, pair.ada):
        expect(author.outputs(0)).to_have_text(re.compile(r"^\s*of ben\s*$"))
    assert pair.ada.person.lab("PUT", "/api/contents/" + pair.ada.folder + "/go", json=FILE).ok
    expect(mark).to_have_count(0)
    expect(pair.ada.outputs(0)).to_have_text(re.compile(r"^\s*of ben\s*$"))


def test_a_cell_that_is_run_again_while_its_first_run_waits_runs_again(pair: Pair) -> None:
    """The first run ends while the second, by the same person, waits for the other page or goes on."""
    pair.both_open("twice.ipynb", "import time\nprint('of ada')\ntime.sleep(1e9)")
    pair.ada.run(0)
    expect(pair.ben.outputs(0)).to_contain_text("of ada")
    pair.ben.source(0).click()
    pair.ben.page.keyboard.press("Control+a")
    pair.ben.page.keyboard.insert_text("n = globals().get('n', 0) + 1\nprint('run', n)")
    with paused(pair.ada.page):  # she does not give way, so that both runs wait, each its time
        for _ in range(2):
            pair.ben.run(0)
            pair.ben.answer("Run it too")
            pair.ben.page.wait_for_timeout(1000)
        expect(pair.ben.outputs(0)).to_have_text(re.compile(r"^\s*run 2\s*$"))
    for author in (pair.ben, pair.ada):
        expect(author.outputs(0)).to_have_text(re.compile(r"^\s*run 2\s*$"))


@contextmanager
def paused(page: Page) -> Iterator[None]:
    """No script of the page goes on; what comes on its sockets waits."""
    debugger = page.context.new_cdp_session(page)
    debugger.send("Debugger.enable")
    debugger.send("Debugger.pause")
    try:
        yield
    finally:
        debugger.send("Debugger.resume")
        debugger.detach()


FILE = {"type": "file", "format": "text", "content": ""}


def test_what_is_typed_without_a_connection_is_kept_and_sent_when_it_is_back(pair: Pair) -> None:
    pair.both_open("offline.ipynb", "one = 1")
    pair.ada.page.context.set_offline(True)
    expect(pair.ada.status).to_have_text("Offline: typing is kept here")
    pair.ada.type_offline(0, "# away")
    pair.ben.type(0, "  # there")
    pair.ada.save_offline()
    pair.ada.page.context.set_offline(False)
    expect(pair.ben.source(0)).to_contain_text("# away")
    expect(pair.ada.source(0)).to_contain_text("# there")
    pair.wait_until_saved("offline.ipynb", "# away", "# there")
    assert pair.on_disk("offline.ipynb").count("# away") == 1


def test_nothing_is_lost_when_the_rooms_are_killed_while_both_type(site: Site, pair: Pair) -> None:
    pair.both_open("killed.ipynb", "ada = 1", "ben = 1")
    for number in range(4):
        pair.ada.type(0, f" a{number}")
        if number == 1:
            site.kill("rooms")
        pair.ben.type(1, f" b{number}")
    for author in (pair.ada, pair.ben):
        expect(author.source(0)).to_contain_text("ada = 1 a0 a1 a2 a3")
        expect(author.source(1)).to_contain_text("ben = 1 b0 b1 b2 b3")
        expect(author.status).to_contain_text("With")
        expect(author.dialog).to_have_count(0)
    pair.wait_until_saved("killed.ipynb", "ada = 1 a0 a1 a2 a3", "ben = 1 b0 b1 b2 b3")


def test_it_says_that_there_is_no_room_and_saves_when_there_is(site: Site, pair: Pair) -> None:
    """By the quota, and on the disk: there no file of the rooms' process grows any more (setrlimit(2))."""
    pair.both_open("full.ipynb", "one = 1")
    quota = Quota.objects.create(user=pair.ada.person.user, max_bytes=1)
    pair.ben.type(0, "  # too much")
    for author in (pair.ada, pair.ben):
        expect(author.status).to_contain_text("Not saved: no room left")
    assert "too much" not in pair.on_disk("full.ipynb")
    quota.delete()
    pair.wait_until_saved("full.ipynb", "# too much")
    expect(pair.ada.status).to_have_text(f"With {pair.ben.name} · saved")
    process = site.pid("rooms")
    limits = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (1, limits[1]))
    try:
        pair.ben.type(0, " kept")
        expect(pair.ada.status).to_contain_text("Not saved: the disk is full")
        expect(pair.ben.source(0)).to_contain_text("kept")
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, limits)
    expect(pair.ada.source(0)).to_contain_text("# too much kept")
    pair.wait_until_saved("full.ipynb", "# too much kept")
    expect(pair.ada.status).to_have_text(f"With {pair.ben.name} · saved")


def test_it_says_who_deleted_the_file_and_can_restore_it(pair: Pair) -> None:
    pair.both_open("gone.ipynb", "one = 1")
    operations.delete(pair.ben.person.user, pair.library, "gone.ipynb")
    expect(pair.ada.dialog).to_contain_text(f"“gone.ipynb” was deleted by {pair.ben.name}")
    expect(pair.ada.status).to_contain_text(f"Deleted by {pair.ben.name}")
    assert not pair.on_disk("gone.ipynb")
    pair.ada.answer("Restore it")
    pair.wait_until_saved("gone.ipynb", "one = 1")
    expect(pair.ada.status).to_contain_text("saved")
    expect(pair.ben.dialog).to_have_count(0)
    pair.ada.type(0, "  # back")
    pair.wait_until_saved("gone.ipynb", "# back")


def test_a_file_that_is_moved_stays_open_in_its_new_place(pair: Pair) -> None:
    pair.both_open("here.ipynb", "one = 1")
    operations.rename(pair.ben.person.user, pair.library, "here.ipynb", "there.ipynb")
    for author in (pair.ada, pair.ben):
        expect(author.page.locator(".lm-TabBar-tabLabel", has_text="there.ipynb").first).to_be_visible()
    pair.ada.type(0, "  # there")
    expect(pair.ben.source(0)).to_contain_text("# there")
    pair.wait_until_saved("there.ipynb", "# there")
    assert not pair.on_disk("here.ipynb")


def test_who_may_only_read_follows_live_and_writes_for_nobody(pair: Pair) -> None:
    """Also in a page that was opened while they could write."""
    pair.both_open("reading.ipynb", "one = 1", "two = 2")
    services.share_with_person(pair.ada.person.user, pair.library, pair.ben.person.user, Permission.READ)
    try:
        expect(pair.ben.dialog).to_contain_text("not connected any more")
        pair.ben.answer("Close")
        pair.ben.type(0, "  # too late")
        pair.ben.reload("reading.ipynb")
        expect(pair.ben.status).to_have_text(f"Read-only · with {pair.ada.name}")
        pair.ben.type(0, "  # only mine")
        pair.ada.type(1, "  # for all")
        expect(pair.ben.source(1)).to_contain_text("# for all")
        pair.wait_until_saved("reading.ipynb", "# for all")
        expect(pair.ada.source(0)).to_have_text("one = 1")
        assert "# only mine" not in pair.on_disk("reading.ipynb")
        assert "# too late" not in pair.on_disk("reading.ipynb")
    finally:
        services.share_with_person(pair.ada.person.user, pair.library, pair.ben.person.user, Permission.WRITE)
    expect(pair.ben.dialog).to_contain_text("“reading.ipynb” is not connected any more")  # it would be read-only still
    pair.ben.answer("Close")


def test_a_page_goes_on_when_its_person_may_write_again(pair: Pair) -> None:
    """As after signing out and in, in another tab: what was typed meanwhile is not lost."""
    pair.both_open("again.ipynb", "one = 1")
    change = partial(services.share_with_person, pair.ada.person.user, pair.library, pair.ben.person.user)
    change(Permission.READ)
    try:
        expect(pair.ben.dialog).to_contain_text("not connected any more")
    finally:
        change(Permission.WRITE)
    pair.ben.answer("Close")
    pair.ben.type(0, "  # meanwhile")
    pair.ben.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as one comes back to the tab
    expect(pair.ada.source(0)).to_contain_text("# meanwhile")
    expect(pair.ben.status).to_contain_text("With")


def test_text_is_edited_together_too(pair: Pair) -> None:
    pair.write("notes.md", b"# Notes\n")
    for author in (pair.ada, pair.ben):
        author.open(f"{author.folder}/notes.md")
    pair.ada.type(0, "from ada")
    expect(pair.ben.source(0)).to_contain_text("from ada")
    pair.wait_until_saved("notes.md", "from ada")


@pytest.mark.parametrize("where", ["outside the Drive", "in a Collab that has it off", "without rooms"])
def test_other_files_are_opened_by_each_alone(pair: Pair, where: str) -> None:
    """They are saved as ever, by JupyterLab."""
    ada = pair.ada
    prepare, path, read = _alone(pair)[where]
    prepare()
    try:
        ada.open(path)
        ada.type(0, "  # alone")
        if where == "without rooms":
            expect(ada.status).to_have_text("Opened alone: editing together does not answer")
        else:
            expect(ada.status).to_be_hidden()
        expect(ada.source(0)).to_have_text("one = 1  # alone")
        ada.page.keyboard.press("Control+s")
        wait_for(lambda: "# alone" in read() or ada.dialog.count(), KEPT_SECONDS, "it was not saved")
        assert ada.dialog.all_inner_texts() == []
    finally:
        _bring_back_rooms()


def _alone(pair: Pair) -> dict[str, tuple[Callable[[], object], str, Callable[[], str]]]:
    """What to do before, the file below the home, and how to read it."""
    ada, title = pair.ada.person, "Each alone"
    model = {"type": "notebook", "format": "json", "content": json.loads(notebook("one = 1"))}
    return {
        "outside the Drive": (
            lambda: ada.lab("PUT", "/api/contents/home.ipynb", json=model),
            "home.ipynb",
            lambda: ada.lab("GET", "/api/contents/home.ipynb").text,
        ),
        "in a Collab that has it off": (
            lambda: _collab_without(ada, title),
            f"drive/Shared with groups/{title}/off.ipynb",
            lambda: ada.contents(f"Shared with groups/{title}/off.ipynb").text,
        ),
        "without rooms": (
            lambda: _without_rooms(pair),
            f"{pair.ada.folder}/down.ipynb",
            lambda: pair.on_disk("down.ipynb"),
        ),
    }


def _collab_without(owner: Person, title: str) -> None:
    collab = collab_services.create_collab(owner.user, title=title)
    operations.write(owner.user, collab.library, "off.ipynb", notebook("one = 1"))
    collab_services.update_collab(owner.user, collab, title=title, description="", is_public=False, coediting=False)
    wait_for(lambda: owner.contents(f"Shared with groups/{title}/off.ipynb").ok, KEPT_SECONDS, "it is not in the Lab")


def _without_rooms(pair: Pair) -> None:
    """Nobody listens where the proxy asks."""
    pair.write("down.ipynb", notebook("one = 1"))
    (settings.RUN_DIR / "rooms.sock").rename(settings.RUN_DIR / "rooms.away")


def _bring_back_rooms() -> None:
    away = settings.RUN_DIR / "rooms.away"
    if away.exists():
        away.rename(settings.RUN_DIR / "rooms.sock")
