"""What a file holds, or held in one of its versions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from drive.models import Version
from drive.versions import store

from .library_access import LibraryAccess
from .text_diff import TextLines, read_lines


@contextmanager
def opened(access: LibraryAccess, path: str, version: Version | None) -> Iterator[BinaryIO]:
    """The bytes of a version; None: of what is there now."""
    if version is None:
        with access.files() as files, files.open(path) as source:
            yield source
    else:
        with store.open_object(version.sha256) as source:
            yield source


def text_of(access: LibraryAccess, path: str, version: Version | None) -> TextLines:
    """The lines of a version; None: of what is there now."""
    with opened(access, path, version) as source:
        return read_lines(source)
