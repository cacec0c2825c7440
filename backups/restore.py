"""Restore a backup: into an empty site, the files first and the rows last; or as plain files.

Until it is done a note lies in the Drive (`layout.restoring`), and a site does not start on that (`first_start`).
"""

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from django.conf import settings
from django.core.management import call_command

from drive.models import File, Library, Trashed, Version
from drive.storage import NotFoundError, layout, path_codec
from drive.storage import signature as signature_of
from drive.storage.files import identity
from drive.versions import scan
from drive.versions import store as version_store
from rooms.room.journal import JournalError, note_restored
from search.models import IndexState

from . import database
from .backup_store import Backup, BackupError, BackupStore, sync
from .create import SIGNING_KEYS, write_secret
from .extract import Extraction
from .manifest import Entry, Manifest, shown

BATCH = 500
NAMED = 20
_LIBRARY = re.compile(rb"libraries/")
T = TypeVar("T")
Progress = Callable[[str], None]


@dataclass
class Report:
    """Result of a restore, and what differs from the site that was backed up."""

    files: int = 0
    differs: list[str] = field(default_factory=list)
    """For the operator: rows without files, files without rows, files that were damaged or changed."""
    damaged: int = 0


def into_directory(store: BackupStore, backup: Backup, target: Path, only: str, progress: Progress) -> Report:
    """Write the files, or those at and below `only`, and the database, as plain files."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise BackupError(f"{target} is not empty.")
    with backup.manifest() as manifest:
        extraction = Extraction(store, manifest, target)
        extraction.extract(path_of(only))
    if not extraction.files and not any(target.iterdir()):
        raise BackupError(f"The backup holds nothing at {only}.")
    if not only:
        for name in backup.about["sha256"]:
            if name.startswith(("database.", "secrets/")):
                write_secret(target / name, (backup.path / name).read_bytes())
    progress(f"{extraction.files} files are in {target}")
    return Report(extraction.files, [f"damaged: {path}" for path in extraction.damaged], len(extraction.damaged))


def path_of(text: str) -> bytes:
    """Path in the manifest, from a command's argument."""
    return text.strip("/").encode(errors="surrogateescape")


def into_site(store: BackupStore, backup: Backup, *, look: bool, progress: Progress) -> Report:
    """Restore the site. BackupError, before anything is written, where that is not possible."""
    check(backup)
    report = Report()
    drive = layout.root()
    drive.mkdir(mode=0o700, parents=True, exist_ok=True)
    with backup.manifest() as manifest:
        check_room(manifest, drive)
    layout.restoring().write_text(f"{backup.path}\n")
    with backup.manifest() as manifest:
        progress("Files")
        extraction = Extraction(store, manifest, drive, lambda path: _LIBRARY.sub(b"private/", path, count=1))
        extraction.extract(b"staging", b"trash", b"libraries", b"objects")
        report.files, report.damaged = extraction.files, len(extraction.damaged)
        report.differs += [f"damaged in the backup: {path}" for path in extraction.damaged]
        _journals(store, manifest)
        progress("Database")
        database.load(backup.path / database.FILES[backup_kind(backup)])
        call_command("migrate", interactive=False, verbosity=0)
        progress("Rows and files")
        update_signatures(manifest)
    _signing_keys(backup)
    report.differs += _secret(backup) + _settle() + differences()
    if look:
        progress("Looking at every library")
        report.differs += _scan()
    sync(drive)
    layout.restoring().unlink()
    return report


# Before


def check(backup: Backup) -> None:
    """BackupError where this site is not empty, is running, or has another kind or version of database."""
    kind, here = backup_kind(backup), database.connection.vendor
    if kind != here:
        raise BackupError(f"The backup is of a site with {kind}, this one has {here}. Set DATABASE_URL accordingly.")
    if reason := database.refusal(backup.about["migrations"]):
        raise BackupError(reason)
    if runs():
        raise BackupError("The site is running. Stop it first.")
    if not database.is_empty():
        raise BackupError("The site's database is not empty. A backup is restored into an empty one only.")
    for name in ("private", "public/.libraries", "trash", "objects", "restoring"):
        place = layout.root() / name
        if place.is_file() or (place.is_dir() and any(place.iterdir())):
            raise BackupError(f"{place} is not empty. A backup is restored into an empty site only.")


def backup_kind(backup: Backup) -> str:
    """`sqlite` or `postgresql`."""
    return next(kind for kind, name in database.FILES.items() if name in backup.about["sha256"])


def runs() -> bool:
    """True while processes of the site answer."""
    for name in ("web.sock", "webdav.sock", "rooms.sock", "redis.sock", "supervisor.sock"):
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(Path(settings.RUN_DIR) / name))
            except OSError:
                continue
            return True
    return False


def check_room(manifest: Manifest, target: Path, below: bytes = b"") -> None:
    """BackupError where the disk of `target` has less room than the files, all or at and below a path, take."""
    _files, needed = manifest.totals(below)
    disk = os.statvfs(target)
    if needed > disk.f_bavail * disk.f_frsize:
        raise BackupError(f"{target} has not enough room: the backup's files are {needed / 2**30:.1f} GiB.")


# Rows and files


def update_signatures(manifest: Manifest) -> None:
    """Update the signatures in the File rows: inodes and times of restored files are new.

    Otherwise the next scan would take every file for one that somebody has changed, and nobody would be its author. A
    row whose file was changed after the snapshot is left as it is; the scan finds out.
    """
    rows = File.objects.exclude(signature="").select_related("trashed").order_by("pk")
    for batch in _batches(rows.iterator(BATCH), BATCH):
        known = []
        for row in batch:
            if fresh := _signature(manifest, row):
                row.signature = fresh
                known.append(row)
        File.objects.bulk_update(known, ["signature"], batch_size=BATCH)
    IndexState.objects.update(swept_to=0)  # the search index is compared with them


def _signature(manifest: Manifest, row: File) -> str:
    """Signature of a row's file as it is now; empty unless it is the file that the row is about."""
    path = path_codec.from_row(row.path)
    if row.trashed is None:
        old, now = f"libraries/{row.library_id}/{path}", layout.private_path(row.library_id) / path
    elif row.trashed.place:
        old, now = (
            f"trash/{row.library_id}/{row.trashed.place}/{path}",
            layout.trash(row.library_id) / row.trashed.place / path,
        )
    else:
        return ""
    entry = manifest.get(old.encode(errors="surrogateescape"))
    if entry is None or not _is_same(entry, row):
        return ""
    try:
        return signature_of(now.lstat())
    except OSError:  # below a folder that nobody may enter: the next scan asks the same
        return ""


def _is_same(entry: Entry, row: File) -> bool:
    """True if the entry is the file of the row. In the trash the ctime is not compared: the move there changed it."""
    if row.trashed_id:
        return identity(entry.signature) == identity(row.signature)
    return entry.signature == row.signature and not entry.torn


def _settle() -> list[str]:
    """Move public libraries to where everybody sees them, and make missing directories; returns what was missing."""
    found = []
    for library_id in Library.objects.filter(removed_at=None).values_list("pk", flat=True):
        try:
            layout.find(library_id)
        except NotFoundError:
            found.append(f"library {library_id}: its directory was missing, and is empty now")
        layout.settle(library_id)
    return found


def differences() -> list[str]:
    """Rows without their files, and directories without their rows, in words."""
    found = []
    for sha256 in Version.objects.order_by().values_list("sha256", flat=True).distinct().iterator():
        if not version_store.has(sha256):
            found.append(f"version {sha256}: its content is missing")
    for item in Trashed.objects.exclude(place="").filter(library__removed_at=None).iterator():
        if not (layout.trash(item.library_id) / item.place).exists():
            found.append(
                f"trash of library {item.library_id}: {shown(item.path.encode())} was restored meanwhile, or is missing"
            )
    known = set(Library.objects.values_list("pk", flat=True))
    for path in (layout.root() / "private").iterdir():
        if not _is_known(path.name, known):
            found.append(f"{path} belongs to no library")
    return found


def _is_known(name: str, known: set[UUID]) -> bool:
    try:
        return UUID(name) in known
    except ValueError:
        return False


def _scan() -> list[str]:
    found = []
    for library in Library.objects.live().order_by("pk"):
        outcome = scan.scan(library)
        if outcome is None:
            continue
        numbers = {name: getattr(outcome, name) for name in ("new", "changed", "moved", "vanished")}
        numbers |= {"unreadable": len(outcome.left) + len(outcome.unread)}
        if any(numbers.values()):
            said = ", ".join(f"{count} {name}" for name, count in numbers.items() if count)
            found.append(f"{library} ({library.pk}), written while the backup was made: {said}")
    return found


def _secret(backup: Backup) -> list[str]:
    """Restore SECRET_KEY, which signs sessions and links, where this site has none; otherwise say what to do."""
    kept = backup.path / "secrets/secret-key"
    place = Path(settings.VAR_DIR) / "secret-key"
    if not kept.exists():
        return ["the backup has no secrets: give the site its old SECRET_KEY, or sessions and public links end"]
    secret = kept.read_text().strip()
    if secret == settings.SECRET_KEY:
        return []
    if settings.LOCAL and not place.exists():
        write_secret(place, secret.encode())
        return []
    return ["SECRET_KEY is not the backup's: add that to SECRET_KEY_FALLBACKS, or sessions and public links end"]


def _journals(store: BackupStore, manifest: Manifest) -> None:
    """Restore what was typed in rooms and perhaps not saved."""
    place = Path(settings.ROOMS_ROOT)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    Extraction(store, manifest, place, lambda path: path.removeprefix(b"rooms").lstrip(b"/")).extract(b"rooms")
    for journal in place.glob("*.journal"):
        with suppress(JournalError):  # what is damaged is set aside when its room is opened
            note_restored(journal)


def _signing_keys(backup: Backup) -> None:
    """Restore signing keys of OpenID Connect; keys that this site has already stay."""
    place = Path(settings.IDENTITY_KEYS)
    for key in (backup.path / "secrets" / SIGNING_KEYS).glob("*.pem"):
        if not (place / key.name).exists():
            write_secret(place / key.name, key.read_bytes())


def _batches(items: Iterator[T], size: int) -> Iterator[list[T]]:
    while batch := list(islice(items, size)):
        yield batch
