"""The first page of a folder with 100,000 entries, as a person gets it: time, queries, and memory that Python holds.

    python -m bench.listing

In a database and a directory of its own, without the network: the whole of Django's work, with the page rendered.
"""

import random
import statistics
import time
import tracemalloc
from pathlib import Path
from typing import Any

from bench.alone import run_alone

ENTRIES, RUNS = 100_000, 9
PAGES = ["", "?sort=-name", "?page=250", "?sort=-size", "?sort=-date"]


def main() -> None:
    """In a process of its own."""
    run_alone("listing", inside)


def inside() -> None:
    """Build, measure, print."""
    from django.conf import settings
    from django.test import Client

    settings.ALLOWED_HOSTS = ["*"]
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    from drive.libraries import services
    from drive.storage import layout
    from portal.models import User

    ada = User.objects.create_user("ada", email="ada@example.org", password="unused")
    library = services.create_library(ada, "Data")
    layout.settle(library.pk)
    fill(layout.find(library.pk) / "large")
    client = Client()
    client.force_login(ada)
    address = f"/drive/{library.pk}/large/"
    print(f"a folder with {ENTRIES:,} entries; median of {RUNS}")
    for query in PAGES:
        measure(client, f"{address}{query}", query or "first page, by name")


def fill(folder: Path) -> None:
    """Files with names in no order; every tenth has something in it."""
    folder.mkdir()
    numbers = random.Random(1)
    for number in range(ENTRIES):
        (folder / f"Result {numbers.getrandbits(40):x} run {number}.csv").write_bytes(b"x" * (number % 10 == 0))


def measure(client: Any, address: str, what: str) -> None:
    """One page."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    times = []
    for _ in range(RUNS):
        began = time.perf_counter()
        answer = client.get(address)
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200
    with CaptureQueriesContext(connection) as captured:
        client.get(address)
    queries = len(captured)
    tracemalloc.start()
    client.get(address)
    peak = tracemalloc.get_traced_memory()[1] / (1 << 20)
    tracemalloc.stop()
    print(f"  {what:22} {statistics.median(times):6.0f} ms   {queries} queries   {peak:5.1f} MiB at most")


if __name__ == "__main__":
    main()
