"""Scan for changes by notebooks: the disk of a library compared with its rows.

A scan looks at every file's status and opens only what has changed. It may be stopped at any line and begun again; what
it has noted stays. Changes on the web go on meanwhile: every note is a conditional update of what the scan had read.
"""

import logging
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from django.utils import timezone

from drive.models import File, Library
from drive.storage import LibraryFiles, NotFoundError, StorageError, layout, open_library, path_codec, signature, walk
from drive.storage.files import identity, moment
from portal.file_lock import file_lock
from portal.models import User

from . import records, store, trash
from .capture import Taken, VersionTooLargeError, take_path

log = logging.getLogger(__name__)
T = TypeVar("T")

CAPTURE_BATCH = 100
"""Files per transaction, and per sync of the disk."""

Known = dict[str, tuple[int, str]]
"""By path: the row's id, and the signature it has."""


@dataclass
class Outcome:
    """Result of one scan: numbers of files, and `size` (bytes on disk, without the holes of sparse files)."""

    files: int = 0
    size: int = 0
    new: int = 0
    changed: int = 0
    moved: int = 0
    vanished: int = 0
    captured: int = 0
    left: list[str] = field(default_factory=list)
    """Files being written at this moment, or unreadable: the next scan looks again."""
    unread: list[str] = field(default_factory=list)
    """Folders that could not be read; what was known of them stays as it is."""


def scan(library: Library, by: User | None = None) -> Outcome | None:
    """Note and capture what has changed in a library; None when another scan of it is under way.

    `by` is whose code it must have been: the one person whose running Lab may write there, if there is just one.
    """
    with file_lock(layout.scan_lock(library.pk), wait=False) as alone:
        if not alone:
            return None
        with open_library(library) as files:
            outcome = _Scan(library, files, by).run()
        counted = {"used_bytes": outcome.size, "used_files": outcome.files, "counted_at": timezone.now()}
        Library.objects.filter(pk=library.pk).update(**counted)
        return outcome


def capture_waiting(library: Library) -> int:
    """Capture what was written on the web since the last time; returns how many files."""
    with file_lock(layout.scan_lock(library.pk), wait=False) as alone:
        if not alone:
            return 0
        with open_library(library) as files:
            scan = _Scan(library, files, None)
            scan.capture()
            return scan.outcome.captured


class _Scan:
    def __init__(self, library: Library, files: LibraryFiles, by: User | None) -> None:
        self.library = library
        self.files = files
        self.by = by
        self.outcome = Outcome()
        self.folders = {""}

    def run(self) -> Outcome:
        gone = self._known()
        fresh = self._look(gone)
        for path in [path for path in gone if any(path_codec.is_within(path, at) for at in self.outcome.unread)]:
            del gone[path]
        with records.changing(self.library):
            self._follow_moves(gone, fresh)
            self._add(fresh)
        self.capture()
        with records.changing(self.library):
            self._bury(gone)
        return self.outcome

    def _known(self) -> Known:
        rows = File.objects.filter(library=self.library, trashed=None).values_list("path", "pk", "signature")
        return {path_codec.from_row(path): (pk, seen) for path, pk, seen in rows.iterator(5000)}

    def _look(self, known: Known) -> dict[str, records.State]:
        """Look at every file, note what has changed, take from `known` what is there; returns what is new."""
        fresh: dict[str, records.State] = {}
        outcome = self.outcome
        for path, status in walk.entries(self.files, outcome.unread):
            if stat.S_ISDIR(status.st_mode):
                self.folders.add(path)
                continue
            outcome.files += 1
            outcome.size += min(status.st_size, status.st_blocks * 512)
            row, seen = known.pop(path, None), signature(status)
            if row is None:
                fresh[path] = records.State(seen, status.st_size, moment(status.st_mtime))
            elif row[1] != seen:
                state = records.State(seen, status.st_size, moment(status.st_mtime))
                outcome.changed += records.changed_in_lab(*row, state, self.by)
        return fresh

    def _follow_moves(self, gone: Known, fresh: dict[str, records.State]) -> None:
        """A file that is gone here and new there, and is the same file, was moved."""
        new = {identity(state.signature): path for path, state in fresh.items()} if gone else {}
        for path, (pk, seen) in list(gone.items()):
            there = new.pop(identity(seen), None) if seen else None
            if there is None:
                continue
            values = {"path": path_codec.to_row(there), "path_key": path_codec.key(there), "is_captured": False}
            values |= {"signature": fresh[there].signature, "noted_at": timezone.now()}
            if File.objects.filter(pk=pk, path_key=path_codec.key(path), trashed=None).update(**values):
                self.outcome.moved += 1
                del gone[path], fresh[there]

    def _add(self, fresh: dict[str, records.State]) -> None:
        """A row for each new file; where the web has made one meanwhile, that one stays."""
        rows = (
            File(
                library=self.library,
                path=path_codec.to_row(path),
                path_key=path_codec.key(path),
                **records.by_lab(state, self.by),
            )
            for path, state in fresh.items()
        )
        for batch in _batches(rows, records.BATCH):
            File.objects.bulk_create(batch, ignore_conflicts=True)
        self.outcome.new = len(fresh)

    def capture(self) -> None:
        """Copy every file of which the newest version is not captured."""
        rows = File.objects.filter(records.waiting(), library=self.library).order_by("pk")
        for keys in _batches(rows.values_list("pk", flat=True), CAPTURE_BATCH):
            store.sync()
            with store.adding():
                taken = [(row, self._take(row)) for row in File.objects.filter(pk__in=keys, trashed=None)]
                store.sync()
                done = [(row, copy) for row, copy in taken if copy]
                records.captured(done)
            self.outcome.captured += len(done)

    def _take(self, row: File) -> Taken | None:
        path = path_codec.from_row(row.path)
        try:
            return take_path(self.files, path, sync=False)
        except NotFoundError:
            return None  # the next scan buries it
        except VersionTooLargeError:
            return None  # as what the query leaves out by its size: nothing is wrong with it
        except (StorageError, OSError) as error:
            log.info("%a of %s not captured: %s", row.path, self.library.pk, error)  # a name may hold lines like ours
            self.outcome.left.append(path)
            return None

    def _bury(self, gone: Known) -> None:
        """Move vanished files to the trash, folder by folder, where they can be restored."""
        groups: dict[str, list[File]] = defaultdict(list)
        for keys in _batches(sorted(pk for pk, _seen in gone.values()), records.BATCH):
            for row in File.objects.filter(pk__in=keys, trashed=None):
                path = path_codec.from_row(row.path)
                if path in gone and self._is_gone(path):  # else it was renamed or made again on the web meanwhile
                    groups[self._top(path)].append(row)
        self.outcome.vanished = sum(len(rows) for rows in groups.values())
        loss = trash.alarm(self.library, self.outcome.vanished)
        for path, rows in groups.items():
            trash.vanished(self.library, path, rows, by=self.by, loss=loss)

    def _is_gone(self, path: str) -> bool:
        try:
            return self.files.stat(path).kind != "file"
        except NotFoundError:
            return True
        except StorageError:
            return False

    def _top(self, path: str) -> str:
        """The highest folder above a path that is gone as a whole; or the path."""
        parts = path.split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        return next((folder for folder in above if folder not in self.folders), path)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
