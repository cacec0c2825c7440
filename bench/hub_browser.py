"""From the click to the notebook in Chromium, ours forked, beside a real JupyterHub (bench/jupyterhub.py).

From: the browser goes to the link: ours `/lab/open?path=…`, theirs `/hub/spawn/<name>?next=…`. The browser runs and
shows an empty page, the person is signed in at portal or Hub, and no server runs. To: the notebook's first cell, a
heading, is rendered in JupyterLab and nothing covers it. Both sides open the same notebook in the same JupyterLab.

Cold: the first opening with a new profile, whose cache holds nothing, as the sign-in leaves none of its pages there.
Warm: the second opening with that profile, the browser having been ended and started again between them. The Hub keeps
a person's home, and with it JupyterLab's workspace; ours is new each time.
"""

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from playwright.sync_api import BrowserContext

from drive.files import operations
from drive.models import Library
from tests.support.browser import chromium_of
from tests.support.people import Person
from tests.support.site import CODE, Site

from .common import REMEMBERED_SECONDS, compare, leave, person, running_site
from .jupyterhub import Hub, running_hub

RUNS = 7
NOTEBOOK = CODE / "lab/demo/Waves.ipynb"
FIRST_CELL = ".jp-Notebook .jp-RenderedMarkdown h1"
"""Its heading, as it is rendered; the cell's frame is there sooner."""
COVER = "#jupyterlab-splash"
PATIENCE = 120_000
"""Milliseconds."""
RECEIVED = "performance.getEntriesByType('resource').reduce((sum, entry) => sum + entry.transferSize, 0)"


def main() -> None:
    """One round to have everything in the page cache, then the rounds that count."""
    with running_site() as site, running_hub() as hub:
        site.have_fork_server()
        someone = person("bench-browser")
        library = Library.objects.get(owner_user=someone.user, is_default=True)
        operations.write(someone.user, library, NOTEBOOK.name, NOTEBOOK.read_bytes())
        hub.add(someone.user.username)
        hub.home(someone.user.username).joinpath(NOTEBOOK.name).write_bytes(NOTEBOOK.read_bytes())
        seconds, megabytes = (defaultdict[tuple[str, str], list[float]](list) for _ in range(2))
        for counts in [False] + [True] * RUNS:
            for side in ("ours", "hub"):
                with tempfile.TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True) as profile:
                    for cache in ("cold", "warm"):
                        opening = ours(site, someone, profile) if side == "ours" else theirs(hub, someone, profile)
                        if counts:
                            seconds[side, cache].append(opening[0])
                            megabytes[side, cache].append(opening[1])
    for cache in ("cold", "warm"):
        what = f"click to notebook visible, {cache} cache"
        compare(what, seconds["ours", cache], "JupyterHub", seconds["hub", cache], "s")
        compare("... what JupyterLab fetched", megabytes["ours", cache], "JupyterHub", megabytes["hub", cache], "MB")


def ours(site: Site, someone: Person, profile: str) -> tuple[float, float]:
    """Over the link that "Open in Lab" is."""
    time.sleep(REMEMBERED_SECONDS)
    link = f"{settings.PORTAL_URL}/lab/open?path={quote(f'My Libraries/My Library/{NOTEBOOK.name}')}"
    opening = opened(profile, someone.sign_in_at, link)
    if not site.is_forked(someone.server()):
        raise SystemExit("the server was not forked")
    leave(someone)
    return opening


def theirs(hub: Hub, someone: Person, profile: str) -> tuple[float, float]:
    """Over the Hub's own link that starts a server and goes on to a place in it."""
    name = someone.user.username
    place = f"/user/{name}/lab/tree/{quote(NOTEBOOK.name)}"
    link = f"{hub.url}/hub/spawn/{name}?next={quote(place)}"
    opening = opened(profile, lambda context: hub.sign_in_at(context, name), link)
    hub.leave(name)
    return opening


def opened(profile: str, sign_in: Callable[[BrowserContext], None], link: str) -> tuple[float, float]:
    """Seconds from the link to the notebook, in a browser that is started for it; and megabytes that it took."""
    with chromium_of(Path(profile)) as context:
        sign_in(context)
        page = context.pages[0]
        began = time.perf_counter()
        page.goto(link, wait_until="commit", timeout=PATIENCE)
        page.locator(FIRST_CELL).wait_for(timeout=PATIENCE)
        page.locator(COVER).wait_for(state="hidden", timeout=PATIENCE)
        seconds = time.perf_counter() - began
        return seconds, page.evaluate(RECEIVED) / 1e6
