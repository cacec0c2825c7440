"""Ours beside a real JupyterHub with its simple local spawner and configurable-http-proxy (bench/jupyterhub.py).

Click to first answer, forked and from nothing, beside the Hub and a bare `jupyter lab`; thirty people at once; memory
of one of four. Each is a ratio taken in one run; no two are ever at work at a time.
"""

import time
from collections import defaultdict

from lab.launchers import get_launcher
from tests.support.people import Person
from tests.support.site import Site, launched_by

from .common import (
    REMEMBERED_SECONDS,
    compare,
    leave,
    person,
    pss,
    ratio,
    running_site,
    show,
    sleep_until_idle,
)
from .crowd import PEOPLE, crowd
from .jupyterhub import Hub, running_hub
from .launch import bare, click

RUNS = 20
CROWDS = 3
SEVERAL = 4


def main() -> None:
    """Each comparison, alternating."""
    with running_site() as site, running_hub() as hub:
        site.have_fork_server()
        names = [f"bench-{number}" for number in range(PEOPLE)]
        hub.add(*names)
        people = [person(name) for name in names]
        launches(site, hub, people[0])
        memory(site, hub, people[:SEVERAL])
        crowds(site, hub, people)


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
        times["bare"].append(bare(()))
    ours = {"fork": "forked", "exec": "from nothing"}
    theirs = {"hub": "JupyterHub", "bare": "bare jupyter lab"}
    print("  click to first answer")
    for way, what in (ours | theirs).items():
        show(f"  {what}", times[way], "s")
    for way, what in ours.items():
        for other, beside in theirs.items():
            print(f"    {what} to {beside}: {ratio(times[way], times[other])}", flush=True)


def crowds(site: Site, hub: Hub, people: list[Person]) -> None:
    """All at once, until everybody's server has answered."""
    names = [someone.user.username for someone in people]
    ours, theirs = [], []
    for _ in range(CROWDS):
        with launched_by(site, "fork"):
            ours.append(crowd(people))
        if not all(site.is_forked(someone.server()) for someone in people):
            raise SystemExit("not all were forked")
        leave(*people)
        theirs.append(hub.crowd(names))
        hub.leave(*names)
    compare(f"{len(people)} people at once, forked", ours, "JupyterHub", theirs, "s")


def memory(site: Site, hub: Hub, people: list[Person]) -> None:
    """Proportional set size of each of four idle servers."""
    names = [someone.user.username for someone in people]
    hub.crowd(names)
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
