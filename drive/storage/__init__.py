"""Files on disk: the one layer below the pages, the API and the rescue of files from Labs.

    openat2.py   opening paths that cannot leave their directory
    names.py     what a file can be called
    errors.py    what can go wrong, in words for people
    files.py     what can be done to the files of one library
    layout.py    where libraries are: private, public, staging, trash

Nothing in a library is trusted, because notebook code wrote it. Paths come as text, are resolved once by the kernel
below the library's directory, and only descriptors are used after that.
"""

from .errors import (
    AccessDeniedError,
    ChangedError,
    DiskFullError,
    IncompleteUploadError,
    NameTakenError,
    NotAFileError,
    NotFoundError,
    StorageError,
    WrongPathError,
    translate_errors,
)
from .files import ABSENT, ANY, FileEntry, LibraryFiles, ReplacedFileHandler, etag, signature
from .layout import open_library
from .names import check_name, is_hidden, shown

__all__ = [
    "ABSENT",
    "ANY",
    "AccessDeniedError",
    "ChangedError",
    "DiskFullError",
    "FileEntry",
    "IncompleteUploadError",
    "LibraryFiles",
    "NameTakenError",
    "NotAFileError",
    "NotFoundError",
    "ReplacedFileHandler",
    "StorageError",
    "WrongPathError",
    "check_name",
    "etag",
    "is_hidden",
    "open_library",
    "shown",
    "signature",
    "translate_errors",
]
