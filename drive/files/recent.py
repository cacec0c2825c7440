"""Recently changed files, from their rows in the database, however large the libraries are.

What a notebook writes is known to the rows once a scan has seen it, within minutes; what is done on the web at once.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import DateTimeField, F, OuterRef, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Greatest

from collabs.models import Person
from drive.libraries.visibility import mounted
from drive.models import File, Library
from drive.storage import path_codec, shown
from drive.versions import history
from portal.models import User
from portal.prepared_queries import prepared

LONG_AGO = datetime(1000, 1, 1, tzinfo=UTC)
"""Before any change of a file."""


@dataclass(frozen=True)
class Latest:
    """One file that changed."""

    row: File
    path: str
    author: str
    """As a page says it; empty where nobody knows."""


def of_library(library: Library, count: int) -> list[Latest]:
    """The newest first. One query."""
    return _shown(_newest_of(count, library=library.pk))


@prepared
def _newest_of(count: int, *, library: UUID) -> QuerySet[File]:
    return _rows().filter(library=library)[:count]


def of_person(user: Person, count: int) -> list[Latest]:
    """The newest first, over the person's libraries, those of their Collabs and those shared with them.

    Two queries, which read little more.

    Of the `count` libraries that changed last each has a file at least as new as the last of them, and so are the
    newest `count` files. And none of these is older than the last of the newest `count` in the library that changed
    last, where much may have changed at once.
    """
    if not isinstance(user, User) or not user.is_active:
        return []
    times = {library: newest for library, newest in _changed_last(count, user=user.pk) if newest}
    if not times:
        return []
    oldest = min(times.values()) if len(times) == count else LONG_AGO
    return _shown(_newest_in(count, keys=list(times), since=oldest, first=next(iter(times))))


@prepared
def _changed_last(count: int, *, user: int) -> QuerySet:
    """Id of each library, and time of the last change of a file in it; None, at the end, where there is no file."""
    newest = Subquery(_rows().filter(library=OuterRef("pk")).values("changed_at")[:1])
    changed = mounted(User(pk=user)).annotate(newest=newest).order_by(F("newest").desc(nulls_last=True))
    return changed.values_list("pk", "newest")[:count]


@prepared
def _newest_in(count: int, *, keys: list[UUID], since: datetime, first: UUID) -> QuerySet[File]:
    """Of these libraries; `first` changed last."""
    last_of_first = Subquery(_rows().filter(library=first).values("changed_at")[count - 1 : count])
    oldest = Value(since, output_field=DateTimeField())
    lowest = Greatest(oldest, Coalesce(last_of_first, oldest))  # one bound: SQLite's index takes no second
    return _rows().filter(library__in=keys, changed_at__gte=lowest).select_related("library")[:count]


def _rows() -> QuerySet[File]:
    """Files that are there, without the hidden ones."""
    rows = File.objects.filter(trashed=None).exclude(path__startswith=".").exclude(path__contains="/.")
    return rows.select_related("changed_by").order_by("-changed_at")


def _shown(rows: Iterable[File]) -> list[Latest]:
    """Those whose names an address can hold."""
    found = [Latest(row, path_codec.from_row(row.path), history.author(row.changed_by, row.via)) for row in rows]
    return [latest for latest in found if shown(latest.path) == latest.path]
