"""Names and paths of files: validation, NFC, alternatives for a name that is taken."""

import os
import unicodedata
from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import TypeVar

from django.utils.translation import gettext

from .errors import NameTakenError, WrongPathError

NAME_BYTES = 255
"""The longest name that Linux file systems hold."""
PATH_BYTES = 3000
NAMES_TRIED = 100
"""Most names that are tried where a file's name is taken."""
Result = TypeVar("Result")


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
        raise WrongPathError(gettext("This path is too long."))
    return parts


def check_name(name: str) -> str:
    """The name, if a file can have it."""
    try:
        raw = os.fsencode(name)
    except UnicodeEncodeError as error:
        raise WrongPathError(gettext("Invalid file or folder name: it cannot be encoded in UTF-8.")) from error
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise WrongPathError(
            gettext("Invalid file or folder name: “%(name)s”.") % {"name": shown(name).replace("\0", "\ufffd")}
        )
    if len(raw) > NAME_BYTES:
        raise WrongPathError(
            gettext("This name is too long: %(number)s of at most %(most)s bytes.")
            % {"number": len(raw), "most": NAME_BYTES}
        )
    return name


def is_hidden(name: str) -> bool:
    """Names that begin with a dot, as in JupyterLab: checkpoints, `.git`, settings of programs."""
    return name.startswith(".")


def has_hidden(path: str) -> bool:
    """Whether the path leads to, or through, a hidden name."""
    return any(is_hidden(name) for name in path.split("/"))


def new_name(name: str) -> str:
    """A name as we give it to new files: in NFC, as keyboards write it; macOS sends some names taken apart."""
    return check_name(unicodedata.normalize("NFC", check_name(name)))


def alternatives(path: str, label: str = "") -> Iterator[str]:
    """The path, then `a (2).txt`, `a (3).txt`, …; with a label `a (copy).txt`, `a (copy 2).txt`, … Never ends."""
    stem, suffix = os.path.splitext(path)  # noqa: PTH122  # a path in the library, not on this disk
    yield path
    if label:
        yield f"{stem} ({label}){suffix}"
    yield from (f"{stem} ({label} {number}){suffix}" if label else f"{stem} ({number}){suffix}" for number in count(2))


def with_free_name(path: str, place: Callable[[str], Result], label: str = "") -> Result:
    """Call `place` with the path, or with the first alternative that raises no NameTakenError; a hundred are tried."""
    for candidate in islice(alternatives(path, label), NAMES_TRIED):
        try:
            return place(candidate)
        except NameTakenError:
            continue
    raise NameTakenError(path.rpartition("/")[2])
