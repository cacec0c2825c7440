"""Where libraries are on disk, below DRIVE_ROOT (one file system, so that every move is one rename):

    private/<id>/             libraries that few may see; mounted one by one in a Lab
    public/.libraries/<id>/   public libraries; `public` as a whole is mounted read-only in every Lab
    public/<name>             their names, as links to .libraries/<id>
    staging/                  files that are not complete yet
    trash/<id>/               what was deleted from a library

The row says whether a library is public; the disk follows after commit (`settle`). On the way to private the name
goes first.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from django.conf import settings

from drive.models import Library

from .files import LibraryFiles, NotFound


def root() -> Path:
    """The Drive's directory."""
    return Path(settings.DRIVE_ROOT)


def staging() -> Path:
    """Made when it is missing."""
    path = root() / "staging"
    path.mkdir(parents=True, exist_ok=True)
    return path


def private_path(library_id: UUID) -> Path:
    """Where a private library is."""
    return root() / "private" / str(library_id)


def public_path(library_id: UUID) -> Path:
    """Where a public library is."""
    return root() / "public/.libraries" / str(library_id)


def find(library_id: UUID) -> Path:
    """Where the library is now; a third look, because it may move between the first two."""
    for path in (private_path(library_id), public_path(library_id), private_path(library_id)):
        if path.is_dir():
            return path
    raise NotFound("This library's directory is missing. An operator can repair it.")


def open_library(library: Library) -> LibraryFiles:
    """The library's files. The descriptor stays right when the library is moved between private and public."""
    for _attempt in range(3):
        with suppress(FileNotFoundError):
            fd = os.open(find(library.pk), os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            return LibraryFiles(fd, staging(), root() / "trash" / str(library.pk))
    raise NotFound("This library's directory is missing. An operator can repair it.")


def internal_address(library: Library, path: str) -> str:
    """The file's path below DRIVE_ROOT, for nginx."""
    return f"{find(library.pk).relative_to(root())}/{path}"


def settle(library_id: UUID) -> None:
    """Make the disk agree with the row; may be repeated at any time, and after a crash at any step.

    The row is read under a lock, so that of two changes at once the last one committed is the last one on disk.
    """
    for path in (public_path(library_id).parent, private_path(library_id).parent):
        path.mkdir(parents=True, exist_ok=True)
    with (staging() / f"{library_id}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        library = Library.objects.get(pk=library_id)
        is_public = library.is_public and library.deleted_at is None
        _unname(library, keep=library.shared_name if is_public else None)
        _move(library_id, is_public=is_public)
        if is_public:
            _name(library)


def _move(library_id: UUID, *, is_public: bool) -> None:
    source, target = private_path(library_id), public_path(library_id)
    if not is_public:
        source, target = target, source
    with suppress(FileNotFoundError):
        source.rename(target)
    target.mkdir(exist_ok=True)


def _link_target(library: Library) -> str:
    return f".libraries/{library.pk}"


def _name(library: Library) -> None:
    link = root() / "public" / (library.shared_name or "")
    if link.is_symlink() and os.readlink(link) == _link_target(library):
        return
    fresh = staging() / f"link-{library.pk}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(_link_target(library))
    fresh.replace(link)


def _unname(library: Library, keep: str | None) -> None:
    with suppress(FileNotFoundError), os.scandir(root() / "public") as found:
        for item in found:
            if item.name != keep and item.is_symlink() and os.readlink(item.path) == _link_target(library):
                Path(item.path).unlink(missing_ok=True)


def public_on_disk() -> set[UUID]:
    """Ids of the libraries that the disk shows to everybody."""
    with suppress(FileNotFoundError):
        return {UUID(name) for name in os.listdir(root() / "public/.libraries")}
    return set()


def sweep_staging(older_than: float) -> int:
    """Remove what was left in staging before `older_than` (seconds since the epoch); returns how many."""
    removed = 0
    for path in [*staging().iterdir(), *(staging() / "nginx").rglob("*")]:
        with suppress(FileNotFoundError):
            if not path.is_dir() and path.lstat().st_mtime < older_than:
                path.unlink()
                removed += 1
    return removed


def usage(library: Library) -> tuple[int, int]:
    """Bytes and files of a library, counted now."""
    total = files = 0
    for folder, _folders, names, fd in os.fwalk(find(library.pk), follow_symlinks=False):
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
                files += 1
        del folder
    return total, files
