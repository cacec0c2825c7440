"""Pages while every Lab computes: with the weights of the site's groups, and without.

    bin/bench fairness [--labs=30]

In one run: nobody computes; then, by turns, all compute and portal and Labs weigh the same, or as `bin/up` has them
weigh (bin/lib/control_groups.py); at last nobody computes again. Of all pages median and p95, and the ratios to nobody.
"""

import argparse
import itertools
import statistics
import sys
from pathlib import Path

from django.conf import settings

from lab.supervisor import cgroups
from tests.support.site import Site

from . import idle, load
from .common import leave, p95, person, ratio, running_site

READERS, PAUSE, SECONDS, TURNS = 4, 0.1, 20, 3


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(prog="bin/bench fairness")
    parser.add_argument("--labs", type=int, default=30)
    labs = parser.parse_args(sys.argv[2:]).labs
    with running_site() as site:
        site.have_fork_server()
        _, addresses = load.pages()
        readers = [person(f"bench-reader-{number}") for number in range(READERS)]
        people = [person(f"bench-lab-{number}") for number in range(labs)]
        load.launch(people)
        measured = measure(site, people, readers, addresses)
        leave(*people)
    nobody = measured["nobody computes"]
    for what, values in measured.items():
        median = statistics.median(values)
        print(f"  {what:44} {median:6.0f} ms, p95 {p95(values):6.0f} ms   {ratio(values, nobody)}", flush=True)


def measure(site: Site, people: list, readers: list, addresses: dict[str, str]) -> dict[str, list[float]]:
    """Milliseconds of all pages, by who computes and how much they weigh."""
    weighed, even = f"{len(people)} Labs compute, weighed", f"{len(people)} Labs compute, weights even"
    found: dict[str, list[float]] = {"nobody computes": [], weighed: [], even: []}

    def read(what: str) -> None:
        times = load.read_for(SECONDS, readers, addresses, PAUSE)
        found[what] += itertools.chain(*times.values())

    read("nobody computes")
    load.compute(people)
    place = cgroups.find(settings.LAB_CGROUP).trees["cpu"].parents[1]
    for _ in range(TURNS):
        read(weighed)
        with load.moved(portal_processes(site, place / "portal"), group(place), place / "portal"):
            read(even)
    load.rest(people)
    read("nobody computes")
    return found


def group(place: Path) -> Path:
    """A group beside that of Labs, of the ordinary weight that theirs has."""
    made = place / "even"
    made.mkdir(exist_ok=True)
    return made


def portal_processes(site: Site, portal: Path) -> list[int]:
    """The site's own, and not this one, which is in the same group."""
    members = {int(pid) for pid in (portal / "cgroup.procs").read_text().split()}
    return sorted(members & idle.site_processes(site).keys())
