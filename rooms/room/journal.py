"""The journal of a room: a file in which every change is before anybody else is sent it.

A file of records, each `length (u32 LE) | CRC-32 of kind and payload (u32 LE) | kind (1 byte) | payload`, after eight
bytes that name the format. A record that was cut off by a crash ends the journal: it, and whatever follows, is cut off
when the journal is opened. Appending puts a record into the kernel's page cache, which survives the process; `sync`
makes it survive a loss of power. Compaction writes another file and renames it over the journal.
"""

import os
import secrets
import struct
import zlib
from collections.abc import Iterable, Iterator
from enum import IntEnum
from pathlib import Path
from threading import Lock
from typing import NamedTuple

MAGIC = b"ROOMJ1\r\n"
_HEAD = struct.Struct("<IIB")
MAX_RECORD = 1 << 30
NUMBER_BYTES = 8
"""Of a user, the number of a mark or a length, in a record."""
NEW = ".new"


class JournalError(Exception):
    """The file is no journal, or a later version's."""


class RecordKind(IntEnum):
    """What a record says. Users are their ids, 8 bytes each (little endian)."""

    EPOCH = 1  # the id of this history, UTF-8. A page with another one has nothing to do with it. First of all
    PLACE = 2  # where the file is, UTF-8, in the server's words
    UPDATE = 3  # an update of the shared document, after the user whose page sent it (0: the room itself)
    MARK = 4  # the document as it is here will be written to the file. A number, for those below
    WRITING = 5  # the bytes of the MARK of this number have this SHA-256, and are being written
    SAVED = 6  # the MARK of this number is in the file, with this SHA-256
    READ = 7  # as SAVED, but it was read from there: somebody else's bytes
    BASE = 8  # what is in the file: its SHA-256, then the whole document as one update
    MERGED = 9  # an outside write: SHA-256, length of what follows it (8 bytes), that (as in BASE), update of the merge
    VERSION = 10  # what is in the file is in its versions
    AUTHORS = 11  # users who typed since the last VERSION
    RESTORED = 14  # from a backup: the file may be as it was at any SAVED or READ before
    UNWRITTEN = 13  # the MARK of this number was not written after all
    LEFT = 12  # the last client left (8 bytes: seconds since 1970)


class Record(NamedTuple):
    """One record of a journal."""

    kind: int
    payload: bytes

    def encode(self) -> bytes:
        """The record's bytes."""
        return _HEAD.pack(len(self.payload), _checksum(self.kind, self.payload), self.kind) + self.payload


class Journal:
    """An open journal. Not for two processes: the server holds one room of a file, in one process."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self._fd = -1
        self._unsynced = False
        self._since: list[bytes] | None = None
        self._lock = Lock()  # `sync` runs in a thread, beside appending and replacing

    @property
    def _new(self) -> Path:
        return self.path.with_name(self.path.name + NEW)

    def open(self) -> list[Record]:
        """Open or create it, cut off what a crash left half written, and return its records. JournalError."""
        self._new.unlink(missing_ok=True)
        created = not self.path.exists()
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        data = self.path.read_bytes()
        if not data.startswith(MAGIC[: len(data)]):
            self.close()
            raise JournalError(f"{self.path.name} is no journal of a room.")
        if len(data) < len(MAGIC):
            os.ftruncate(self._fd, 0)
            os.write(self._fd, MAGIC)
            data = MAGIC
        records = list(_records(data))
        end = len(MAGIC) + sum(_HEAD.size + len(record.payload) for record in records)
        if end < len(data):
            os.ftruncate(self._fd, end)
        self.size = end
        self._unsynced = True
        self.sync()
        if created:
            _sync_folder(self.path.parent)
        return records

    def append(self, kind: RecordKind, payload: bytes) -> None:
        """Add a record. OSError when the disk is full; then the journal is as it was before."""
        record = Record(kind, payload).encode()
        try:
            _write(self._fd, record)
        except OSError:
            os.ftruncate(self._fd, self.size)
            raise
        self.size += len(record)
        self._unsynced = True
        if self._since is not None:
            self._since.append(record)

    def sync(self) -> None:
        """Make what was appended survive a loss of power. Blocks for as long as the disk takes."""
        with self._lock:
            if self._unsynced:
                self._unsynced = False
                try:
                    os.fdatasync(self._fd)
                except OSError:
                    self._unsynced = True
                    raise

    def read(self) -> list[Record]:
        """All records."""
        return list(_records(self.path.read_bytes()))

    def begin_replacement(self) -> None:
        """From now on, what is appended goes into the replacement, too."""
        self._since = []

    def write_replacement(self, records: Iterable[Record]) -> None:
        """Write the journal anew, into a file beside it; blocks. `records` say what `begin_replacement` found."""
        fd = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(MAGIC)
            for record in records:
                file.write(record.encode())
            file.flush()
            os.fsync(fd)

    def replace(self) -> None:
        """Put the replacement in place, in one step. OSError; then the journal is as it was."""
        fd = os.open(self._new, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            for record in self._since or ():
                _write(fd, record)
            self._new.replace(self.path)
        except OSError:
            os.close(fd)
            self.drop_replacement()
            raise
        with self._lock:
            os.close(self._fd)
            self._fd, self._since, self._unsynced = fd, None, True
            self.size = os.fstat(fd).st_size
        _sync_folder(self.path.parent)

    def drop_replacement(self) -> None:
        """Go on with the journal as it is."""
        self._since = None
        self._new.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; `sync` before, where it matters."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def place_of(path: Path) -> str:
    """Where the file of a journal is, in the words of whoever opened the room; "" when the journal does not say."""
    places = [record.payload for record in _records(path.read_bytes()) if record.kind == RecordKind.PLACE]
    return places[-1].decode() if places else ""


def note_restored(path: Path) -> None:
    """Give a journal that was restored from a backup another epoch, so that pages which are still open are told to
    reload: they have what came after, which could be there twice. A backup's file may be older than its journal, and
    is no write from outside then. JournalError.
    """
    journal = Journal(path)
    try:
        records = [record for record in journal.open() if record.kind != RecordKind.EPOCH]
        journal.begin_replacement()
        epoch = Record(RecordKind.EPOCH, secrets.token_hex(8).encode())
        journal.write_replacement([epoch, *records, Record(RecordKind.RESTORED, b"")])
        journal.replace()
    finally:
        journal.close()


def left_at(path: Path) -> float:
    """When the last client left, seconds since 1970; when the journal was last written, if it does not say."""
    last = None
    for record in _records(path.read_bytes()):
        if record.kind in (RecordKind.LEFT, RecordKind.UPDATE):
            last = record
    if last is not None and last.kind == RecordKind.LEFT:
        return float(int.from_bytes(last.payload, "little"))
    return path.stat().st_mtime


def _records(data: bytes) -> Iterator[Record]:
    """The whole records from the front of a journal's bytes."""
    at = len(MAGIC)
    while at + _HEAD.size <= len(data):
        length, checksum, kind = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        if length > MAX_RECORD or at + length > len(data):
            return
        payload = data[at : at + length]
        if _checksum(kind, payload) != checksum:
            return
        yield Record(kind, payload)
        at += length


def _write(fd: int, data: bytes) -> None:
    written = 0
    while written < len(data):
        written += os.write(fd, data[written:])


def _checksum(kind: int, payload: bytes) -> int:
    return zlib.crc32(payload, kind + 1)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def number(value: int) -> bytes:
    """A number as records have it."""
    return value.to_bytes(NUMBER_BYTES, "little")


def read_number(payload: bytes) -> int:
    """The number at the front of some bytes."""
    return int.from_bytes(payload[:NUMBER_BYTES], "little")
