"""From the click to the first answer of the person's Jupyter server through the site's proxy, cold.

Beside it, alternating: a bare `jupyter lab` of the same environment from the start of its process to its first answer,
once as it is, and once without the server extensions that a Lab leaves out.
"""

import time
from collections.abc import Sequence

from lab.models import Server, State
from lab.services import request_server
from tests.people import Person

from .common import LEAN, POLL_SECONDS, Bare, compare, leave, person, running_site, show, through_proxy

RUNS = 7


def main() -> None:
    """One round to have everything in the page cache, then the rounds that count."""
    with running_site():
        someone = person("bench-launch")
        someone.launch()
        leave(someone)
        times: dict[str, list[float]] = {"running": [], "answer": [], "bare": [], "lean": []}
        for _ in range(RUNS):
            running, answer = click(someone)
            times["running"].append(running)
            times["answer"].append(answer)
            leave(someone)
            times["bare"].append(bare(()))
            times["lean"].append(bare(LEAN))
        compare("click to first answer", times["answer"], "bare jupyter lab", times["bare"], "s")
        show("... of that until the row says running", times["running"], "s")
        compare("click to first answer", times["answer"], "bare, with a Lab's server extensions", times["lean"], "s")


def click(someone: Person) -> tuple[float, float]:
    """Seconds until the row says running, and until the first answer came through the proxy.

    The pass is from an earlier launch. Nothing is asked of the proxy before: it remembers a no for a second.
    """
    began = time.perf_counter()
    server = request_server(someone.user, someone.user)
    while Server.objects.values_list("state", flat=True).get(pk=server.pk) != State.RUNNING:
        time.sleep(POLL_SECONDS)
    running = time.perf_counter() - began
    client = through_proxy(someone)
    status = client.get("/api/status")
    answer = time.perf_counter() - began
    client.close()
    if status != 200:
        raise SystemExit(f"the proxy said {status}")
    return running, answer


def bare(options: Sequence[str]) -> float:
    """Seconds from the start of `jupyter lab` to its first answer."""
    began = time.perf_counter()
    server = Bare(options)
    try:
        server.wait()
        return time.perf_counter() - began
    finally:
        server.stop()
