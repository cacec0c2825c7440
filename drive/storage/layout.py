"""Directories of the Drive below DRIVE_ROOT (one file system, so that every move is one rename):

    private/<id>/             libraries that few may see; mounted one by one in a Lab
    public/.libraries/<id>/   public libraries; `public` as a whole is mounted read-only in every Lab
    public/<name>             their names, as links to .libraries/<id>
    names/<id>                a link that says which name above is this library's
    staging/                  files that are not complete yet; nginx's uploads in staging/nginx
    trash/<id>/<place>/…      what was deleted from a library, each below the folders it was in
    objects/                  earlier versions of files (drive.versions.store)
    kept/<time>/              objects and journals that a replaced database needs (backups.upgrades.kept_files)
    unsettled/<id>            an empty file: the row is about to change, or has, and the disk may not have followed
    removed/                  what is on its way out (removal.py)
    locks/<two digits>        who changes a library holds one of these

The row says whether a library is public; the disk follows after commit (`settle`). The note in `unsettled/` is made
before the commit, so that a process that dies between the two leaves word of it: the next look, a second or two
later, finishes the work. On the way to private the name goes first.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext

from drive.models import Library
from portal.file_lock import file_lock

from .copying import PREFIX as COPIED
from .errors import NotFoundError
from .files import REPLACED, LibraryFiles

LOOKS = 20
RESTORED = "restored-"
"""Prefix of names in staging of what is being rebuilt from versions."""
LONGEST_TRANSACTION = 60.0
"""Seconds. A younger note may belong to a change that is not committed yet: it is obeyed, and kept."""


def root() -> Path:
    """The Drive's directory."""
    return Path(settings.DRIVE_ROOT)


def _made(name: str) -> Path:
    path = root() / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def staging() -> Path:
    """Made when it is missing."""
    return _made("staging")


def private_path(library_id: UUID) -> Path:
    """Directory of a private library."""
    return root() / "private" / str(library_id)


def public_path(library_id: UUID) -> Path:
    """Directory of a public library."""
    return root() / "public/.libraries" / str(library_id)


def trash(library_id: UUID) -> Path:
    """Trash directory of a library: each item in a place of its own, below the folders it was in."""
    return root() / "trash" / str(library_id)


def find(library_id: UUID) -> Path:
    """Current directory of a library. Looks several times, because it may move between two looks."""
    for _look in range(LOOKS):
        for path in (private_path(library_id), public_path(library_id)):
            if path.is_dir():
                return path
    raise NotFoundError(gettext("This library's directory is missing. An operator can repair it."))


def open_library(library: Library) -> LibraryFiles:
    """The library's files. The descriptor stays right when the library is moved between private and public."""
    for _attempt in range(LOOKS):
        with suppress(FileNotFoundError):
            fd = os.open(find(library.pk), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            return LibraryFiles(fd, staging=staging(), trash=trash(library.pk), lock=_lock_path(library.pk))
    raise NotFoundError(gettext("This library's directory is missing. An operator can repair it."))


def internal_address(library: Library, path: str) -> str:
    """The file's path below DRIVE_ROOT, for nginx."""
    return f"{find(library.pk).relative_to(root())}/{path}"


def _lock_path(library_id: UUID) -> Path:
    """One of 256 files, which stay: removing a lock while somebody waits for it would make two of it."""
    return _made("locks") / library_id.hex[:2]


def scan_lock(library_id: UUID) -> Path:
    """Lock file: held while a library is scanned."""
    return _made("locks") / f"scan-{library_id}"


def rows_lock(library_id: UUID) -> Path:
    """Lock file: held while a library's paths change, on disk and in the rows."""
    return _made("locks") / f"rows-{library_id}"


def bin_lock() -> Path:
    """Lock file: held while the bin (removal.py) is emptied."""
    return _made("locks") / "bin"


def deletion_lock() -> Path:
    """Lock file: held while something is removed permanently, and during a backup (deletion_lock.py)."""
    return _made("locks") / "keep"


def restoring() -> Path:
    """A note that is there while a backup is being restored: what is here is not all yet."""
    return root() / "restoring"


def note_unsettled(library_id: UUID) -> None:
    """Say, before the commit, that the disk will have to follow."""
    (_made("unsettled") / str(library_id)).touch()


def settle(library_id: UUID) -> None:
    """Make the disk agree with the row; may be repeated at any time, and after a crash at any step.

    The row is read under a lock, so that of two changes at once the last one committed is the last one on disk.
    """
    for name in ("public/.libraries", "private", "names"):
        _made(name)
    with file_lock(_lock_path(library_id)):
        library = Library.objects.get(pk=library_id)
        is_public = library.is_public and library.deleted_at is None
        _unname(library_id, keep=library.shared_name if is_public else None)
        _move(library_id, is_public=is_public)
        if is_public:
            _name(library_id, library.shared_name or str(library_id))


def withdraw(library_id: UUID) -> None:
    """Show a library to nobody by its name, whatever its row says, until it is settled: there may soon be no row."""
    note_unsettled(library_id)
    _made("private")
    with file_lock(_lock_path(library_id)):
        _unname(library_id, keep=None)
        if public_path(library_id).exists():
            _move(library_id, is_public=False)


def settle_committed(library_id: UUID) -> None:
    """Settle what is known to be committed: the note has done its work."""
    settle(library_id)
    remove_note(library_id)


def remove_note(library_id: UUID) -> None:
    """The disk has followed."""
    (root() / "unsettled" / str(library_id)).unlink(missing_ok=True)


def unsettled() -> Iterator[tuple[UUID, bool]]:
    """Libraries with a note, and whether it is old enough to be removed once they are settled."""
    for note in _made("unsettled").iterdir():
        with suppress(FileNotFoundError, ValueError):
            yield UUID(note.name), time.time() - note.stat().st_mtime > LONGEST_TRANSACTION


def _move(library_id: UUID, *, is_public: bool) -> None:
    source, target = private_path(library_id), public_path(library_id)
    if not is_public:
        source, target = target, source
    with suppress(FileNotFoundError):
        source.rename(target)
    target.mkdir(exist_ok=True)


def _link_target(library_id: UUID) -> str:
    return f".libraries/{library_id}"


def _point(link: Path, target: str) -> None:
    """Make a symbolic link, in one step also where there is one already."""
    if _read_link(link) == target:
        return
    fresh = staging() / f"link-{os.getpid()}-{time.monotonic_ns()}"
    fresh.symlink_to(target)
    fresh.replace(link)


def _read_link(link: Path) -> str | None:
    try:
        return os.readlink(link)
    except OSError:
        return None


def _name(library_id: UUID, name: str) -> None:
    _point(root() / "names" / str(library_id), name)  # first: so that `_unname` finds the other, whatever happens
    _point(root() / "public" / name, _link_target(library_id))


def _unname(library_id: UUID, keep: str | None) -> None:
    """Remove the name that the library has among the public ones, unless it is to keep it."""
    note = root() / "names" / str(library_id)
    name = _read_link(note)
    if name is None or name == keep:
        return
    link = root() / "public" / name
    if _read_link(link) == _link_target(library_id):
        link.unlink(missing_ok=True)
    note.unlink(missing_ok=True)


def public_on_disk() -> set[UUID]:
    """Ids of the libraries that the disk shows to everybody."""
    return ids(root() / "public/.libraries")


def named_on_disk() -> set[UUID]:
    """Ids of the libraries that the disk shows by name."""
    return ids(root() / "names")


def ids(place: Path) -> set[UUID]:
    """Names in a directory that are ids; others (an operator's own) are nothing to us."""
    found = set()
    with suppress(FileNotFoundError):
        for name in os.listdir(place):
            with suppress(ValueError):
                found.add(UUID(name))
    return found


def sweep_staging(older_than: float) -> int:
    """Remove what was left in staging before `older_than` (seconds since the epoch); returns how many.

    What stands where a replaced file may be stays: that is for `drive.versions.trash.keep_replaced`.
    """
    removed = 0
    for path in [*staging().iterdir(), *(staging() / "nginx").rglob("*")]:
        with suppress(FileNotFoundError):
            if path.lstat().st_mtime >= older_than or path.name.startswith(REPLACED) or path == staging() / "nginx":
                continue
            if not path.is_dir():
                path.unlink()
                removed += 1
            elif path.name.startswith((RESTORED, COPIED)):
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
    return removed


def usage(library: Library) -> tuple[int, int]:
    """Bytes and files of a library, counted now."""
    total = files = 0
    for _folder, _folders, names, fd in os.fwalk(find(library.pk), follow_symlinks=False):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
                files += 1
    return total, files
