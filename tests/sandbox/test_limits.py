"""Limits in real sandboxes: who takes too much is stopped and told, everybody else goes on."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from lab.models import Environment, Server, State, StopReason
from lab.servers.reconciler import reconcile
from lab.servers.services import stop_server
from lab.supervisor import cgroups, processes
from notices.models import Kind, Notice

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

MIB = 2**20
needs_memory = pytest.mark.skipif(
    "memory" not in cgroups.find(settings.LAB_CGROUP).kept, reason="this machine gives us no memory controller"
)
needs_processes = pytest.mark.skipif(
    "processes" not in cgroups.find(settings.LAB_CGROUP).kept, reason="this machine gives us no pids controller"
)
needs_cpu = pytest.mark.skipif(
    "cpu" not in cgroups.find(settings.LAB_CGROUP).kept, reason="this machine gives us no cpu controller"
)
HOG = "kept = bytearray(600 * 2**20)\nkept[::4096] = b'x' * len(kept[::4096])"


@pytest.fixture
def limited(way: str, site: Site, person: Callable[..., Person]) -> Iterator[Person]:
    """Somebody in a Lab of 400 MiB, half a processor and 120 processes, started in either way."""
    environments = Environment.objects.all()
    environments.update(memory_mib=400, cpu_limit=0.5, process_limit=120)
    someone = person("greedy")
    try:
        assert site.is_forked(someone.launch()) == (way == "fork")
        yield someone
    finally:
        environments.update(memory_mib=None, cpu_limit=None, process_limit=None)


def groups_of(server: Server) -> set[Path]:
    """Its control groups."""
    return {tree / server.pk.hex for tree in cgroups.find(settings.LAB_CGROUP).trees.values()}


@needs_memory
def test_it_ends_the_kernel_that_takes_too_much_and_says_so(limited: Person, person: Callable[..., Person]) -> None:
    neighbour = person("neighbour")
    neighbour.launch()
    beside = neighbour.kernel()
    kernel = limited.kernel()
    kernel.begin(HOG)
    wait_for(lambda: _kills(limited) > 0, 60, "the kernel was not ended")
    assert limited.lab("GET", "/api/status").status_code == 200  # Jupyter itself goes on
    assert beside.run("print(6 * 7)").text.strip() == "42"
    reconcile()  # or the site's own has asked for it, and is about to write it down
    told = "ran out of memory at 400 MiB"
    wait_for(lambda: any(told in note for note in limited.server().notes), 60, "nobody was told")
    assert limited.server().state == State.RUNNING
    notice = Notice.objects.get(user=limited.user, kind=Kind.LAB_WARNING)
    assert "ran out of memory at 400 MiB" in notice.subject
    assert "ran out of memory at 400 MiB" in limited.get("/lab/").text
    reconcile()
    assert Notice.objects.filter(user=limited.user, kind=Kind.LAB_WARNING).count() == 1  # told once
    before = _kills(limited)
    limited.kernel().begin("open('/tmp/big', 'wb').write(bytes(600 * 2**20))")
    wait_for(lambda: _kills(limited) > before, 60, "a file in memory was not counted")


@needs_processes
def test_it_keeps_a_fork_bomb_in_its_cage(limited: Person, person: Callable[..., Person]) -> None:
    neighbour = person("neighbour")
    neighbour.launch()
    kernel = limited.kernel()
    kernel.begin("import os, time\nfor n in range(2000):\n    if not os.fork():\n        time.sleep(60); os._exit(0)")
    [place] = {place for place in groups_of(limited.server()) if (place / "pids.current").exists()}
    wait_for(lambda: "max 0" not in (place / "pids.events").read_text(), 60, "nothing was refused")
    assert int((place / "pids.current").read_text()) <= 120
    assert neighbour.kernel().run("print(6 * 7)").text.strip() == "42"
    stop_server(None, limited.server(), StopReason.OPERATOR)
    wait_for(lambda: limited.server().state == State.STOPPED, 60, "the bomb outlived its Lab")


@needs_cpu
def test_it_gives_no_more_processor_time_and_shows_and_leaves_no_group(limited: Person, site: Site) -> None:
    kernel = limited.kernel()
    spent = kernel.run(
        "import time\nwall, cpu = time.monotonic(), time.process_time()\n"
        "while time.monotonic() - wall < 4: pass\nprint((time.process_time() - cpu) / 4)"
    )
    assert float(spent.text) < 0.75
    name = limited.server().pk.hex
    assert kernel.run("import os; print(os.path.exists('/sys/fs/cgroup'))").text.strip() == "False"
    assert "cgroup" not in kernel.run("print(open('/proc/self/mountinfo').read())").text
    found = processes.sandboxes(settings.LAB_ROOT / "servers")
    [init] = [one.pid for one in found if one.is_init and one.server == name]
    for place in groups_of(limited.server()):
        members = {int(pid) for pid in (place / "cgroup.procs").read_text().split()}
        assert set(processes.inside(init)) <= members
    server = limited.server()
    assert all(place.is_dir() for place in groups_of(server))
    site.kill("supervisor")
    stop_server(None, server, StopReason.OPERATOR)
    wait_for(lambda: limited.server().state == State.STOPPED, 60, "it did not stop")
    wait_for(lambda: not any(place.exists() for place in groups_of(server)), 30, "its groups were left")


def _kills(someone: Person) -> int:
    return cgroups.find(settings.LAB_CGROUP).killed(someone.server().pk.hex)


@needs_memory
@needs_cpu
def test_programs_are_told_the_labs_limits(limited: Person) -> None:
    """free, nproc, df, psutil and Python see this Lab's, and JupyterLab shows what is used."""
    kernel = limited.kernel()
    code = "import os, psutil; print(os.cpu_count(), psutil.cpu_count(), psutil.virtual_memory().total // 2**20)"
    assert kernel.run(code).text.split() == ["1", "1", "400"]
    assert kernel.run("!nproc; free -m | awk '/^Mem/ {print $2}'").text.split() == ["1", "400"]
    assert "This Lab: " in kernel.run("!df -h . | head -1").text
    kernel.run("kept = bytearray(100 * 2**20)\nkept[::4096] = b'x' * len(kept[::4096])")
    before = limited.lab("GET", "/api/collaboratory/usage").json()
    assert before["memory_limit"] == 400 * MIB
    assert before["process_limit"] == 120
    wait_for(lambda: _told(limited, "memory") > 100 * MIB, 30, "what is used is not told")
    wait_for(lambda: _told(limited, "processes") > 1, 30, "how many processes there are is not told")
    assert "OK" in kernel.run(f"assert psutil.virtual_memory().used > {100 * MIB}; print('OK')").text


def _told(person: Person, what: str) -> int:
    return int(person.lab("GET", "/api/collaboratory/usage").json()[what])
