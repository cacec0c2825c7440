"""Editing together in Chromium, JupyterLab being loaded: key and cell to the other's screen, and opening in a room.

- A key, or Ctrl+Enter in a cell of one `print`: until the other person's page has the character, or the output; beside,
  until one's own page has it. Two people, each in their own Lab, one notebook, one browser for both, whose clock it is.
- Opening a notebook in a room (in the Drive) beside without (in the home): from Enter in the dialog "Open from Path" to
  the editor of a cell on the page, in the next frame. Kernels start meanwhile on both sides. The first opening of each
  is not counted, so the room is open already, and what is measured is what a second person waits.
"""

import json
import re
from collections import defaultdict

from playwright.sync_api import Page, expect

from drive.files import operations
from drive.libraries import services
from drive.models import Library, Permission
from tests.support.browser import Visitor, chromium
from tests.support.people import Person
from tests.support.site import wait_for

from .common import compare, leave, person, running_site

KEYS = 60
RUNS = 30
OPENINGS = 9
SIZES = {"2 cells": (2, 55), "1 MB": (850, 55), "20 MB": (1000, 1000)}
"""Cells, and lines of output of each."""
LIBRARY = "Measurements"
PATIENCE = 120_000
"""Milliseconds."""
EDITOR = "#jp-main-dock-panel .jp-Notebook .cm-content"
STARTED = """() => addEventListener("keydown", () => {
    window.started = performance.timeOrigin + performance.now();
}, true)"""
SEEN = """([selector, words]) => {
    window.seen = new Promise(resolve => {
        const look = () => {
            const found = [...document.querySelectorAll(selector)].some(node => node.textContent.includes(words));
            if (!found) return;
            observer.disconnect();
            resolve(performance.timeOrigin + performance.now());
        };
        const observer = new MutationObserver(look);
        observer.observe(document.body, { childList: true, subtree: true, characterData: true });
    });
}"""
OPENED = """([selector]) => {
    window.opened = new Promise(resolve => {
        addEventListener("keydown", () => {
            const began = performance.now();
            const look = () => {
                const found = [...document.querySelectorAll(selector)].some(node => node.offsetParent);
                found ? resolve(performance.now() - began) : requestAnimationFrame(look);
            };
            look();
        }, { once: true, capture: true });
    });
}"""


def main() -> None:
    """Two Labs for all of it."""
    with running_site() as site, chromium() as browser:
        site.have_fork_server()
        people = [person("bench-ada"), person("bench-ben")]
        library = services.create_library(people[0].user, LIBRARY)
        services.share_with_person(people[0].user, library, people[1].user, Permission.WRITE)
        for someone in people:
            someone.launch()
        pages = [loaded(Visitor(browser), someone) for someone in people]
        together(library, people, pages)
        pages[1].close()
        opening(library, people[0], pages[0])
        leave(*people)


def loaded(visitor: Visitor, someone: Person) -> Page:
    """JupyterLab with nothing open."""
    someone.sign_in_at(visitor.context)
    visitor.page.goto(f"{someone.origin}/lab")
    expect(visitor.page.locator("#jp-main-dock-panel")).to_be_visible(timeout=PATIENCE)
    return visitor.page


def together(library: Library, people: list[Person], pages: list[Page]) -> None:
    """Key and cell to both screens."""
    operations.write(people[0].user, library, "both.ipynb", notebook(2))
    for page, folder in zip(pages, ("My Libraries", "Shared with me"), strict=True):
        open_path(page, f"drive/{folder}/{LIBRARY}/both.ipynb")
        page.evaluate(STARTED)
        page.evaluate(OPENED, [EDITOR])
        page.keyboard.press("Enter")
        page.evaluate("window.opened")
        idle(page)
    source = pages[0].locator(EDITOR).first
    source.click()
    pages[0].keyboard.press("Control+a")
    pages[0].keyboard.type("print('')")
    for _ in range(2):
        pages[0].keyboard.press("ArrowLeft")
    written = ""
    keys, runs = [], []
    for number in range(KEYS):
        written += chr(ord("a") + number % 26)
        keys.append(seen(pages, EDITOR, f"print('{written}", written[-1]))
    for number in range(RUNS):
        pages[0].keyboard.press("Backspace")
        pages[0].keyboard.type(f"{number:03d}"[-3:])
        written = written[:-1] + f"{number:03d}"
        runs.append(seen(pages, ".jp-OutputArea-output", written, "Control+Enter"))
        pages[0].keyboard.press("Enter")
        idle(pages[0])
    for what, found in (("key", keys), ("cell", runs)):
        own, other = zip(*found, strict=True)
        compare(f"{what} to the other's screen", other, "to one's own", own, "ms")


def seen(pages: list[Page], selector: str, words: str, key: str) -> tuple[float, float]:
    """Milliseconds from a key until the two pages have the words."""
    for page in pages:
        page.evaluate(SEEN, [selector, words])
    pages[0].keyboard.press(key)
    began = float(pages[0].evaluate("window.started"))
    own, other = (float(page.evaluate("window.seen")) - began for page in pages)
    return own, other


def opening(library: Library, someone: Person, page: Page) -> None:
    """Each size in turn, in the one place and the other."""
    places = {"room": f"drive/My Libraries/{LIBRARY}/", "home": ""}
    for name, (cells, lines) in SIZES.items():
        content = notebook(cells, lines)
        operations.write(someone.user, library, f"{name}.ipynb", content)
        model = {"type": "notebook", "format": "json", "content": json.loads(content)}
        someone.lab("PUT", f"/api/contents/{name}.ipynb", json=model).raise_for_status()
    close_tab(page)
    found = defaultdict[tuple[str, str], list[float]](list)
    for number in range(OPENINGS + 1):
        for name in SIZES:
            for place, folder in places.items():
                took = opened(page, f"{folder}{name}.ipynb")
                if number:
                    found[name, place].append(took)
    for name in SIZES:
        compare(f"open a notebook of {name} in a room", found[name, "room"], "in the home", found[name, "home"], "ms")


def opened(page: Page, path: str) -> float:
    """Milliseconds; the notebook is closed again."""
    open_path(page, path)
    page.evaluate(OPENED, [EDITOR])
    page.keyboard.press("Enter")
    took = float(page.evaluate("window.opened"))
    idle(page)
    close_tab(page)
    return took


def open_path(page: Page, path: str) -> None:
    """Fill in the dialog."""
    choose(page, "Open from Path")
    page.locator(".jp-Dialog input").fill(path)


def idle(page: Page) -> None:
    """Wait until the notebook's kernel has nothing to do."""
    expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle", timeout=PATIENCE)


def close_tab(page: Page) -> None:
    """JupyterLab may ask about what a kernel that has just started wrote into the notebook: its language."""
    choose(page, "Close Tab")
    editor, discard = page.locator(EDITOR), page.locator(".jp-Dialog .jp-mod-warn")

    def is_closed() -> bool:
        if discard.count():
            discard.first.click()
        return not editor.count()

    wait_for(is_closed, PATIENCE / 1000, "the notebook was not closed")


def choose(page: Page, item: str) -> None:
    """Something of the menu "File"."""
    page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^File$")).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile(f"^{item}")).click()


def notebook(cells: int, lines: int = 55) -> bytes:
    """So many cells of code with so many lines of output each, of 21 bytes."""
    many = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "execution_count": number,
            "source": f"y{number} = {number}\nprint(y{number})",
            "outputs": [{"output_type": "stream", "name": "stdout", "text": f"line of output {number}\n" * lines}],
        }
        for number in range(cells)
    ]
    return json.dumps({"cells": many, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
