"""Storage, Lab time and processor time of people and Collabs, month by month.

What is stored is what the quota counts, as it was last counted in the month; Lab time is how long a person's Labs ran,
busy or not; processor time is what their processes had of the processors. A Lab is a person's, whatever it was opened
at: Collabs have neither.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Max, Q, QuerySet, Sum
from django.utils import timezone

from drive.models import Library
from lab.launchers import LauncherUnavailableError, get_launcher
from lab.models import Server
from portal.models import User

from .models import MonthlyUsage

STORED = ("used_bytes", "used_files")
OF_LABS = ("lab_seconds", "cpu_seconds")
COUNTED = (*STORED, *OF_LABS)
BATCH = 200
Owner = tuple[int | None, int | None]
"""Keys of a person, or of a Collab; both None: all erased accounts together."""


@dataclass(frozen=True)
class MonthBar:
    """All people and Collabs in one month together; per cents are of the highest month."""

    month: date
    used_bytes: int
    lab_hours: float
    cpu_hours: float
    bytes_percent: int
    hours_percent: int
    cpu_percent: int


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
    """Add what BATCH Labs ran and computed since they were counted last; returns how many Labs that were.

    Each Lab's row says how far it is counted, and changes in the same transaction: nothing is added twice, and a month
    keeps what it has when the rows of its Labs are gone.
    """
    servers = list(Server.objects.not_counted(now).select_related("owner").select_for_update(of=("self",))[:BATCH])
    added: defaultdict[tuple[date, int | None], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for server in servers:
        assert server.started_at  # the query asks for such
        begin, end = max(server.started_at, server.counted_until or server.started_at), min(server.ended_at or now, now)
        owner = None if server.owner.deleted_at else server.owner_id
        computed = server.cpu_seconds - server.cpu_counted
        for month, seconds, share in _by_month(begin, end):
            added[month, owner][0] += seconds
            added[month, owner][1] += computed * share
        server.counted_until, server.cpu_counted = max(begin, end), server.cpu_seconds
    _add(added)
    Server.objects.bulk_update(servers, ["counted_until", "cpu_counted"])
    return len(servers)


def _by_month(begin: datetime, end: datetime) -> Iterator[tuple[date, float, float]]:
    """Months between two times: seconds of each, and its share of the whole."""
    if begin >= end:
        yield month_of(end), 0.0, 1.0
    whole = (end - begin).total_seconds()
    while begin < end:
        month = month_of(begin)
        until = min(end, _begin(_next(month)))
        seconds = (until - begin).total_seconds()
        yield month, seconds, seconds / whole
        begin = until


def _add(more: dict[tuple[date, int | None], list[float]]) -> None:
    """Add Lab time and processor time to the rows of people, or of the erased ones together (None), in months."""
    months, owners = {month for month, _owner in more}, {owner for _month, owner in more}
    theirs = MonthlyUsage.objects.filter(Q(user__in=owners) | Q(user=None), month__in=months, collab=None)
    rows = {(row.month, row.user_id): row for row in theirs.select_for_update(of=("self",))}
    new = [MonthlyUsage(month=month, user_id=owner) for month, owner in more.keys() - rows.keys()]
    rows |= {(row.month, row.user_id): row for row in MonthlyUsage.objects.bulk_create(new)}
    now = timezone.now()
    for key, (ran, computed) in more.items():
        row = rows[key]
        row.lab_seconds, row.cpu_seconds = row.lab_seconds + round(ran), row.cpu_seconds + computed
        row.counted_at = now
    MonthlyUsage.objects.bulk_update([rows[key] for key in more], [*OF_LABS, "counted_at"])


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
    found = MonthlyUsage.objects.order_by("-month").values("month")
    sums = found.annotate(size=Sum("used_bytes"), ran=Sum("lab_seconds"), computed=Sum("cpu_seconds"))
    rows = list(sums.values_list("month", "size", "ran", "computed"))
    most = [max(column) or 1 for column in list(zip(*rows, strict=True))[1:]]
    return [
        MonthBar(
            month,
            size,
            ran / 3600,
            computed / 3600,
            *(int(100 * one / highest) for one, highest in zip((size, ran, computed), most, strict=True)),
        )
        for month, size, ran, computed in rows
    ]


def how_processor_time_is_counted() -> str:
    """In a sentence for operators."""
    if settings.LAB_LAUNCHER != "sandbox":
        return "Processor time is not counted: Labs do not run in sandboxes of this machine."
    try:
        by_kernel = "processor_time" in get_launcher().enforced_limits()
    except LauncherUnavailableError:
        return "The Lab’s supervisor is not responding, which counts processor time."
    if by_kernel:
        return "Processor time is what the kernel has counted for each Lab’s control group."
    return (
        "This machine gives Labs no control groups that count: processor time is that of their processes, and of those "
        "that they waited for, as last read at most a few seconds before the end of each."
    )


def counted_at() -> datetime | None:
    """When rows were written last."""
    return MonthlyUsage.objects.aggregate(at=Max("counted_at"))["at"]


def csv_rows() -> Iterator[list[Any]]:
    """All months as cells, with the names of the columns first."""
    yield ["month", "kind", "name", "used_bytes", "used_files", "lab_hours", "cpu_hours"]
    found = MonthlyUsage.objects.select_related("user", "collab").order_by("month", "-used_bytes", "pk")
    for row in found.iterator(chunk_size=2000):
        kind = "person" if row.user_id else "collab" if row.collab_id else "erased accounts"
        name = row.user.username if row.user else row.collab.slug if row.collab else ""
        hours = (f"{row.lab_hours:.2f}", f"{row.cpu_hours:.4f}")
        yield [f"{row.month:%Y-%m}", kind, name, row.used_bytes, row.used_files, *hours]
