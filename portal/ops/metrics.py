"""What happens on the site, counted over all processes; docs/reference/metrics.md lists it.

Each process adds up what it sees and hands it to Redis every few seconds, so any web process can give the same answer,
also on another machine. While Redis is away the counts wait. What can be read from the database is not counted here:
the functions that PORTAL_HOOKS names under `metrics` ask for it when somebody wants to know.
"""

import atexit
import json
import logging
import os
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import accumulate

import redis
from django.conf import settings
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from redis.backoff import NoBackoff
from redis.retry import Retry

from portal import hooks

from .health import HEALTH

log = logging.getLogger(__name__)

FLUSH_EVERY = 5.0
"""Seconds after which a process hands over what it counted."""
PREFIX = "collaboratory_"
KEY = "metrics"
"""Name of the hash in Redis."""
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Field = tuple[str, ...]
"""Name of a count, values of its labels, and of a histogram which bucket, or `sum`."""


class Counts:
    """What this process has counted and not handed over. A fork begins with none: they are its parent's."""

    def __init__(self) -> None:
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()  # another thread of the parent may have held it
        self._waiting: defaultdict[Field, float] = defaultdict(float)
        self._flushes = False

    def add(self, amounts: Iterable[tuple[Field, float]]) -> None:
        """Count; cheap, and never waits for Redis."""
        with self._lock:
            if not self._flushes:
                self._flushes = True
                threading.Thread(target=self._keep_flushing, name="metrics", daemon=True).start()
                atexit.register(self.flush)
            for field, amount in amounts:
                self._waiting[field] += amount

    def flush(self) -> None:
        """Hand over; what Redis does not take is kept for the next time."""
        with self._lock:
            taken, self._waiting = self._waiting, defaultdict(float)
        if not taken:
            return
        try:
            with client().pipeline(transaction=True) as pipeline:
                for field, amount in taken.items():
                    pipeline.hincrbyfloat(KEY, json.dumps(field), amount)
                pipeline.execute()
        except (redis.RedisError, OSError) as error:
            log.debug("counts kept: %s", error)
            with self._lock:
                for field, amount in taken.items():
                    self._waiting[field] += amount

    def _keep_flushing(self) -> None:
        while True:
            time.sleep(FLUSH_EVERY)
            self.flush()


COUNTS = Counts()


@cache
def client() -> redis.Redis:
    """Redis client with short timeouts."""
    once = Retry(NoBackoff(), 0)
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1, retry=once)


class Counter:
    """Something that is counted. Made once, when a module is loaded."""

    made: dict[str, "Counter"] = {}

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self.name, self.text, self.labels = PREFIX + name, text, tuple(labels)
        Counter.made[self.name] = self

    def add(self, amount: float = 1, /, **labels: str) -> None:
        """Count `amount` more."""
        COUNTS.add([((self.name, *(labels[name] for name in self.labels)), amount)])

    def family(self, counted: dict[Field, float]) -> Metric:
        """All of it, as Prometheus wants it."""
        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for (_name, *values), amount in counted.items():
            family.add_metric(values, amount)
        return family


class Histogram(Counter):
    """How long something takes, in seconds."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS) -> None:
        super().__init__(name, text, labels)
        self.buckets = tuple(buckets)
        self.bounds = [*(str(bound) for bound in self.buckets), "+Inf"]

    def observe(self, seconds: float, /, **labels: str) -> None:
        """One more that took so long."""
        field = (self.name, *(labels[name] for name in self.labels))
        bound = self.bounds[bisect_left(self.buckets, seconds)]
        COUNTS.add([((*field, bound), 1), ((*field, "sum"), seconds)])

    def family(self, counted: dict[Field, float]) -> Metric:
        """All of it: buckets add up, as Prometheus wants them."""
        family = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        rows: defaultdict[Field, dict[str, float]] = defaultdict(dict)
        for (_name, *values, part), amount in counted.items():
            rows[tuple(values)][part] = amount
        for labels, parts in rows.items():
            totals = accumulate(parts.get(bound, 0) for bound in self.bounds)
            family.add_metric(labels, list(zip(self.bounds, totals, strict=True)), parts.get("sum", 0))
        return family


REQUESTS = Counter("http_requests_total", "Requests that were answered.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds", "Time until an answer began to be sent.", ["route", "method"]
)
TASKS = Counter("tasks_total", "Tasks that ended.", ["task", "outcome"])
TASK_SECONDS = Histogram("task_duration_seconds", "Time that a task took.", ["task"], [*SECONDS, 60.0, 600.0])


def gauge(name: str, text: str, values: Mapping[str, float] | float, label: str = "") -> Metric:
    """A family of something that goes up and down, with at most one label."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=[label] if label else [])
    for value, number in values.items() if isinstance(values, Mapping) else [("", values)]:
        family.add_metric([value] if label else [], number)
    return family


class SiteCollector:
    """All metrics of the site, gathered when Prometheus asks."""

    def collect(self) -> Iterator[Metric]:
        """What was counted, and what the apps say now of those parts of the site that answer."""
        statuses = HEALTH.ask()
        seconds = {status.name: status.milliseconds / 1000 for status in statuses}
        yield gauge(
            "part_up", "Whether a part of the site does its work.", {f.name: float(f.ok) for f in statuses}, "part"
        )
        yield gauge("part_check_seconds", "Time that a part took to say so.", seconds, "part")
        up = frozenset(status.name for status in statuses if status.ok)
        for families in hooks.collect("metrics", up=up):
            yield from families
        counted = stored() if "broker" in up else {}
        for name, counter in sorted(Counter.made.items()):
            yield counter.family(counted.get(name, {}))


def stored() -> dict[str, dict[Field, float]]:
    """What all processes have handed over, by name."""
    COUNTS.flush()
    found: defaultdict[str, dict[Field, float]] = defaultdict(dict)
    with suppress(redis.RedisError, OSError):
        for field, amount in client().hgetall(KEY).items():
            names: list[str] = json.loads(field)
            known = Counter.made.get(names[0])
            if known and len(names) == 1 + len(known.labels) + isinstance(known, Histogram):  # not of an older version
                found[names[0]][tuple(names)] = float(amount)
    return found


def text() -> bytes:
    """The answer of `/metrics`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SiteCollector())
    return generate_latest(registry)
