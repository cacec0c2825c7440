"""From the click to the notebook in Chromium: ours forked, a real JupyterHub (bench/jupyterhub.py), bare JupyterLab.

From: the browser goes to the link: ours `/lab/open?path=…`, theirs `/hub/spawn/<name>?next=…`; for the bare one the
process is started, and the browser goes there when it answers. The browser runs and shows an empty page, the person is
signed in at portal or Hub, and no server runs. All open the same notebook in the same JupyterLab. To:

- readable: its first cell, a heading, is rendered, in JupyterLab with nothing over it or in the preview in front of it;
- visible: the same in JupyterLab, with nothing over it;
- live: its first cell of code, run with the keyboard as soon as it is visible, has ended;
- quiet: since then, no request and no task of more than 50 ms for a second (the moment when the last one ended).

First, second and third: openings with one profile, whose cache holds nothing at first; the browser is ended and started
again between them, and the server too. Chromium makes its code cache at the second and uses it from the third. The Hub
keeps a person's home, and with it JupyterLab's workspace; ours and the bare one are new each time. The preview is
rendered before. Then the same over a slow line (bench/slow_line.py), the first and the second.
"""

import contextlib
import os
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from playwright.sync_api import BrowserContext, Page, expect

from drive.files import operations
from drive.models import Library
from tests.support.browser import chromium_of, wait_until
from tests.support.hub import free_port
from tests.support.site import CODE, Site, wait_for

from .common import REMEMBERED_SECONDS, START_SECONDS, Bare, leave, person, ratio, running_site, show
from .jupyterhub import Hub, running_hub
from .slow_line import slow_line

RUNS, SLOW_RUNS = 4, 2
VISITS = ("first", "second", "third")
SLOW_VISITS = VISITS[:2]
FILES = (CODE / "lab/demo/Waves.ipynb", CODE / "lab/demo/measurements.csv")
NOTEBOOK = FILES[0]
FIRST_CELL = ".jp-Notebook .jp-RenderedMarkdown h1"
"""Its heading, as it is rendered; the cell's frame is there sooner."""
COVERS = "#jupyterlab-splash, #collaboratory-reading"
CODE_CELL = ".jp-Notebook .jp-CodeCell"
HAS_RUN = re.compile(r"\[\d+\]:")
IS_SENT = re.compile(r"\[(\*|\d+)\]:")
PATIENCE = 120_000
"""Milliseconds."""
AGAIN = 300
"""Milliseconds after which a person presses the keys again."""
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
REACHED = (("readable", "s"), ("visible", "s"), ("live", "s"), ("quiet", "s"), ("fetched", "MB"))


class Sides:
    """Ours, the Hub and a bare JupyterLab, at each of which the same person opens the same notebook."""

    def __init__(self, site: Site, hub: Hub) -> None:
        self.site, self.hub = site, hub
        self.someone = person("bench-browser")
        self.library = Library.objects.get(owner_user=self.someone.user, is_default=True)
        self.name = self.someone.user.username
        self.bare_port = free_port()
        """One origin, for the browser's cache."""
        self.open = {"ours": self._ours, "JupyterHub": self._hub, "bare jupyter lab": self._bare}
        hub.add(self.name)
        self.put_back()
        page = f"/drive/{self.library.pk}/{NOTEBOOK.name}"
        rendered = lambda: "show=rendered" in self.someone.get(page).text  # noqa: E731
        wait_for(rendered, START_SECONDS, "the notebook was not rendered")

    def put_back(self) -> None:
        """The notebook as it was before it was run and saved, and its data."""
        for file in FILES:
            operations.write(self.someone.user, self.library, file.name, file.read_bytes())
            self.hub.home(self.name).joinpath(file.name).write_bytes(file.read_bytes())

    def _ours(self, profile: str, *, slow: bool) -> Opening:
        """Over the link that "Open in Lab" is."""
        time.sleep(REMEMBERED_SECONDS)
        link = f"{settings.PORTAL_URL}/lab/open?path={quote(f'My Libraries/My Library/{NOTEBOOK.name}')}"
        with browser(profile, self.site.port, slow=slow) as context:
            self.someone.sign_in_at(context)
            opening = opened(context, lambda: link)
        if not self.site.is_forked(self.someone.server()):
            raise SystemExit("the server was not forked")
        leave(self.someone)
        return opening

    def _hub(self, profile: str, *, slow: bool) -> Opening:
        """Over the Hub's own link that starts a server and goes on to a place in it."""
        place = f"/user/{self.name}/lab/tree/{quote(NOTEBOOK.name)}"
        link = f"{self.hub.url}/hub/spawn/{self.name}?next={quote(place)}"
        with browser(profile, self.hub.port, slow=slow) as context:
            self.hub.sign_in_at(context, self.name)
            opening = opened(context, lambda: link)
        self.hub.leave(self.name)
        return opening

    def _bare(self, profile: str, *, slow: bool) -> Opening:
        """Started by the click, without anything of anybody's around it."""
        port = self.bare_port
        with browser(profile, port, slow=slow) as context, contextlib.ExitStack() as stack:

            def start() -> str:
                stack.callback(Bare(port=port, files=FILES).wait().stop)
                return f"http://127.0.0.1:{port}/lab/tree/{quote(NOTEBOOK.name)}?token=bench"

            return opened(context, start)


def main() -> None:
    """One round to have everything in the page cache, then the rounds that count."""
    with running_site() as site, running_hub() as hub:
        site.have_fork_server()
        sides = Sides(site, hub)
        rounds(sides, 1, VISITS[:1], slow=False)
        report("", rounds(sides, RUNS, VISITS, slow=False))
        report(" over a slow line", rounds(sides, SLOW_RUNS, SLOW_VISITS, slow=True))


def rounds(sides: Sides, count: int, visits: tuple[str, ...], *, slow: bool) -> dict[tuple[str, str], list[Opening]]:
    """Openings by visit and side, which take turns; each round has new profiles."""
    found: dict[tuple[str, str], list[Opening]] = defaultdict(list)
    for _ in range(count):
        with contextlib.ExitStack() as stack:
            profiles = {
                side: stack.enter_context(tempfile.TemporaryDirectory(prefix="profile-", ignore_cleanup_errors=True))
                for side in sides.open
            }
            for visit in visits:
                for side, open_at in sides.open.items():
                    sides.put_back()
                    found[visit, side].append(open_at(profiles[side], slow=slow))
    return found


def report(line: str, found: dict[tuple[str, str], list[Opening]]) -> None:
    """Each visit: every side, and ours to the others."""
    print(f"  load of this machine: {os.getloadavg()[0]:.1f}")
    for visit in dict.fromkeys(visit for visit, _ in found):
        for what, unit in REACHED:
            values = {side: [one[what] for one in each] for (at, side), each in found.items() if at == visit}
            print(f"  {visit} visit{line}: {f'click to {what}' if unit == 's' else what}")
            for side, each in values.items():
                show(f"  {side}", each, unit)
            for side in list(values)[1:]:
                print(f"    to {side}: {ratio(values['ours'], values[side])}", flush=True)


@contextlib.contextmanager
def browser(profile: str, port: int, *, slow: bool) -> Iterator[BrowserContext]:
    """Chromium with this profile; `slow`: whatever it asks goes over a slow line to this port."""
    with contextlib.ExitStack() as stack:
        options = []
        if slow:
            options = [f"--host-resolver-rules=MAP * 127.0.0.1:{stack.enter_context(slow_line(port))}"]
        yield stack.enter_context(chromium_of(Path(profile), *options))


def opened(context: BrowserContext, click: Callable[[], str]) -> Opening:
    """One opening, in a browser that was started for it. `click` returns the address that the browser goes to."""
    page = context.pages[0]
    page.add_init_script(WATCH)
    began = time.time()
    page.goto(click(), wait_until="commit", timeout=PATIENCE)
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
    """Run the first cell of code as a person does, and wait until it has ended.

    JupyterLab does nothing where it has no kernel yet: then again, as long as the cell does not wait or run.
    """
    cell = page.locator(CODE_CELL).first
    prompt = cell.locator(".jp-InputPrompt").first
    for _ in range(PATIENCE // AGAIN):
        cell.locator(".cm-content").click(timeout=PATIENCE)
        page.keyboard.press("Control+Enter")
        with contextlib.suppress(AssertionError):
            expect(prompt).to_have_text(IS_SENT, timeout=AGAIN)
            break
    expect(prompt).to_have_text(HAS_RUN, timeout=PATIENCE)
