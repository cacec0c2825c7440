"""Prometheus metrics of rooms; docs/reference/metrics.md lists them. What is counted, the process `rooms` counts."""

from collections.abc import Iterator

from prometheus_client.core import Metric

from portal.ops.metrics import Counter, gauge

from .models import Room

CONNECTIONS = Counter("rooms_connections_total", "WebSockets that were opened to rooms.")
ENDED = Counter("rooms_ended_connections_total", "Connections that were ended because access had changed.")
UPDATES = Counter("rooms_updates_total", "Changes that people typed.")
SAVES = Counter("rooms_saves_total", "Saves of files that are edited together.")
MERGES = Counter("rooms_merges_total", "Changes from outside that were merged.")
REFUSED = Counter("rooms_refused_messages_total", "Changes that were sent by people who may not write.")


def families(up: frozenset[str]) -> Iterator[Metric]:
    """Rooms that are open, and those whose journals are kept."""
    if "database" in up:
        is_open = Room.objects.filter(is_open=True).count()
        states = {"open": is_open, "kept": Room.objects.count() - is_open}
        yield gauge("rooms", "Files that are edited together now, and those whose journals are kept.", states, "state")
