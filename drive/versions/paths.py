"""Paths in rows. A name on disk may be any bytes; a database takes Unicode only.

Python shows a byte that is not UTF-8 as a lone surrogate, U+DC80 to U+DCFF (PEP 383), which PostgreSQL refuses. In rows
it stands as a character of the last private plane instead, from U+10FC80 to U+10FCFF.
"""

import hashlib

_SHIFT = 0x10FC00 - 0xDC00
_OUT = {code: code + _SHIFT for code in range(0xDC80, 0xDD00)}
_BACK = {there: here for here, there in _OUT.items()}


def to_row(path: str) -> str:
    """A path of the disk as it stands in a row."""
    return path.translate(_OUT)


def from_row(path: str) -> str:
    """The path on disk of one that stands in a row."""
    return path.translate(_BACK)


def key(path: str) -> str:
    """What two files of a library differ in."""
    return hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()


def is_within(path: str, folder: str) -> bool:
    """Whether a path is the folder itself or below it; everything is below ""."""
    return not folder or path == folder or path.startswith(f"{folder}/")


def moved(path: str, old: str, new: str) -> str:
    """Where `path` is after `old`, which is it or above it, has become `new`."""
    return new + path[len(old) :]
