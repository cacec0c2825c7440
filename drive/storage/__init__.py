"""Files on disk: the one layer behind every door (pages, API, rescue).

    openat2.py   opening paths that cannot leave their directory
    files.py     what can be done to the files of one library
    layout.py    where libraries are: private, public, staging, trash

Nothing in a library is trusted, because notebook code wrote it. Paths come as text, are resolved once by the kernel
below the library's directory, and only descriptors are used after that.
"""

from .files import (
    ABSENT,
    ANY,
    Changed,
    Clash,
    CutOff,
    DiskFull,
    FileEntry,
    LibraryFiles,
    Locked,
    NotAFile,
    NotFound,
    StorageError,
    WrongPath,
    etag,
    shown,
)
from .layout import open_library

__all__ = [
    "ABSENT",
    "ANY",
    "Changed",
    "Clash",
    "CutOff",
    "DiskFull",
    "FileEntry",
    "LibraryFiles",
    "Locked",
    "NotAFile",
    "NotFound",
    "StorageError",
    "WrongPath",
    "etag",
    "open_library",
    "shown",
]
