"""How long one person's Drive takes to derive: 200 Collabs of theirs among 100,000 libraries.

    python bench/visibility.py                      SQLite, in a file that is removed afterwards
    DATABASE_URL=postgres://… python bench/visibility.py    and PostgreSQL, in a database that is removed afterwards

Prints the median and the worst of 200 runs in milliseconds, from Python call to list of entries. The aim is 10 ms.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LIBRARIES, MINE, PEOPLE, RUNS, BATCH = 100_000, 200, 20_000, 200, 5000


def main() -> None:
    """Each database in a process of its own, because settings are read once."""
    if os.environ.get("BENCH_INSIDE"):
        inside()
        return
    with tempfile.TemporaryDirectory() as var:
        environment = os.environ | {"BENCH_INSIDE": "1", "COLLABORATORY_VAR": var}
        given = environment.pop("DATABASE_URL", "")
        for url in [f"sqlite:///{var}/bench.sqlite3", *([given] if given.startswith("postgres") else [])]:
            subprocess.run([sys.executable, __file__], env=environment | {"DATABASE_URL": url}, check=True)


def inside() -> None:
    """Build, measure, print, in a database that is made for it."""
    sys.path.insert(0, str(ROOT))
    os.environ["DJANGO_SETTINGS_MODULE"] = "portal.settings"
    import django

    django.setup()
    with fresh_database() as vendor:
        build()
        report(vendor)


@contextmanager
def fresh_database() -> Iterator[str]:
    """A database with our tables, as tests have one; yields the vendor."""
    from django.db import connection

    before = connection.settings_dict["NAME"]
    connection.settings_dict["TEST"]["NAME"] = (
        f"{before}.bench" if connection.vendor == "sqlite" else "bench_visibility"
    )
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield connection.vendor
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)


def build() -> None:
    """Rows only: the query does not look at the disk."""
    from django.db import connection

    from collabs.models import Collab, Membership, Role
    from drive.models import Library, Permission, Share
    from portal.models import User

    def insert(model: Any, rows: Iterator) -> list:
        return model._base_manager.bulk_create(list(rows), batch_size=BATCH)

    def library(number: int, **owner: object) -> Library:
        name, public = f"Library {number}", number % 10 == 0
        return Library(
            name=name, name_key=name.lower(), shared_name=name, shared_key=name.lower(), is_public=public, **owner
        )

    people = insert(User, (User(username=f"p{n}", email=f"p{n}@example.org", password="!") for n in range(PEOPLE)))
    half = LIBRARIES // 2
    collabs = insert(
        Collab,
        (
            Collab(slug=f"c{n}", title=f"Library {n}", title_key=f"library {n}", is_public=n % 10 == 0)
            for n in range(half)
        ),
    )
    libraries = insert(Library, (library(n, owner_collab=collab) for n, collab in enumerate(collabs)))
    libraries += insert(Library, (library(half + n, owner_user=people[n % PEOPLE]) for n in range(half)))
    me, roles = people[7], list(Role)
    members = [(n, people[(n * 5 + k) % PEOPLE]) for n in range(MINE, half) for k in range(4)]
    members += [(n, me) for n in range(MINE)]
    seen = {(n, user.pk): (n, user) for n, user in members}.values()
    insert(Membership, (Membership(collab=collabs[n], user=user, role=roles[n % 3]) for n, user in seen))
    other = [entry for entry in libraries[half:] if entry.owner_user_id != me.pk]
    shares = [
        Share(library=entry, user=people[n % PEOPLE], permission=Permission.READ) for n, entry in enumerate(other)
    ]
    shares += [
        Share(library=entry, collab=collabs[n], permission=Permission.WRITE) for n, entry in enumerate(other[:half])
    ]
    insert(Share, iter(shares))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def report(vendor: str) -> None:
    """The three questions that pages and servers ask."""
    from drive.folders import MOUNTED
    from drive.libraries.visibility import entries
    from drive.models import Library
    from portal.models import User

    me = User.objects.get(username="p7")
    one = next(entry.library_id for entry in entries(me, folders=MOUNTED) if entry.may_write)
    print(
        f"{vendor}: {Library.objects.count():,} libraries; {len(entries(me, folders=MOUNTED))} mounted for one person"
    )
    line("their Drive (what a Lab mounts)", lambda: entries(me, folders=MOUNTED))
    line("may they write to one library?", lambda: entries(me, library=one))


def line(what: str, question: Callable[[], object]) -> None:
    """Print one measurement."""
    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        question()
        times.append((time.perf_counter() - began) * 1000)
    print(f"  {what:34} median {statistics.median(times):6.2f} ms   worst {max(times):6.2f} ms")


if __name__ == "__main__":
    main()
