"""Prometheus metrics, added up over all processes in Redis; docs/reference/metrics.md lists them.

Each process adds up its own counts and hands them to Redis every few seconds, so any web process gives the same answer,
also on another machine. While Redis is unavailable the counts wait. What can be read from the database is not counted
here: the functions that PORTAL_HOOKS names under `metrics` query it at each scrape.
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
"""Seconds between a process's flushes to Redis."""
PREFIX = "collaboratory_"
KEY = "metrics"
"""Name of the hash in Redis."""
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Field = tuple[str, ...]
"""Metric, values of its labels, and for a histogram the bucket or `sum`."""


class Counts:
    """Counts of this process that are not flushed yet. A forked child starts with none: they are its parent's."""

    def __init__(self) -> None:
        self._begin_anew()
        os.register_at_fork(after_in_child=self._begin_anew)

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()  # another thread of the parent may have held it
        self._waiting: defaultdict[Field, float] = defaultdict(float)
        self._flushes = False

    def add(self, amounts: Iterable[tuple[Field, float]]) -> None:
        """Add to the counts, without waiting for Redis."""
        with self._lock:
            if not self._flushes:
                self._flushes = True
                threading.Thread(target=self._keep_flushing, name="metrics", daemon=True).start()
                atexit.register(self.flush)
            for field, amount in amounts:
                self._waiting[field] += amount

    def flush(self) -> None:
        """Add the counts to those in Redis; kept for the next time if that fails."""
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
    """Counter metric, created once, when its module is loaded."""

    made: dict[str, "Counter"] = {}

    def __init__(self, name: str, text: str, labels: Sequence[str] = ()) -> None:
        self.name, self.text, self.labels = PREFIX + name, text, tuple(labels)
        Counter.made[self.name] = self

    def add(self, amount: float = 1, /, **labels: str) -> None:
        """Increase the counter."""
        COUNTS.add([((self.name, *(labels[name] for name in self.labels)), amount)])

    def family(self, counted: dict[Field, float]) -> Metric:
        """Counter as a Prometheus metric family."""
        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for (_name, *values), amount in counted.items():
            family.add_metric(values, amount)
        return family


class Histogram(Counter):
    """Histogram metric of durations in seconds."""

    def __init__(self, name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS) -> None:
        super().__init__(name, text, labels)
        self.buckets = tuple(buckets)
        self.bounds = [*(str(bound) for bound in self.buckets), "+Inf"]

    def observe(self, seconds: float, /, **labels: str) -> None:
        """Add a duration."""
        field = (self.name, *(labels[name] for name in self.labels))
        bound = self.bounds[bisect_left(self.buckets, seconds)]
        COUNTS.add([((*field, bound), 1), ((*field, "sum"), seconds)])

    def family(self, counted: dict[Field, float]) -> Metric:
        """Histogram as a Prometheus metric family with cumulative buckets."""
        family = HistogramMetricFamily(self.name, self.text, labels=self.labels)
        rows: defaultdict[Field, dict[str, float]] = defaultdict(dict)
        for (_name, *values, part), amount in counted.items():
            rows[tuple(values)][part] = amount
        for labels, parts in rows.items():
            totals = accumulate(parts.get(bound, 0) for bound in self.bounds)
            family.add_metric(labels, list(zip(self.bounds, totals, strict=True)), parts.get("sum", 0))
        return family


REQUESTS = Counter("http_requests_total", "HTTP responses.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "http_request_duration_seconds", "Time until the response began to be sent.", ["route", "method"]
)
TASKS = Counter("tasks_total", "Finished tasks.", ["task", "outcome"])
TASK_SECONDS = Histogram("task_duration_seconds", "Duration of tasks.", ["task"], [*SECONDS, 60.0, 600.0])


def gauge(name: str, text: str, values: Mapping[str, float] | float, label: str = "") -> Metric:
    """Gauge as a Prometheus metric family, with at most one label."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=[label] if label else [])
    for value, number in values.items() if isinstance(values, Mapping) else [("", values)]:
        family.add_metric([value] if label else [], number)
    return family


class SiteCollector:
    """Collector of all metrics of the site, run at each scrape."""

    def collect(self) -> Iterator[Metric]:
        """Health, metrics of the apps (hook `metrics`) for the parts that are up, and stored counts."""
        statuses = HEALTH.ask()
        seconds = {status.name: status.milliseconds / 1000 for status in statuses}
        yield gauge(
            "part_up", "1 if the part of the site is up, else 0.", {f.name: float(f.ok) for f in statuses}, "part"
        )
        yield gauge("part_check_seconds", "Duration of the part's health check.", seconds, "part")
        up = frozenset(status.name for status in statuses if status.ok)
        for families in hooks.collect("metrics", up=up):
            yield from families
        counted = stored() if "broker" in up else {}
        for name, counter in sorted(Counter.made.items()):
            yield counter.family(counted.get(name, {}))


def stored() -> dict[str, dict[Field, float]]:
    """Counts of all processes from Redis, by metric."""
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
    """Metrics in Prometheus text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(SiteCollector())
    return generate_latest(registry)
