"""The Lab's metrics."""

from collections.abc import Iterator

from django.db.models import Count
from prometheus_client.core import Metric

from portal.ops.metrics import Counter, Histogram, gauge

from .models import LIVE, Pause, Server

LAUNCHES = Counter("lab_launches_total", "Launches that ended in a running server, or did not.", ["outcome"])
LAUNCH_SECONDS = Histogram(
    "lab_launch_duration_seconds",
    "Time from the request until Jupyter answered.",
    buckets=(0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 120.0),
)
STOPS = Counter("lab_stops_total", "Servers that were ended.", ["reason"])


def families(up: frozenset[str]) -> Iterator[Metric]:
    """Number of live servers by state, and whether launches are paused."""
    if "database" in up:
        counted = dict(Server.objects.live().order_by().values_list("state").annotate(Count("pk")))
        states = {state.value: float(counted.get(state.value, 0)) for state in LIVE}
        yield gauge("lab_servers", "Servers by state.", states, "state")
        yield gauge(
            "lab_paused", "Whether an operator lets no Lab be started now.", float(Pause.objects.current() is not None)
        )
