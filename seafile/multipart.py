"""Reader of forms (multipart/form-data, RFC 7578) in a file: where each part begins and ends, in flat memory.

Django's own needs a length that rclone does not send, changes the names of files (`&amp;`), and copies each byte
through Python. Fields may come as files (ebrains-drive sends `parent_dir` so), before the file or after it.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO
from urllib.parse import unquote

from .errors import SeafileError

BLOCK = 1 << 20
MOST_HEAD = 16 * 1024
MOST_PARTS = 1000
MOST_FIELD = 64 * 1024
COPY_AT_ONCE = 1 << 26
_PARAMETER = re.compile(rb';\s*([\w*-]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^;\s]*))', re.DOTALL)


@dataclass(frozen=True)
class Part:
    """One part: its name, its file's name ("" for a plain field), and where its content is."""

    name: str
    filename: str
    begin: int
    end: int

    @property
    def size(self) -> int:
        """Bytes of the content."""
        return self.end - self.begin


@dataclass(frozen=True)
class Form:
    """Fields, and the parts called `file`."""

    fields: dict[str, str]
    files: list[Part]


def read_form(source: BinaryIO, content_type: str) -> Form:
    """Read a whole form. 400 for what is none, or was cut off."""
    fields, found = {}, []
    for part in parts(source, _boundary(content_type)):
        if part.name == "file":
            found.append(part)
        elif part.size > MOST_FIELD:
            raise SeafileError(400, f"The field {part.name[:50]!r} is too long.")
        else:
            source.seek(part.begin)
            fields[part.name] = _text(source.read(part.size))
    return Form(fields, found)


def _boundary(content_type: str) -> bytes:
    kind, _semicolon, rest = content_type.partition(";")
    given = dict(_parameters(f";{rest}".encode("latin-1", "replace"))).get("boundary", b"")
    if kind.strip().lower() != "multipart/form-data" or not 0 < len(given) <= 200:
        raise SeafileError(400, "The body is no multipart form.")
    return given


def _parameters(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Parameters of a header. In quotes only a quote and a backslash are escaped: names may have other backslashes."""
    for name, quoted, plain in _PARAMETER.findall(text):
        yield name.decode().lower(), re.sub(rb'\\(["\\])', rb"\1", quoted) or plain


def parts(source: BinaryIO, boundary: bytes) -> Iterator[Part]:
    """The parts of a form, in order; 400 unless it ends as a form does."""
    scan = _Scan(source)
    delimiter = b"\r\n--" + boundary
    at = scan.find(delimiter[2:], 0) + len(delimiter) - 2
    for _number in range(MOST_PARTS):
        after = scan.at(at, 2)
        if after == b"--":
            return
        head_end = scan.find(b"\r\n\r\n", at, at + MOST_HEAD)
        name, filename = _names(scan.at(at, head_end - at))
        begin = head_end + 4
        end = scan.find(delimiter, begin - 2)  # a part without content ends where its head does
        yield Part(name, filename, begin, max(begin, end))
        at = end + len(delimiter)
    raise SeafileError(400, "The form has too many parts.")


def _names(head: bytes) -> tuple[str, str]:
    """Name of the field, and of the file, in a part's head."""
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-disposition:"):
            return _text(dict(_parameters(line)).get("name", b"")), filename_in(line)
    return "", ""


def filename_in(header: bytes) -> str:
    """The name of a file in a Content-Disposition: plain, in UTF-8, or as RFC 2231 has it (`filename*`)."""
    given = dict(_parameters(header))
    if coded := given.get("filename*", b""):
        return unquote(coded.decode("latin-1").rpartition("'")[2])
    return _text(given.get("filename", b""))


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise SeafileError(400, "A field or name in the form is not UTF-8.") from error


class _Scan:
    """Search in a file by blocks."""

    def __init__(self, source: BinaryIO) -> None:
        self.source = source
        self.size = source.seek(0, os.SEEK_END)

    def at(self, position: int, length: int) -> bytes:
        """Bytes at a position."""
        self.source.seek(position)
        return self.source.read(length)

    def find(self, wanted: bytes, begin: int, end: int | None = None) -> int:
        """Where these bytes are; 400 where they are missing."""
        end = self.size if end is None else min(end, self.size)
        position, overlap = begin, b""
        self.source.seek(begin)
        while position < end and (block := self.source.read(min(BLOCK, end - position))):
            window = overlap + block
            if (found := window.find(wanted)) >= 0:
                return position - len(overlap) + found
            position += len(block)
            overlap = window[-(len(wanted) - 1) :]
        raise SeafileError(400, "The form is incomplete: the upload was cut off, or is no form.")


def copy_part(source: BinaryIO, part: Part, target: BinaryIO) -> None:
    """Copy a part's content; the kernel moves the bytes where it can."""
    offset, rest = part.begin, part.size
    while rest:
        done = os.sendfile(target.fileno(), source.fileno(), offset, min(rest, COPY_AT_ONCE))
        if not done:
            raise SeafileError(400, "The upload was interrupted.")
        offset, rest = offset + done, rest - done
