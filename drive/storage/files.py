"""Operations on the files of one library. Paths are text, relative, with `/` between names."""

import errno
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from django.utils.translation import gettext

from portal.file_lock import file_lock
from portal.text.unique_names import name_key

from . import disk_space, openat2
from .errors import (
    ChangedError,
    IncompleteUploadError,
    NameTakenError,
    NotAFileError,
    StorageError,
    WrongPathError,
    translate_errors,
)
from .names import Parts, check_name, new_name, shown, split

DIRECTORY_MODE, FILE_MODE = 0o755, 0o644
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY

_OLDEST, _NEWEST = datetime(1902, 1, 1, tzinfo=UTC), datetime(9998, 1, 1, tzinfo=UTC)

REPLACED: Final = "replaced-"
"""Prefix of names in staging of files that change places with what they replace; the library's id follows."""

ABSENT: Final = "absent"
"""For `if_match`: there must be no such file yet."""
ANY: Final = "*"
"""For `if_match`: there must be a file, whichever version (RFC 9110)."""


@dataclass(frozen=True)
class FileEntry:
    """One name in a folder."""

    name: str
    kind: str
    """`folder`, `file`, `link`, or `other` (never opened)."""
    size: int
    modified: datetime
    etag: str
    signature: str
    """As `etag`, and changes with the file's attributes and name too: the time of those cannot be set by a program."""
    special: str = ""
    """Type of an entry of kind `other`: `pipe`, `socket`, `device`."""

    @property
    def shown_name(self) -> str:
        """The name with what is not UTF-8 replaced."""
        return shown(self.name)

    @property
    def reachable(self) -> bool:
        """True if a URL can hold the name."""
        return self.shown_name == self.name


def etag(status: os.stat_result) -> str:
    """Changes whenever the file is replaced or written."""
    return f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"'


def _placed(sent: os.stat_result, directory: int, name: str) -> os.stat_result:
    """Status of the file that was put in place, which has another time of change there.

    Race: a notebook may have written at that path since. Its file is not what was put, and whoever goes on from here
    has to find that it has changed.
    """
    with suppress(FileNotFoundError):
        there = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if etag(there) == etag(sent):
            return there
    return sent


def signature(status: os.stat_result) -> str:
    """Changes whenever the file is written, by whatever means: nobody sets the time of change (ctime)."""
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_ctime_ns:x}-{status.st_size:x}"


def identity(signature: str) -> str:
    """Inode, time and size: what a rename leaves as it was. A time before 1970 begins with a hyphen."""
    head, _changed, size = signature.rsplit("-", 2)
    return f"{head}-{size}"


_KINDS = {stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link"}
_SPECIAL = {stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFBLK: "device", stat.S_IFCHR: "device"}


def _entry(name: str, status: os.stat_result) -> FileEntry:
    form = stat.S_IFMT(status.st_mode)
    return FileEntry(
        name=name,
        kind=_KINDS.get(form, "other"),
        special=_SPECIAL.get(form, ""),
        size=status.st_size,
        modified=moment(status.st_mtime),
        etag=etag(status),
        signature=signature(status),
    )


def moment(seconds: float) -> datetime:
    """When: a file's time is what its owner says it is, the year 50,000 included; the calendar ends earlier."""
    return datetime.fromtimestamp(min(max(seconds, _OLDEST.timestamp()), _NEWEST.timestamp()), UTC)


class ReplacedFileHandler(Protocol):
    """Sees to it that what a file held before it was replaced is not lost."""

    def keep(self, source: BinaryIO) -> None:
        """Called before the file is replaced, with what is there."""

    def take(self, replaced: Path) -> None:
        """Called afterwards, with the file that was replaced, which is out of the library: to be removed or kept.

        It may hold something else than `keep` saw: a notebook may have saved in between.
        """


class LibraryFiles:
    """The files of one library, from a descriptor of its directory. Close it by using `with`.

    The descriptor stays right when the directory itself is moved (`layout.settle`).
    """

    _with_hidden = True
    """False for files of which hidden names (`names.is_hidden`) are kept back, in walks over them too."""

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
        with translate_errors(), self._folder(split(path)) as folder:
            yield LibraryFiles(folder, staging=self.staging, trash=self.trash, lock=self.lock)

    # Reading

    def list(self, path: str = "") -> Iterator[FileEntry]:
        """Entries of a folder, in no order, one by one; what vanishes meanwhile is left out."""
        with translate_errors(), self._folder(split(path)) as folder, os.scandir(folder) as found:
            for item in found:
                with suppress(FileNotFoundError):
                    yield _entry(item.name, os.stat(item.name, dir_fd=folder, follow_symlinks=False))

    def names(self, path: str = "") -> Iterator[tuple[str, bool]]:
        """The names in a folder and whether each is a folder, in no order: `list` without a look at every file."""
        with translate_errors(), self._folder(split(path)) as folder, os.scandir(folder) as found:
            for item in found:
                yield item.name, item.is_dir(follow_symlinks=False)

    def facts(self, path: str = "") -> Iterator[tuple[str, bool, int, float]]:
        """Name, whether it is a folder, bytes and time of change (seconds): `list` for very many, without objects."""
        with translate_errors(), self._folder(split(path)) as folder, os.scandir(folder) as found:
            for item in found:
                with suppress(FileNotFoundError):
                    status = item.stat(follow_symlinks=False)
                    yield item.name, stat.S_ISDIR(status.st_mode), status.st_size, status.st_mtime

    def look(self, path: str, names: Iterable[str]) -> Iterator[FileEntry]:
        """The entries of some names in a folder; what vanished meanwhile is left out."""
        with translate_errors(), self._folder(split(path)) as folder:
            for name in names:
                with suppress(FileNotFoundError):
                    yield _entry(name, os.stat(check_name(name), dir_fd=folder, follow_symlinks=False))

    def stat(self, path: str) -> FileEntry:
        """Entry at a path; the library itself for the empty path."""
        parts = split(path)
        with translate_errors():
            if not parts:
                return _entry("", os.fstat(self.root))
            try:
                with self._folder(parts[:-1]) as folder:
                    return _entry(parts[-1], os.stat(parts[-1], dir_fd=folder, follow_symlinks=False))
            except NotADirectoryError as error:
                raise FileNotFoundError from error  # a path that leads through a file leads to nothing

    def open(self, path: str) -> BinaryIO:
        """A regular file, for reading; NotAFileError for anything else, which is never opened.

        O_PATH finds it without opening it (opening a FIFO wakes whoever waits at its other end); the descriptor's own
        link in /proc then opens that very file, whatever has taken its place by now. O_NONBLOCK: a lease that a
        notebook holds on its file (fcntl(2)) would keep us waiting for up to 45 seconds.
        """
        with translate_errors():
            found = self._fd(split(path), os.O_PATH)
            try:
                if not stat.S_ISREG(os.fstat(found).st_mode):
                    raise NotAFileError(gettext("Only regular files can be read."))
                return os.fdopen(_reopen(found), "rb")
            finally:
                os.close(found)

    # Changing

    def write(
        self,
        path: str,
        source: BinaryIO,
        *,
        if_match: str | None = None,
        size: int | None = None,
        into_reserve: bool = False,
    ) -> FileEntry:
        """Put a file in place at once: whoever reads sees the old content or the new, never a part.

        `if_match`: None replaces whatever file is there; ABSENT creates only; an ETag (or several, with commas)
        replaces only that version (ChangedError). `size`: how many bytes there must be (IncompleteUploadError).
        `into_reserve`: also on a disk of which little more than the reserve is left.
        """
        with self.staged(source, size, into_reserve=into_reserve) as staged:
            return self.put(path, staged, if_match=if_match)

    @contextmanager
    def staged(self, source: BinaryIO, size: int | None = None, *, into_reserve: bool = False) -> Iterator[Path]:
        """A complete copy of `source` in the staging area; removed again unless `put` takes it.

        DiskFullError before the disk's reserve is used.
        """
        target = self.staging / secrets.token_hex(16)
        try:
            with translate_errors(), target.open("xb") as copy:
                disk_space.copy(source, copy, size=size, into_reserve=into_reserve)
            if size is not None and target.stat().st_size != size:
                raise IncompleteUploadError(
                    gettext("The upload was interrupted. Nothing was changed. Please try again.")
                )
            yield target
        finally:
            target.unlink(missing_ok=True)

    def put(
        self, path: str, staged: Path, *, if_match: str | None = None, handler: ReplacedFileHandler | None = None
    ) -> FileEntry:
        """Move a file from the staging area (same file system) to its place. A new file's name is made NFC.

        The file that was there goes to `handler`; without one it is removed.
        """
        *folder, name = split(path) or [""]
        check_name(name)
        with translate_errors():
            sync_staged(staged)
            with self._folder(folder) as directory:
                if handler and if_match != ABSENT:
                    _show(directory, name, handler)
                with self._outgoing(staged) as outgoing:
                    with self._locked():
                        name = self._guard(directory, name, if_match)
                        sent = outgoing.stat()
                        replaced = _move_in(outgoing, directory, name, if_match)
                        os.fsync(directory)
                        entry = _entry(name, _placed(sent, directory, name))
                    if replaced:
                        handler.take(outgoing) if handler else outgoing.unlink()
            return entry

    @contextmanager
    def _outgoing(self, staged: Path) -> Iterator[Path]:
        """The staged file under a name that says what comes out there, should we be killed: `sweep` keeps it."""
        outgoing = self.staging / f"{REPLACED}{self.trash.name}-{secrets.token_hex(8)}"
        staged.rename(outgoing)
        try:
            yield outgoing
        except (StorageError, OSError):
            outgoing.rename(staged)  # not taken: whoever uploaded it is asked what to do with it
            raise

    def set_modified(self, path: str, seconds: float) -> FileEntry:
        """Set a regular file's time of change (seconds since 1970); NotAFileError for anything else."""
        with translate_errors():
            found = self._fd(split(path), os.O_PATH | os.O_NOFOLLOW)
            try:
                status = os.fstat(found)
                if not stat.S_ISREG(status.st_mode):
                    raise NotAFileError(gettext("Only files have a time that can be set."))
                os.utime(f"/proc/self/fd/{found}", ns=(status.st_atime_ns, int(seconds * 10**9)))
                return _entry(path.rpartition("/")[2], os.fstat(found))
            finally:
                os.close(found)

    def adopt(self, path: str, staged: Path) -> None:
        """Move a file, folder or link from beside the library (same file system) to a path where nothing is.

        Folders above it are made. NameTakenError when something has the name.
        """
        *folder, name = split(path) or [""]
        check_name(name)
        if folder:
            self.make_folders("/".join(folder))
        with translate_errors(), self._folder(folder) as directory, _directory(staged.parent) as source, self._locked():
            self._refuse_clash(directory, name)
            try:
                openat2.rename(source, os.fsencode(staged.name), directory, os.fsencode(name))
            except FileExistsError as error:
                raise NameTakenError(name) from error
            os.fsync(directory)
            os.fsync(source)

    def make_folder(self, path: str) -> None:
        """Create one folder; NameTakenError when something has the name."""
        *folder, name = split(path) or [""]
        name = new_name(name)
        with translate_errors(), self._folder(folder) as directory, self._locked():
            self._refuse_clash(directory, name)
            try:
                os.mkdir(name, DIRECTORY_MODE, dir_fd=directory)
            except FileExistsError as error:
                raise NameTakenError(name) from error
            os.fsync(directory)

    def make_folders(self, path: str) -> None:
        """Create a folder and those above it, where they are missing."""
        parts = split(path)
        for depth in range(1, len(parts) + 1):
            try:
                self.make_folder("/".join(parts[:depth]))
            except NameTakenError as clash:
                if clash.name != parts[depth - 1] or self.stat("/".join(parts[:depth])).kind != "folder":
                    raise

    def rename(self, path: str, new_path: str) -> str:
        """Move within the library; returns the new path, with its name in NFC. NameTakenError if something has it."""
        *old_folder, old = split(path) or [""]
        *new_folder, new = split(new_path) or [""]
        check_name(old)
        new = new_name(new)
        result = "/".join([*new_folder, new])
        if (old_folder, old) == (new_folder, new):
            return result
        with (
            translate_errors(),
            self._folder(old_folder) as source,
            self._folder(new_folder) as target,
            self._locked(),
        ):
            same = os.path.samestat(os.fstat(source), os.fstat(target))
            self._refuse_clash(target, new, besides=old if same else None)
            try:
                openat2.rename(source, os.fsencode(old), target, os.fsencode(new))
            except FileExistsError as error:
                raise NameTakenError(new) from error
            except OSError as error:
                if error.errno == errno.EINVAL:
                    raise WrongPathError(gettext("A folder cannot be moved into itself.")) from error
                raise
            os.fsync(source)
            os.fsync(target)
        return result

    def delete(self, path: str) -> str:
        """Move a file, folder or link to the library's trash; returns its place there. Nothing is unlinked."""
        *folder, name = split(path) or [""]
        check_name(name)
        place = self.trash / new_place()
        with translate_errors(), self._folder(folder) as directory:
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
        return place.name

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
        with file_lock(self.lock):
            yield

    def _guard(self, directory: int, name: str, if_match: str | None) -> str:
        """Refuse to write over what is no file, over another version, or beside a name that differs only by case.

        Returns the name to write to: the one that is there, byte by byte, or a new one.
        """
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            if if_match not in (None, ABSENT):
                raise ChangedError(gettext("The file was deleted or renamed in the meantime.")) from None
            name = new_name(name)
            self._refuse_clash(directory, name)
            return name
        if if_match == ABSENT:
            raise NameTakenError(name)
        if not stat.S_ISREG(status.st_mode):
            raise NotAFileError(gettext("“%(name)s” is not a file.") % {"name": name})
        if if_match not in (None, ANY) and etag(status) not in _tags(if_match):
            raise ChangedError(gettext("The file was changed in the meantime."))
        return name

    def _refuse_clash(self, directory: int, name: str, besides: str | None = None) -> None:
        wanted = name_key(name)
        with os.scandir(directory) as found:
            for item in found:
                if item.name != besides and name_key(item.name) == wanted:
                    raise NameTakenError(item.name)


def new_place() -> str:
    """A name in the trash, by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%f}-{secrets.token_hex(4)}"


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


def _show(directory: int, name: str, handler: ReplacedFileHandler) -> None:
    """Let the handler see the file that has the name, if there is one that can be read."""
    try:
        found = openat2.open_beneath(directory, os.fsencode(name), os.O_PATH | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        if stat.S_ISREG(os.fstat(found).st_mode):
            with suppress(PermissionError, BlockingIOError), os.fdopen(_reopen(found), "rb") as source:
                handler.keep(source)
    finally:
        os.close(found)


def _move_in(staged: Path, directory: int, name: str, if_match: str | None) -> bool:
    """Give a staged file its name, in one step; whether it changed places with another, which is at `staged` now.

    Where one version only may be replaced, the two change places back again if the one that came out is another: a
    notebook may have saved since we looked.
    """
    ours, theirs = os.fsencode(staged.name), os.fsencode(name)
    with _directory(staged.parent) as source:
        try:
            if if_match in (None, ABSENT):
                try:
                    openat2.rename(source, ours, directory, theirs)
                except FileExistsError:
                    if if_match == ABSENT:
                        raise
                else:
                    return False
            openat2.rename(source, ours, directory, theirs, openat2.EXCHANGE)
            status = os.stat(ours, dir_fd=source, follow_symlinks=False)
            is_other = if_match not in (None, ANY) and etag(status) not in _tags(if_match)
            if is_other or not stat.S_ISREG(status.st_mode):
                openat2.rename(source, ours, directory, theirs, openat2.EXCHANGE)
                raise ChangedError(gettext("The file was changed in the meantime."))
        except FileExistsError as error:
            raise NameTakenError(name) from error
        except FileNotFoundError as error:
            raise ChangedError(gettext("The file was deleted or renamed in the meantime.")) from error
    return True


def _remove_empty(place: Path, folder: Parts) -> None:
    """Take back the empty directories that a failed `delete` made."""
    with suppress(OSError):
        for depth in range(len(folder), -1, -1):
            place.joinpath(*folder[:depth]).rmdir()


def _tags(if_match: str | None) -> list[str]:
    return [tag.strip() for tag in (if_match or "").split(",")]


def sync_staged(staged: Path) -> int:
    """Sync a staged file to disk; returns its bytes. IncompleteUploadError or NotAFileError if there is no file."""
    try:
        fd = os.open(staged, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise IncompleteUploadError(gettext("The upload was lost. Nothing was changed. Please try again.")) from error
    except OSError as error:
        raise NotAFileError(gettext("Only files can be uploaded.")) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise NotAFileError(gettext("Only files can be uploaded."))
        os.fchmod(fd, FILE_MODE)
        os.fsync(fd)
        return os.fstat(fd).st_size
    finally:
        os.close(fd)
