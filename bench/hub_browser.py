"""From the click to the notebook in Chromium, ours forked, beside a real JupyterHub (bench/jupyterhub.py).

From: the browser goes to the link: ours `/lab/open?path=…`, theirs `/hub/spawn/<name>?next=…`. The browser runs and
shows an empty page, the person is signed in at portal or Hub, and no server runs. Both sides open the same notebook in
the same JupyterLab. To:

- readable: its first cell, a heading, is rendered, in JupyterLab with nothing over it or in the preview in front of it;
- visible: the same in JupyterLab, with nothing over it;
- live: its first cell of code, run with the keyboard as soon as it is visible, has ended;
- quiet: since then, no request and no task of more than 50 ms for a second (the moment when the last one ended).

First, second and third: openings with one profile, whose cache holds nothing at first; the browser is ended and started
again between them, and the server too. Chromium makes its code cache at the second and uses it from the third. The Hub
keeps a person's home, and with it JupyterLab's workspace; ours is new each time. The preview is rendered before.
"""

import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from playwright.sync_api import BrowserContext, Page, expect

from drive.files import operations
from drive.models import Library
from tests.support.browser import chromium_of, wait_until
from tests.support.people import Person
from tests.support.site import CODE, Site, wait_for

from .common import REMEMBERED_SECONDS, START_SECONDS, compare, leave, person, running_site
from .jupyterhub import Hub, running_hub

RUNS = 7
VISITS = ("first", "second", "third")
NOTEBOOK = CODE / "lab/demo/Waves.ipynb"
FIRST_CELL = ".jp-Notebook .jp-RenderedMarkdown h1"
"""Its heading, as it is rendered; the cell's frame is there sooner."""
COVERS = "#jupyterlab-splash, #collaboratory-reading"
CODE_CELL = ".jp-Notebook .jp-CodeCell"
HAS_RUN = re.compile(r"\[\d+\]:")
PATIENCE = 120_000
"""Milliseconds."""
QUIET = 1000
RECEIVED = "performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.transferSize, 0)"
WATCH = f"""(() => {{
    if (top !== self) return;
    const seen = window.benchSeen = {{last: 0}};
    const note = name => seen[name] ??= Date.now();
    const look = () => {{
        const cell = document.querySelector("{FIRST_CELL}"), covered = document.querySelector("{COVERS}");
        if (document.querySelector("#collaboratory-reading.shown") || (cell && !covered)) note("readable");
        if (cell && !covered) note("visible");
        else requestAnimationFrame(look);
    }};
    look();
    new PerformanceObserver(list => list.getEntries().forEach(entry => {{
        const end = entry.responseEnd || entry.startTime + entry.duration;
        seen.last = Math.max(seen.last, performance.timeOrigin + end);
    }})).observe({{entryTypes: ["longtask", "resource"]}});
}})()"""
"""Notes when what is there, in milliseconds since 1970; `last`: when the last request or long task ended."""
Opening = dict[str, float]
"""Seconds since the click by what was reached, and megabytes that JupyterLab fetched."""


def main() -> None:
    """One round to have everything in the page cache, then the rounds that count."""
    with running_site() as site, running_hub() as hub:
        site.have_fork_server()
        someone = person("bench-browser")
        library = Library.objects.get(owner_user=someone.user, is_default=True)
        hub.add(someone.user.username)
        put_back(someone, library, hub)
        have_preview(someone, library)
        found: dict[tuple[str, str], list[Opening]] = defaultdict(list)
        for counts in [False] + [True] * RUNS:
            for side in ("ours", "hub"):
                with tempfile.TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True) as profile:
                    for visit in VISITS:
                        put_back(someone, library, hub)
                        opening = ours(site, someone, profile) if side == "ours" else theirs(hub, someone, profile)
                        if counts:
                            found[side, visit].append(opening)
    for visit in VISITS:
        for what, unit in (("readable", "s"), ("visible", "s"), ("live", "s"), ("quiet", "s"), ("fetched", "MB")):
            mine, others = ([opening[what] for opening in found[side, visit]] for side in ("ours", "hub"))
            compare(
                f"{visit} visit: click to {what}" if unit == "s" else "... fetched", mine, "JupyterHub", others, unit
            )


def put_back(someone: Person, library: Library, hub: Hub) -> None:
    """The notebook as it was before it was run and saved, on both sides."""
    operations.write(someone.user, library, NOTEBOOK.name, NOTEBOOK.read_bytes())
    hub.home(someone.user.username).joinpath(NOTEBOOK.name).write_bytes(NOTEBOOK.read_bytes())


def have_preview(someone: Person, library: Library) -> None:
    """As after a look at the notebook's page."""
    page = f"/drive/{library.pk}/{NOTEBOOK.name}"
    wait_for(lambda: "show=rendered" in someone.get(page).text, START_SECONDS, "the notebook was not rendered")


def ours(site: Site, someone: Person, profile: str) -> Opening:
    """Over the link that "Open in Lab" is."""
    time.sleep(REMEMBERED_SECONDS)
    link = f"{settings.PORTAL_URL}/lab/open?path={quote(f'My Libraries/My Library/{NOTEBOOK.name}')}"
    opening = opened(profile, someone.sign_in_at, link)
    if not site.is_forked(someone.server()):
        raise SystemExit("the server was not forked")
    leave(someone)
    return opening


def theirs(hub: Hub, someone: Person, profile: str) -> Opening:
    """Over the Hub's own link that starts a server and goes on to a place in it."""
    name = someone.user.username
    place = f"/user/{name}/lab/tree/{quote(NOTEBOOK.name)}"
    link = f"{hub.url}/hub/spawn/{name}?next={quote(place)}"
    opening = opened(profile, lambda context: hub.sign_in_at(context, name), link)
    hub.leave(name)
    return opening


def opened(profile: str, sign_in: Callable[[BrowserContext], None], link: str) -> Opening:
    """One opening, in a browser that is started for it."""
    with chromium_of(Path(profile)) as context:
        sign_in(context)
        page = context.pages[0]
        page.add_init_script(WATCH)
        began = time.time()
        page.goto(link, wait_until="commit", timeout=PATIENCE)
        page.locator(FIRST_CELL).wait_for(timeout=PATIENCE)
        wait_until(page, "window.benchSeen?.visible", patience=PATIENCE)
        megabytes = page.evaluate(RECEIVED) / 1e6
        run_first_cell(page)
        live = time.time()
        wait_until(page, f"Date.now() - Math.max(benchSeen.last, {live * 1000}) > {QUIET}", patience=PATIENCE)
        seen = page.evaluate("benchSeen")
        moments = {"readable": seen["readable"], "visible": seen["visible"]}
        moments |= {"live": live * 1000, "quiet": max(seen["last"], live * 1000)}
        return {what: moment / 1000 - began for what, moment in moments.items()} | {"fetched": megabytes}


def run_first_cell(page: Page) -> None:
    """Run the first cell of code as a person does, and wait until it has ended."""
    cell = page.locator(CODE_CELL).first
    cell.locator(".cm-content").click(timeout=PATIENCE)
    page.keyboard.press("Control+Enter")
    expect(cell.locator(".jp-InputPrompt").first).to_have_text(HAS_RUN, timeout=PATIENCE)
