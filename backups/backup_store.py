"""The backup directory: contents by their SHA-256, complete and unfinished backups.

    collaboratory-backups    says what this is, and in which format
    lock                     whoever makes or removes backups holds it
    damaged                  contents of objects/ that were found damaged, one in a line: no backup relies on them
    objects/ab/<sha256>      every content once, whichever backups hold it
    <time>/                  a complete backup: backup.json, manifest.sqlite3, the database, secrets/
    unfinished-<time>/       one being made, or cut off: never taken for a backup

So a file that has not changed, moved, or is there twice, costs nothing; and a plain copy of the directory to somewhere
else needs no more room than it does here. An object comes to its place only once it is on disk (syncfs(2)), and so does
a backup: what has its name is whole, power failure included.
"""

import ctypes
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings

from drive.storage import disk_space
from portal.file_lock import file_lock

from .manifest import Manifest
from .retention import Retention

FORMAT = 1
UNFINISHED = "unfinished-"
"""Directories that begin so are no backups: one is being made or fetched, or was interrupted."""
CHUNK = 1 << 20
PROMOTE_FILES, PROMOTE_BYTES = 5000, 4 << 30
"""Files and bytes after which contents are synced and moved to objects/: the next run uses what is there."""


class BackupError(Exception):
    """A backup or restore that cannot be done; the text says why, for an operator."""


class UnreadableError(Exception):
    """One file of the site cannot be read; the backup goes on."""


@dataclass(frozen=True)
class Backup:
    """A complete backup."""

    path: Path
    about: dict[str, Any]
    """backup.json."""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def time(self) -> datetime:
        return datetime.strptime(self.name, "%Y%m%dT%H%M%S%z")

    def manifest(self) -> Manifest:
        return Manifest.open(self.path / "manifest.sqlite3")


class BackupStore:
    """A directory with backups."""

    MARK = "collaboratory-backups"
    NAME = re.compile(r"\d{8}T\d{6}Z")

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.objects = self.path / "objects"

    # The directory

    def prepare(self) -> None:
        """Make the directory, mode 0700. BackupError where it holds other things, or is within the Drive or the Lab."""
        for place in (settings.DRIVE_ROOT, settings.LAB_ROOT):
            if self.path.resolve().is_relative_to(Path(place).resolve()):
                raise BackupError(f"Backups cannot be kept in {place}, which is what they are made of.")
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mark = self.path / self.MARK
        if not mark.exists():
            if not self._is_empty():
                raise BackupError(f"{self.path} holds other things. Name an empty directory, or one with backups.")
            mark.write_text(f"{FORMAT}\n")
        self.check()
        self.objects.mkdir(mode=0o700, exist_ok=True)

    def _is_empty(self) -> bool:
        """Whether nothing but the lock, and what an interrupted run has left, is in it."""
        return all(path.name == "lock" or path.name.startswith(UNFINISHED) for path in self.path.iterdir())

    def check(self) -> None:
        """BackupError unless the directory has backups of a format that this version reads."""
        try:
            found = int((self.path / self.MARK).read_text())
        except (OSError, ValueError) as error:
            raise BackupError(f"{self.path} holds no backups of a Collaboratory.") from error
        if found != FORMAT:
            raise BackupError(f"The backups in {self.path} are of format {found}; this version knows {FORMAT}.")

    @contextmanager
    def alone(self, *, shared: bool = False) -> Iterator[None]:
        """Hold the directory's lock, exclusive or shared. BackupError when another process holds it."""
        with file_lock(self.path / "lock", shared=shared, wait=False) as locked:
            if not locked:
                raise BackupError(f"Another backup, or a restore, is using {self.path}.")
            yield

    # Backups

    def backups(self) -> list[Backup]:
        """The complete ones, oldest first."""
        found = []
        for path in sorted(self.path.iterdir()):
            if self.NAME.fullmatch(path.name) and (path / "backup.json").is_file():
                found.append(Backup(path, json.loads((path / "backup.json").read_text())))
        return found

    def find(self, name: str | None) -> Backup:
        """One by its name, or the last. BackupError when there is none."""
        found = [backup for backup in self.backups() if name in (None, backup.name)]
        if not found:
            raise BackupError(f"There is no complete backup{f' {name}' if name else ''} in {self.path}.")
        return found[-1]

    def begin(self) -> "Unfinished":
        """Begin a backup, and remove what interrupted ones have left. Call it within `alone`."""
        for left in self.path.glob(f"{UNFINISHED}*"):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
        if (self.path / name).exists():
            raise BackupError("There is a backup of this very second. Try again.")
        place = self.path / f"{UNFINISHED}{name}"
        for path in (place, place / "secrets", place / "objects"):
            path.mkdir(mode=0o700)
        return Unfinished(self, place, self.path / name)

    def retain(self, retention: Retention) -> list[str]:
        """Remove the backups that the policy does not keep, and the contents that none needs any more; their names."""
        found = self.backups()
        kept = retention.kept(backup.time for backup in found)
        gone = [backup for backup in found if backup.time not in kept]
        for backup in gone:
            # The name goes first: half a backup must not look like one.
            left = self.path / f"{UNFINISHED}{backup.name}"
            backup.path.rename(left)
            shutil.rmtree(left)
        self.sweep()
        return [backup.name for backup in gone]

    def sweep(self) -> int:
        """Remove contents that no backup needs; returns how many."""
        removed = 0
        manifests = [backup.manifest() for backup in self.backups()]
        for folder in sorted(self.objects.iterdir()):
            needed = {sha256 for manifest in manifests for sha256 in manifest.contents(folder.name)}
            for path in folder.iterdir():
                if path.name not in needed:
                    path.unlink()
                    self.note_intact([path.name])
                    removed += 1
        for manifest in manifests:
            manifest.close()
        return removed

    # From a restic repository

    @contextmanager
    def part(self) -> Iterator["BackupStore"]:
        """A temporary store within this directory, which is made; call it within `alone`."""
        path = self.path / f"{UNFINISHED}fetched"
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(mode=0o700)
        try:
            yield BackupStore(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def take_over(self, part: "BackupStore") -> None:
        """Move all of `part` into this directory, which must be empty. The mark comes last: until then it is none."""
        if not self._is_empty():
            raise BackupError(f"{self.path} is not empty. Backups are fetched into an empty directory only.")
        sync(self.path)
        for path in sorted(part.path.iterdir(), key=lambda path: path.name == self.MARK):
            path.rename(self.path / path.name)
        sync(self.path)

    # Contents

    @cached_property
    def damaged(self) -> set[str]:
        """Contents that were found damaged and not stored anew since."""
        return self._noted()

    def _noted(self) -> set[str]:
        try:
            return set(self._damaged.read_text().split())
        except FileNotFoundError:
            return set()

    @property
    def _damaged(self) -> Path:
        return self.path / "damaged"

    def note_damaged(self, contents: Iterable[str]) -> None:
        """Let no backup rely on these contents. Call it within `alone`."""
        self.damaged = self._noted()  # another one may have noted something before we had the lock
        self._write_damaged(self.damaged | set(contents))

    def note_intact(self, contents: Iterable[str]) -> None:
        """Take note that these have been stored anew."""
        self._write_damaged(self.damaged - set(contents))

    def _write_damaged(self, contents: set[str]) -> None:
        if contents == self.damaged:
            return
        draft = self.path / f"{UNFINISHED}damaged"
        draft.touch(mode=0o600)
        with draft.open("w") as file:
            file.writelines(f"{sha256}\n" for sha256 in sorted(contents))
            file.flush()
            os.fsync(file.fileno())
        if contents:
            draft.replace(self._damaged)
        else:
            draft.unlink()
            self._damaged.unlink(missing_ok=True)
        self.damaged = contents

    def content(self, sha256: str) -> Path:
        return self.objects / sha256[:2] / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Whether a content is here, of this size, and not known to be damaged; `verify` looks into it."""
        if sha256 in self.damaged:
            return False
        try:
            return self.content(sha256).stat().st_size == size
        except FileNotFoundError:
            return False


class Unfinished:
    """A backup being made."""

    def __init__(self, store: BackupStore, place: Path, final: Path) -> None:
        self.store = store
        self.place = place
        self.final = final
        self.manifest = Manifest.create(place / "manifest.sqlite3")
        self.fresh: set[str] = set()
        self.fresh_bytes = 0
        self.new_bytes = 0
        """Bytes copied for this backup, which earlier ones did not have."""

    def put(self, fd: int, parts: list[tuple[int, int]]) -> tuple[str, int]:
        """Store these extents of a file, as many bytes as are there; returns their SHA-256 and their number."""
        digest, size = hashlib.sha256(), 0
        copy = self.place / "objects" / f"new-{secrets.token_hex(8)}"
        try:
            with copy.open("xb") as target:
                for chunk in _chunks(fd, parts):
                    if len(chunk) > disk_space.left(self.place):
                        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                    digest.update(chunk)
                    target.write(chunk)
                    size += len(chunk)
                os.fchmod(target.fileno(), 0o400)
            self._keep(copy, digest.hexdigest(), size)
        finally:
            copy.unlink(missing_ok=True)
        return digest.hexdigest(), size

    def _keep(self, copy: Path, sha256: str, size: int) -> None:
        if sha256 in self.fresh or self.store.has(sha256, size):
            return
        copy.rename(self.place / "objects" / sha256)
        self.fresh.add(sha256)
        self.fresh_bytes += size
        self.new_bytes += size
        if len(self.fresh) >= PROMOTE_FILES or self.fresh_bytes >= PROMOTE_BYTES:
            self.promote()

    def promote(self) -> None:
        """Sync new contents to the disk, then move them to objects/."""
        sync(self.store.path)
        for sha256 in self.fresh:
            place = self.store.content(sha256)
            place.parent.mkdir(mode=0o700, exist_ok=True)
            (self.place / "objects" / sha256).rename(place)
        self.store.note_intact(self.fresh)
        self.fresh.clear()
        self.fresh_bytes = 0

    def finish(self, about: dict[str, Any]) -> Backup:
        """Write backup.json, then rename the directory to the backup's name: from then on it is one."""
        self.promote()
        self.manifest.close()
        (self.place / "objects").rmdir()
        names = sorted(path for path in self.place.rglob("*") if path.is_file())
        about["format"] = FORMAT
        about["sha256"] = {str(path.relative_to(self.place)): checksum(path) for path in names}
        (self.place / "backup.json").touch(mode=0o600)
        (self.place / "backup.json").write_text(json.dumps(about, indent=2, ensure_ascii=True) + "\n")
        sync(self.store.path)
        self.place.rename(self.final)
        sync(self.store.path)
        return Backup(self.final, about)

    def abandon(self) -> None:
        """Remove a backup that failed. Contents that are in objects/ already stay until the next sweep."""
        self.manifest.db.close()
        shutil.rmtree(self.place, ignore_errors=True)


def _chunks(fd: int, parts: list[tuple[int, int]]) -> Iterator[bytes]:
    for offset, length in parts:
        at, end = offset, offset + length
        while at < end and (chunk := _read(fd, min(CHUNK, end - at), at)):
            yield chunk
            at += len(chunk)


def _read(fd: int, count: int, at: int) -> bytes:
    try:
        return os.pread(fd, count, at)
    except OSError as error:
        raise UnreadableError(str(error.strerror)) from error


def whole_path(path: Path) -> Path:
    """The path, if absolute; otherwise a BackupError: bin/backup changes the working directory."""
    if not path.is_absolute():
        raise BackupError(f"Give the absolute path of {path}, beginning with /.")
    return path


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Sync the file system to the disk (syncfs(2)). OSError where that fails."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(fd)
