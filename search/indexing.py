"""The index follows the files of the Drive: what was noted lately, and now and then all there are.

A change is a row of a file with a later `File.noted_at`, or one in the trash. What changed without a note, what was
there before there was an index, and what a restored backup brings, a sweep over all rows finds, in steps by number.
Whatever is cut off is done by the next round: a file is behind as long as its entry has not its path and signature.

Between a change and its round the index is behind. Who asks (files.py) therefore holds what it finds against the rows
and the files as they are.
"""

import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import groupby

from django.db import DataError, connection, transaction
from django.db.models import Exists, Max, OuterRef, Q, QuerySet, Sum
from django.utils import timezone

from collabs.models import Collab
from collabs.search import words_of
from drive.files.changes import SETTLED
from drive.models import File, Library
from drive.storage import LibraryFiles, StorageError, open_library, path_codec, shown

from . import index, typos
from .models import IndexedFile, IndexState, Word
from .texts import has_text, text_of
from .words import name_words, text_words

log = logging.getLogger(__name__)

SECONDS = 3.0
"""Of one round: others wait for the database and the worker."""
BATCH = 40
"""Files whose words are written in one transaction, at most."""
AT_ONCE = 2**20
"""Bytes of words that are written in one transaction, and those of one text more: SQLite lets nobody else write."""
MOST_OF_OWNER = 256 * 2**20
"""Bytes of words of the texts of one person's libraries together, or of a Collab's; of further files, names alone."""
STEP = 5000
"""Rows that a sweep compares with the index at once."""
LEARN_EVERY = timedelta(hours=1)
"""So often the words of all Collabs are learned; those of new ones at once."""


def not_hidden(rows: QuerySet[File]) -> QuerySet[File]:
    """Without checkpoints, `.git` and other hidden files, and what is below hidden folders."""
    return rows.exclude(path__startswith=".").exclude(path__contains="/.")


def follow(seconds: float = SECONDS) -> bool:
    """Bring the index up to date, for so many seconds at most; True if there is more to do."""
    state, ends = IndexState.current(), time.monotonic() + seconds
    _learn_collabs(state)
    return _follow_changes(state, ends) or _sweep(state, ends)


def _behind() -> QuerySet[File]:
    """Files without an entry of their path and content."""
    entries = IndexedFile.objects.filter(
        file=OuterRef("pk"), path_key=OuterRef("path_key"), signature=OuterRef("signature")
    )
    return not_hidden(File.objects.filter(~Exists(entries), trashed=None, library__deleted_at=None))


def _follow_changes(state: IndexState, ends: float) -> bool:
    room = Room()
    since = state.noted_until
    if since is None:  # a sweep is to come; from here on it is followed
        state.note(noted_until=timezone.now())
        return False
    since -= SETTLED
    began, later = timezone.now(), Q(noted_at__gte=since)
    while rows := list(_behind().filter(later).select_related("library").order_by("noted_at", "pk")[:BATCH]):
        write_entries(rows, room)
        if time.monotonic() > ends:
            return True
        last = rows[-1]
        later = Q(noted_at__gt=last.noted_at) | Q(noted_at=last.noted_at, pk__gt=last.pk)
    _remove(IndexedFile.objects.filter(file__trashed__deleted_at__gte=since))
    state.note(noted_until=began)
    return False


def _sweep(state: IndexState, ends: float) -> bool:
    if state.swept_to is None:
        return False
    last = File.objects.aggregate(last=Max("pk"))["last"] or 0
    last = max(last, IndexedFile.objects.aggregate(last=Max("pk"))["last"] or 0)
    room = Room()
    while state.swept_to < last:
        here = {"pk__gt": state.swept_to, "pk__lte": state.swept_to + STEP}
        there = not_hidden(File.objects.filter(pk=OuterRef("pk"), trashed=None))
        _remove(IndexedFile.objects.filter(~Exists(there), **here))
        while rows := list(_behind().filter(**here).select_related("library").order_by("pk")[:BATCH]):
            write_entries(rows, room)
            if time.monotonic() > ends:
                return True
        state.note(swept_to=state.swept_to + STEP)
        if time.monotonic() > ends:
            return True
    state.note(swept_to=None)
    return False


def _remove(entries: QuerySet[IndexedFile]) -> None:
    keys = list(entries.values_list("pk", flat=True))
    for first in range(0, len(keys), BATCH):
        with transaction.atomic():
            batch = keys[first : first + BATCH]
            index.remove(connection, batch)
            IndexedFile.objects.filter(pk__in=batch).delete()


class Room:
    """Bytes of words that are left for the texts of each owner: a person's libraries together, or a Collab's."""

    def __init__(self) -> None:
        self._left: dict[tuple[int | None, int | None], int] = {}

    def take(self, library: Library, words: list[str]) -> list[str]:
        """The words, if there is room for them, or none."""
        owner = library.owner_user_id, library.owner_collab_id
        if owner not in self._left:
            same = {"file__library__owner_user": owner[0], "file__library__owner_collab": owner[1]}
            used = IndexedFile.objects.filter(**same).aggregate(used=Sum("size"))["used"] or 0
            self._left[owner] = MOST_OF_OWNER - used
        size = _size(words)
        if size > self._left[owner]:
            return []
        self._left[owner] -= size
        return words


def _size(words: Iterable[str]) -> int:
    return sum(len(word.encode()) + 1 for word in words)


def write_entries(rows: list[File], room: Room) -> None:
    """Read these files, and write their entries over those that there are."""
    keys = [row.pk for row in rows]
    known = {entry.pk: entry for entry in IndexedFile.objects.filter(pk__in=keys)}
    made: list[tuple[index.Entry, IndexedFile]] = []
    for row, entry in zip(rows, _entries(rows, known, room), strict=True):
        size = known[row.pk].size if entry.text is None else _size(entry.text)
        made.append((entry, IndexedFile(file=row, path_key=row.path_key, signature=row.signature, size=size)))
        if sum(_size(entry.text or ()) for entry, _state in made) > AT_ONCE:
            _write(made)
            made = []
    _write(made)


def _write(made: list[tuple[index.Entry, IndexedFile]]) -> None:
    entries, states = [entry for entry, _ in made], [state for _, state in made]
    try:
        _write_at_once(entries, states)
    except DataError:  # of a text that the database does not take: names are found all the same
        log.exception("texts of %d files not in the search index", len(entries))
        _write_at_once([index.Entry(entry.file, entry.name, entry.folder, []) for entry in entries], states)


def _write_at_once(entries: list[index.Entry], states: list[IndexedFile]) -> None:
    words = (word for one in entries for word in typos.of_text([*one.name, *one.folder, *(one.text or ())]))
    typos.learn(words)  # before: a file that has its entry is not looked at again
    with transaction.atomic():
        index.write(connection, entries)
        columns = ["path_key", "signature", "size"]
        IndexedFile.objects.bulk_create(states, update_conflicts=True, unique_fields=["file"], update_fields=columns)


def _entries(rows: list[File], known: dict[int, IndexedFile], room: Room) -> Iterator[index.Entry]:
    for _library, of_library in groupby(rows, key=lambda row: row.library_id):
        yield from _of_library(list(of_library), known, room)


def _of_library(rows: list[File], known: dict[int, IndexedFile], room: Room) -> Iterator[index.Entry]:
    """Without their texts, where the library cannot be read now, as its disk is away."""
    with ExitStack() as opened:
        files = None
        try:
            files = opened.enter_context(open_library(rows[0].library))
        except (StorageError, OSError) as error:
            log.warning("library %s not read for the search index: %s", rows[0].library_id, error)
        for row in rows:
            yield _entry(files, row, known.get(row.pk), room)


def _entry(files: LibraryFiles | None, row: File, known: IndexedFile | None, room: Room) -> index.Entry:
    path = path_codec.from_row(row.path)
    folder, _, name = shown(path).rpartition("/")
    text: list[str] | None = []
    if known and row.signature and known.signature == row.signature:
        text = None  # it was only moved
    elif files and has_text(path):
        text = room.take(row.library, text_words(read(files, path) or ""))
    return index.Entry(row.pk, name_words(name), name_words(folder), text)


def read(files: LibraryFiles, path: str, most: int | None = None) -> str | None:
    """The text of a file as it is now; None if it cannot be read, or has more than `most` bytes."""
    try:
        with files.open(path) as source:
            if most is not None and os.fstat(source.fileno()).st_size > most:
                return None
            return text_of(source, path)
    except (StorageError, OSError):
        return None


# Words that typing errors are compared with


def _learn_collabs(state: IndexState) -> None:
    """Learn the words of Collabs: of those made since the last round, and now and then of all."""
    now, collabs = timezone.now(), Collab.objects.current()
    if state.learned_at and state.noted_until and now - state.learned_at < LEARN_EVERY:
        collabs = collabs.filter(created_at__gte=state.noted_until - SETTLED)
    else:
        state.note(learned_at=now)
    for title, description in collabs.values_list("title", "description").iterator(500):
        typos.learn(words_of(f"{title} {description}"))


def forget_words() -> int:
    """Forget the words that no file has any more; those of Collabs are learned again. Returns how many."""
    keys: list[int] = []
    for words in _batches(Word.objects.order_by("pk").values_list("pk", "word").iterator(5000)):
        used = index.used(connection, [word for _pk, word in words])
        keys += [pk for pk, word in words if word not in used]
    for first in range(0, len(keys), 500):
        Word.objects.filter(pk__in=keys[first : first + 500]).delete()
    IndexState.objects.update(learned_at=None)
    return len(keys)


def _batches(rows: Iterable[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    batch: list[tuple[int, str]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == 500:
            yield batch
            batch = []
    if batch:
        yield batch


def begin_anew() -> None:
    """Forget all that is in the index. The rounds that follow fill it again."""
    with transaction.atomic():
        state = IndexState.current()
        index.clear(connection)
        IndexedFile.objects.all().delete()
        Word.objects.all().delete()
        state.note(noted_until=None, swept_to=0, learned_at=None)


def count() -> int:
    """Number of files in the index."""
    return IndexedFile.objects.count()
