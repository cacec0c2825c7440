"""Announcements on every page, from a cache of half a minute that all processes share instead of the database."""

import time
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils import timezone

from portal import audit
from portal.models import User

from .models import Announcement

KEY = "announcements"
SECONDS = 30
"""For which an answer is believed; a change in the admin is seen by all processes after so long, mostly at once."""
COOKIE = "dismissed"

_own: dict[str, Any] = {"until": 0.0, "rows": []}
"""Copy of the cache in this process, so that few requests ask the cache."""


def showing(request: HttpRequest) -> list[dict[str, Any]]:
    """Current announcements that this browser has not dismissed."""
    now, gone = timezone.now(), dismissed(request)
    return [row for row in _cached() if row["begins_at"] <= now < row["ends_at"] and row["id"] not in gone]


def _cached() -> list[dict[str, Any]]:
    if time.monotonic() >= _own["until"]:
        _own.update(rows=_ask(), until=time.monotonic() + SECONDS / 6)
    return _own["rows"]


def _ask() -> list[dict[str, Any]]:
    rows = cache.get(KEY)
    if rows is None:
        try:
            columns = ("id", "text", "level", "link", "begins_at", "ends_at")
            rows = list(Announcement.objects.filter(ends_at__gt=timezone.now()).values(*columns))
        except DatabaseError:
            return _own["rows"]
        cache.set(KEY, rows, SECONDS)
    return rows


def forget() -> None:
    """Ask anew at the next page."""
    cache.delete(KEY)
    _own["until"] = 0.0


@transaction.atomic
def save(actor: User, announcement: Announcement, *, is_new: bool) -> None:
    """Write it, with its audit entry."""
    if is_new:
        announcement.created_by = actor
    announcement.save()
    verb = "announcement.made" if is_new else "announcement.changed"
    audit.record(actor, verb, announcement, text=announcement.text)
    transaction.on_commit(forget)


@transaction.atomic
def end(actor: User, announcement: Announcement) -> bool:
    """Take it off the pages now; False if it has ended."""
    now: datetime = timezone.now()
    if not Announcement.objects.filter(pk=announcement.pk, ends_at__gt=now).update(ends_at=now):
        return False
    audit.record(actor, "announcement.ended", announcement, text=announcement.text)
    transaction.on_commit(forget)
    return True


def dismissed(request: HttpRequest) -> set[int]:
    """Ids that this browser has put away."""
    words = request.COOKIES.get(COOKIE, "").split(".")
    return {int(word) for word in words[:50] if word.isdecimal() and len(word) < 10}
