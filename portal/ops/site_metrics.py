"""Metrics of people, sessions, queues and versions."""

import platform
from collections.abc import Iterator
from functools import cache

import django
from django.db import connection
from django.utils import timezone
from prometheus_client.core import InfoMetricFamily, Metric

from portal.models import Session, User
from portal.version import VERSION

from . import broker_stats
from .metrics import PREFIX, client, gauge

UNACKNOWLEDGED = "unacked"
"""Redis key of messages that workers have taken and not finished (kombu's Redis transport)."""


def families(up: frozenset[str]) -> Iterator[Metric]:
    """Metric families of the portal, for the parts that are up."""
    yield InfoMetricFamily(PREFIX + "build", "Versions of the running site.", value=build())
    if "database" in up:
        active = User.objects.filter(is_active=True).count()
        states = {"active": active, "inactive": User.objects.count() - active}
        yield gauge("people", "Accounts.", states, "state")
        open_sessions = Session.objects.filter(expire_date__gt=timezone.now()).count()
        yield gauge("sessions", "Active sessions.", open_sessions)
    if "broker" in up:
        yield from _queues()


@cache
def build() -> dict[str, str]:
    """Versions of the site, Python, Django and the database."""
    return {
        "version": VERSION,
        "python": platform.python_version(),
        "django": django.get_version(),
        "database": connection.vendor,
    }


def _queues() -> Iterator[Metric]:
    found = broker_stats.read_queues(client())
    lengths = {queue.name: float(queue.waiting) for queue in found}
    ages = {queue.name: queue.oldest_seconds for queue in found}
    working = float(client().hlen(UNACKNOWLEDGED))
    yield gauge("queue_messages", "Waiting tasks.", lengths, "queue")
    yield gauge("queue_oldest_message_age_seconds", "Age of the oldest waiting task.", ages, "queue")
    yield gauge("queue_taken_messages", "Tasks that workers have taken and not finished.", working)
