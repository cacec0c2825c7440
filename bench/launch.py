"""From the click to the first answer of the person's Jupyter server through the site's proxy, cold.

Both ways in which a server comes to be: forked from a process that has imported Jupyter, and started from nothing.
Beside them, alternating: a bare `jupyter lab` of the same environment from the start of its process to its first
answer, once as it is, and once without the server extensions that a Lab leaves out.
"""

import time
from collections import defaultdict
from collections.abc import Sequence

from lab.models import Server, State
from lab.servers.services import request_server
from tests.support.people import Person
from tests.support.site import launched_by

from .common import (
    LEAN,
    POLL_SECONDS,
    REMEMBERED_SECONDS,
    Bare,
    ask_once,
    compare,
    leave,
    person,
    running_site,
    show,
)

RUNS = 7


def main() -> None:
    """One round to have everything in the page cache, then the rounds that count."""
    with running_site() as site:
        someone = person("bench-launch")
        someone.launch()
        leave(someone)
        time.sleep(REMEMBERED_SECONDS)
        times = defaultdict[str, list[float]](list)
        for _ in range(RUNS):
            for way in ("fork", "exec"):
                with launched_by(site, way):
                    running, answer = click(someone)
                    if site.is_forked(someone.server()) != (way == "fork"):
                        raise SystemExit(f"the server was not started by {way}")
                times[f"{way}, running"].append(running)
                times[way].append(answer)
                leave(someone)
                time.sleep(REMEMBERED_SECONDS)
            times["bare"].append(bare(()))
            times["lean"].append(bare(LEAN))
        for way, name in (("fork", "forked"), ("exec", "from nothing")):
            compare(f"click to first answer, {name}", times[way], "bare jupyter lab", times["bare"], "s")
            show("... of that until the row says running", times[f"{way}, running"], "s")
            compare(f"... {name}", times[way], "bare, with a Lab's server extensions", times["lean"], "s")


def click(someone: Person) -> tuple[float, float]:
    """Seconds until the row says running, and until the first answer came through the proxy.

    The pass is from an earlier launch. Nothing is asked of the proxy before: it remembers a no for a second.
    """
    began = time.perf_counter()
    server = request_server(someone.user, someone.user)
    while Server.objects.values_list("state", flat=True).get(pk=server.pk) != State.RUNNING:
        time.sleep(POLL_SECONDS)
    running = time.perf_counter() - began
    ask_once(someone)
    return running, time.perf_counter() - began


def bare(options: Sequence[str]) -> float:
    """Seconds from the start of `jupyter lab` to its first answer."""
    began = time.perf_counter()
    server = Bare(options)
    try:
        server.wait()
        return time.perf_counter() - began
    finally:
        server.stop()
