"""Storage and Lab time of people and Collabs, month by month.

What is stored is what the quota counts, as it was last counted in the month; Lab time is how long a person's Labs ran,
busy or not. Processor time is not kept: a server's row does not have it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Max, Q, QuerySet, Sum
from django.utils import timezone

from drive.models import Library
from lab.models import Server

from .models import MonthlyUsage

COUNTED = ("used_bytes", "used_files", "lab_seconds")
BATCH = 200
Owner = tuple[int | None, int | None]
"""Keys of a person, or of a Collab."""


@dataclass(frozen=True)
class MonthBar:
    """All people and Collabs in one month together; per cents are of the highest month."""

    month: date
    used_bytes: int
    lab_hours: float
    bytes_percent: int
    hours_percent: int


def note(now: datetime) -> None:
    """Write the month's rows as of now, and how long Labs ran in the one before, whose last night nobody counted.

    In steps of BATCH rows, each a transaction of its own: others write meanwhile.
    """
    this = month_of(now)
    lab: dict[Owner, int] = {(user, None): seconds for user, seconds in _lab_seconds(this, now).items()}
    stored = _stored()
    values = {owner: (*stored.get(owner, (0, 0)), lab.get(owner, 0)) for owner in {*lab, *stored}}
    _write(this, [MonthlyUsage(month=this, **_of(owner), **_named(found)) for owner, found in values.items()])
    before = (this - timedelta(days=1)).replace(day=1)
    ran = _lab_seconds(before, now).items()
    rows_before = [MonthlyUsage(month=before, user_id=user, lab_seconds=seconds) for user, seconds in ran]
    _write(before, rows_before, only_lab=True)


def _of(owner: Owner) -> dict[str, int | None]:
    return {"user_id": owner[0], "collab_id": owner[1]}


def _named(values: tuple[int, int, int]) -> dict[str, int]:
    return dict(zip(COUNTED, values, strict=True))


def _write(month: date, rows: list[MonthlyUsage], *, only_lab: bool = False) -> None:
    """Write the rows over those that the month has of the same owners; with `only_lab`, of these, Lab time alone."""
    known = {(user, collab): pk for pk, user, collab in _keys(month)}
    now, names = timezone.now(), COUNTED[2:] if only_lab else COUNTED
    for row in rows:
        row.pk, row.counted_at = known.get((row.user_id, row.collab_id)), now
    new, old = ([row for row in rows if (row.pk is None) == is_new] for is_new in (True, False))
    for begin in range(0, len(new), BATCH):
        MonthlyUsage.objects.bulk_create(new[begin : begin + BATCH], ignore_conflicts=True)
    for begin in range(0, len(old), BATCH):
        MonthlyUsage.objects.bulk_update(old[begin : begin + BATCH], [*names, "counted_at"])


def _keys(month: date) -> QuerySet[MonthlyUsage, tuple[int, int | None, int | None]]:
    return MonthlyUsage.objects.filter(month=month).values_list("pk", "user", "collab")


def _stored() -> dict[Owner, tuple[int, int]]:
    """Bytes and files by owner, of libraries that are not removed for good."""
    rows = Library.objects.filter(removed_at=None).order_by().values_list("owner_user", "owner_collab")
    sums = rows.annotate(size=Sum("used_bytes"), number=Sum("used_files"))
    return {(user, collab): (size, files) for user, collab, size, files in sums}


def _lab_seconds(month: date, now: datetime) -> dict[int, int]:
    """Seconds for which each person's Labs ran in a month."""
    begin, end = _begin(month), min(_begin(_next(month)), now)
    ran = Server.objects.filter(Q(ended_at=None) | Q(ended_at__gt=begin), started_at__lt=end)
    seconds: defaultdict[int, float] = defaultdict(float)
    for owner, started, ended in ran.values_list("owner", "started_at", "ended_at").iterator():
        assert started  # the query asks for such
        seconds[owner] += max(0.0, (min(ended or end, end) - max(started, begin)).total_seconds())
    return {owner: round(total) for owner, total in seconds.items()}


def month_of(when: datetime) -> date:
    """First day of the month, in the site's time zone."""
    return timezone.localdate(when).replace(day=1)


def _next(month: date) -> date:
    return (month.replace(day=28) + timedelta(days=4)).replace(day=1)


def _begin(month: date) -> datetime:
    return timezone.make_aware(datetime.combine(month, time.min))


def rows(month: date) -> QuerySet[MonthlyUsage]:
    """Rows of a month, the largest first."""
    found = MonthlyUsage.objects.filter(month=month).select_related("user", "collab")
    return found.order_by("-used_bytes", "-lab_seconds", "pk")


def months() -> list[MonthBar]:
    """All months with their sums, the latest first."""
    sums = list(
        MonthlyUsage.objects.order_by("-month")
        .values("month")
        .annotate(size=Sum("used_bytes"), seconds=Sum("lab_seconds"))
        .values_list("month", "size", "seconds")
    )
    most_bytes = max((size for _month, size, _seconds in sums), default=0) or 1
    most_seconds = max((seconds for _month, _size, seconds in sums), default=0) or 1
    return [
        MonthBar(month, size, seconds / 3600, 100 * size // most_bytes, 100 * seconds // most_seconds)
        for month, size, seconds in sums
    ]


def counted_at() -> datetime | None:
    """When rows were written last."""
    return MonthlyUsage.objects.aggregate(at=Max("counted_at"))["at"]


def csv_rows() -> Iterator[list[Any]]:
    """All months as cells, with the names of the columns first."""
    yield ["month", "kind", "name", "used_bytes", "used_files", "lab_hours"]
    found = MonthlyUsage.objects.select_related("user", "collab").order_by("month", "-used_bytes", "pk")
    for row in found.iterator(chunk_size=2000):
        kind = "person" if row.user_id else "collab"
        name = row.user.username if row.user else row.collab.slug if row.collab else ""
        yield [f"{row.month:%Y-%m}", kind, name, row.used_bytes, row.used_files, f"{row.lab_seconds / 3600:.2f}"]
