"""Thirty people at once: from the first click until everybody's server has answered.

Beside it: thirty bare `jupyter lab`, as many side by side as the site starts, and then all at the same moment.
"""

import time
from concurrent.futures import ThreadPoolExecutor

from lab.models import Server, State
from lab.servers.services import request_server
from tests.support.people import Person

from .common import REMEMBERED_SECONDS, START_SECONDS, Bare, ask_once, leave, person, running_site

PEOPLE = 30
SIDE_BY_SIDE = 4
"""As the Procfile's launcher."""


def main() -> None:
    """Ours, then the bare ones; never both at a time."""
    with running_site() as site:
        site.have_fork_server()
        people = [person(f"bench-crowd-{number}") for number in range(PEOPLE)]
        ours = crowd(people)
        leave(*people)
    few, all_at_once = bare(SIDE_BY_SIDE), bare(PEOPLE)
    print(f"  {PEOPLE} people, until the last one's server answers      {ours:7.1f} s")
    print(
        f"  {PEOPLE} bare jupyter lab, {SIDE_BY_SIDE} at a time                  {few:7.1f} s   ratio {ours / few:.2f}"
    )
    print(
        f"  {PEOPLE} bare jupyter lab at the same moment          {all_at_once:7.1f} s   ratio {ours / all_at_once:.2f}"
    )


def crowd(people: list[Person]) -> float:
    """Seconds until everybody has had an answer through the proxy. They have been in their Labs' origins before."""
    for someone in people:
        someone.have_pass()
    time.sleep(REMEMBERED_SECONDS)
    began = time.perf_counter()
    waiting = {request_server(someone.user, someone.user).pk: someone for someone in people}
    while waiting:
        states = dict(Server.objects.filter(pk__in=waiting).values_list("pk", "state"))
        if State.FAILED in states.values() or time.perf_counter() - began > START_SECONDS:
            raise SystemExit(f"not all run: {states}")
        for pk in [pk for pk, state in states.items() if state == State.RUNNING]:
            ask_once(waiting.pop(pk))
        time.sleep(0.02)
    return time.perf_counter() - began


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
