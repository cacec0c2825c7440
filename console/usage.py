"""Storage and Lab time of people and Collabs, month by month.

What is stored is what the quota counts, as it was last counted in the month; Lab time is how long a person's Labs ran,
busy or not. Processor time is not kept: a server's row does not have it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Max, Q, QuerySet, Sum
from django.utils import timezone

from drive.models import Library
from lab.models import Server
from portal.models import User

from .models import MonthlyUsage

STORED = ("used_bytes", "used_files")
COUNTED = (*STORED, "lab_seconds")
BATCH = 200
Owner = tuple[int | None, int | None]
"""Keys of a person, or of a Collab; both None: all erased accounts together."""


@dataclass(frozen=True)
class MonthBar:
    """All people and Collabs in one month together; per cents are of the highest month."""

    month: date
    used_bytes: int
    lab_hours: float
    bytes_percent: int
    hours_percent: int


def note(now: datetime) -> None:
    """Write what is stored into the month's rows, and add the Lab time that is not in any month's rows yet.

    In steps of BATCH rows, each a transaction of its own: others write meanwhile.
    """
    _fold(MonthlyUsage.objects.filter(user__deleted_at__isnull=False))
    _write_stored(month_of(now))
    while _add_lab_time(now) == BATCH:
        pass


def forget(user: User, answers: dict[str, str]) -> None:
    """Hook when an account is erased: its figures become part of those of all erased accounts."""
    _fold(MonthlyUsage.objects.filter(user=user))


def export(user: User) -> dict[str, Any]:
    """Hook for the export of personal data."""
    found = MonthlyUsage.objects.filter(user=user).order_by("month")
    return {"usage.json": list(found.values("month", *COUNTED))}


@transaction.atomic
def _fold(erased: QuerySet[MonthlyUsage]) -> None:
    """Add rows of erased accounts to the one that has no name, so that the sums of months stay."""
    for row in erased.select_for_update(of=("self",)):
        folded, _ = MonthlyUsage.objects.get_or_create(month=row.month, user=None, collab=None)
        MonthlyUsage.objects.filter(pk=folded.pk).update(**{name: F(name) + getattr(row, name) for name in COUNTED})
        row.delete()


def _write_stored(month: date) -> None:
    """Bytes and files of each owner now; 0 of those who have none any more."""
    stored = _stored()
    known = {(user, collab): pk for pk, user, collab in _keys(month)}
    rows = [
        MonthlyUsage(pk=known.get(owner), month=month, **_of(owner), used_bytes=size, used_files=files)
        for owner, (size, files) in (dict.fromkeys(known, (0, 0)) | stored).items()
    ]
    new, old = ([row for row in rows if (row.pk is None) == is_new] for is_new in (True, False))
    for begin in range(0, len(new), BATCH):
        MonthlyUsage.objects.bulk_create(new[begin : begin + BATCH], ignore_conflicts=True)
    now = timezone.now()
    for row in old:
        row.counted_at = now
    for begin in range(0, len(old), BATCH):
        MonthlyUsage.objects.bulk_update(old[begin : begin + BATCH], [*STORED, "counted_at"])


def _of(owner: Owner) -> dict[str, int | None]:
    return {"user_id": owner[0], "collab_id": owner[1]}


def _keys(month: date) -> QuerySet[MonthlyUsage, tuple[int, int | None, int | None]]:
    return MonthlyUsage.objects.filter(month=month).values_list("pk", "user", "collab")


def _stored() -> dict[Owner, tuple[int, int]]:
    """Bytes and files by owner, of libraries that are not removed for good; erased accounts together."""
    libraries = Library.objects.filter(removed_at=None).order_by()
    rows = libraries.values_list("owner_user", "owner_collab", "owner_user__deleted_at")
    found: defaultdict[Owner, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for user, collab, erased, size, files in rows.annotate(size=Sum("used_bytes"), number=Sum("used_files")):
        owner = (None if erased else user, collab)
        found[owner] = (found[owner][0] + size, found[owner][1] + files)
    return dict(found)


@transaction.atomic
def _add_lab_time(now: datetime) -> int:
    """Add what BATCH Labs ran since they were counted last; returns how many Labs that were.

    Each Lab's row says until when it is counted, and changes in the same transaction: nothing is added twice, and a
    month keeps what it has when the rows of its Labs are gone.
    """
    servers = list(Server.objects.not_counted(now).select_related("owner").select_for_update(of=("self",))[:BATCH])
    added: defaultdict[tuple[date, int | None], float] = defaultdict(float)
    for server in servers:
        assert server.started_at  # the query asks for such
        begin, end = max(server.started_at, server.counted_until or server.started_at), min(server.ended_at or now, now)
        owner = None if server.owner.deleted_at else server.owner_id
        for month, seconds in _by_month(begin, end):
            added[month, owner] += seconds
        server.counted_until = end
    _add(added)
    Server.objects.bulk_update(servers, ["counted_until"])
    return len(servers)


def _by_month(begin: datetime, end: datetime) -> Iterator[tuple[date, float]]:
    """Seconds between two times, by month."""
    while begin < end:
        month = month_of(begin)
        until = min(end, _begin(_next(month)))
        yield month, (until - begin).total_seconds()
        begin = until


def _add(seconds: dict[tuple[date, int | None], float]) -> None:
    """Add Lab time to the rows of people, or of the erased ones together (None), in months."""
    months = {month for month, _owner in seconds}
    owners = {owner for _month, owner in seconds}
    theirs = MonthlyUsage.objects.filter(Q(user__in=owners) | Q(user=None), month__in=months, collab=None)
    rows = {(row.month, row.user_id): row for row in theirs.select_for_update(of=("self",))}
    new = [MonthlyUsage(month=month, user_id=owner) for month, owner in seconds.keys() - rows.keys()]
    rows |= {(row.month, row.user_id): row for row in MonthlyUsage.objects.bulk_create(new)}
    now = timezone.now()
    for key, more in seconds.items():
        rows[key].lab_seconds += round(more)
        rows[key].counted_at = now
    MonthlyUsage.objects.bulk_update([rows[key] for key in seconds], ["lab_seconds", "counted_at"])


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
        kind = "person" if row.user_id else "collab" if row.collab_id else "erased accounts"
        name = row.user.username if row.user else row.collab.slug if row.collab else ""
        yield [f"{row.month:%Y-%m}", kind, name, row.used_bytes, row.used_files, f"{row.lab_seconds / 3600:.2f}"]
