"""Processor time of real Labs, from what they compute to the page of the administration."""

import os
import signal
from collections.abc import Callable

import pytest
from django.conf import settings
from django.utils import timezone

from console import usage
from console.models import MonthlyUsage
from lab.launchers import get_launcher
from lab.models import Server, State, StopReason
from lab.servers.reconciler import NOTED_SECONDS, reconcile
from lab.servers.services import stop_server
from lab.supervisor import cgroups, processes

from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

COMPUTE = "import time\nbegan = time.process_time()\nwhile time.process_time() - began < {}: pass\nprint('done')"
CHILD = (
    "import subprocess, sys\n"
    "code = 'import time\\nwhile time.process_time() < {}: pass'\n"
    "print(subprocess.run([sys.executable, '-c', code]).returncode)"
)
REST = 30
"""Seconds of processor time that a Lab cannot need beside what these tests compute: JupyterLab, kernels, imports."""


def end(someone: Person) -> Server:
    """Stop the Lab, and wait until it is gone."""
    stop_server(None, someone.server(), StopReason.OPERATOR)
    wait_for(lambda: someone.server().state == State.STOPPED, 60, "the Lab was not stopped")
    return someone.server()


def test_it_counts_what_a_lab_computes_and_its_children(way: str, site: Site, person: Callable[..., Person]) -> None:
    someone = person("computing")
    assert site.is_forked(someone.launch()) == (way == "fork")
    assert someone.kernel().run(COMPUTE.format(3), 180).text.strip() == "done"
    assert someone.kernel().run(CHILD.format(2), 180).text.strip() == "0"
    server = end(someone)
    assert 5 <= server.cpu_seconds < 5 + REST
    for _night in range(2):
        usage.note(timezone.now())
    month = MonthlyUsage.objects.get(user=someone.user, month=usage.month_of(timezone.now()))
    assert month.cpu_seconds == pytest.approx(server.cpu_seconds, abs=0.01)
    counted = "processor_time" in get_launcher().enforced_limits()
    assert counted == (cgroups.find(settings.LAB_CGROUP).accounting is not None)


def test_a_killed_supervisor_and_keeper_lose_nothing_and_count_nothing_twice(
    site: Site, person: Callable[..., Person]
) -> None:
    someone = person("killed")
    server = someone.launch()
    kernel = someone.kernel()
    kernel.run(COMPUTE.format(6), 180)

    def is_noted() -> bool:
        reconcile()  # of what the supervisor measured last
        return someone.server().cpu_seconds > 6 - NOTED_SECONDS  # in such steps, while it runs

    wait_for(is_noted, 30, "it was not noted while it runs")
    noted = someone.server().cpu_seconds
    assert site.keeper
    os.kill(site.keeper.pid, signal.SIGKILL)
    site.keeper.wait()
    site.start()
    site.kill("supervisor")
    kernel.socket = kernel.connect()  # the relay has died with its keeper
    assert kernel.run(COMPUTE.format(3), 180).text.strip() == "done"
    ended = end(someone)
    assert ended.pk == server.pk
    assert max(noted, 9) <= ended.cpu_seconds < 9 + REST


def test_a_lab_whose_processes_are_killed_has_its_time(site: Site, person: Callable[..., Person]) -> None:
    """The supervisor sleeps meanwhile: it finds the group, and nobody in it, when it is back."""
    someone = person("died")
    server = someone.launch()
    someone.kernel().run(COMPUTE.format(3), 180)
    found = processes.sandboxes(settings.LAB_ROOT / "servers")
    [init] = [one.pid for one in found if one.is_init and one.server == server.pk.hex]
    with site.without("supervisor"):
        os.kill(init, signal.SIGKILL)
    wait_for(lambda: someone.server().state in (State.STOPPED, State.FAILED), 90, "nobody noticed")
    assert 3 <= someone.server().cpu_seconds < 3 + REST
