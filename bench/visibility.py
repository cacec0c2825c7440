#!/usr/bin/env python3
"""How long the Drive takes to say what one person sees, among 100,000 libraries.

    python bench/visibility.py                                              on SQLite
    DATABASE_URL=postgres://… python bench/visibility.py                    on SQLite, then on PostgreSQL

The rows go into a database of their own (`test_…` beside the one that DATABASE_URL names), which is removed again. The
person belongs to 200 Collabs, owns 20 libraries, and has 50 more from people and teams. Aim: a median below 10 ms.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

CODE = Path(__file__).resolve().parent.parent
AIM = 10.0
"""Milliseconds."""
RUNS = 100
CHUNK = 5000


def main() -> int:
    """Measure on each database in a process of its own, because Django's settings are read once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--libraries", type=int, default=100_000)
    parser.add_argument("--collabs", type=int, default=200, help="that the person belongs to")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        return measure(arguments.libraries, arguments.collabs)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="visibility-") as directory:
        for url in filter(None, [f"sqlite:///{directory}/portal.sqlite3", os.environ.get("DATABASE_URL")]):
            environment = {**os.environ, "DATABASE_URL": url, "COLLABORATORY_VAR": directory, "LOG_LEVEL": "WARNING"}
            failed |= subprocess.run([sys.executable, __file__, *sys.argv[1:], "--here"], env=environment).returncode
    return failed


def measure(libraries: int, collabs: int) -> int:
    """Fill a database, ask, print; 1 when the aim is missed."""
    sys.path.insert(0, str(CODE))
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    import django

    django.setup()
    from django.db import connection

    if connection.vendor == "sqlite":  # a file in WAL mode, as in use
        connection.settings_dict["TEST"]["NAME"] = str(Path(connection.settings_dict["NAME"]).with_name("rows.sqlite3"))
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        person = fill(libraries, collabs)
        if connection.vendor == "postgresql":  # autovacuum does that by itself; SQLite has nobody who would
            connection.cursor().execute("ANALYZE")
        return report(connection.vendor, person, libraries)
    finally:
        connection.creation.destroy_test_db("", verbosity=0)


def report(vendor: str, person: Any, libraries: int) -> int:
    """Ask RUNS times each and print the figures."""
    from drive.models import Library
    from drive.visibility import MOUNTED, entries, public_entries

    def one(library_id: UUID) -> Callable[[], object]:
        return lambda: entries(person, library=library_id)

    mounted = entries(person, folders=MOUNTED)
    public = Library.objects.filter(is_public=True).exclude(pk__in=[entry.library_id for entry in mounted])
    hidden = Library.objects.filter(is_public=False).exclude(pk__in=[entry.library_id for entry in mounted])
    questions: dict[str, Callable[[], object]] = {
        f"entries(user, folders=MOUNTED), {len(mounted)} libraries": lambda: entries(person, folders=MOUNTED),
        "entries(user, library=…), of a Collab": one(mounted[-1].library_id),
        "entries(user, library=…), public": one(public[0].pk),
        "entries(user, library=…), not theirs": one(hidden[0].pk),
        "first page of public libraries": lambda: list(public_entries()[:50]),
    }
    print(f"{vendor}, {libraries:,} libraries")
    missed = 0
    for name, ask in questions.items():
        times = timed(ask)
        median, slow = statistics.median(times), times[int(len(times) * 0.95)]
        missed |= median >= AIM
        print(f"  {name:<52} median {median:7.2f} ms   95 % below {slow:7.2f} ms")
    return int(missed)


def timed(ask: Callable[[], object]) -> list[float]:
    """Milliseconds, sorted; the first answer is not counted."""
    ask()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        ask()
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)


def fill(libraries: int, collabs: int) -> Any:
    """People (20 %), Collabs (40 %, every third one public, three members each), the rest people's own libraries."""
    from collabs.models import Collab, Membership, Role, title_key
    from drive.models import Library, Share
    from portal.models import User

    dice = random.Random(2)
    people = insert(User(username=f"u{n}", uuid=UUID(int=n + 1)) for n in range(libraries // 5))
    teams = insert(
        Collab(slug=f"c{n}", title=f"Collab {n}", title_key=title_key(f"Collab {n}"), is_public=n % 3 == 0)
        for n in range(libraries * 2 // 5)
    )
    person, others = people[0], people[1:]
    insert(Library(owner_user=u, name="My Library", name_key="my library", is_default=True) for u in people)
    insert(
        Library(
            owner_collab=c, name=c.title, name_key=c.title_key, shared_name=c.title, shared_key=c.title_key,
            is_public=c.is_public,
        )
        for c in teams
    )  # fmt: skip
    owners = [person] * 19 + [dice.choice(others) for _ in range(libraries - len(people) - len(teams) - 19)]
    own = insert(
        Library(
            owner_user=u, name=f"Data {n}", name_key=f"data {n}", shared_name=f"Data {n}", shared_key=f"data {n}",
            is_public=n % 10 == 0,
        )
        for n, u in enumerate(owners)
    )  # fmt: skip

    roles = list(Role)
    mine = dice.sample(teams, collabs)
    rows = {(c.pk, person.pk): Membership(collab=c, user=person, role=dice.choice(roles)) for c in mine}
    for c in teams:
        for u in dice.sample(others, 3):
            rows[c.pk, u.pk] = Membership(collab=c, user=u, role=dice.choice(roles))
    insert(iter(rows.values()))

    theirs = own[19:]
    given = [Share(library=library, user=person, permission="rw") for library in dice.sample(theirs, 25)]
    given += [Share(library=library, collab=dice.choice(mine)) for library in dice.sample(theirs, 25)]
    insert(iter(given))
    insert(Share(library=data, user=dice.choice(others)) for data in theirs[::2])
    taken = {share.library_id for share in given}
    insert(Share(library=data, collab=dice.choice(teams)) for data in theirs[::3] if data.pk not in taken)
    return User.objects.get(pk=person.pk)


def insert(rows: Iterator[Any]) -> list[Any]:
    """Insert in chunks; returns them with their keys."""
    done: list[Any] = []
    while chunk := list(islice(rows, CHUNK)):
        done += type(chunk[0])._default_manager.bulk_create(chunk)
    return done


if __name__ == "__main__":
    sys.exit(main())
