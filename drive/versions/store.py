"""The object store: files named by the SHA-256 of what they hold, at DRIVE_ROOT/objects/ab/abcd….

An object is always a copy, never a library's own file renamed: a notebook may still hold that one open, or know it by
another name, and could change it afterwards, for everybody who has the same bytes. Where the file system can, the copy
shares its blocks (reflink) and costs nothing.

Objects are removed by `retention` alone, and never while a version may be about to refer to them: whoever adds one
holds `adding()` until the row is committed, and removal waits for that (flock(2), shared and exclusive).
"""

import ctypes
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from django.utils.translation import gettext

from drive.storage import StorageError, layout
from portal.file_lock import file_lock

CHUNK = 1 << 20
FICLONE = 0x40049409
"""ioctl_ficlone(2): the target shares the source's blocks (Btrfs, XFS, bcachefs, ZFS)."""


class MissingObjectError(StorageError):
    """The bytes of a version are missing from the store."""

    status = 410


def root() -> Path:
    """The store's directory; made when it is missing."""
    path = layout.root() / "objects"
    path.mkdir(parents=True, exist_ok=True)
    return path


def path_of(sha256: str) -> Path:
    """Path of an object."""
    return root() / sha256[:2] / sha256


def has(sha256: str) -> bool:
    """True if the store holds these bytes."""
    return path_of(sha256).is_file()


def open_object(sha256: str) -> BinaryIO:
    """The bytes, for reading. MissingObjectError when they are missing."""
    try:
        return path_of(sha256).open("rb")
    except FileNotFoundError as error:
        raise MissingObjectError(
            gettext("This version's content is missing. An operator can look for it in a backup.")
        ) from error


@contextmanager
def adding() -> Iterator[None]:
    """Shared lock, from before an object is added until the row that needs it is committed."""
    with file_lock(root() / "lock", shared=True):
        yield


@contextmanager
def removing() -> Iterator[None]:
    """Exclusive lock, while rows are asked whether an object is needed, and it is removed."""
    with file_lock(root() / "lock"):
        yield


def add(source: BinaryIO, *, sync: bool = True, most: int | None = None) -> tuple[str, int]:
    """Copy what `source` holds, from its beginning, up to `most` bytes and one more; returns SHA-256 and size.

    Call it within `adding()`.

    The copy is complete before it has its name, and on disk, unless the caller calls `sync()` for many at once. What
    `source` holds may change meanwhile: the name is that of the copy, always.
    """
    copy = layout.staging() / f"object-{secrets.token_hex(16)}"
    try:
        with copy.open("xb+") as target:
            sha256, size = _clone_or_copy(source, target, most)
            os.fchmod(target.fileno(), 0o400)
            if sync:
                os.fsync(target.fileno())
        place = path_of(sha256)
        if not _holds(place, size):
            place.parent.mkdir(exist_ok=True)
            copy.rename(place)
            if sync:
                _sync_directory(place.parent)
        return sha256, size
    finally:
        copy.unlink(missing_ok=True)


def _holds(place: Path, size: int) -> bool:
    """True if the object is there, and whole: after a power failure a name may stand without its bytes."""
    try:
        return place.stat().st_size == size
    except FileNotFoundError:
        return False


def _clone_or_copy(source: BinaryIO, target: BinaryIO, most: int | None) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    source.seek(0)
    cloned = False
    with suppress(OSError):
        fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
        cloned = True
    reader = target if cloned else source
    while chunk := reader.read(CHUNK if most is None else min(CHUNK, most + 1 - size)):
        digest.update(chunk)
        size += len(chunk)
        if not cloned:
            target.write(chunk)
    target.flush()
    return digest.hexdigest(), size


def sync() -> None:
    """Everything that was added is on disk (syncfs(2)); cheaper than one fsync(2) per object where there are many."""
    fd = os.open(root(), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
