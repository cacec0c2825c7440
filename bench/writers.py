"""How long uploads and pages take while many people write at once, on SQLite and on PostgreSQL.

    bin/bench writers [--seconds=10]

A real site on each. Writers put files of a few kilobytes by the API, one after the other without a pause, half of the
time in place of one that they wrote before; four readers open pages meanwhile. Of each number of writers: uploads per
second, median and p95 of uploads and of all pages.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence

from django.conf import settings
from django.db import connection

from tests.support.people import Person

from . import load
from .common import p95, person, running_site
from .soak import Writer, put_under_load

WRITERS = (1, 4, 16, 60)
READERS = 4
FILE_BYTES = 20_000


def main() -> None:
    """Each database in a process of its own, because settings are read once."""
    parser = argparse.ArgumentParser(prog="bin/bench writers")
    parser.add_argument("--seconds", type=float, default=10)
    seconds = parser.parse_args(sys.argv[2:]).seconds
    if os.environ.get("BENCH_INSIDE"):
        measure(seconds)
        return
    for url in (f"sqlite:///{settings.VAR_DIR}/portal.sqlite3", os.environ["DATABASE_URL"]):
        command = [sys.executable, "-m", "bench", *sys.argv[1:]]
        subprocess.run(command, env=os.environ | {"BENCH_INSIDE": "1", "DATABASE_URL": url}, check=True)


def measure(seconds: float) -> None:
    """One database."""
    with running_site():
        _, addresses = load.pages()
        readers = [person(f"bench-reader-{number}") for number in range(READERS)]
        writers = [Writer(person(f"bench-writer-{number}"), 0, FILE_BYTES) for number in range(max(WRITERS))]
        load.read_for(seconds, readers, addresses, 0.1)  # everything was seen once
        print(f"  {connection.vendor}")
        for number in (0, *WRITERS):
            report(number, seconds, readers, writers[:number], addresses)


def report(
    number: int, seconds: float, readers: Sequence[Person], writers: Sequence[Writer], addresses: dict[str, str]
) -> None:
    """One line."""
    times, failed = put_under_load(seconds, readers, writers, addresses, 0.1)
    uploads = times.pop("upload", [])
    pages = list(itertools.chain(*times.values()))
    text = f"pages {statistics.median(pages):5.0f} ms, p95 {p95(pages):5.0f} ms"
    if uploads:
        text += f"; {len(uploads) / seconds:5.1f} uploads/s, "
        text += f"{statistics.median(uploads):5.0f} ms, p95 {p95(uploads):5.0f} ms"
    print(f"    {number:2} writers: {text}; {len(failed)} failed {failed[:3]}", flush=True)
