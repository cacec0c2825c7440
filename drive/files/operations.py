"""Operations on files through the web and the API: one function for each kind of change.

The caller has checked that `actor` may write there. Paths are the library's. What goes wrong is a StorageError, and
then nothing was changed. The disk is changed first, then the rows that remember who did it (drive.versions).
"""

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from django.utils import timezone

from drive.libraries import quota
from drive.models import Library, Trashed, Version, Via
from drive.preview import ahead
from drive.storage import FileEntry, LibraryFiles, NotFoundError, copying, disk_space, open_library, signature
from drive.storage.files import identity, sync_staged
from drive.storage.walk import tree
from drive.versions import records, store, trash
from drive.versions.capture import Taken
from drive.versions.replaced_files import ReplacedFileSaver
from portal.models import User

CAPTURE_AT_ONCE = 8 * 2**20
"""Bytes up to which a new file is a version from the first moment: the copy costs milliseconds."""


def put(
    actor: User | None, library: Library, path: str, staged: Path, *, if_match: str | None = None, via: Via = Via.WEB
) -> FileEntry:
    """Move a complete file from the staging area to its place (`LibraryFiles.put` says what `if_match` means).

    What was there becomes an earlier version. A small file is captured before any notebook can change it, a large one
    within a minute.
    """
    size = sync_staged(staged)
    with open_library(library) as files, store.adding():
        there = _size(files, path)
        with quota.held(library, size - (there or 0), 1 if there is None else 0):
            copy = _copy(staged) if size <= min(CAPTURE_AT_ONCE, disk_space.left()) else None
            sent = identity(signature(staged.stat()))
            entry = files.put(path, staged, if_match=if_match, handler=ReplacedFileSaver(actor, library, path))
            folder, _, _name = path.rpartition("/")
            row = records.written(actor, library, f"{folder}/{entry.name}" if folder else entry.name, entry, via=via)
        if copy:
            # A notebook may have written into it since it had its name: then its own content is captured later.
            taken = Taken(entry.signature, *copy, entry.modified)
            records.captured([(row, taken)], current=identity(entry.signature) == sent, certain=True)
    ahead.wake(library.pk, path)
    return entry


def restore_version(actor: User, version: Version, path: str) -> FileEntry:
    """Put the content of an earlier version in place of the file at `path`, whose content becomes a version too."""
    library = version.file.library
    with (
        open_library(library) as files,
        store.open_object(version.sha256) as source,
        files.staged(source, version.size) as staged,
    ):
        return put(actor, library, path, staged, via=Via.RESTORED)


def _size(files: LibraryFiles, path: str) -> int | None:
    """Bytes of the file at a path; None where none is."""
    try:
        return files.stat(path).size
    except NotFoundError:
        return None


def _copy(staged: Path) -> tuple[str, int]:
    with staged.open("rb") as source:
        return store.add(source)


def write(actor: User, library: Library, path: str, content: bytes, *, if_match: str | None = None) -> FileEntry:
    """Put a small file in place: what was typed on a page, or an empty notebook."""
    with open_library(library) as files, files.staged(io.BytesIO(content), len(content)) as staged:
        return put(actor, library, path, staged, if_match=if_match)


def set_modified(actor: User, library: Library, path: str, seconds: float) -> FileEntry:
    """Say when a file was changed, as a program that copies files does; its content, author and versions stay."""
    with open_library(library) as files, records.changing(library):
        before = files.stat(path)
        entry = files.set_modified(path, seconds)
        if (row := records.live(library, path)) and row.signature == before.signature:
            row.signature = entry.signature
            records.save([row], "signature")
    return entry


def make_folder(actor: User, library: Library, path: str) -> None:
    """Create one folder; NameTakenError when something has the name."""
    with open_library(library) as files:
        files.make_folder(path)


def rename(actor: User, library: Library, path: str, new_path: str) -> None:
    """Give a file, folder or link another path within its library; NameTakenError when something has it."""
    with open_library(library) as files, records.changing(library):
        new_path = files.rename(path, new_path)
        if new_path != path:
            trash.clear(library, new_path)
            records.move(library, path, new_path, library)


def delete(actor: User, library: Library, path: str) -> Trashed:
    """Move a file, folder or link to the library's trash."""
    return trash.delete(actor, library, path)


def move(actor: User, source: Library, path: str, target: Library, new_path: str) -> None:
    """Give a file, folder or link another path, in another library perhaps; NameTakenError when something has it."""
    if source == target:
        rename(actor, source, path, new_path)
        return
    rows = records.within(source, path)
    differs = quota.differs(source, target)
    extra = (sum(row.size for row in rows), len(rows)) if differs else (0, 0)
    with (
        quota.held(target, *extra),
        open_library(source) as here,
        open_library(target) as there,
        records.changing(source, target),
    ):
        new_path = copying.move(here, path, there, new_path)
        trash.clear(target, new_path)
        records.move(source, path, new_path, target)


def copy(actor: User, source: Library, path: str, target: Library, new_path: str) -> copying.Copied:
    """Copy a file, folder or link, in another library perhaps; NameTakenError when something has the name.

    `actor` may read the source. Raises copying.CopyTooLargeError for more than is copied while somebody waits.
    """
    with open_library(source) as here:
        return copy_from(actor, here, path, target, new_path)


def copy_from(
    actor: User, here: LibraryFiles, path: str, target: Library, new_path: str, *, links: bool = True
) -> copying.Copied:
    """As `copy`, of open files: what they keep back is not copied. Without `links`, no symbolic link is."""
    with open_library(target) as there:
        extra = copying.measure(here, [path])
        with quota.held(target, extra.size, extra.files):
            copied = copying.copy(here, path, there, new_path, links=links)
            trash.clear(target, copied.path)
            records.copied(actor, target, _states(there, copied.path))
    ahead.wake(target.pk, copied.path)
    return copied


def copy_over(actor: User, source: Library, path: str, target: Library, new_path: str) -> FileEntry:
    """Put a copy of a file in place of another, whose content becomes an earlier version. Its time of change stays."""
    with open_library(source) as here, open_library(target) as there, here.open(path) as content:
        status = os.fstat(content.fileno())
        with there.staged(content) as staged:
            os.utime(staged, ns=(status.st_atime_ns, status.st_mtime_ns))
            return put(actor, target, new_path, staged)


def _states(files: LibraryFiles, path: str) -> Iterator[tuple[str, records.State]]:
    """The files at and below a path."""
    with closing(tree(files, path)) as items:
        for item in items:
            if item.kind == "file":
                here = f"{path}/{item.path}" if item.path else path
                yield here, records.State(signature(item.status), item.status.st_size, timezone.now())


def check_copy(source: Library, paths: Iterable[str], target: Library) -> copying.Copied:
    """How much all of these together are. CopyTooLargeError or OverQuotaError where it is too much for one."""
    with open_library(source) as files:
        extra = copying.measure(files, paths)
    quota.check(target, extra.size, extra.files)
    return extra
