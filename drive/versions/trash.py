"""The trash of a library: deleting, what vanished in a Lab, restoring, emptying."""

import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

from django.db import DatabaseError, transaction
from django.db.models import Max, QuerySet
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext, gettext_lazy

from collabs.models import EffectiveRole, Role
from drive.models import File, Library, Loss, Trashed, Version, Via
from drive.storage import (
    LibraryFiles,
    StorageError,
    disk_space,
    layout,
    open_library,
    path_codec,
    removal,
    signature,
    walk,
)
from drive.storage.files import DIRECTORY_MODE, FILE_MODE, REPLACED, identity, new_place
from drive.storage.names import with_free_name
from notices.models import Kind
from notices.services import notify
from portal import audit
from portal.models import User

from . import records, store

log = logging.getLogger(__name__)

LOSS_FILES = 20
AT_ONCE = 1000
"""Files that vanished in a Lab are made again while the person waits, up to so many; more are for a task."""
LOSS_SHARE = 0.3
"""So many files, and such a share of a library, gone at once: its people are told."""
MEND_AFTER = 3600
"""Seconds after which a place in the trash that no row knows belongs to a process that died."""


class NothingToRestoreError(StorageError):
    """Nothing to restore (410): restored or emptied meanwhile, or no version was ever captured."""

    status = 410


# Into the trash


def delete(actor: User, library: Library, path: str) -> Trashed:
    """Move a file, folder or link to the trash, with its histories."""
    with open_library(library) as files, records.changing(library):
        entry = files.stat(path)
        item = Trashed(library=library, path=path_codec.to_row(path), kind=entry.kind, deleted_by=actor, via=Via.WEB)
        item.place = files.delete(path)
        rows = records.within(library, path)
        with transaction.atomic():
            _note(item, rows, alarm(library, len(rows), actor))
    item.size, item.files = _measure(_where(item))  # which takes seconds for many files
    Trashed.objects.filter(pk=item.pk).update(size=item.size, files=item.files)
    records.use(library, -item.size, -item.files)
    return item


def vanished(
    library: Library, path: str, rows: list[File], *, by: User | None = None, loss: Loss | None = None
) -> Trashed | None:
    """A notebook deleted a file, or a folder with all its files: what was captured of them can be restored.

    None when nothing was captured.
    """
    with transaction.atomic():
        rows = _with_versions(rows)
        if not rows:
            return None
        kind = "file" if [row.path for row in rows] == [path_codec.to_row(path)] else "folder"
        item = Trashed(library=library, path=path_codec.to_row(path), kind=kind, deleted_by=by, via=Via.LAB)
        item.size, item.files = sum(row.size for row in rows), len(rows)
        _note(item, rows, loss)
        return item


def _with_versions(rows: list[File]) -> list[File]:
    """Those that can be restored; the others are forgotten."""
    kept: set[int] = set()
    for first in range(0, len(rows), records.BATCH):
        keys = [row.pk for row in rows[first : first + records.BATCH]]
        found = set(Version.objects.filter(file__in=keys).values_list("file_id", flat=True))
        File.objects.filter(pk__in=set(keys) - found).delete()
        kept |= found
    return [row for row in rows if row.pk in kept]


def clear(library: Library, path: str) -> None:
    """Before something takes a path: what the rows know there was deleted by a notebook, and no scan has seen it."""
    stale = records.within(library, path)
    if stale:
        vanished(library, path, stale)


def add_replaced(actor: User | None, library: Library, path: str, replaced: Path) -> Trashed:
    """Put a file that is out of the library, and cannot be made a version, into the trash as it is."""
    item = Trashed(library=library, path=path_codec.to_row(path), kind="file", place=new_place())
    item.deleted_by, item.via = actor, Via.WEB
    place = _where(item)
    place.parent.mkdir(parents=True)
    replaced.rename(place)
    item.size = place.lstat().st_size
    _note(item, [], None)
    return item


def _note(item: Trashed, rows: list[File], loss: Loss | None) -> None:
    item.deleted_at = timezone.now()
    item.loss = loss
    item.save()
    keys = [row.pk for row in rows]
    for first in range(0, len(keys), records.BATCH):
        File.objects.filter(pk__in=keys[first : first + records.BATCH]).update(trashed=item)


def alarm(library: Library, gone: int, actor: User | None = None) -> Loss | None:
    """Tell the library's people when a large share of it is about to be noted as gone."""
    if gone < LOSS_FILES:
        return None
    before = File.objects.filter(library=library, trashed=None).count()
    if gone < LOSS_SHARE * before:
        return None
    audit.record(actor, "library.loss", library, files=gone, of=before)
    deleted = gettext_lazy("{number} of {all} files were deleted from “{library}”")
    notify(
        _responsible_people(library),
        Kind.MASS_DELETION,
        subject=format_lazy(deleted, number=gone, all=before, library=library.name),
        text=gettext_lazy("If this was not intended, you can restore all of them at once on the library's page."),
        url=library.get_absolute_url(),
    )
    return Loss.objects.create(library=library, files=gone, of_files=before)


def _responsible_people(library: Library) -> QuerySet[User]:
    """People responsible for a library: its owner, or its Collab's administrators."""
    if library.owner_user_id:
        return User.objects.filter(pk=library.owner_user_id)
    administrators = EffectiveRole.objects.filter(collab=library.owner_collab_id, role=Role.ADMINISTRATOR)
    return User.objects.filter(pk__in=administrators.values("user"))


def _where(item: Trashed) -> Path:
    """Path of an item in the trash."""
    return layout.trash(item.library_id) / item.place / path_codec.from_row(item.path)


def _measure(path: Path) -> tuple[int, int]:
    """Bytes and files of something in the trash."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size, 1
    statuses = list(walk.own_files(path))
    return sum(status.st_size for _name, status in statuses), len(statuses)


# Out of the trash


def restore(actor: User | None, item: Trashed) -> str:
    """Put an item back; returns its path, which is another one where its name is taken.

    What vanished in a Lab is made anew, beside the library, from the last version of each file.
    """
    library = item.library
    staged = _where(item) if item.place else _rebuild(item)
    states = _states(staged)
    try:
        with open_library(library) as files, records.changing(library), transaction.atomic():
            locked = Trashed.objects.select_for_update().filter(pk=item.pk).first()
            if locked is None or not os.path.lexists(staged):
                raise NothingToRestoreError(gettext("This item is no longer in the trash."))
            path = _put_back(files, library, path_codec.from_row(item.path), staged)
            states[""] = _state_of(files, path)
            _take_up(locked, path, states)
            records.use(library, locked.size, locked.files)
            audit.record(actor, "file.restored", library, path=path_codec.to_row(path))
            locked.delete()
        return path
    finally:
        if item.place:
            _remove_empty(layout.trash(library.pk) / item.place)
        else:
            _remove(staged)


def is_for_a_task(item: Trashed) -> bool:
    """True for what takes too long to be restored while somebody waits: a move is quick, making files again is not."""
    return item.files > AT_ONCE and not item.place


def _states(top: Path) -> dict[str, tuple[str, int]]:
    """Signature and size of every file of an item, by its path below `top`."""
    if top.is_symlink() or not top.is_dir():
        return {}
    return {name: (signature(status), status.st_size) for name, status in walk.own_files(top)}


def _state_of(files: LibraryFiles, path: str) -> tuple[str, int]:
    """Signature and size of a restored item itself, at its new path: a rename changes its signature."""
    try:
        entry = files.stat(path)
    except StorageError:
        return "", 0
    return entry.signature, entry.size


def _remove_empty(place: Path) -> None:
    """Remove what is left of a place after a restore: the folders that the item was in."""
    for here, _folders, _names in os.walk(place, topdown=False):
        with suppress(OSError):
            Path(here).rmdir()


def _remove(staged: Path) -> None:
    """Remove what was rebuilt and not put back."""
    if staged.is_dir():
        shutil.rmtree(staged, ignore_errors=True)
    else:
        staged.unlink(missing_ok=True)


def _put_back(files: LibraryFiles, library: Library, path: str, staged: Path) -> str:
    def adopt(free: str) -> str:
        files.adopt(free, staged)
        clear(library, free)
        return free

    return with_free_name(path, adopt, "restored")


def _take_up(item: Trashed, path: str, states: dict[str, tuple[str, int]]) -> None:
    """The histories of an item live again, at the path where it is now, with these states by path below it.

    A file that is not the one that was captured, because a notebook wrote before it was deleted, is captured anew. What
    was rebuilt is the last version.
    """
    old = path_codec.from_row(item.path)
    rows, now = list(item.histories.all()), timezone.now()
    for row in rows:
        before = path_codec.from_row(row.path)
        here = path_codec.moved(before, old, path)
        row.path, row.path_key, row.trashed = path_codec.to_row(here), path_codec.key(here), None
        found, size = states.get(before[len(old) :].lstrip("/"), ("", 0))
        if not found or (item.place and (not row.signature or identity(found) != identity(row.signature))):
            row.is_captured = False
        row.signature, row.size, row.noted_at = found or row.signature, size, now
    records.save(rows, "path", "path_key", "trashed", "signature", "size", "is_captured", "noted_at")


def _rebuild(item: Trashed) -> Path:
    """Make a file, or a folder with its files, from their last versions, in the staging area."""
    root = layout.staging() / f"{layout.RESTORED}{secrets.token_hex(8)}"
    old = path_codec.from_row(item.path)
    if not item.histories.exists():
        raise NothingToRestoreError(gettext("No version of this file was saved."))
    for path, version in _newest(item):
        inside = path[len(old) :].lstrip("/")
        _copy_version(version, root / inside if inside else root)
    return root


def _newest(item: Trashed) -> Iterator[tuple[str, Version]]:
    """The path and the last version of each file of an item."""
    newest = Version.objects.filter(file__trashed=item).order_by().values("file").annotate(last=Max("pk"))
    versions = Version.objects.filter(pk__in=newest.values("last")).select_related("file")
    return ((path_codec.from_row(version.file.path), version) for version in versions.iterator(records.BATCH))


def _copy_version(version: Version, target: Path) -> None:
    target.parent.mkdir(DIRECTORY_MODE, parents=True, exist_ok=True)
    with store.open_object(version.sha256) as source, target.open("xb") as copy:
        disk_space.copy(source, copy, size=version.size)
    target.chmod(FILE_MODE)
    seconds = version.modified.timestamp()
    os.utime(target, (seconds, seconds))


def restore_loss(actor: User, loss: Loss) -> int:
    """Restore everything of a loss; returns how many items."""
    restored = 0
    for item in loss.trashed.select_related("library").order_by("path"):
        try:
            restore(actor, item)
            restored += 1
        except StorageError as error:  # it stays in the trash; the others are restored all the same
            log.warning("%s of library %s not restored: %s", item.path, item.library_id, error)
    answer(actor, loss)
    return restored


def answer(actor: User, loss: Loss) -> None:
    """Somebody has dealt with it: the banner goes."""
    audit.record(actor, "library.loss_answered", loss.library, files=loss.files)
    Loss.objects.filter(library=loss.library_id, answered_at=None).update(answered_at=timezone.now())


# Emptying, mending


def purge(actor: User | None, item: Trashed) -> None:
    """Remove an item for good, with its histories. What somebody restores in the same moment stays.

    The row goes first: what is killed in between is in the trash once more, where `mend` finds it. `removal.empty_bin`
    removes the bytes.
    """
    with transaction.atomic():
        locked = Trashed.objects.select_for_update().filter(pk=item.pk).first()
        if locked is None:
            return
        if actor:
            audit.record(actor, "file.purged", item.library, path=item.path)
        locked.delete()
    if item.place:
        removal.discard_trashed(item.library_id, item.place)


def days_ago(days: int) -> datetime | None:
    """The moment so many days ago; None for 0."""
    return timezone.now() - timedelta(days=days) if days else None


def purge_all(actor: User, library: Library, *, before: datetime | None = None) -> None:
    """Remove all that is in a library's trash for good, or what was deleted before a moment."""
    rows = library.trash.all() if before is None else library.trash.filter(deleted_at__lt=before)
    for item in rows.select_related("library").iterator(500):
        purge(actor, item)


def mend() -> int:
    """Finish what processes that died between disk and rows left in the trash; returns how many."""
    mended = _mend_restored()
    for directory in (layout.root() / "trash").glob("*/*"):
        try:
            mended += _mend_place(directory)
        except OSError as error:
            log.warning("%s in the trash not mended: %s", directory.name, error)
    return mended


def _mend_place(directory: Path) -> int:
    library = Library.objects.filter(pk=directory.parent.name).first()
    if not library or not _is_old(directory) or library.trash.filter(place=directory.name).exists():
        return 0
    for found in list(directory.iterdir())[:1]:
        kind = "folder" if found.is_dir() and not found.is_symlink() else "file"
        item = Trashed(library=library, path=path_codec.to_row(found.name), kind=kind, place=directory.name)
        item.via, (item.size, item.files) = Via.WEB, _measure(found)
        _note(item, [], None)
        return 1
    return 0


def _mend_restored() -> int:
    """Items that were put back, whose rows say they are in the trash."""
    mended = 0
    for item in Trashed.objects.exclude(place="").select_related("library"):
        if os.path.lexists(_where(item)):
            continue
        try:
            _finish_restore(item)
            mended += 1
        except (OSError, StorageError, DatabaseError) as error:  # of one; the others are mended all the same
            log.warning("%s of library %s not mended: %s", item.path, item.library_id, error)
    return mended


def _finish_restore(item: Trashed) -> None:
    path = path_codec.from_row(item.path)
    with open_library(item.library) as files, records.changing(item.library), transaction.atomic():
        clear(item.library, path)
        states = {row.path: _state_of(files, path_codec.from_row(row.path)) for row in item.histories.all()}
        below = {path_codec.from_row(row)[len(path) :].lstrip("/"): state for row, state in states.items()}
        _take_up(item, path, below)
        item.delete()


def keep_replaced() -> int:
    """Files that were being replaced when a process died go to the trash of their library; returns how many."""
    kept = 0
    for path in layout.staging().glob(f"{REPLACED}*"):
        name = path.name.removeprefix(REPLACED)[:36]
        library = Library.objects.filter(pk=UUID(name)).first()
        if library and _is_old(path):
            add_replaced(None, library, "recovered file", path)
            kept += 1
    return kept


def _is_old(path: Path) -> bool:
    return time.time() - path.lstat().st_ctime > MEND_AFTER
