"""Memory of a site in which nobody does anything: proportional set size (what several processes share is counted once).

By process of the Procfile, with whatever it forked, and of what keeps them, after somebody has seen each of the main
pages; the sum is what the site takes before the first Lab. Left out are processes that we may not look into: the
supervisor's that keep the Lab's namespaces, of a few hundred kilobytes.
"""

import contextlib
from collections import defaultdict

from django.conf import settings

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
    """MiB of every process below the keeper, by the name that the Procfile gives it."""
    found: dict[str, list[float]] = defaultdict(list)
    for pid, name in site_processes(site).items():
        with contextlib.suppress(OSError):
            found[name].append(pss(pid))
    return found


def site_processes(site: Site) -> dict[int, str]:
    """Every process below the keeper, with the name that the Procfile gives it."""
    assert site.keeper
    names = {site.keeper.pid: "keep"}
    for record in settings.RUN_DIR.glob("*.keep"):
        names[int(record.read_text().split()[0])] = record.stem
    return {pid: name for pid in processes.pids() if (name := _name(pid, names))}


def _name(pid: int, names: dict[int, str]) -> str:
    """Of the Procfile's process that this one is, or was started by; "" for one that is not the site's."""
    while pid and pid not in names:
        pid = _parent(pid)
    return names.get(pid, "")


def _parent(pid: int) -> int:
    """Parent's id (proc(5), stat); 0 when the process is gone."""
    try:
        return int((processes.PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0
