"""One tick of the reaper: 10 servers are due, among 10,000 that run and among 10; SQLite, or what DATABASE_URL names.

A tick finds who is due and queues a task for each; the queueing itself is left out, it is the same ten times in both.
"""

import time
from datetime import timedelta
from unittest import mock

from django.core.management import call_command
from django.utils import timezone

from lab.models import Environment, Server, State
from lab.servers import queue, reaper
from portal.models import User

from .common import compare

RUNS, DUE = 200, 10


def main() -> None:
    """Both, in one database."""
    call_command("migrate", verbosity=0)
    few = ticks(DUE)
    compare("tick with 10,000 live rows, 10 due", ticks(10_000), "with 10 live rows, 10 due", few, "ms")


def ticks(live: int) -> list[float]:
    """Milliseconds of each tick, with so many running servers."""
    build(live)
    due = list(Server.objects.order_by("?").values_list("pk", flat=True)[:DUE])
    times = []
    with mock.patch.object(queue, "reap"):
        for _ in range(RUNS):
            Server.objects.filter(pk__in=due).update(due_at=timezone.now() - timedelta(seconds=1))
            began = time.perf_counter()
            taken = reaper.take_up_due()
            times.append(1000 * (time.perf_counter() - began))
            if taken != DUE:
                raise SystemExit(f"{taken} were taken up, not {DUE}")
    return times


def build(live: int) -> None:
    """So many people, each with a running server that is due in ten minutes."""
    environment, _ = Environment.objects.get_or_create(slug="bench", defaults={"name": "Bench", "prefix": "/bench"})
    there = Server.objects.count()
    people = User.objects.bulk_create(User(username=f"bench{n}", password="!") for n in range(there, live))
    now = timezone.now()
    fields = {"environment": environment, "state": State.RUNNING, "started_at": now, "last_interaction": now}
    later = now + timedelta(minutes=10)
    Server.objects.bulk_create((Server(owner=user, due_at=later, **fields) for user in people), batch_size=2000)
