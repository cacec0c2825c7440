"""Extract files of a backup to a directory, as they were: names, modes, times, links, holes."""

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from drive.storage import openat2

from .backup_store import CHUNK, BackupStore
from .manifest import Entry, Manifest, shown

FICLONE = 0x40049409
"""ioctl_ficlone(2): the target shares the source's blocks, where the file system can."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_SPECIAL_MODE = 0o6000
"""Set-user-ID and set-group-ID: nothing that is restored runs with somebody else's rights."""

Rename = Callable[[bytes], bytes]


class Extraction:
    """Extraction of files of one manifest to one directory. `rename` maps paths of the manifest to paths there."""

    def __init__(self, store: BackupStore, manifest: Manifest, root: Path, rename: Rename = lambda path: path) -> None:
        self.store, self.manifest, self.rename = store, manifest, rename
        self.root = os.open(root, _FOLDER | os.O_CLOEXEC)
        self.damaged: list[str] = []
        self.files = 0
        self._folder: tuple[bytes, int] | None = None
        self._linked: dict[tuple[bytes, int, str | None], bytes] = {}

    def extract(self, *tops: bytes) -> None:
        """Extract what is at or below these paths. Folders get their modes and times last, from the deepest upwards."""
        try:
            for top in tops:
                for entry in self._entries(top):
                    self._place(entry)
            for top in tops:
                for entry in self._entries(top, backwards=True):
                    if entry.kind == "folder":
                        self._finish_folder(entry)
        finally:
            self._forget()
            os.close(self.root)

    def _entries(self, top: bytes, *, backwards: bool = False) -> Iterator[Entry]:
        """Entries at and below a path, without the target directory itself."""
        return (entry for entry in self.manifest.entries(below=top, backwards=backwards) if self.rename(entry.path))

    def _place(self, entry: Entry) -> None:
        path = self.rename(entry.path)
        parent, _, name = path.rpartition(b"/")
        if name in (b"", b".", b".."):
            raise ValueError(f"no path of a backup: {shown(path)}")
        folder = self._parent(parent)
        if entry.kind == "folder":
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=folder)
        elif entry.kind == "link":
            os.symlink(entry.target or b"", name, dir_fd=folder)
            os.utime(name, ns=(entry.modified, entry.modified), dir_fd=folder, follow_symlinks=False)
        elif not self._link(entry, path, folder, name):
            self._place_file(entry, folder, name)

    # Folders

    def _parent(self, path: bytes) -> int:
        """Descriptor of the parent folder, kept open: entries of one folder come together."""
        if self._folder is None or self._folder[0] != path:
            self._forget()
            self._folder = (path, self._open(path))
        return self._folder[1]

    def _open(self, path: bytes) -> int:
        """Open a folder below the target, following no links; missing ones are made."""
        here = os.dup(self.root)
        for part in path.split(b"/") if path else []:
            with suppress(FileExistsError):
                os.mkdir(part, 0o700, dir_fd=here)
            there = openat2.open_beneath(here, part, _FOLDER)
            os.close(here)
            here = there
        return here

    def _forget(self) -> None:
        if self._folder:
            os.close(self._folder[1])
        self._folder = None

    def _finish_folder(self, entry: Entry) -> None:
        fd = self._open(self.rename(entry.path))
        try:
            os.fchmod(fd, entry.mode)
            os.utime(fd, ns=(entry.modified, entry.modified))
        finally:
            os.close(fd)

    # Files

    def _link(self, entry: Entry, path: bytes, folder: int, name: bytes) -> bool:
        """Make a hard link, if the file is one of another that was extracted; returns whether it was."""
        if entry.links < 2:
            return False
        key = (b"/".join(entry.path.split(b"/")[:2]), entry.inode, entry.sha256)
        first = self._linked.setdefault(key, path)
        if first == path:
            return False
        source = self._open(first.rpartition(b"/")[0])
        try:
            os.link(first.rpartition(b"/")[2], name, src_dir_fd=source, dst_dir_fd=folder, follow_symlinks=False)
        finally:
            os.close(source)
        return True

    def _place_file(self, entry: Entry, folder: int, name: bytes) -> None:
        out = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        try:
            if not self._fill(entry, out):
                self.damaged.append(shown(entry.path))
            os.ftruncate(out, entry.size)
            os.fchmod(out, entry.mode & ~_SPECIAL_MODE)
            os.utime(out, ns=(entry.modified, entry.modified))
            self.files += 1
        finally:
            os.close(out)

    def _fill(self, entry: Entry, out: int) -> bool:
        """Write the content; returns whether its checksum is right. Damaged content is written as it is."""
        try:
            source = self.store.content(str(entry.sha256)).open("rb")
        except OSError:
            return False
        with source:
            cloned = entry.extents is None and _clone(source.fileno(), out)
            digest = hashlib.sha256()
            for offset, chunk in _chunks(source.fileno(), entry.parts()):
                digest.update(chunk)
                if not cloned:
                    _write(out, chunk, offset)
        return digest.hexdigest() == entry.sha256


def _clone(source: int, out: int) -> bool:
    """Share the blocks (reflink), where backup and Drive are on one file system that can; returns whether it did."""
    try:
        fcntl.ioctl(out, FICLONE, source)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return False
    return True


def _chunks(source: int, parts: list[tuple[int, int]]) -> Iterator[tuple[int, bytes]]:
    """The content in chunks, each with its offset in the file."""
    at = 0
    for offset, length in parts:
        done = 0
        while done < length and (chunk := os.pread(source, min(CHUNK, length - done), at)):
            yield offset + done, chunk
            done += len(chunk)
            at += len(chunk)


def _write(out: int, chunk: bytes, offset: int) -> None:
    done = 0
    while done < len(chunk):
        done += os.pwrite(out, chunk[done:], offset + done)
