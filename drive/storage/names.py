"""Names and paths: what a file can be called."""

import os
import unicodedata

from .errors import WrongPathError

NAME_BYTES = 255
"""The longest name that Linux file systems hold."""
PATH_BYTES = 3000


def shown(name: str) -> str:
    """A name for a page, with what is not UTF-8 replaced."""
    return os.fsencode(name).decode(errors="replace")


Parts = list[str]
"""The names in a path. (Within the class below, `list` is a method.)"""


def split(path: str) -> Parts:
    """The names in a path; WrongPathError for what is none: empty, `.`, `..`, NUL, a name or path that is too long."""
    parts = path.split("/") if path else []
    for name in parts:
        check_name(name)
    if len(os.fsencode(path)) > PATH_BYTES:
        raise WrongPathError("This path is too long.")
    return parts


def check_name(name: str) -> str:
    """The name, if a file can have it."""
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError as error:
        raise WrongPathError("This name cannot be written in UTF-8.") from error
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise WrongPathError("This is no name for a file or folder.")
    if len(raw) > NAME_BYTES:
        raise WrongPathError(f"This name is too long: {len(raw)} of at most {NAME_BYTES} bytes.")
    return name


def new_name(name: str) -> str:
    """A name as we give it to new files: in NFC, as keyboards write it; macOS sends some names taken apart."""
    return check_name(unicodedata.normalize("NFC", check_name(name)))


def key(name: str) -> str:
    """Names with one key are refused side by side: other systems cannot hold both."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
