"""Changes of a library in the order in which the site learned of them, for programs that follow.

The order is that of `File.noted_at`, not of the files' own times: a Lab's files are seen minutes later, with the time
at which they were written, and a program that follows those times would miss them. Of a file the newest change is told.
"""

import base64
import binascii
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone

from drive.models import File, Library, Trashed
from drive.storage import path_codec, shown
from portal.models import User

SETTLED = timedelta(minutes=1)
"""A transaction may be committed so much later than the time that it noted: this much is told again next time."""
_DELETED, _CHANGED = 0, 1

Position = tuple[datetime, int, int]
"""Time, kind and row of a change: what a cursor holds."""


@dataclass(frozen=True)
class Change:
    """A file that was written, moved or restored, or something that was deleted."""

    position: Position
    path: str
    kind: str
    size: int
    by: User | None
    via: str

    @property
    def is_deletion(self) -> bool:
        """True if it went to the trash."""
        return self.position[1] == _DELETED

    @property
    def file_id(self) -> int | None:
        """Number of the file, which stays through renames; None for what was deleted."""
        return None if self.is_deletion else self.position[2]


@dataclass(frozen=True)
class Changes:
    """Some changes, oldest first; `cursor` asks for what follows."""

    items: list[Change]
    cursor: str
    has_more: bool


def after(library: Library, cursor: str, count: int, *, hidden: bool = False) -> Changes:
    """Changes after a cursor, at most `count`; without one the newest. Two queries. ValidationError for no cursor.

    The last page's cursor is a minute old, so that nothing is missed: what is newer is told again the next time.
    """
    since = _position(cursor) if cursor else None
    now = timezone.now()
    files = _files(library, since, hidden)
    trash = _trash(library, since, hidden)
    if since is None:
        found = sorted(_taken(files.reverse()[:count], trash.reverse()[:count]), key=lambda one: one.position)
        return Changes(found[-count:], _cursor((now - SETTLED, _DELETED, 0)), has_more=False)
    found = sorted(_taken(files[: count + 1], trash[: count + 1]), key=lambda one: one.position)
    if len(found) > count:
        return Changes(found[:count], _cursor(found[count - 1].position), has_more=True)
    last = found[-1].position if found else since
    return Changes(found, _cursor(min(last, (now - SETTLED, _DELETED, 0))), has_more=False)


def _files(library: Library, since: Position | None, hidden: bool) -> QuerySet[File]:
    rows = File.objects.filter(library=library, trashed=None).exclude(noted_at=None).order_by("noted_at", "pk")
    return _seen(rows, hidden).filter(_later("noted_at", _CHANGED, since)).select_related("changed_by")


def _trash(library: Library, since: Position | None, hidden: bool) -> QuerySet[Trashed]:
    rows = Trashed.objects.filter(library=library).order_by("deleted_at", "pk")
    return _seen(rows, hidden).filter(_later("deleted_at", _DELETED, since)).select_related("deleted_by")


def _seen(rows: Any, hidden: bool) -> Any:
    return rows if hidden else rows.exclude(path__startswith=".").exclude(path__contains="/.")


def _later(column: str, kind: int, since: Position | None) -> Q:
    """Rows of this kind after a position."""
    if since is None:
        return Q()
    time, at_kind, at_row = since
    later = Q(**{f"{column}__gt": time})
    if kind == at_kind:
        return later | Q(**{column: time, "pk__gt": at_row})
    return later | Q(**{column: time}) if kind > at_kind else later


def _taken(files: Iterable[File], trash: Iterable[Trashed]) -> list[Change]:
    changed = [_change((row.noted_at, _CHANGED, row.pk), row, "file", row.changed_by) for row in files if row.noted_at]
    return changed + [_change((row.deleted_at, _DELETED, row.pk), row, row.kind, row.deleted_by) for row in trash]


def _change(position: Position, row: File | Trashed, kind: str, by: User | None) -> Change:
    return Change(position, shown(path_codec.from_row(row.path)), kind, row.size, by, row.via)


def _cursor(position: Position) -> str:
    time, kind, row = position
    return base64.urlsafe_b64encode(f"{time.isoformat()} {kind} {row}".encode()).rstrip(b"=").decode()


def _position(cursor: str) -> Position:
    try:
        time, kind, row = base64.urlsafe_b64decode(f"{cursor}==").decode().split(" ")
        found = datetime.fromisoformat(time), int(kind), int(row)
        if found[0].tzinfo is None or found[1] not in (_DELETED, _CHANGED) or not 0 <= found[2] < 2**63:
            raise ValueError("out of range")
    except (binascii.Error, ValueError) as error:
        raise ValidationError({"after": "This is no cursor. Send one from an answer, or none to begin."}) from error
    return found
