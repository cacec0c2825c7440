"""Thirty people at once: from the first click until everybody's server answers.

Beside it: thirty bare `jupyter lab`, as many side by side as the site starts, and then all at the same moment.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from lab.models import Server, State
from lab.services import request_server

from .common import START_SECONDS, Bare, leave, person, running_site

PEOPLE = 30
SIDE_BY_SIDE = 4
"""As the Procfile's launcher."""


def main() -> None:
    """Ours, then the bare ones; never both at a time."""
    with running_site() as site:
        site.have_fork_server()
        ours = crowd()
    few, all_at_once = bare(SIDE_BY_SIDE), bare(PEOPLE)
    print(f"  {PEOPLE} people, until the last one's server answers      {ours:7.1f} s")
    print(
        f"  {PEOPLE} bare jupyter lab, {SIDE_BY_SIDE} at a time                  {few:7.1f} s   ratio {ours / few:.2f}"
    )
    print(
        f"  {PEOPLE} bare jupyter lab at the same moment          {all_at_once:7.1f} s   ratio {ours / all_at_once:.2f}"
    )


def crowd() -> float:
    """Seconds until all run."""
    people = [person(f"bench-crowd-{number}") for number in range(PEOPLE)]
    began = time.perf_counter()
    for someone in people:
        request_server(someone.user, someone.user)
    mine = Server.objects.filter(owner__in=[someone.user.pk for someone in people])
    while mine.filter(state=State.RUNNING).count() < PEOPLE:
        if mine.filter(state=State.FAILED).exists() or time.perf_counter() - began > START_SECONDS:
            raise SystemExit(f"not all run: {list(mine.values_list('state', 'error'))}")
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    leave(*people)
    return seconds


def bare(side_by_side: int) -> float:
    """Seconds until thirty bare servers answer, so many of them starting at a time."""
    servers: list[Bare] = []

    def start(_number: int) -> None:
        server = Bare()
        servers.append(server)
        server.wait()

    began = time.perf_counter()
    try:
        with ThreadPoolExecutor(side_by_side) as threads:
            list(threads.map(start, range(PEOPLE)))
        return time.perf_counter() - began
    finally:
        for server in servers:
            server.stop()
