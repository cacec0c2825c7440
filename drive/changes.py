"""Every change that somebody makes to files through the web: one function each, whichever door they came by.

The caller has checked that `actor` may write there. Paths are the library's. What goes wrong is a StorageError, and
then nothing was changed.
"""

import io
from pathlib import Path

from portal.models import User

from .models import Library
from .storage import FileEntry, open_library


def put(actor: User, library: Library, path: str, staged: Path, *, if_match: str | None = None) -> FileEntry:
    """Move a complete file from the staging area to its place (`LibraryFiles.put` says what `if_match` means)."""
    with open_library(library) as files:
        return files.put(path, staged, if_match=if_match)


def write(actor: User, library: Library, path: str, content: bytes, *, if_match: str | None = None) -> FileEntry:
    """Put a small file in place: what was typed on a page, or an empty notebook."""
    with open_library(library) as files, files.staged(io.BytesIO(content), len(content)) as staged:
        return put(actor, library, path, staged, if_match=if_match)


def make_folder(actor: User, library: Library, path: str) -> None:
    """Create one folder; Clash when something has the name."""
    with open_library(library) as files:
        files.make_folder(path)


def rename(actor: User, library: Library, path: str, new_path: str) -> None:
    """Give a file, folder or link another path within its library; Clash when something has it."""
    with open_library(library) as files:
        files.rename(path, new_path)


def delete(actor: User, library: Library, path: str) -> None:
    """Move a file, folder or link to the library's trash."""
    with open_library(library) as files:
        files.delete(path)
