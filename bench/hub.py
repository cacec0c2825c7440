"""Ours beside a real JupyterHub with its simple local spawner and configurable-http-proxy (bench/jupyterhub.py).

Click to first answer, forked and from nothing; ten people at once; memory of one of four; requests through the proxies.
Each is a ratio taken in one run; the two are never at work at a time.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from lab.launchers import get_launcher
from lab.models import Server, State
from lab.services import request_server
from tests.people import Person
from tests.site import Site, launched_by

from . import proxy
from .common import Client, compare, leave, person, pss, running_site, show, sleep_until_idle, through_proxy
from .jupyterhub import Hub
from .launch import REMEMBERED_SECONDS, click

RUNS = 5
PEOPLE = 10
SEVERAL = 4


def main() -> None:
    """Each comparison, alternating."""
    with running_site() as site, running_hub() as hub:
        site.have_fork_server()
        names = [f"bench-{number}" for number in range(PEOPLE)]
        hub.add(*names)
        people = [person(name) for name in names]
        launches(site, hub, people[0])
        crowd(hub, people)
        memory(site, hub, people[:SEVERAL])
        requests_through(hub, people[0])


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Started, and stopped whatever happens."""
    hub = Hub()
    try:
        yield hub.wait()
    finally:
        hub.stop()


def launches(site: Site, hub: Hub, someone: Person) -> None:
    """One after the other."""
    name = someone.user.username
    hub.click(name)  # so that all is in the page cache
    hub.leave(name)
    someone.launch()
    leave(someone)
    times = defaultdict[str, list[float]](list)
    for _ in range(RUNS):
        for way in ("fork", "exec"):
            time.sleep(REMEMBERED_SECONDS)
            with launched_by(site, way):
                times[way].append(click(someone)[1])
            leave(someone)
        times["hub"].append(hub.click(name))
        hub.leave(name)
    for way, what in (("fork", "forked"), ("exec", "from nothing")):
        compare(f"click to first answer, {what}", times[way], "JupyterHub", times["hub"], "s")


def crowd(hub: Hub, people: list[Person]) -> None:
    """All at once, until everybody's server answers."""
    names = [someone.user.username for someone in people]
    began = time.perf_counter()
    for someone in people:
        request_server(someone.user, someone.user)
    mine = Server.objects.filter(owner__in=[someone.user for someone in people])
    while mine.filter(state=State.RUNNING).count() < PEOPLE:
        time.sleep(0.02)
    ours = time.perf_counter() - began
    leave(*people)
    began = time.perf_counter()
    hub.click_all(names)
    theirs = time.perf_counter() - began
    hub.leave(*names)
    compare(f"{PEOPLE} people at once", [ours], "JupyterHub", [theirs], "s")


def memory(site: Site, hub: Hub, people: list[Person]) -> None:
    """Proportional set size of each of four idle servers."""
    names = [someone.user.username for someone in people]
    hub.click_all(names)
    sleep_until_idle()
    theirs = [pss(hub.pid_of(name)) for name in names]
    hub.leave(*names)
    for way, what in (("fork", "forked"), ("exec", "from nothing")):
        with launched_by(site, way):
            servers = [someone.launch() for someone in people]
            sleep_until_idle()
            reports = get_launcher().inspect()
            ours = [reports[server.pk].memory_bytes / 2**20 for server in servers]
            leave(*people)
        compare(f"idle server, one of {len(people)}, {what}", ours, "JupyterHub", theirs, "MiB")
    show("the Hub itself", [pss(hub.process.pid)], "MiB")


def requests_through(hub: Hub, someone: Person) -> None:
    """nginx with `auth_request` and configurable-http-proxy, in turns, each in front of a server of its own."""
    name = someone.user.username
    someone.launch()
    hub.click(name)
    static = Path(settings.LAB_BASE_ENVIRONMENT) / "share/jupyter/lab/static"
    largest = max(static.glob("*.js"), key=lambda path: path.stat().st_size)
    for path in ("/api/status", f"/static/lab/{largest.name}"):
        for connections in (1, proxy.CONNECTIONS):
            ours, theirs = proxy.Measured([], 0.0), proxy.Measured([], 0.0)
            sides = [(ours, path, through_proxy), (theirs, f"/user/{name}{path}", lambda _: hub.client())]
            for _ in range(proxy.TURNS):
                for measured, address, connect in sides:
                    clients: list[Client] = [connect(someone) for _ in range(connections)]
                    proxy.turn(clients, address, measured)
                    for client in clients:
                        client.close()
            print(f"  {path}, {connections} at a time: {ours.rate:.0f} requests/s, median {ours.median:.2f} ms")
            ratio = ours.rate / theirs.rate
            print(f"    the Hub's proxy: {theirs.rate:.0f}, {theirs.median:.2f} ms; ratio {ratio:.2f}", flush=True)
    leave(someone)
    hub.leave(name)
