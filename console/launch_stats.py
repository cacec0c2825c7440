"""Start times of Labs as histograms, failed starts, and state of the fork servers."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from lab.formats import duration
from lab.launchers import LauncherUnavailableError, get_launcher
from lab.launchers.base import ForkServerStatus
from lab.models import Environment, Server, State

PERIODS = {"day": timedelta(days=1), "week": timedelta(days=7), "month": timedelta(days=30)}
BOUNDS = (0.1, 0.2, 0.3, 0.5, 1, 2, 3, 5, 10, 30, 60)
"""Upper bounds of the histogram's bars, in seconds."""
FAILURES = 20


@dataclass(frozen=True)
class Bar:
    """Bar of the histogram: starts of at most `seconds`, above the bar before; None: longer than all bounds."""

    seconds: float | None
    number: int
    percent: int
    """Height in per cent of the highest bar."""


@dataclass(frozen=True)
class LaunchStats:
    """Histogram of start times in one environment, or in all."""

    name: str
    total: int
    failed: int
    median: str
    """Upper bound, by bars, of the median start time; `percentile_95` likewise."""
    percentile_95: str
    bars: list[Bar]


def starts(period: str) -> list[LaunchStats]:
    """Statistics of all environments together, then of each that was used, in one query."""
    asked = Server.objects.filter(requested_at__gte=since(period)).order_by()
    by_environment = asked.values("environment__name").annotate(**_counts()).order_by("environment__name")
    rows: list[dict[str, Any]] = [{**row} for row in by_environment]
    whole = {name: sum(row[name] for row in rows) for name in _counts()}
    each = [_starts(row["environment__name"] or "an environment that is gone", row) for row in rows]
    return [_starts("All environments", whole), *(each if len(each) > 1 else [])]


def failures(period: str) -> QuerySet[Server]:
    """Latest failed starts."""
    failed = Server.objects.filter(state=State.FAILED, requested_at__gte=since(period))
    return failed.select_related("owner", "environment").order_by("-requested_at")[:FAILURES]


def fork_servers() -> list[tuple[str, ForkServerStatus, str]] | None:
    """Environment, state and uptime of each fork server; None if the supervisor does not respond."""
    try:
        found = get_launcher().fork_servers()
    except LauncherUnavailableError:
        return None
    names = dict(Environment.objects.values_list("prefix", "name"))
    return [(names.get(status.prefix, Path(status.prefix).name), status, _since(status)) for status in found]


def since(period: str) -> datetime:
    """Start of a period; KeyError for an unknown one."""
    return timezone.now() - PERIODS[period]


def _since(status: ForkServerStatus) -> str:
    return duration(timezone.now().timestamp() - status.started_at) if status.started_at else "–"


def _counts() -> dict[str, Count]:
    """Aggregates: starts within each bound, all starts, failed starts."""
    within = {
        f"within_{number}": Count("pk", Q(started_at__lte=F("requested_at") + timedelta(seconds=bound)))
        for number, bound in enumerate(BOUNDS)
    }
    started, failed = Count("pk", Q(started_at__isnull=False)), Count("pk", Q(state=State.FAILED))
    return within | {"started": started, "failed": failed}


def _starts(name: str, row: dict[str, int]) -> LaunchStats:
    within = [row[f"within_{number}"] for number in range(len(BOUNDS))]
    numbers = [after - before for before, after in zip([0, *within], [*within, row["started"]], strict=True)]
    highest = max([1, *numbers])
    bars = [
        Bar(bound, number, round(100 * number / highest))
        for bound, number in zip([*BOUNDS, None], numbers, strict=True)
    ]
    return LaunchStats(name, row["started"], row["failed"], _within(bars, 0.5), _within(bars, 0.95), bars)


def _within(bars: list[Bar], share: float) -> str:
    total, seen = sum(bar.number for bar in bars), 0
    for bar in bars:
        seen += bar.number
        if total and seen >= share * total:
            return f"{bar.seconds:g} s" if bar.seconds else f"more than {BOUNDS[-1]:g} s"
    return "–"
