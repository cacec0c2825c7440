"""Debian's Chromium, driven by playwright. Whatever it complains about fails the test."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
    expect,
    sync_playwright,
)

PROGRAM = "/usr/bin/chromium-headless-shell"
"""Pages, scripts and network are the same as in `chromium`; what draws its window is left out, and half of the time."""
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

SCREEN: ViewportSize = {"width": 1280, "height": 860}
PATIENCE = 30_000
"""Milliseconds for a page to show something: these machines are slow at times."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=OPTIONS)
        yield browser
        browser.close()


@contextmanager
def chromium_of(profile: Path, *options: str) -> Iterator[BrowserContext]:
    """A headless browser that keeps its cache and its lasting cookies in this directory, as a person's own does."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=PROGRAM, args=[*OPTIONS, *options], viewport=SCREEN
        )
        yield context
        context.close()


def wait_until(page: Page, expression: str, arg: object = None, *, patience: float = PATIENCE) -> None:
    """Wait until JavaScript is true in a page; milliseconds.

    `page.wait_for_function` evaluates again within the page, where the policy of most pages forbids it: it works only
    where its first look finds what it waits for.
    """
    end = time.monotonic() + patience / 1000
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, f"not true within {patience} ms: {expression}"
        page.wait_for_timeout(50)


class Visitor:
    """One person at one browser, with a list of what the console complained about."""

    def __init__(self, browser: Browser) -> None:
        self.context: BrowserContext = browser.new_context(viewport=SCREEN)
        self.complaints: list[str] = []
        self.page = self.watch(self.context.new_page())

    def watch(self, page: Page) -> Page:
        """Note errors of scripts, of the console (policy violations are among them), and failed requests' messages."""
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"{message.location.get('url')}: {message.text}")
