"""One backup of the running site: first the rows, then every file that they refer to.

The snapshot of the database comes first, and nothing is removed for good until the files are read
(drive.storage.deletion_lock): so what a row of the snapshot refers to is still there. What moves meanwhile, between
folders, libraries and the trash, is found by looking again: first in the trash, then in the libraries, in rounds until
nothing new turns up, then in the trash once more, and in what left it on its way out. A later round reads only what it
has not seen. docs/how-to/backup.md argues why that is enough, and what it does not cover.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import django
from django.conf import settings

from drive.models import Library, Trashed, Version
from drive.storage import NotFoundError, deletion_lock, layout, removal
from drive.storage.files import REPLACED
from drive.versions.capture import PAUSE
from portal.ops.task_queue import publish

from . import database, verify
from .backup_store import Backup, BackupError, BackupStore, Unfinished, UnreadableError
from .manifest import Entry, Manifest, SavedLibrary, shown
from .walk import Found, VanishedError, walk

ROUNDS = 3
"""Passes over the libraries, at most."""
TRIES = 3
"""Attempts to read a file that is being written."""
NAMED = 1000
"""Paths per list in backup.json."""
STAGED = (b"tus-", b"held-", REPLACED.encode())
"""In staging: uploads under way, uploads that wait for a choice, files that are being replaced."""
SIGNING_KEYS = "signing-keys"
"""Directory of IDENTITY_KEYS below secrets/."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """Options of one backup."""

    secrets: bool = True
    homes: bool = False
    wait_seconds: float = 3600


def create(store: BackupStore, options: Options, progress: Progress) -> Backup:
    """Make a backup, within `store.alone()`. BackupError or OSError (a full disk); nothing is left then."""
    with deletion_lock.no_deletion(options.wait_seconds) as alone:
        if not alone:
            raise BackupError("Files are still being removed for good, or another backup is running. Try again later.")
        unfinished = store.begin()
        try:
            backup = _Creation(store, unfinished, options, progress).run()
        except BaseException:
            unfinished.abandon()
            raise
    if deletion_lock.pop_refused():
        publish("drive.tasks.tidy")
        publish("drive.tasks.purge_deleted")
    return backup


class _Creation:
    def __init__(self, store: BackupStore, unfinished: Unfinished, options: Options, progress: Progress) -> None:
        self.store, self.unfinished, self.options, self.progress = store, unfinished, options, progress
        self.manifest = unfinished.manifest
        earlier = store.backups()
        self.before: Manifest | None = earlier[-1].manifest() if earlier else None
        self.share = (earlier[-1].about.get("share", -1) + 1) % verify.SHARES if earlier else 0
        """Of the last backup's contents, which is read before anything relies on it."""
        self.began = time.time()
        self.round = 1
        self.found_new = 0
        """Files in this round that no earlier one had."""

    def run(self) -> Backup:
        self.progress("Database")
        migrations = database.applied()
        database.snapshot(self.unfinished.place)
        self.manifest.need(_needed())
        libraries = list(Library.objects.filter(removed_at=None).values_list("pk", flat=True))
        self.manifest.add_libraries(_saved_libraries())
        self._secrets()
        if self.before:
            self.progress(f"Earlier contents, share {self.share + 1} of {verify.SHARES}")
            self.store.note_damaged(verify.damaged_share(self.store, self.before, self.share))
        damaged = set(self.store.damaged)
        self._files(libraries)
        if self.before:
            self.before.close()
        self.unfinished.promote()
        still = damaged & self.store.damaged
        about = {"share": self.share, "stored_anew": len(damaged) - len(still), "damaged": sorted(still)[:NAMED]}
        return self.unfinished.finish(self._about(migrations, len(libraries)) | about)

    # What is read, in which order

    def _files(self, libraries: list[UUID]) -> None:
        self.progress("Uploads under way, trash")
        self._top(b"staging", layout.staging(), lambda path: path.startswith(STAGED))
        self._trash()
        for self.round in range(1, ROUNDS + 1):
            self.found_new = 0
            self.progress(f"Libraries, round {self.round}")
            for library_id in libraries:
                self._library(library_id)
            self.manifest.flush()
            if self.round > 1:
                self.manifest.drop_moved(b"libraries/", self.round)
                if not self.found_new:
                    break
        self.progress("Trash again, versions")
        self._trash()
        self._top(b"objects", layout.root() / "objects", lambda path: path != b"lock")
        # After the files: a room recognises what it wrote before, and takes what it has not written yet for a change.
        self._top(b"rooms", Path(settings.ROOMS_ROOT))
        if self.options.homes:
            for server in sorted((Path(settings.LAB_ROOT) / "servers").glob("*/home")):
                self._top(b"homes/" + os.fsencode(server.parent.name), server)

    def _library(self, library_id: UUID) -> None:
        prefix = f"libraries/{library_id}".encode()
        try:
            self._top(prefix, layout.find(library_id))
        except NotFoundError:
            self.manifest.leave_out(prefix, "the library's directory is missing")

    def _trash(self) -> None:
        self._top(b"trash", layout.root() / "trash")
        for path, library_id, place in removal.trashed_in_bin():
            self._top(f"trash/{library_id}/{place}".encode(), path)
        self.manifest.flush()

    def _top(self, prefix: bytes, path: Path, wanted: Callable[[bytes], bool] = lambda _path: True) -> None:
        """Read one of our own directories, and all that is below it."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            self.manifest.add(replace(Entry.of(prefix, "folder", os.fstat(fd)), round=self.round))
            for found in walk(fd):
                if wanted(found.path):
                    self._note(prefix + b"/" + found.path, found)
        finally:
            os.close(fd)

    # One thing

    def _note(self, path: bytes, found: Found) -> None:
        if found.status is None or found.kind == "other":
            self.manifest.leave_out(path, "a pipe, socket or device" if found.status else "cannot be looked at")
            return
        entry = replace(Entry.of(path, found.kind, found.status), round=self.round)
        try:
            if entry.kind == "link":
                entry = replace(entry, target=found.target())
            elif entry.kind == "file":
                entry = self._known(entry) or self._read(entry, found)
        except VanishedError:
            return
        except UnreadableError as error:
            self.manifest.leave_out(path, str(error))
            return
        self.manifest.add(entry)

    def _known(self, entry: Entry) -> Entry | None:
        """The entry with its content, if an earlier round or the last backup has it and the file is unchanged since."""
        for manifest in [self.manifest] * (self.round > 1) + [self.before] * (self.before is not None):
            known = manifest.get(entry.path) if manifest else None
            if known and known.sha256 and not known.torn and known.looks_like(entry) and self._has(known):
                return entry.with_content(known)
        return None

    def _has(self, known: Entry) -> bool:
        size = sum(length for _offset, length in known.parts())
        return known.sha256 in self.unfinished.fresh or self.store.has(str(known.sha256), size)

    def _read(self, entry: Entry, found: Found) -> Entry:
        """Read and store a file. One that is written meanwhile is read again; the last attempt is kept, as `torn`."""
        self.found_new += 1
        try:
            fd = found.open()
        except OSError as error:
            raise UnreadableError(str(error.strerror)) from error
        try:
            for attempt in range(TRIES):
                read = self._read_once(fd, entry)
                if not read.torn:
                    break
                time.sleep(PAUSE * attempt)
        finally:
            os.close(fd)
        self.manifest.take_in(entry.path)
        return read

    def _read_once(self, fd: int, entry: Entry) -> Entry:
        before = Entry.of(entry.path, "file", os.fstat(fd))
        if (
            time.time_ns() - before.changed < PAUSE * 1e9
        ):  # within a tick of the file system's clock, a write is not seen
            time.sleep(PAUSE)
        parts = _parts(fd, os.fstat(fd))
        sha256, size = self.unfinished.put(fd, parts)
        same = before.looks_like(Entry.of(entry.path, "file", os.fstat(fd)))
        read = replace(before, round=self.round, sha256=sha256, torn=int(not same))
        if parts != [(0, before.size)]:
            return replace(read, **_short(parts, size))
        return replace(read, size=size)

    # Around it

    def _secrets(self) -> None:
        if not self.options.secrets:
            (self.unfinished.place / "secrets").rmdir()
            return
        kept = {"secret-key": f"{settings.SECRET_KEY}\n".encode()}
        settings_file = Path(settings.VAR_DIR) / "settings.env"
        if settings_file.exists():
            kept["settings.env"] = settings_file.read_bytes()
        for key in Path(settings.IDENTITY_KEYS).glob("*.pem"):
            kept[f"{SIGNING_KEYS}/{key.name}"] = key.read_bytes()
        for name, content in kept.items():
            write_secret(self.unfinished.place / "secrets" / name, content)

    def _about(self, migrations: dict[str, list[str]], libraries: int) -> dict[str, Any]:
        files, total = self.manifest.totals()
        missing = [path for path in self.manifest.missing() if _is_needed(path.decode())]
        torn, left = self.manifest.torn(), self.manifest.left()
        return {
            "made": datetime.fromtimestamp(self.began, UTC).isoformat(timespec="seconds"),
            "seconds": round(time.time() - self.began, 1),
            "site": settings.PORTAL_URL,
            "versions": {"python": platform.python_version(), "django": django.get_version()},
            "migrations": migrations,
            "has_secrets": self.options.secrets,
            "has_homes": self.options.homes,
            "libraries": libraries,
            "files": files,
            "bytes": total,
            "new_bytes": self.unfinished.new_bytes,
            "rounds": self.round,
            "missing": [shown(path) for path in missing[:NAMED]],
            "torn": [shown(path) for path in torn[:NAMED]],
            "left_out": {shown(path): why for path, why in left[:NAMED]},
            "left_out_count": len(left),
        }


def write_secret(path: Path, content: bytes) -> None:
    """Write a file of mode 0600; nobody else can read it at any moment."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)


def _parts(fd: int, status: os.stat_result) -> list[tuple[int, int]]:
    """Extents of a file that have data. Holes are not read: a notebook makes one of a million terabytes in a moment."""
    if status.st_blocks * 512 >= status.st_size:
        return [(0, status.st_size)]
    found, at = [], 0
    while at < status.st_size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError:  # ENXIO: a hole up to the end
            break
        if start >= status.st_size:
            break
        at = min(os.lseek(fd, start, os.SEEK_HOLE), status.st_size)
        found.append((start, at - start))
    return found


def _short(parts: list[tuple[int, int]], size: int) -> dict[str, Any]:
    """Extents that `size` bytes fill, for the manifest: a file may have been truncated while it was read."""
    filled, left = [], size
    for offset, length in parts:
        filled.append([offset, min(length, left)])
        left -= filled[-1][1]
    return {"extents": json_of([stretch for stretch in filled if stretch[1]])}


def json_of(stretches: list[list[int]]) -> str:
    """Extents in JSON, as in the manifest."""
    return "[" + ", ".join(f"[{offset}, {length}]" for offset, length in stretches) + "]"


def _saved_libraries() -> Iterator[SavedLibrary]:
    rows = Library.objects.filter(removed_at=None).order_by()
    for library_id, name, username, title in rows.values_list(
        "pk", "name", "owner_user__username", "owner_collab__title"
    ).iterator():
        yield SavedLibrary(str(library_id), name, username or title)


def _needed() -> Iterator[bytes]:
    """Paths in the manifest that the database's rows refer to."""
    for library_id in Library.objects.filter(removed_at=None).values_list("pk", flat=True):
        yield f"libraries/{library_id}".encode()
    places = Trashed.objects.exclude(place="").filter(library__removed_at=None).order_by()
    for library_id, place in places.values_list("library", "place").iterator():
        yield f"trash/{library_id}/{place}".encode()
    for sha256 in Version.objects.order_by().values_list("sha256", flat=True).distinct().iterator():
        yield f"objects/{sha256[:2]}/{sha256}".encode()


def _is_needed(path: str) -> bool:
    """Whether a row still refers to the path: what was restored from the trash meanwhile is in its library by now."""
    kind, first, last, *_ = [*path.split("/"), ""]
    if kind == "trash":
        return Trashed.objects.filter(library_id=first, place=last).exists()
    if kind == "objects":
        return Version.objects.filter(sha256=last).exists()
    return Library.objects.filter(pk=first, removed_at=None).exists()
