"""Load for whole sites: readers who open pages one after the other, and Labs that compute."""

import contextlib
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.conf import settings
from django.urls import reverse

from collabs.services import create_collab
from drive.files import operations
from drive.models import Library
from lab.models import State
from lab.servers.services import request_server
from portal.models import User
from tests.support.people import Person
from tests.support.site import wait_for

from .common import Client, p95, person

BUSY = "import subprocess, sys\nbusy = subprocess.Popen([sys.executable, '-c', 'while True: pass'])"
SIDE_BY_SIDE = 4
FILES = 50
START_SECONDS = 600

Times = dict[str, list[float]]
"""Milliseconds of each request, by kind of page."""


def pages() -> tuple[User, dict[str, str]]:
    """Somebody with a Collab of some files, and addresses of each kind of page that they read."""
    owner = person("bench-owner").user
    collab = create_collab(owner, title="Shared work", description="What the readers read", is_public=True)
    library = Library.objects.get(owner_collab=collab)
    operations.make_folder(owner, library, "notes")
    for number in range(FILES):
        operations.write(owner, library, f"notes/{number}.md", f"# Note {number}\n\nSome *text*.\n".encode())
    folder = f"{collab.get_absolute_url()}files/notes/"
    return owner, {
        "home": "/",
        "directory": reverse("collabs:directory"),
        "Collab": collab.get_absolute_url(),
        "folder": folder,
        "file": f"{folder}7.md",
        "My Lab": reverse("lab:home"),
    }


class Readers:
    """People who open one page after the other, each over a connection of their own, until the block ends."""

    def __init__(self, people: Sequence[Person], addresses: dict[str, str], pause: float) -> None:
        """`pause`: seconds between two pages of one person, on average."""
        self.people, self.addresses, self.pause = people, addresses, pause
        self.times: Times = defaultdict(list)
        self.failed: list[str] = []
        self._ended = threading.Event()

    def __enter__(self) -> "Readers":
        self._threads = [threading.Thread(target=self._read, args=(one,)) for one in self.people]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _read(self, someone: Person) -> None:
        chance = random.Random()
        host = settings.PORTAL_URL.partition("://")[2]
        cookie = f"{settings.SESSION_COOKIE_NAME}={someone.session_key}"
        client = Client(("127.0.0.1", int(host.rpartition(":")[2])), host, {"Cookie": cookie, "Accept": "text/html"})
        with contextlib.closing(client):
            while not self._ended.wait(chance.uniform(0, 2 * self.pause)):
                kind, address = chance.choice(list(self.addresses.items()))
                began = time.perf_counter()
                try:
                    status = client.get(address)
                except OSError as error:
                    self.failed.append(f"{kind}: {error}")
                    client.reconnect()
                    continue
                self.times[kind].append((time.perf_counter() - began) * 1000)
                if status != 200:
                    self.failed.append(f"{kind}: {status}")


def read_for(seconds: float, people: Sequence[Person], addresses: dict[str, str], pause: float) -> Times:
    """What the readers waited; SystemExit if a page failed."""
    with Readers(people, addresses, pause) as readers:
        time.sleep(seconds)
    if readers.failed:
        raise SystemExit(f"failed: {readers.failed[:5]}")
    return readers.times


def launch(people: Sequence[Person]) -> None:
    """Start everybody's Lab, and wait until all run."""
    servers = {request_server(someone.user, someone.user).pk: someone for someone in people}

    def all_run() -> bool:
        states = [someone.server().state for someone in servers.values()]
        if State.FAILED in states:
            raise SystemExit("a Lab failed")
        return all(state == State.RUNNING for state in states)

    wait_for(all_run, START_SECONDS, "not all Labs started")


def compute(people: Sequence[Person]) -> None:
    """Have a process in everybody's Lab compute for ever."""

    def begin(someone: Person) -> None:
        someone.enter()
        someone.kernel().run(BUSY, 300)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        list(threads.map(begin, people))


def rest(people: Sequence[Person]) -> None:
    """End what computes."""
    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        list(threads.map(Person.end_kernels, people))


@contextlib.contextmanager
def moved(pids: Sequence[int], group: Path, back: Path) -> Iterator[None]:
    """Have processes in another control group for a while."""
    _move(pids, group)
    try:
        yield
    finally:
        _move(pids, back)


def _move(pids: Sequence[int], group: Path) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # what holds a Lab's namespace is another's
            (group / "cgroup.procs").write_text(str(pid))


def report(what: str, times: Times) -> None:
    """Median and p95 of each kind of page."""
    print(f"  {what}")
    for kind, values in sorted(times.items()):
        values = sorted(values)
        print(
            f"    {kind:20} {values[len(values) // 2]:8.0f} ms, p95 {p95(values):8.0f} ms, n = {len(values)}",
            flush=True,
        )
