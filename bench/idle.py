"""Memory of a site in which nobody does anything: proportional set size (what several processes share is counted once).

By process of the Procfile, with its keeper and whatever it forked, after somebody has seen each of the main pages; the
sum is what the site takes before the first Lab. Left out are processes that we may not look into: the supervisor's that
keep the Lab's namespaces, of a few hundred kilobytes.
"""

import contextlib
import itertools
from collections import defaultdict
from pathlib import Path

from lab.supervisor import processes
from tests.support.site import Site

from .common import person, pss, running_site, show, sleep_until_idle

PAGES = ("/", "/collabs/", "/drive/", "/lab/")
SEEN = 4
"""Times that each page is seen, so that either worker has made some."""


def main() -> None:
    """Each process of the Procfile, and the sum."""
    with running_site() as site:
        someone = person("bench-idle")
        for page in PAGES * SEEN:
            someone.get(page).raise_for_status()
        sleep_until_idle()
        measured = by_process(site)
    for name, sizes in sorted(measured.items(), key=lambda item: -sum(item[1])):
        show(f"{name} ({len(sizes)} processes)", [sum(sizes)], "MiB")
    show("the idle site", [sum(map(sum, measured.values()))], "MiB")


def by_process(site: Site) -> dict[str, list[float]]:
    """MiB of every process below honcho, by the name that the Procfile gives it."""
    assert site.honcho
    parents = {pid: _parent(pid) for pid in processes.pids()}
    found: dict[str, list[float]] = defaultdict(list)
    for pid in parents:
        if (name := _name(pid, site.honcho.pid, parents)) is not None:
            with contextlib.suppress(PermissionError):
                found[name].append(pss(pid))
    return found


def _name(pid: int, top: int, parents: dict[int, int]) -> str | None:
    """Name of the Procfile's process that this one belongs to; None for one that is not the site's."""
    name, each = "", pid
    while each not in (top, 0):
        name, each = name or _kept(each), parents.get(each, 0)
    return (name or "honcho") if each == top else None


def _kept(pid: int) -> str:
    """`web` of `python3 bin/keep web gunicorn …`; "" for anything else."""
    try:
        words = (processes.PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return ""
    return next((after for word, after in itertools.pairwise(words) if Path(word).name == "keep"), "")


def _parent(pid: int) -> int:
    """Parent's id (proc(5), stat); 0 when the process is gone."""
    try:
        return int((processes.PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
