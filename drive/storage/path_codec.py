"""Encoding of paths for database rows. A name on disk may be any bytes; a database takes Unicode only.

Python shows a byte that is not UTF-8 as a lone surrogate, U+DC80 to U+DCFF (PEP 383), which PostgreSQL refuses. In rows
it stands as a character of the last private plane instead, U+10FC80 to U+10FCFF. A name that holds such a character by
itself has U+10FBFF before it.
"""

import hashlib
import re

_SHIFT = 0x10FC00 - 0xDC00
_MARK = "\U0010fbff"
_BYTE = "[\udc80-\udcff]"
_PLAIN = f"[{_MARK}\U0010fc80-\U0010fcff]"
_TO_ROW = re.compile(f"({_BYTE})|({_PLAIN})")
_FROM_ROW = re.compile(f"{_MARK}(.)|({_PLAIN})")


def to_row(path: str) -> str:
    """A path of the disk as it stands in a row."""
    return _TO_ROW.sub(lambda found: chr(ord(found[1]) + _SHIFT) if found[1] else _MARK + found[2], path)


def from_row(path: str) -> str:
    """The path on disk of one that stands in a row."""
    return _FROM_ROW.sub(lambda found: found[1] or chr(ord(found[2]) - _SHIFT), path)


def key(path: str) -> str:
    """SHA-256 of a path: unique per file of a library."""
    return hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()


def is_within(path: str, folder: str) -> bool:
    """True if a path is the folder itself or below it; everything is below ""."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def moved(path: str, old: str, new: str) -> str:
    """New path of `path` after `old`, which is it or above it, has become `new`."""
    return new + path[len(old) :]
