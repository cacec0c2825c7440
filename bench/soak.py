"""A whole site under load for a while: what waits, what grows, and whether anything that was acknowledged is lost.

    bin/bench soak [--minutes=20] [--labs=30] [--readers=60] [--writers=6]

Every Lab computes; readers open a page of some kind every five seconds each, writers put a file by the API every second
each, half of the time in place of one that they wrote before. Printed: median and p95 of each kind of page, and of the
uploads, for each quarter of the time; memory and open files of each process at the beginning and at the end. Then every
file is read back. Ends with status 1 if a page failed, or if a file does not hold what was acknowledged last.
"""

import argparse
import contextlib
import hashlib
import os
import random
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import requests
from django.conf import settings

from api.models import Scope
from api.services import create_token
from drive.libraries import services
from tests.support.people import Person
from tests.support.site import Site

from . import load
from .common import leave, person, pss, running_site, sleep_until_idle
from .idle import site_processes

READ_EVERY, WRITE_EVERY = 5.0, 1.0
"""Seconds between two pages, or two files, of one person, on average."""
QUARTERS = 4
REPLACED = 0.5
MOST_BYTES = 200_000


def main() -> None:
    """All of it."""
    options = arguments()
    with running_site() as site:
        site.have_fork_server()
        _, addresses = load.pages()
        readers = [person(f"bench-reader-{number}") for number in range(options.readers)]
        people = [person(f"bench-lab-{number}") for number in range(options.labs)]
        writers = [Writer(person(f"bench-writer-{number}")) for number in range(options.writers)]
        load.launch(people)
        load.read_for(2 * READ_EVERY, readers, addresses, READ_EVERY)  # everything was seen once
        before = state(site)
        load.compute(people)
        failed = []
        for quarter in range(QUARTERS):
            times, wrong = put_under_load(options.minutes * 60 / QUARTERS, readers, writers, addresses, READ_EVERY)
            failed += wrong
            load.report(f"quarter {quarter + 1}", times)
        load.rest(people)
        sleep_until_idle()
        report_growth(before, state(site))
        lost = [name for writer in writers for name in writer.lost()]
        written = sum(writer.count for writer in writers)
        kept = sum(len(writer.acknowledged) for writer in writers)
        print(f"  {written} writes acknowledged; {kept} files read back; lost: {len(lost)} {lost[:5]}")
        print(f"  requests that failed: {len(failed)} {failed[:5]}", flush=True)
        leave(*people)
    sys.exit(1 if failed or lost else 0)


def arguments() -> argparse.Namespace:
    """How long, and how many."""
    parser = argparse.ArgumentParser(prog="bin/bench soak")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--labs", type=int, default=30)
    parser.add_argument("--readers", type=int, default=60)
    parser.add_argument("--writers", type=int, default=6)
    return parser.parse_args(sys.argv[2:])


def put_under_load(
    seconds: float, readers: Sequence[Person], writers: "Sequence[Writer]", addresses: dict[str, str], pause: float
) -> tuple[load.Times, list[str]]:
    """Milliseconds that pages and uploads took, and what failed. `pause`: seconds between two pages of a reader."""
    ended = threading.Event()
    threads = [threading.Thread(target=writer.write, args=(ended,)) for writer in writers]
    with load.Readers(readers, addresses, pause) as reading:
        for thread in threads:
            thread.start()
        try:
            time.sleep(seconds)
        finally:
            ended.set()
            for thread in threads:
                thread.join()
    times = dict(reading.times)
    uploads = [value for writer in writers for value in writer.take_times()]
    return times | ({"upload": uploads} if uploads else {}), reading.failed + [
        text for writer in writers for text in writer.take_failed()
    ]


class Writer:
    """Somebody who puts files, and knows what was acknowledged."""

    def __init__(self, someone: Person, every: float = WRITE_EVERY, most_bytes: int = MOST_BYTES) -> None:
        """`every`: seconds between two files, on average."""
        self.every, self.most_bytes = every, most_bytes
        self.library = services.create_library(someone.user, "Soak")
        _, secret = create_token(someone.user, name="soak", scopes=[Scope.READ, Scope.WRITE], days=1)
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {secret}"
        self.chance = random.Random(someone.user.pk)
        self.acknowledged: dict[str, str] = {}
        """Digest of what each file holds."""
        self.uncertain: dict[str, set[str]] = defaultdict(set)
        """Digests of what was sent later, and not acknowledged: it may be there, too."""
        self.count = 0
        self._times: list[float] = []
        self._failed: list[str] = []

    def write(self, ended: threading.Event) -> None:
        """Put files until that is over."""
        while not ended.wait(self.chance.uniform(0, 2 * self.every)):
            old = list(self.acknowledged)
            name = self.chance.choice(old) if old and self.chance.random() < REPLACED else f"{len(old)}.bin"
            content = os.urandom(self.chance.randrange(1, self.most_bytes))
            digest = hashlib.sha256(content).hexdigest()
            began = time.perf_counter()
            try:
                status = self.session.put(self._address(name), data=content, timeout=60).status_code
            except requests.RequestException as error:
                self._fail(name, digest, str(error))
                continue
            if status not in (200, 201, 204):
                self._fail(name, digest, f"upload: {status}")
                continue
            self._times.append((time.perf_counter() - began) * 1000)
            self.acknowledged[name] = digest
            self.uncertain.pop(name, None)
            self.count += 1

    def _fail(self, name: str, digest: str, how: str) -> None:
        self.uncertain[name].add(digest)
        self._failed.append(how)

    def _address(self, name: str) -> str:
        return f"{settings.PORTAL_URL}/api/v1/libraries/{self.library.pk}/files/{name}"

    def take_times(self) -> list[float]:
        """Milliseconds since the last call."""
        times, self._times = self._times, []
        return times

    def take_failed(self) -> list[str]:
        """What failed since the last call."""
        failed, self._failed = self._failed, []
        return failed

    def lost(self) -> list[str]:
        """Files that do not hold what was acknowledged last, nor what was sent after that."""
        found = []
        for name, digest in self.acknowledged.items():
            answer = self.session.get(self._address(name), timeout=60)
            held = hashlib.sha256(answer.content).hexdigest()
            if answer.status_code != 200 or held not in self.uncertain.get(name, set()) | {digest}:
                found.append(name)
        return found


def state(site: Site) -> dict[str, tuple[float, int, int]]:
    """MiB, open files and number of processes, by the name that the Procfile gives them."""
    found: dict[str, tuple[float, int, int]] = {}
    for pid, name in site_processes(site).items():
        with contextlib.suppress(OSError):
            memory, files = pss(pid), len(list(Path(f"/proc/{pid}/fd").iterdir()))
            before = found.get(name, (0.0, 0, 0))
            found[name] = (before[0] + memory, before[1] + files, before[2] + 1)
    return found


def report_growth(before: dict[str, tuple[float, int, int]], after: dict[str, tuple[float, int, int]]) -> None:
    """Each process, and the sum."""
    print("  process: MiB (PSS), open files, processes, at the beginning and at the end")
    for name in sorted(after):
        (memory, files, number), (now, open_now, number_now) = before.get(name, (0.0, 0, 0)), after[name]
        print(f"    {name:12} {memory:7.1f} {now:7.1f} MiB   {files:4} {open_now:4} files   {number} {number_now}")
    total, now = (sum(one[0] for one in found.values()) for found in (before, after))
    print(f"    {'all':12} {total:7.1f} {now:7.1f} MiB", flush=True)
