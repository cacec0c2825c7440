"""Retention of versions, thinned with age; and removal of objects that no version needs."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from django.utils.translation import gettext

from drive.models import Trashed, Version
from drive.storage import deletion_lock

from . import store, trash

_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
BATCH = 500
OLD_ENOUGH = timedelta(hours=1)
"""Objects younger than this are left alone by `sweep_store`, whatever the rows say."""

Rule = tuple[timedelta, timedelta]
"""Up to this age, one version of each person per this span; a span of zero keeps them all."""
SHORT = timedelta(hours=1)
"""Spans below are for autosaves: of one person's saves in a row the last stays, whoever saved in between has theirs."""
LATELY = timedelta(days=1)


def rules() -> list[Rule]:
    """VERSION_KEEP, read. ImproperlyConfigured where it cannot be."""
    found = []
    for rule in settings.VERSION_KEEP:
        age, _, span = rule.partition(":")
        found.append((_span(age), timedelta(0) if span == "all" else _span(span)))
    return sorted(found)


def _span(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+)([mhd])", text.strip())
    if not match:
        raise ImproperlyConfigured(f"VERSION_KEEP: “{text}” is no span of time, such as 30d or 1h.")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def in_words() -> list[str]:
    """The rules for a page: “up to 7 days: the last of each hour”."""
    return [
        gettext("up to %(age)s: %(kept)s") % {"age": _in_words(limit), "kept": _kept(span)} for limit, span in rules()
    ]


def _kept(span: timedelta) -> str:
    if not span:
        return gettext("every version")
    if span == timedelta(hours=1):
        return gettext("the last of each hour by each person")
    if span == timedelta(days=1):
        return gettext("the last of each day by each person")
    if span == timedelta(days=7):
        return gettext("the last of each week by each person")
    return gettext("the last of each %(span)s by each person") % {"span": _in_words(span)}


def _in_words(span: timedelta) -> str:
    if span.days:
        hours = 24 if span.days == 1 else 0
        if not hours:
            return gettext("%(number)s days") % {"number": span.days}
    else:
        minutes = span.seconds // 60
        hours = minutes // 60 if minutes >= 60 and minutes % 60 == 0 else 0
        if not hours:
            return gettext("%(number)s minutes") % {"number": minutes}
    return gettext("%(number)s hours") % {"number": hours}


Moment = tuple[int, datetime, int | None]
"""A version: its id, when it was captured, and by whom it is."""


def superfluous(moments: Iterable[Moment], now: datetime) -> list[int]:
    """Ids of the versions that the rules do not keep. `moments`: oldest first; the last one stays.

    Of each span each person's last version stays: what somebody had when they stopped for the hour, or the day.
    """
    *earlier, _newest = list(moments) or [(0, now, None)]
    rows = rules()
    keep: dict[object, int] = {}
    run, previous = 0, None
    for key, moment, by in earlier:
        run, previous = run + (by != previous), by
        span = next((span for limit, span in rows if now - moment <= limit), None)
        if span is not None:
            whose = (by, run) if span < SHORT else by
            keep[(span, moment.timestamp() // span.total_seconds(), whose) if span else key] = key
    kept = set(keep.values())
    return [key for key, *_ in earlier if key not in kept]


def thin(now: datetime | None = None, *, lately: bool = False) -> int:
    """Remove the versions that the rules do not keep; returns how many. `lately`: of files that were saved lately."""
    now = now or timezone.now()
    youngest = min((limit for limit, span in rules() if not span), default=timedelta(0))
    old = Version.objects.filter(captured_at__lt=now - youngest)
    if lately:
        old = old.filter(captured_at__gte=now - LATELY)
    removed = 0
    for file_id in old.values_list("file_id", flat=True).distinct().order_by("file_id").iterator(BATCH):
        moments = Version.objects.filter(file_id=file_id).order_by("pk").values_list("pk", "captured_at", "by_id")
        keys = superfluous(moments, now)
        for first in range(0, len(keys), BATCH):
            removed += Version.objects.filter(pk__in=keys[first : first + BATCH]).delete()[0]
    return removed


def empty_trash(now: datetime | None = None) -> int:
    """Purge what was deleted more than TRASH_KEEP_DAYS ago; returns how many items."""
    until = (now or timezone.now()) - timedelta(days=settings.TRASH_KEEP_DAYS)
    items = list(Trashed.objects.filter(deleted_at__lt=until))
    for item in items:
        trash.purge(None, item)
    return len(items)


def sweep_store() -> int:
    """Remove the objects that no version refers to; returns how many. None during a backup, whose rows are older."""
    with deletion_lock.deleting() as may:
        return _sweep_store() if may else 0


def _sweep_store() -> int:
    removed = 0
    for folder in sorted(store.root().glob("[0-9a-f][0-9a-f]")):
        names = [path.name for path in folder.iterdir() if _is_old(path.stat().st_ctime)]
        for first in range(0, len(names), BATCH):
            removed += _remove_unneeded(names[first : first + BATCH])
    return removed


def _remove_unneeded(names: list[str]) -> int:
    with store.removing():
        needed = set(Version.objects.filter(sha256__in=names).values_list("sha256", flat=True))
        unneeded = [name for name in names if name not in needed]
        for name in unneeded:
            store.path_of(name).unlink(missing_ok=True)
    return len(unneeded)


def _is_old(seconds: float) -> bool:
    return timezone.now().timestamp() - seconds > OLD_ENOUGH.total_seconds()
