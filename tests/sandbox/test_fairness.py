"""Who has the processor first: the portal before Labs, Labs evenly, and last what can wait."""

import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from drive.preview import sandbox
from lab.environments import build_sandbox
from lab.supervisor import cgroups, processes
from portal.ops import background

from ..support.people import Person
from ..support.site import Site, forked_only, wait_for

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(
        "cpu" not in cgroups.find(settings.LAB_CGROUP).kept, reason="this machine gives us no cpu controller"
    ),
]
PROCFILE = "broker supervisor relay api-relay rooms web webdav worker files launcher proxy".split()
BUSY = "import os\nos.sched_setaffinity(0, {0})\nwhile True: pass"
BEGIN = "import subprocess, sys\nbusy = [subprocess.Popen([sys.executable, '-c', {!r}]) for _ in range({})]"
TICKS = 12 * os.sysconf("SC_CLK_TCK")
"""Of the processor, to be shared."""


def group(name: str) -> Path:
    """One of the site's groups, in which its processor time is weighed."""
    return cgroups.find(settings.LAB_CGROUP).trees["cpu"].parents[1] / name


def weight(place: Path) -> int:
    """Weight of a group as the kernel has it, in units of version 2."""
    if (place / "cpu.weight").exists():
        return int((place / "cpu.weight").read_text())
    return round(int((place / "cpu.shares").read_text()) * 100 / 1024)


def members(place: Path) -> set[int]:
    return {int(pid) for pid in (place / "cgroup.procs").read_text().split()}


def ticks(pids: Iterable[int]) -> int:
    """Processor time that these have had (proc(5), stat)."""
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            found += int(fields[11]) + int(fields[12])
    return found


def inside(person: Person) -> list[int]:
    """All processes of somebody's Lab."""
    found = processes.sandboxes(settings.LAB_ROOT / "servers")
    [init] = [one.pid for one in found if one.is_init and one.server == person.server().pk.hex]
    return processes.inside(init)


def test_the_portal_weighs_most_and_what_can_wait_least(site: Site) -> None:
    assert [weight(group(name)) for name in ("portal", "labs", "background")] == [1000, 100, 20]
    for name in PROCFILE:
        where = "background" if name == "files" else "portal"
        wait_for(lambda name=name, where=where: site.pid(name) in members(group(where)), 30, f"{name} is elsewhere")  # type: ignore[misc]
    assert os.getpriority(os.PRIO_PROCESS, site.pid("files")) >= background.NICE


@pytest.fixture
def previewed() -> Iterator[None]:
    """While a preview is being made: of what nobody has written to its end."""
    end, begin = os.pipe()
    with os.fdopen(end, "rb") as source:

        def render() -> None:
            with contextlib.suppress(sandbox.RenderFailedError):
                sandbox.render("thumbnail", source)

        making = threading.Thread(target=render)
        making.start()
        try:
            yield
        finally:
            os.close(begin)
            making.join()


@pytest.fixture
def built(tmp_path: Path) -> Iterator[None]:
    """While an environment is being built."""
    with build_sandbox.sandbox("") as made:
        words = build_sandbox.words(made, tmp_path, "read line", [])
        building = build_sandbox.start(made, words, start_new_session=True)
        try:
            yield
        finally:
            building.kill()
            building.wait()


@pytest.mark.parametrize("what", ["previewed", "built"])
def test_what_can_wait_is_in_its_group(request: pytest.FixtureRequest, what: str) -> None:
    request.getfixturevalue(what)
    ours = f"\0{'preview' if what == 'previewed' else 'build'}\0".encode()  # the sandbox's --hostname

    def found() -> set[int]:
        return {pid for pid in members(group("background")) if ours in Path(f"/proc/{pid}/cmdline").read_bytes()}

    wait_for(lambda: bool(found()), 30, "it is elsewhere")


@forked_only
def test_labs_share_evenly_what_the_portal_leaves(site: Site, way: str, person: Callable[..., Person]) -> None:
    few, many = person("few"), person("many")
    for someone, count in ((few, 1), (many, 8)):
        server = someone.launch()
        assert weight(cgroups.find(settings.LAB_CGROUP).trees["cpu"] / server.pk.hex) == 100
        someone.kernel().run(BEGIN.format(BUSY, count))
    portal = subprocess.Popen([sys.executable, "-c", BUSY])
    waiting = subprocess.Popen(background.command([sys.executable, "-c", BUSY]), start_new_session=True)
    try:
        assert portal.pid in members(group("portal"))
        wait_for(lambda: waiting.pid in members(group("background")), 10, "it does not wait")
        groups = {"portal": [portal.pid], "few": inside(few), "many": inside(many), "waiting": [waiting.pid]}
        before = {name: ticks(pids) for name, pids in groups.items()}

        def spent() -> dict[str, int]:
            return {name: ticks(pids) - before[name] for name, pids in groups.items()}

        wait_for(lambda: sum(spent().values()) > TICKS, 300, "nobody computes")
        had = spent()
        assert had["portal"] > 3 * (had["few"] + had["many"] + had["waiting"])
        portal.kill()
        del groups["portal"]
        before = {name: ticks(pids) for name, pids in groups.items()}
        wait_for(lambda: sum(spent().values()) > TICKS, 300, "nobody computes")
        had = spent()
        assert had["few"] > had["many"] / 2  # a ninth of it, were it shared by processes
        assert 0 < had["waiting"] < had["few"]
    finally:
        for process in (portal, waiting):
            process.kill()
            process.wait()
        for someone in (few, many):
            someone.leave()
