"""What can be done to the files of one library. Paths are text, relative, with `/` between names."""

import errno
import fcntl
import os
import secrets
import shutil
import stat
import unicodedata
from collections.abc import Iterable, Iterator
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

_OLDEST, _NEWEST = datetime(1902, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)

ABSENT: Final = "absent"
"""For `if_match`: there must be no such file yet."""
ANY: Final = "*"
"""For `if_match`: there must be a file, whichever version (RFC 9110)."""


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


class CutOff(StorageError):
    """Fewer bytes arrived than were announced; nothing was changed."""


class DiskFull(StorageError):
    """No space, or over a quota; nothing was changed."""

    status = 507


class Locked(StorageError):
    """The portal's account may not read or change it: somebody took the right away in their Lab."""

    status = 403


def shown(name: str) -> str:
    """A name for a page, with what is not UTF-8 replaced."""
    return os.fsencode(name).decode(errors="replace")


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
        return shown(self.name)

    @property
    def reachable(self) -> bool:
        """Whether an address can hold the name."""
        return self.shown_name == self.name


Parts = list[str]
"""The names in a path. (Within the class below, `list` is a method.)"""


def split(path: str) -> Parts:
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


def new_name(name: str) -> str:
    """A name as we give it to new files: in NFC, as keyboards write it; macOS sends some names taken apart."""
    return check_name(unicodedata.normalize("NFC", check_name(name)))


def key(name: str) -> str:
    """Names with one key are refused side by side: other systems cannot hold both."""
    if name.isascii():
        return name.lower()
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
            case errno.EFBIG:
                raise DiskFull("The disk cannot hold a file of this size. Nothing was changed.") from error
            case errno.EAGAIN:
                raise Locked("A program in a Lab holds this file (a lease). Please try again.") from error
            case errno.EACCES | errno.EPERM | errno.EROFS:
                raise Locked("The portal may not touch this: its mode was changed in a Lab (chmod).") from error
            case errno.ENAMETOOLONG:
                raise WrongPath("This path is too long.") from error
            case errno.EILSEQ | errno.EINVAL:
                raise WrongPath("The disk cannot hold this name.") from error
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
        modified=_moment(status.st_mtime),
        etag=etag(status),
    )


def _moment(seconds: float) -> datetime:
    """When: a file's time is what its owner says it is, the year 50,000 included; the calendar ends earlier."""
    return datetime.fromtimestamp(min(max(seconds, _OLDEST.timestamp()), _NEWEST.timestamp()), UTC)


class LibraryFiles:
    """The files of one library, from a descriptor of its directory. Close it by using `with`.

    The descriptor stays right when the directory itself is moved (`layout.settle`).
    """

    def __init__(self, root: int, *, staging: Path, trash: Path, lock: Path) -> None:
        self.root = root
        self.staging = staging
        self.trash = trash
        self.lock = lock

    def __enter__(self) -> "LibraryFiles":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.root)

    @contextmanager
    def below(self, path: str) -> Iterator["LibraryFiles"]:
        """The files of one folder, as if it were the library: nothing above it can be reached."""
        with _plainly(), self._folder(split(path)) as folder:
            yield LibraryFiles(folder, staging=self.staging, trash=self.trash, lock=self.lock)

    # Reading

    def list(self, path: str = "") -> Iterator[FileEntry]:
        """What is in a folder, in no order, one by one; what vanishes meanwhile is left out."""
        with _plainly(), self._folder(split(path)) as folder, os.scandir(folder) as found:
            for item in found:
                with suppress(FileNotFoundError):
                    yield _entry(item.name, os.stat(item.name, dir_fd=folder, follow_symlinks=False))

    def names(self, path: str = "") -> Iterator[tuple[str, bool]]:
        """The names in a folder and whether each is a folder, in no order: `list` without a look at every file."""
        with _plainly(), self._folder(split(path)) as folder, os.scandir(folder) as found:
            for item in found:
                yield item.name, item.is_dir(follow_symlinks=False)

    def look(self, path: str, names: Iterable[str]) -> Iterator[FileEntry]:
        """The entries of some names in a folder; what vanished meanwhile is left out."""
        with _plainly(), self._folder(split(path)) as folder:
            for name in names:
                with suppress(FileNotFoundError):
                    yield _entry(name, os.stat(check_name(name), dir_fd=folder, follow_symlinks=False))

    def stat(self, path: str) -> FileEntry:
        """What is at a path; the library itself for the empty path."""
        parts = split(path)
        with _plainly():
            if not parts:
                return _entry("", os.fstat(self.root))
            try:
                with self._folder(parts[:-1]) as folder:
                    return _entry(parts[-1], os.stat(parts[-1], dir_fd=folder, follow_symlinks=False))
            except NotADirectoryError as error:
                raise FileNotFoundError from error  # a path that leads through a file leads to nothing

    def open(self, path: str) -> BinaryIO:
        """A regular file, for reading; NotAFile for anything else, which is never opened.

        O_PATH finds it without opening it (opening a FIFO wakes whoever waits at its other end); the descriptor's own
        link in /proc then opens that very file, whatever has taken its place by now. O_NONBLOCK: a lease that a
        notebook holds on its file (fcntl(2)) would keep us waiting for up to 45 seconds.
        """
        with _plainly():
            found = self._fd(split(path), os.O_PATH)
            try:
                if not stat.S_ISREG(os.fstat(found).st_mode):
                    raise NotAFile("Only files can be read; this is something else.")
                return os.fdopen(_reopen(found), "rb")
            finally:
                os.close(found)

    # Changing

    def write(self, path: str, source: BinaryIO, *, if_match: str | None = None, size: int | None = None) -> FileEntry:
        """Put a file in place at once: whoever reads sees the old content or the new, never a part.

        `if_match`: None replaces whatever file is there; ABSENT creates only; an ETag (or several, with commas)
        replaces only that version (Changed). `size`: how many bytes there must be (CutOff).
        """
        with self.staged(source, size) as staged:
            return self.put(path, staged, if_match=if_match)

    @contextmanager
    def staged(self, source: BinaryIO, size: int | None = None) -> Iterator[Path]:
        """A complete copy of `source` in the staging area; removed again unless `put` takes it."""
        target = self.staging / secrets.token_hex(16)
        try:
            with _plainly(), target.open("xb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)
            if size is not None and target.stat().st_size != size:
                raise CutOff("The upload broke off. Nothing was changed; please try again.")
            yield target
        finally:
            target.unlink(missing_ok=True)

    def put(self, path: str, staged: Path, *, if_match: str | None = None) -> FileEntry:
        """Move a file from the staging area (same file system) to its place. A new file's name is made NFC."""
        *folder, name = split(path) or [""]
        check_name(name)
        with _plainly():
            status = _sync(staged)
            with self._folder(folder) as directory, self._locked():
                name = self._guard(directory, name, if_match)
                _move_in(staged, directory, name, if_match)
                os.fsync(directory)
            return _entry(name, status)

    def make_folder(self, path: str) -> None:
        """Create one folder; Clash when something has the name."""
        *folder, name = split(path) or [""]
        name = new_name(name)
        with _plainly(), self._folder(folder) as directory, self._locked():
            self._refuse_clash(directory, name)
            try:
                os.mkdir(name, DIRECTORY_MODE, dir_fd=directory)
            except FileExistsError as error:
                raise Clash(name) from error
            os.fsync(directory)

    def make_folders(self, path: str) -> None:
        """Create a folder and those above it, where they are missing."""
        parts = split(path)
        for depth in range(1, len(parts) + 1):
            try:
                self.make_folder("/".join(parts[:depth]))
            except Clash as clash:
                if clash.name != parts[depth - 1] or self.stat("/".join(parts[:depth])).kind != "folder":
                    raise

    def rename(self, path: str, new_path: str) -> None:
        """Move within the library; Clash when something has the new name."""
        *old_folder, old = split(path) or [""]
        *new_folder, new = split(new_path) or [""]
        check_name(old)
        new = new_name(new)
        if (old_folder, old) == (new_folder, new):
            return
        with (
            _plainly(),
            self._folder(old_folder) as source,
            self._folder(new_folder) as target,
            self._locked(),
        ):
            same = os.path.samestat(os.fstat(source), os.fstat(target))
            self._refuse_clash(target, new, besides=old if same else None)
            try:
                openat2.rename(source, os.fsencode(old), target, os.fsencode(new))
            except FileExistsError as error:
                raise Clash(new) from error
            except OSError as error:
                if error.errno == errno.EINVAL:
                    raise WrongPath("A folder cannot be moved into itself.") from error
                raise
            os.fsync(source)
            os.fsync(target)

    def delete(self, path: str) -> None:
        """Move a file, folder or link to the library's trash. Nothing is unlinked."""
        *folder, name = split(path) or [""]
        check_name(name)
        place = self.trash / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}"
        with _plainly(), self._folder(folder) as directory:
            os.stat(name, dir_fd=directory, follow_symlinks=False)
            inside = place.joinpath(*folder)
            inside.mkdir(parents=True)
            try:
                with _directory(inside) as target:
                    openat2.rename(directory, os.fsencode(name), target, os.fsencode(name))
                    os.fsync(target)
            except OSError:
                _remove_empty(place, folder)
                raise
            os.fsync(directory)

    # Within

    def _fd(self, parts: Parts, flags: int) -> int:
        path = os.fsencode("/".join(parts)) or b"."
        return openat2.open_beneath(self.root, path, flags)

    @contextmanager
    def _folder(self, parts: Parts) -> Iterator[int]:
        fd = self._fd(parts, _DIRECTORY)
        try:
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One change at a time: of two saves that both checked the same version, the second must find it changed.

        The lock is no file of the library: there, anybody who may read could hold it.
        """
        fd = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _guard(self, directory: int, name: str, if_match: str | None) -> str:
        """Refuse to write over what is no file, over another version, or beside a name that differs only by case.

        Returns the name to write to: the one that is there, byte by byte, or a new one.
        """
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            if if_match not in (None, ABSENT):
                raise Changed("The file was deleted or renamed meanwhile.") from None
            name = new_name(name)
            self._refuse_clash(directory, name)
            return name
        if if_match == ABSENT:
            raise Clash(name)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFile(f"“{name}” is not a file.")
        if if_match not in (None, ANY) and etag(status) not in _tags(if_match):
            raise Changed("The file was changed meanwhile.")
        return name

    def _refuse_clash(self, directory: int, name: str, besides: str | None = None) -> None:
        wanted = key(name)
        with os.scandir(directory) as found:
            for item in found:
                if item.name != besides and key(item.name) == wanted:
                    raise Clash(item.name)


@contextmanager
def _directory(path: Path) -> Iterator[int]:
    """A descriptor of one of our own directories, which no notebook can reach."""
    fd = os.open(path, _DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        yield fd
    finally:
        os.close(fd)


def _reopen(found: int) -> int:
    return os.open(f"/proc/self/fd/{found}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _move_in(staged: Path, directory: int, name: str, if_match: str | None) -> None:
    """Rename a staged file to its name, in one step.

    Where one version only may be replaced, the two files change places, and back again if the one that came out is
    another: a notebook may have saved since we looked, and a plain rename would lose what it saved.
    """
    ours, theirs = os.fsencode(staged.name), os.fsencode(name)
    with _directory(staged.parent) as source:
        try:
            if if_match in (None, ABSENT):
                openat2.rename(source, ours, directory, theirs, openat2.NOREPLACE if if_match else 0)
                return
            openat2.rename(source, ours, directory, theirs, openat2.EXCHANGE)
            status = os.stat(ours, dir_fd=source, follow_symlinks=False)
            if not stat.S_ISREG(status.st_mode) or (if_match != ANY and etag(status) not in _tags(if_match)):
                openat2.rename(source, ours, directory, theirs, openat2.EXCHANGE)
                raise Changed("The file was changed meanwhile.")
            os.unlink(ours, dir_fd=source)
        except FileExistsError as error:
            raise Clash(name) from error
        except FileNotFoundError as error:
            raise Changed("The file was deleted or renamed meanwhile.") from error


def _remove_empty(place: Path, folder: Parts) -> None:
    """Take back the empty directories that a failed `delete` made."""
    with suppress(OSError):
        for depth in range(len(folder), -1, -1):
            place.joinpath(*folder[:depth]).rmdir()


def _tags(if_match: str | None) -> list[str]:
    return [tag.strip() for tag in (if_match or "").split(",")]


def _sync(staged: Path) -> os.stat_result:
    """Bytes on disk before the name; returns the file's status."""
    try:
        fd = os.open(staged, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise CutOff("The upload was lost on its way. Nothing was changed; please try again.") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotAFile("Only files can be uploaded.")
        os.fchmod(fd, FILE_MODE)
        os.fsync(fd)
        return os.fstat(fd)
    finally:
        os.close(fd)
