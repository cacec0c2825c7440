"""Memory of an idle server: proportional set size, in which what several processes share is counted once.

One alone, then several, which share what they run from the base environment; forked, and started from nothing; beside
as many bare `jupyter lab`. What runs outside of the sandbox for it (bubblewrap's monitor, slirp4netns) is shown by
itself. The fork server, one per environment, is beside them.
"""

from django.conf import settings

from lab.launchers import get_launcher
from lab.supervisor import processes
from tests.support.people import Person
from tests.support.site import launched_by

from .common import Bare, compare, leave, person, pss, running_site, show, sleep_until_idle

SEVERAL = 4


def main() -> None:
    """Ours and bare, never both at a time: they would share."""
    with running_site() as site:
        people = [person(f"bench-memory-{number}") for number in range(SEVERAL)]
        for number in (1, SEVERAL):
            alone = bare(number)
            for way, name in (("fork", "forked"), ("exec", "from nothing")):
                with launched_by(site, way):
                    labs, beside = ours(people[:number])
                compare(f"one of {number}, {name}", labs, "bare jupyter lab", alone, "MiB")
                show("outside of the sandbox for it", beside, "MiB")
        with launched_by(site, "fork"):
            show("the fork server by itself", [pss(site.fork_server())], "MiB")


def ours(people: list[Person]) -> tuple[list[float], list[float]]:
    """MiB of each sandbox, as pages and admin show it; and of what belongs to it outside."""
    servers = [someone.launch() for someone in people]
    sleep_until_idle()
    reports = get_launcher().inspect()
    labs = [reports[server.pk].memory_bytes / 2**20 for server in servers]
    beside = [outside(server.pk.hex) for server in servers]
    leave(*people)
    return labs, beside


def outside(server: str) -> float:
    """MiB of bubblewrap's monitor and of slirp4netns."""
    found = [each for each in processes.sandboxes(settings.LAB_ROOT / "servers") if each.server == server]
    [init] = [each.pid for each in found if each.is_init]
    monitors = [each.pid for each in found if not each.is_init]
    return sum(map(pss, [*monitors, *networks(init)]))


def networks(init: int) -> list[int]:
    """slirp4netns of one sandbox."""
    wanted, found = f"/proc/{init}/ns/net".encode(), []
    for pid in processes.pids():
        try:
            arguments = (processes.PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if arguments[0].endswith(b"slirp4netns") and wanted in arguments:
            found.append(pid)
    return found


def bare(number: int) -> list[float]:
    """MiB of each of so many bare servers."""
    servers = [Bare() for _ in range(number)]
    try:
        for server in servers:
            server.wait()
        sleep_until_idle()
        return [server.memory() for server in servers]
    finally:
        for server in servers:
            server.stop()
