"""Recently changed files, from their rows in the database, however large the libraries are.

What a notebook writes is known to the rows once a scan has seen it, within minutes; what is done on the web at once.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery

from drive.models import File, Library
from drive.storage import path_codec, shown
from drive.versions import history


@dataclass(frozen=True)
class Latest:
    """One file that changed."""

    row: File
    path: str
    author: str
    """As a page says it; empty where nobody knows."""


def of_library(library: Library, count: int) -> list[Latest]:
    """The newest first. One query."""
    return _shown(_rows().filter(library=library)[:count])


def of_libraries(keys: Collection[UUID], count: int) -> list[Latest]:
    """The newest first, over all of these. Two queries, which read little more than the answer.

    Of the `count` libraries that changed last each has a file at least as new as the last of them, and so are the
    newest `count` files.
    """
    newest = Subquery(_rows().filter(library=OuterRef("pk")).values("changed_at")[:1])
    changed = Library.objects.filter(pk__in=keys).annotate(newest=newest).exclude(newest=None)
    times = dict(changed.order_by("-newest").values_list("pk", "newest")[:count])
    rows = _rows().filter(library__in=list(times))
    if len(times) == count:
        rows = rows.filter(changed_at__gte=min(times.values()))
    return _shown(rows.select_related("library")[:count]) if times else []


def _rows() -> QuerySet[File]:
    """Files that are there, without the hidden ones."""
    rows = File.objects.filter(trashed=None).exclude(path__startswith=".").exclude(path__contains="/.")
    return rows.select_related("changed_by").order_by("-changed_at")


def _shown(rows: QuerySet[File]) -> list[Latest]:
    """Those whose names an address can hold."""
    found = [Latest(row, path_codec.from_row(row.path), history.author(row.changed_by, row.via)) for row in rows]
    return [latest for latest in found if shown(latest.path) == latest.path]
