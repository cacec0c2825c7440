"""Database rows about the files of a library. The disk is the truth; the rows remember who, when, and what before.

Each change on the web is carried out on the disk first and written here right after. A process that dies in between
leaves nothing but an unknown author: the next scan finds the rest.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F, Q
from django.utils import timezone

from drive.metrics import CAPTURES
from drive.models import Contributor, File, Library, Version, Via
from drive.storage import FileEntry, layout, path_codec
from drive.storage.files import identity
from portal.file_lock import file_lock
from portal.models import User

from .capture import Taken

LONGEST_WAIT = timedelta(minutes=15)
"""What waits for longer was noted before the clock was set back."""
BATCH = 500
"""Rows per statement."""


@dataclass(frozen=True)
class State:
    """A file as it was found."""

    signature: str
    size: int
    modified: datetime


def live(library: Library, path: str) -> File | None:
    """The history of what is at a path now."""
    return File.objects.filter(library=library, path_key=path_codec.key(path), trashed=None).first()


def within(library: Library, path: str) -> list[File]:
    """The histories of a file, or of all files below a folder."""
    rows = File.objects.filter(library=library, trashed=None)
    if path:
        rows = rows.filter(Q(path_key=path_codec.key(path)) | Q(path__startswith=f"{path_codec.to_row(path)}/"))
    # SQLite's LIKE takes A for a
    return [row for row in rows if path_codec.is_within(path_codec.from_row(row.path), path)]


def written(actor: User | None, library: Library, path: str, entry: FileEntry, *, via: Via = Via.WEB) -> File:
    """Somebody has put a file at a path on the web: they are its author, and it is to be captured."""
    before = live(library, path)
    use(library, entry.size - (before.size if before else 0), 0 if before else 1)
    return _save(library, path, State(entry.signature, entry.size, timezone.now()), actor, via)


def typed(row: File, entry: FileEntry, authors: Iterable[int], *, capture_after: datetime) -> None:
    """People have saved a file that they edit together. `authors`: ids of those who typed since the last save.

    No version is made before `capture_after`, or before the one that an earlier save asked for.
    """
    ids = sorted(authors)
    use(row.library, entry.size - row.size, 0)
    row.signature, row.size, row.changed_at, row.via = entry.signature, entry.size, timezone.now(), Via.TOGETHER
    row.noted_at = row.changed_at
    if row.changed_by_id not in ids:
        row.changed_by_id = ids[0] if ids else None
    row.capture_after = (None if row.is_captured else row.capture_after) or capture_after
    row.is_captured = False
    names = ["signature", "size", "changed_at", "noted_at", "changed_by", "via", "capture_after", "is_captured"]
    row.save(update_fields=names)
    contributed = [Contributor(file=row, user_id=user_id) for user_id in ids]
    Contributor.objects.bulk_create(contributed, ignore_conflicts=True)


def kept(row: File, taken: Taken, authors: Iterable[int]) -> Version | None:
    """A content of a file that is edited together is in the store: a version, unless the newest holds the same.

    Call it within `store.adding()`. `authors`: ids of who typed it. Without any, whoever the row says, if the file is
    as the row knows it, else a Lab. `taken.signature`: the file's while it held this content; "" if it never did.
    """
    ids = sorted(authors)
    with transaction.atomic():
        newest = Version.objects.filter(file=row).order_by("-pk").first()
        made = None
        if newest is None or newest.sha256 != taken.sha256:
            made = _version(row, taken)
            if ids:
                made.by_id, made.via = ids[0], Via.TOGETHER
            made.save()
            Contributor.objects.bulk_create(Contributor(file=row, version=made, user_id=user_id) for user_id in ids)
        if taken.signature:
            same = File.objects.filter(pk=row.pk, signature=taken.signature, trashed=None)
            same.update(is_captured=True, capture_after=None)
        Contributor.objects.filter(file=row, version=None, user__in=ids).delete()
        transaction.on_commit(lambda: CAPTURES.add(1 if made else 0), robust=True)
    return made


def waiting() -> Q:
    """Files whose content is to be captured now."""
    now = timezone.now()
    due = Q(capture_after=None) | Q(capture_after__lte=now) | Q(capture_after__gt=now + LONGEST_WAIT)
    return due & Q(is_captured=False, trashed=None, size__lte=settings.VERSION_MAX_BYTES)


def copied(actor: User, library: Library, states: Iterable[tuple[str, State]]) -> None:
    """Somebody has copied files, by their paths, to where nothing was: they are the author of each copy."""
    rows = [
        File(
            library=library,
            path=path_codec.to_row(path),
            path_key=path_codec.key(path),
            **_columns(state, actor, Via.WEB),
        )
        for path, state in states
    ]
    File.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
    use(library, sum(row.size for row in rows), len(rows))


def found(library: Library, path: str, state: State, *, by: User | None) -> File:
    """A file has turned up, or changed, by the code of `by`, or of somebody unknown."""
    return _save(library, path, state, by, Via.LAB)


def by_lab(state: State, by: User | None) -> dict[str, Any]:
    """The columns of a file that a notebook has written."""
    return _columns(state, by, Via.LAB)


def written_in_lab(library: Library, path: str, state: State, by: User | None) -> File:
    """A file was found in this state: the row that says so, with `by` as author unless another is known already.

    Somebody may have saved on the web since the file was looked at: then the row is theirs, and stays.
    """
    row = live(library, path)
    if row is None:
        return found(library, path, state, by=by)
    if row.signature == state.signature:
        mine = File.objects.filter(pk=row.pk, signature=state.signature, changed_by=None, via=Via.LAB)
        mine.update(changed_by=by)
    else:
        changed_in_lab(row.pk, row.signature, state, by)
    return File.objects.filter(pk=row.pk).first() or row


def changed_in_lab(pk: int, before: str, state: State, by: User | None) -> int:
    """A notebook has written the file that had the signature `before`; 0 if its row has changed meanwhile.

    A file that was renamed, or has another mode, is looked into again; whoever wrote it last stays its author.
    """
    same = File.objects.filter(pk=pk, signature=before, trashed=None)
    if before and identity(before) == identity(state.signature):
        same.update(signature=state.signature, is_captured=False)
        return 0
    return same.update(**by_lab(state, by))


def claim(row: File, sha256: str, by: User, since: datetime) -> None:
    """These bytes are what `by` saved: so are versions of them since then of which nobody is known to be the author."""
    nobodys = Version.objects.filter(file=row, sha256=sha256, by=None, via=Via.LAB, captured_at__gte=since)
    nobodys.update(by=by)
    newest = Version.objects.filter(file=row).order_by("-pk").values_list("sha256", flat=True).first()
    if newest == sha256:
        File.objects.filter(pk=row.pk, is_captured=True, changed_by=None, via=Via.LAB).update(changed_by=by)


def _columns(state: State, author: User | None, via: Via) -> dict[str, Any]:
    columns = {"signature": state.signature, "size": state.size, "changed_at": state.modified}
    columns |= {"noted_at": timezone.now()}
    return columns | {"changed_by": author, "via": via, "is_captured": False, "capture_after": None}


def _save(library: Library, path: str, state: State, author: User | None, via: Via) -> File:
    columns = _columns(state, author, via)
    row, _created = File.objects.update_or_create(
        library=library,
        path_key=path_codec.key(path),
        trashed=None,
        defaults=columns,
        create_defaults=columns | {"path": path_codec.to_row(path)},
    )
    return row


def captured(copies: list[tuple[File, Taken]], *, current: bool = True, certain: bool = False) -> None:
    """Copies of files are in the store: each is a version, unless the file's newest one holds the same.

    Call it within `store.adding()`. The author is the row's only if the copy is of the file that the row knows. A row
    that has another path by now gets nothing: the bytes are those of whatever took its place. Not `current`: the file
    holds something else already, which is still to be captured. `certain`: the row's author has put these very bytes
    there, and the file's times are not asked.
    """
    with transaction.atomic():
        now = File.objects.in_bulk([row.pk for row, _taken in copies])
        copies = [(row, taken) for row, taken in copies if row.pk in now and _place(now[row.pk]) == _place(row)]
        rows = [row for row, _taken in copies]
        of_rows = Version.objects.filter(file__in=rows).order_by("pk")
        newest = {version.file_id: version for version in of_rows.only("file_id", "sha256", "size", "modified")}
        for row, taken in [] if certain else copies:
            if _hides(newest.get(row.pk), taken):
                row.changed_by, row.via = None, Via.LAB
                File.objects.filter(pk=row.pk, signature=row.signature).update(changed_by=None, via=Via.LAB)
        changed = [(row, taken) for row, taken in copies if _sha256(newest.get(row.pk)) != taken.sha256]
        made = Version.objects.bulk_create([_version(row, taken) for row, taken in changed])
        for version in made:
            if version.via == Via.TOGETHER:
                Contributor.objects.filter(file=version.file, version=None).update(version=version)
        for row, taken in copies if current else []:
            same = File.objects.filter(pk=row.pk, signature=row.signature)
            same.update(signature=taken.signature, size=taken.size, is_captured=True, capture_after=None)
        transaction.on_commit(lambda: CAPTURES.add(len(changed)), robust=True)


def _sha256(version: Version | None) -> str:
    return version.sha256 if version else ""


def _hides(newest: Version | None, taken: Taken) -> bool:
    """True if a file was written, and its time set back: for a scan it looks as if it had only been renamed."""
    if newest is None or newest.sha256 == taken.sha256:
        return False
    return (newest.modified, newest.size) == (taken.modified, taken.size)


def _place(row: File) -> tuple[object, ...]:
    return row.library_id, row.path_key, row.trashed_id


def _version(row: File, taken: Taken) -> Version:
    is_known = taken.signature == row.signature
    return Version(
        file=row,
        sha256=taken.sha256,
        size=taken.size,
        modified=taken.modified,
        by_id=row.changed_by_id if is_known else None,
        via=row.via if is_known else Via.LAB,
    )


def move(library: Library, old: str, new: str, target: Library) -> None:
    """A file or folder has another path, maybe in another library: its histories go along."""
    rows, now = within(library, old), timezone.now()
    for row in rows:
        here = path_codec.moved(path_codec.from_row(row.path), old, new)
        row.library, row.path, row.path_key, row.noted_at = target, path_codec.to_row(here), path_codec.key(here), now
    save(rows, "library", "path", "path_key", "noted_at")
    if library != target:
        size = sum(row.size for row in rows)
        use(library, -size, -len(rows))
        use(target, size, len(rows))


def save(rows: list[File], *names: str) -> None:
    """These columns of many rows, by one prepared statement: `bulk_update` takes ten times as long for thousands."""
    columns: list[Any] = [File._meta.get_field(name) for name in (*names, "id")]
    values = [[column.get_db_prep_save(getattr(row, column.attname), connection) for column in columns] for row in rows]
    setting = ", ".join(f"{column.column} = %s" for column in columns[:-1])
    statement = f"UPDATE {File._meta.db_table} SET {setting} WHERE id = %s"  # noqa: S608  # names of our own columns
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(statement, values)


@contextmanager
def changing(*libraries: Library) -> Iterator[None]:
    """Lock while files get other paths, on disk and in the rows: no scan shall see the one without the other.

    Taken before a transaction begins, never inside one. The kernel drops it should this process die.
    """
    with ExitStack() as held:
        for key in sorted({library.pk for library in libraries}):
            held.enter_context(file_lock(layout.rows_lock(key)))
        yield


def use(library: Library, size: int, files: int) -> None:
    """Count what a change on the web adds to a library; the next scan counts exactly."""
    Library.objects.filter(pk=library.pk).update(used_bytes=F("used_bytes") + size, used_files=F("used_files") + files)
