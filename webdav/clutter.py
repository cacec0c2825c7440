"""`.DS_Store`, `._*`, `Thumbs.db`, `desktop.ini`: what desktops write beside files. Nobody wants their history.

They never reach the disk. A small one is kept for the person who wrote it, for an hour, as Finder gives up where it
does not find again what it has just written; a larger one is taken, and read as empty.
"""

import re

from django.core.cache import cache

from drive.models import Library
from drive.storage import path_codec
from portal.models import User

SECONDS = 3600
MOST_BYTES = 16 * 1024
_NAMES = re.compile(
    r"\A(?:\._.*|\.ds_store|thumbs\.db|desktop\.ini)\Z",
    re.IGNORECASE | re.DOTALL,
)


def is_clutter(path: str) -> bool:
    """True for a path whose last name is one of these, or below such a name."""
    return any(_NAMES.match(name) for name in path.split("/"))


def _key(user: User, library: Library, path: str) -> str:
    return f"webdav-clutter:{user.pk}:{library.pk}:{path_codec.key(path)}"


def keep(user: User, library: Library, path: str, content: bytes) -> None:
    """Remember one for its person, unless it is large."""
    cache.set(_key(user, library, path), content if len(content) <= MOST_BYTES else b"", SECONDS)


def find(user: User, library: Library, path: str) -> bytes | None:
    """What the person has written there lately; None for nothing."""
    return cache.get(_key(user, library, path))


def forget(user: User, library: Library, path: str) -> bool:
    """Forget one; False where there was none."""
    return bool(cache.delete(_key(user, library, path)))
