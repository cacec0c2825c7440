"""Zip archives, made while they are sent: no file on our side, and little memory (some 100 bytes per file in it).

Nothing is compressed: most of what researchers keep is compressed already, and the disk is to be the limit. A file of
up to 1 MiB is read before its header is written, so any program can unpack it from a stream; of a larger one, checksum
and size follow its bytes (APPNOTE.TXT 4.3.9). Sizes and numbers beyond 32 bits are written as Zip64. What is in the
archive of a file that changes meanwhile is what was read, never more than the size it had when it was found.
"""

import os
import stat
import struct
import time
import zlib
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from typing import BinaryIO

from django.utils.translation import gettext

from drive.storage import LibraryFiles, StorageError, shown
from drive.storage.names import alternatives
from drive.storage.walk import Found, tree
from portal.text.numbers import grouped

WHOLE = 1 << 20
BLOCK = 1 << 18
NOTED = 1000
NOTE = "Left out.txt"

_LOCAL = struct.Struct("<I5H3I2H")
_CENTRAL = struct.Struct("<I6H3I5H2I")
_END = struct.Struct("<I4H2IH")
_END64 = struct.Struct("<IQ2H2I4Q")
_LOCATOR = struct.Struct("<IIQI")
_TIME = struct.Struct("<HHBi")
_PLAIN, _LARGE, _MADE_BY = 20, 45, 3 << 8 | 45  # versions of the format; 3: file modes are Unix's
_UTF8, _SIZES_FOLLOW = 0x800, 0x8
_MOST, _MOST_FILES = 0xFFFFFFFF, 0xFFFF
_DOS_YEARS = range(1980, 2108)


def pack(files: LibraryFiles, wanted: Iterable[tuple[str, str]], *, hidden: bool = True) -> Iterator[bytes]:
    """An archive of `wanted`: pairs of a path and the name that it gets at the archive's top.

    Links, special files and what cannot be read are left out, and listed in a text file at the end. Without `hidden`,
    hidden names below a path are left out too, and not listed.
    """
    return _blocks(_parts(files, list(wanted), hidden))


def _blocks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in larger pieces: each piece is a system call or two on its way."""
    block = bytearray()
    for part in parts:
        if len(block) + len(part) >= BLOCK and block:
            yield bytes(block)
            block.clear()
        if len(part) >= BLOCK:
            yield part
        else:
            block += part
    if block:
        yield bytes(block)


def _parts(files: LibraryFiles, wanted: list[tuple[str, str]], hidden: bool) -> Iterator[bytes]:
    archive, left_out = _Archive(), _LeftOut()
    for path, name in wanted:
        try:
            with closing(tree(files, path, hidden=hidden)) as items:
                for found in items:
                    yield from _one(archive, found, f"{name}/{found.path}" if found.path else name, left_out)
        except StorageError as error:
            left_out.add(name, str(error))
    if left_out:
        taken = {name for _path, name in wanted}
        note = next(name for name in alternatives(NOTE) if name not in taken)
        yield from archive.add_bytes(note.encode(), left_out.text(), time.time(), stat.S_IFREG | 0o644)
    yield from archive.end()


def _one(archive: "_Archive", found: Found, name: str, left_out: "_LeftOut") -> Iterator[bytes]:
    arcname = _safe(name)
    match found.kind:
        case "folder":
            yield from archive.add_bytes(arcname + b"/", b"", found.status.st_mtime, stat.S_IFDIR | 0o755)
        case "file":
            try:
                content = found.open()
            except StorageError as error:
                left_out.add(name, str(error))
                return
            with content:
                size = yield from _file(archive, arcname, found, content)
            if size < found.status.st_size:
                left_out.add(
                    name,
                    gettext("cut short while it was read; the first %(number)s bytes are there")
                    % {"number": grouped(size)},
                )
        case "link":
            left_out.add(name, gettext("a link; links are not followed"))
        case "unreadable":
            left_out.add(name, gettext("a folder that cannot be read"))
        case _:
            left_out.add(name, gettext("a special file; these are never opened"))


def _file(archive: "_Archive", name: bytes, found: Found, content: BinaryIO) -> Generator[bytes, None, int]:
    """Returns how many bytes there were."""
    size, mode = found.status.st_size, stat.S_IFREG | (found.status.st_mode & 0o777)
    if size > WHOLE:
        return (yield from archive.add_stream(name, content, size, found.status.st_mtime, mode))
    data = _read(content, size)
    yield from archive.add_bytes(name, data, found.status.st_mtime, mode)
    return len(data)


def _read(content: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes; what cannot be read (a disk's error) is missing at the end."""
    try:
        return content.read(size) or b""
    except OSError:
        return b""


def _safe(name: str) -> bytes:
    """A name in the archive. Windows takes a backslash for a way to another folder, so it becomes `_`."""
    return os.fsencode(name).replace(b"\\", b"_")


class _LeftOut:
    """Names that are not in the archive, with the reasons."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.more = 0

    def __bool__(self) -> bool:
        return bool(self.lines)

    def add(self, name: str, why: str) -> None:
        if len(self.lines) < NOTED:
            self.lines.append(f"{shown(name)!r}: {why}")
        else:
            self.more += 1

    def text(self) -> bytes:
        more = [gettext("and %(number)s more") % {"number": self.more}] if self.more else []
        return "\n".join([gettext("Not included in this archive, or incomplete:"), "", *self.lines, *more, ""]).encode()


class _Archive:
    """The bytes of a zip file, in order; the list of contents grows meanwhile."""

    def __init__(self) -> None:
        self.offset = 0
        self.central = bytearray()
        self.count = 0

    def add_bytes(self, name: bytes, data: bytes, modified: float, mode: int) -> Iterator[bytes]:
        """A file whose content is at hand, or a folder."""
        crc, size = zlib.crc32(data), len(data)
        extra = _extended_time(modified)
        flags, date = _flags(name), _dos_time(modified)
        yield _LOCAL.pack(0x04034B50, _PLAIN, flags, 0, *date, crc, size, size, len(name), len(extra)) + name + extra
        yield data
        self._note(name, flags, date, crc, size, extra, mode)
        self.offset += _LOCAL.size + len(name) + len(extra) + size

    def add_stream(
        self, name: bytes, content: BinaryIO, size: int, modified: float, mode: int
    ) -> Generator[bytes, None, int]:
        """A large file, of at most `size` bytes; how many they were is written after them, and returned."""
        large = size >= _MOST
        extra, unknown = _extended_time(modified), 0
        local_extra = extra
        if large:
            local_extra, unknown = struct.pack("<2H2Q", 1, 16, 0, 0) + extra, _MOST
        flags, date = _flags(name) | _SIZES_FOLLOW, _dos_time(modified)
        version = _LARGE if large else _PLAIN
        head = _LOCAL.pack(0x04034B50, version, flags, 0, *date, 0, unknown, unknown, len(name), len(local_extra))
        yield head + name + local_extra
        crc = done = 0
        while done < size and (data := _read(content, min(BLOCK, size - done))):
            crc, done = zlib.crc32(data, crc), done + len(data)
            yield data
        trailer = struct.pack("<2I2Q" if large else "<4I", 0x08074B50, crc, done, done)
        yield trailer
        self._note(name, flags, date, crc, done, extra, mode)
        self.offset += len(head) + len(name) + len(local_extra) + done + len(trailer)
        return done

    def _note(
        self, name: bytes, flags: int, date: tuple[int, int], crc: int, size: int, extra: bytes, mode: int
    ) -> None:
        """A line of the list of contents. What does not fit into 32 bits stands in a Zip64 field instead."""
        large = [number for number in (size, size, self.offset) if number >= _MOST]
        if large:
            extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) + extra
        shown_size, offset = min(size, _MOST), min(self.offset, _MOST)
        version = _LARGE if large else _PLAIN
        attributes = mode << 16 | (0x10 if stat.S_ISDIR(mode) else 0)
        self.central += _CENTRAL.pack(
            0x02014B50, _MADE_BY, version, flags, 0, *date, crc, shown_size, shown_size, len(name), len(extra),
            0, 0, 0, attributes, offset,
        )  # fmt: skip
        self.central += name + extra
        self.count += 1

    def end(self) -> Iterator[bytes]:
        """The list of contents, and where it is."""
        size, start = len(self.central), self.offset
        yield bytes(self.central)
        if self.count >= _MOST_FILES or size >= _MOST or start >= _MOST:
            yield _END64.pack(0x06064B50, 44, _MADE_BY, _LARGE, 0, 0, self.count, self.count, size, start)
            yield _LOCATOR.pack(0x07064B50, 0, start + size, 1)
        count = min(self.count, _MOST_FILES)
        yield _END.pack(0x06054B50, 0, 0, count, count, min(size, _MOST), min(start, _MOST), 0)


def _flags(name: bytes) -> int:
    """True if the name is UTF-8; any other stays as it is on the disk."""
    try:
        name.decode()
    except UnicodeDecodeError:
        return 0
    return _UTF8


def _dos_time(modified: float) -> tuple[int, int]:
    """Time and date as of 1980: local, in steps of two seconds."""
    try:
        moment = time.localtime(modified)
    except (OverflowError, ValueError, OSError):
        return 0, 1 << 5 | 1
    if moment.tm_year not in _DOS_YEARS:
        return 0, 1 << 5 | 1
    clock = moment.tm_hour << 11 | moment.tm_min << 5 | moment.tm_sec // 2
    return clock, (moment.tm_year - 1980) << 9 | moment.tm_mon << 5 | moment.tm_mday


def _extended_time(modified: float) -> bytes:
    """The moment itself, where it fits (the field `UT` of Info-ZIP)."""
    seconds = int(modified)
    return _TIME.pack(0x5455, 5, 1, seconds) if abs(seconds) < 1 << 31 else b""
