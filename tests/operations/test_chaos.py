"""Chaos, bounded and seeded: everything at once, and `kill -9` of anything; afterwards all is true, nothing is lost.

`CHAOS_SECONDS` says how long (45), `CHAOS_SEED` repeats a run: what is done is the same, when it hits is not.
"""

import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from collabs import services as collab_services
from collabs.models import Collab, Membership, Role
from drive.files import operations
from drive.models import Library
from drive.storage import StorageError, open_library
from lab.launchers import LauncherUnavailableError
from lab.models import LIVE, Server, State, StopReason, Ticket
from lab.servers import reaper
from lab.servers.services import CannotLaunchError, request_server, stop_server
from lab.supervisor import cgroups, processes
from portal.access import ForbiddenError
from portal.ops.task_queue import broker_is_up

from ..support.people import Person
from ..support.site import Site, wait_for
from ..support.truth import HEALED, PROCESSES, is_true

pytestmark = pytest.mark.sandbox

SECONDS = int(os.environ.get("CHAOS_SECONDS", "45"))
SEED = int(os.environ.get("CHAOS_SEED") or random.randrange(10**6))
PEOPLE = 5
EXPECTED = (
    CannotLaunchError,
    LauncherUnavailableError,
    ForbiddenError,
    ValidationError,
    StorageError,
    requests.RequestException,
    OSError,
)
"""What may be refused while parts of the site are away."""


class Storm:
    """What happens, one thing after the other, in an order that the seed decides."""

    def __init__(self, site: Site, people: list[Person], collab: Collab) -> None:
        self.site, self.people, self.collab = site, people, collab
        self.random = random.Random(SEED)
        self.written: dict[tuple[Library, str], bytes] = {}
        self.done: list[str] = []
        self.weighted: dict[Callable[[], str], int] = {
            self.launch: 8,
            self.stop: 3,
            self.reap: 2,
            self.change_access: 4,
            self.write: 6,
            self.write_in_lab: 6,
            self.kill_process: 1,
            self.kill_fork_server: 1,
            self.kill_server: 2,
        }

    def step(self) -> None:
        """One thing; what cannot be done now is not done."""
        [do] = self.random.choices([*self.weighted], [*self.weighted.values()])
        try:
            self.done.append(do())
        except EXPECTED as error:
            self.done.append(f"{do.__name__}: {type(error).__name__}")

    def anybody(self) -> Person:
        return self.random.choice(self.people)

    def somebody_running(self) -> Person:
        running = [one for one in self.people if Server.objects.running().filter(owner=one.user).exists()]
        if not running:
            raise CannotLaunchError("nobody's Lab runs")
        return self.random.choice(running)

    def launch(self) -> str:
        someone = self.anybody()
        request_server(someone.user, someone.user)
        return f"launch {someone.user}"

    def stop(self) -> str:
        someone = self.somebody_running()
        stop_server(someone.user, someone.server(), StopReason.ASKED)
        return f"stop {someone.user}"

    def reap(self) -> str:
        """As if it had been idle for long: no input since, and now it is looked at."""
        someone = self.somebody_running()
        long_ago = timezone.now() - timedelta(days=2)
        Server.objects.filter(pk=someone.server().pk).update(last_interaction=long_ago, due_at=long_ago)
        reaper.take_up_due()
        return f"reap {someone.user}"

    def change_access(self) -> str:
        someone = self.random.choice(self.people[1:])
        role = self.random.choice([Role.VIEWER, Role.EDITOR, None])
        boss, member = self.people[0].user, Membership.objects.filter(collab=self.collab, user=someone.user).exists()
        if role is None:
            collab_services.remove_member(boss, self.collab, someone.user)
        elif member:
            collab_services.change_role(boss, self.collab, someone.user, role)
        else:
            collab_services.add_member(boss, self.collab, someone.user, role)
        return f"{someone.user} is {role}"

    def write(self) -> str:
        someone, name = self.anybody(), f"web {len(self.done)}.txt"
        content = self.random.randbytes(self.random.randrange(40_000))
        own = Library.objects.get(owner_user=someone.user, is_default=True)
        library = self.random.choice([self.collab.library, own])
        operations.write(someone.user, library, name, content)
        self.written[library, name] = content
        return f"write {name}"

    def write_in_lab(self) -> str:
        someone, name = self.somebody_running(), f"lab {len(self.done)}.txt"
        library = Library.objects.get(owner_user=someone.user, is_default=True)
        text = f"{self.random.random()}" * 50
        try:
            someone.enter()
        except AssertionError as error:  # it ended just now
            raise CannotLaunchError("no way in") from error
        body = {"type": "file", "format": "text", "content": text}
        address = f"/api/contents/drive/My Libraries/My Library/{name}"
        if someone.lab("PUT", address, json=body).status_code in (200, 201):
            self.written[library, name] = text.encode()
        return f"write {name}"

    def kill_process(self) -> str:
        name = self.random.choice(PROCESSES)
        self.site.kill(name)
        return f"kill {name}"

    def kill_fork_server(self) -> str:
        with contextlib.suppress(ValueError):
            os.kill(self.site.fork_server(), signal.SIGKILL)
        return "kill the fork server"

    def kill_server(self) -> str:
        """Jupyter, a kernel, bubblewrap or whatever of somebody's Lab comes first."""
        found = processes.sandboxes(settings.LAB_ROOT / "servers")
        if not found:
            return "nothing to kill"
        one = self.random.choice(found)
        inside = processes.inside(one.pid) if one.is_init else []
        os.kill(self.random.choice([one.pid, *inside]), signal.SIGKILL)
        return f"kill a process of {one.server}"


@pytest.fixture
def people(person: Callable[..., Person]) -> list[Person]:
    return [person("storm") for _ in range(PEOPLE)]


@pytest.fixture
def storm(site: Site, people: list[Person]) -> Iterator[Storm]:
    wait_for(lambda: is_true(site), HEALED, "what earlier tests left did not end")
    collab = collab_services.create_collab(people[0].user, title=f"Storm of {people[0].user.username}")
    made = Storm(site, people, collab)
    yield made
    print(f"CHAOS_SEED={SEED}:", *made.done, sep="\n  ")


def test_it_is_true_and_complete_after_everything_at_once(site: Site, storm: Storm) -> None:
    print(f"CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS}")
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        storm.step()
        time.sleep(storm.random.random() * 0.4)
    wait_for(site.answers, 60, "the site did not come back")
    wait_for(broker_is_up, 60, "the broker did not come back")
    wait_for(lambda: is_true(site), 4 * HEALED, "rows and sandboxes differ")
    assert not lost(storm)
    for someone in storm.people:
        for server in Server.objects.filter(owner=someone.user, state__in=LIVE):
            stop_server(None, server, StopReason.OPERATOR)
    wait_for(lambda: is_true(site) and not Server.objects.live().exists(), 4 * HEALED, "not everything stopped")
    assert not lost(storm)
    wait_for(lambda: not left_behind(site), HEALED, "something was left")


def lost(storm: Storm) -> list[str]:
    """Files that were written and are not there, or hold something else."""
    found = []
    for (library, name), content in storm.written.items():
        with open_library(library) as files:
            try:
                with files.open(name) as file:
                    if file.read() != content:
                        found.append(f"{name} changed")
            except StorageError:
                found.append(f"{name} is gone")
    return found


def left_behind(site: Site) -> list[str]:
    """Processes, mounts, directories, sockets, groups and secrets of servers that have ended."""
    found = [*site.leftovers(), *site.sandboxes(), *cgroups.find(settings.LAB_CGROUP).ids()]
    mounts = Path(f"/proc/{site.pid('supervisor')}/mountinfo").read_text()
    found += [line for line in mounts.splitlines() if f"{settings.LAB_ROOT}/servers/" in line]
    found += [f"slirp4netns {pid}" for pid in processes.pids() if _serves_nobody(pid)]
    found += [f"token of {server}" for server in Server.objects.exclude(token="").exclude(state__in=LIVE)]
    expired = Ticket.objects.filter(expires_at__lt=timezone.now() - timedelta(minutes=5))
    return [*found, *map(str, expired)]


def _serves_nobody(pid: int) -> bool:
    """A way to the network for a sandbox that is gone."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
        ours = words[0] == "slirp4netns" and Path(f"/proc/{pid}").stat().st_uid == os.getuid()
        return ours and not any(Path(word).exists() for word in words if word.endswith("/ns/net"))
    return False


def test_its_tools_do_what_they_say_in_calm_weather(storm: Storm) -> None:
    """Otherwise the storm would prove nothing."""
    storm.people[1:] = []
    [someone] = storm.people
    storm.launch()
    wait_for(lambda: someone.server().state == State.RUNNING, 60, "it did not start")
    storm.write()
    storm.write_in_lab()
    assert len(storm.written) == 2
    assert not lost(storm)
    (library, name), _ = next(iter(storm.written.items()))
    storm.written[library, name] = b"something else"
    assert lost(storm) == [f"{name} changed"]
    assert left_behind(storm.site)
    storm.stop()
    wait_for(lambda: someone.server().state == State.STOPPED, 60, "it did not stop")
