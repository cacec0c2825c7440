"""Files that come in several requests (`Content-Range`), one after the other, as browsers send large ones.

What has come waits in staging, under a name made of its person, library and path, until the last byte is there. A
sender that was cut off asks how many bytes there are. What is never finished is swept from there as other leftovers.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from django.http import HttpRequest

from drive.models import Library
from drive.storage import layout, translate_errors
from portal.file_lock import file_lock
from portal.models import User

from .errors import SeafileError
from .multipart import Part, copy_part, filename_in

_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")


@dataclass(frozen=True)
class Range:
    """The bytes that a request brings: from the first to the last, of so many."""

    first: int
    last: int
    total: int


def asked(request: HttpRequest) -> Range | None:
    """The range of an upload; None for a whole one, 400 for what is none."""
    header = request.headers.get("Content-Range", "").strip()
    if not header:
        return None
    found = _RANGE.fullmatch(header)
    given = Range(*map(int, found.groups())) if found else None
    if given is None or not given.first <= given.last < given.total:
        raise SeafileError(400, "Invalid Content-Range.")
    return given


def name_of(request: HttpRequest, part: Part) -> str:
    """Name of the file: percent-encoded in the request's own Content-Disposition, or else as in the form."""
    header = request.headers.get("Content-Disposition", "")
    return unquote(filename_in(header.encode())) if header else part.filename


def place(user: User, library: Library, path: str) -> Path:
    """Where the part that has come waits."""
    key = hashlib.sha256(f"{user.pk} {library.pk} {path}".encode(errors="replace")).hexdigest()
    return layout.staging() / f"seafile-{key[:40]}"


def arrived(partial: Path) -> int:
    """Bytes that have come."""
    return partial.stat().st_size if partial.exists() else 0


@contextmanager
def alone(partial: Path) -> Iterator[None]:
    """One request at a time may add to an upload; 409 for another."""
    with translate_errors():
        partial.touch()
        with file_lock(partial, wait=False, create=False) as locked:
            if not locked:
                raise SeafileError(409, "Another request is uploading this file.")
            yield


def append(partial: Path, given: Range, source: BinaryIO, part: Part) -> bool:
    """Add a part; True when the file is whole. 400 for one that leaves a gap; one that comes again is written again."""
    if part.size != given.last - given.first + 1:
        raise SeafileError(400, "The part is not as long as its Content-Range says.")
    if given.first > arrived(partial):
        raise SeafileError(400, f"{arrived(partial)} bytes have arrived, but this part begins at {given.first}.")
    with translate_errors(), partial.open("r+b") as target:
        target.truncate(given.first)
        target.seek(given.first)
        copy_part(source, part, target)
    return given.last + 1 == given.total
