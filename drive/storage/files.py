"""What can be done to the files of one library. Paths are text, relative, with `/` between names."""

import errno
import os
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from . import openat2

NAME_BYTES = 255
"""The longest name that Linux file systems hold."""
PATH_BYTES = 3000
DIRECTORY_MODE, FILE_MODE = 0o755, 0o644
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY

ABSENT: Final = "absent"
"""For `if_match`: there must be no such file yet."""


class StorageError(Exception):
    """Base of what can go wrong; the text is for the person."""

    status = 400


class WrongPath(StorageError):
    """The path cannot be one of ours."""


class NotFound(StorageError):
    """There is no such file or folder."""

    status = 404


class NotAFile(StorageError):
    """It is a link or a device, or it is not the kind of thing that was asked for."""

    status = 409


class Clash(StorageError):
    """Something else has this name; `name` is what it is called."""

    status = 409

    def __init__(self, name: str) -> None:
        super().__init__(f"“{name}” is there already.")
        self.name = name


class Changed(StorageError):
    """The file is not the one that was read before (HTTP 412)."""

    status = 412


class DiskFull(StorageError):
    """No space, or over a quota; nothing was changed."""

    status = 507


@dataclass(frozen=True)
class FileEntry:
    """One name in a folder."""

    name: str
    kind: str
    """`folder`, `file`, `link`, or `other` (never opened)."""
    size: int
    modified: datetime
    etag: str

    @property
    def shown_name(self) -> str:
        """The name with what is not UTF-8 replaced."""
        return os.fsencode(self.name).decode(errors="replace")

    @property
    def reachable(self) -> bool:
        """Whether an address can hold the name."""
        return self.shown_name == self.name


def split(path: str) -> list[str]:
    """The names in a path; WrongPath for what is none: empty, `.`, `..`, NUL, a name or path that is too long."""
    parts = path.split("/") if path else []
    for name in parts:
        check_name(name)
    if len(os.fsencode(path)) > PATH_BYTES:
        raise WrongPath("This path is too long.")
    return parts


def check_name(name: str) -> str:
    """The name, if a file can have it."""
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError as error:
        raise WrongPath("This name cannot be written in UTF-8.") from error
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise WrongPath("This is no name for a file or folder.")
    if len(raw) > NAME_BYTES:
        raise WrongPath(f"This name is too long: {len(raw)} of at most {NAME_BYTES} bytes.")
    return name


def key(name: str) -> str:
    """Names with one key are refused side by side: other systems cannot hold both."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


@contextmanager
def _plainly() -> Iterator[None]:
    """Errors of the system as errors for people."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("There is nothing at this path.") from error
    except OSError as error:
        match error.errno:
            case errno.ELOOP | errno.EXDEV:
                raise NotAFile("Links are not followed.") from error
            case errno.ENOTDIR | errno.EISDIR | errno.ENXIO:
                raise NotAFile("It is not the kind of thing that was asked for.") from error
            case errno.ENOSPC | errno.EDQUOT:
                raise DiskFull("There is no space left. Nothing was changed.") from error
            case errno.EACCES | errno.EPERM | errno.EROFS:
                raise NotAFile("The portal may not touch this.") from error
            case errno.ENAMETOOLONG:
                raise WrongPath("This path is too long.") from error
        raise


def etag(status: os.stat_result) -> str:
    """Changes whenever the file is replaced or written."""
    return f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"'


def _entry(name: str, status: os.stat_result) -> FileEntry:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
    return FileEntry(
        name=name,
        kind=kinds.get(stat.S_IFMT(status.st_mode), "other"),
        size=status.st_size,
        modified=datetime.fromtimestamp(status.st_mtime, UTC),
        etag=etag(status),
    )


class LibraryFiles:
    """The files of one library, from a descriptor of its directory. Close it by using `with`."""

    def __init__(self, root: int, staging: Path, trash: Path) -> None:
        self.root = root
        self.staging = staging
        self.trash = trash

    def __enter__(self) -> "LibraryFiles":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.root)

    # Reading

    def list(self, path: str = "") -> Iterator[FileEntry]:
        """What is in a folder, in no order, one by one; what vanishes meanwhile is left out."""
        with _plainly(), self._folder(split(path)) as folder, os.scandir(folder) as found:
            for item in found:
                with suppress(FileNotFoundError):
                    yield _entry(item.name, os.stat(item.name, dir_fd=folder, follow_symlinks=False))

    def stat(self, path: str) -> FileEntry:
        """What is at a path; the library itself for the empty path."""
        parts = split(path)
        with _plainly(), self._open(parts, os.O_PATH | os.O_NOFOLLOW) as fd:
            return _entry(parts[-1] if parts else "", os.fstat(fd))

    def open(self, path: str) -> BinaryIO:
        """A regular file, for reading; NotAFile for anything else, which is never opened."""
        with _plainly():
            # O_NONBLOCK: opening a FIFO that took the file's place must not hang; it is refused right after.
            fd = self._fd(split(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                os.close(fd)
                raise NotAFile("Only files can be read.")
            return os.fdopen(fd, "rb")

    # Changing

    def write(self, path: str, source: BinaryIO, *, if_match: str | None = None) -> FileEntry:
        """Put a file in place at once: whoever reads sees the old content or the new, never a part.

        `if_match`: None replaces whatever file is there; ABSENT creates only; an etag replaces only that version
        (Changed).
        """
        with self.staged(source) as staged:
            return self.put(path, staged, if_match=if_match)

    @contextmanager
    def staged(self, source: BinaryIO) -> Iterator[Path]:
        """A complete, synced copy of `source` in the staging area; removed again unless `put` takes it."""
        target = self.staging / secrets.token_hex(16)
        try:
            with _plainly(), target.open("xb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            yield target
        finally:
            target.unlink(missing_ok=True)

    def put(self, path: str, staged: Path, *, if_match: str | None = None) -> FileEntry:
        """Move a file from the staging area (same file system) to its place."""
        *folder, name = split(path) or [""]
        check_name(name)
        with _plainly(), self._folder(folder) as directory:
            self._guard(directory, name, if_match)
            status = _sync(staged)
            old = os.open(staged.parent, _DIRECTORY | os.O_CLOEXEC)
            try:
                replace = if_match != ABSENT
                openat2.rename(old, os.fsencode(staged.name), directory, os.fsencode(name), replace=replace)
            except FileExistsError as error:
                raise Clash(name) from error
            finally:
                os.close(old)
            os.fsync(directory)
            return _entry(name, status)

    def make_folder(self, path: str) -> None:
        """Create one folder; Clash when something has the name."""
        *folder, name = split(path) or [""]
        check_name(name)
        with _plainly(), self._folder(folder) as directory:
            self._refuse_clash(directory, name)
            os.mkdir(name, DIRECTORY_MODE, dir_fd=directory)
            os.fsync(directory)

    def make_folders(self, path: str) -> None:
        """Create a folder and those above it, where they are missing."""
        parts = split(path)
        for depth in range(1, len(parts) + 1):
            with suppress(Clash):
                self.make_folder("/".join(parts[:depth]))

    def rename(self, path: str, new_path: str) -> None:
        """Move within the library; Clash when something has the new name."""
        *old_folder, old = split(path) or [""]
        *new_folder, new = split(new_path) or [""]
        check_name(old)
        check_name(new)
        with _plainly(), self._folder(old_folder) as source, self._folder(new_folder) as target:
            self._refuse_clash(target, new, besides=old if old_folder == new_folder else None)
            try:
                openat2.rename(source, os.fsencode(old), target, os.fsencode(new), replace=False)
            except FileExistsError as error:
                raise Clash(new) from error
            except OSError as error:
                if error.errno == errno.EINVAL:
                    raise WrongPath("A folder cannot be moved into itself.") from error
                raise
            os.fsync(target)

    def delete(self, path: str) -> None:
        """Move a file, folder or link to the library's trash. Nothing is unlinked."""
        *folder, name = split(path) or [""]
        check_name(name)
        place = self.trash / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}"
        with _plainly(), self._folder(folder) as directory:
            os.stat(name, dir_fd=directory, follow_symlinks=False)
            place.joinpath(*folder).mkdir(parents=True)
            target = os.open(place.joinpath(*folder), _DIRECTORY | os.O_CLOEXEC)
            try:
                openat2.rename(directory, os.fsencode(name), target, os.fsencode(name), replace=False)
            finally:
                os.close(target)

    # Within

    def _fd(self, parts: "list[str]", flags: int) -> int:
        path = os.fsencode("/".join(parts)) or b"."
        return openat2.open_beneath(self.root, path, flags)

    @contextmanager
    def _open(self, parts: "list[str]", flags: int) -> Iterator[int]:
        """A descriptor; of a link itself, O_PATH | O_NOFOLLOW looks at the last name without following it."""
        if parts and flags & os.O_PATH:
            with self._folder(parts[:-1]) as directory:
                fd = os.open(parts[-1], flags | os.O_CLOEXEC, dir_fd=directory)
        else:
            fd = self._fd(parts, flags)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _folder(self, parts: "list[str]") -> Iterator[int]:
        fd = self._fd(parts, _DIRECTORY)
        try:
            yield fd
        finally:
            os.close(fd)

    def _guard(self, directory: int, name: str, if_match: str | None) -> None:
        """Refuse to write over what is no file, over another version, or beside a name that differs only by case."""
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            if if_match not in (None, ABSENT):
                raise Changed("The file was deleted or renamed meanwhile.") from None
            self._refuse_clash(directory, name)
            return
        if if_match == ABSENT:
            raise Clash(name)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFile(f"“{name}” is not a file.")
        if if_match is not None and if_match != etag(status):
            raise Changed("The file was changed meanwhile.")

    def _refuse_clash(self, directory: int, name: str, besides: str | None = None) -> None:
        wanted = key(name)
        with os.scandir(directory) as found:
            for item in found:
                if item.name != besides and key(item.name) == wanted:
                    raise Clash(item.name)


def _sync(staged: Path) -> os.stat_result:
    """Bytes on disk before the name; returns the file's status."""
    fd = os.open(staged, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fchmod(fd, FILE_MODE)
        os.fsync(fd)
        return os.fstat(fd)
    finally:
        os.close(fd)
