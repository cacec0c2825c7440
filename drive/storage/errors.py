"""Exceptions of the storage layer, with an HTTP status and a text for people."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from django.utils.translation import gettext


class StorageError(Exception):
    """Base of the storage layer's exceptions; the text is for the person."""

    status = 400


class WrongPathError(StorageError):
    """Invalid path or name (400)."""


class NotFoundError(StorageError):
    """No such file or folder (404)."""

    status = 404


class NotAFileError(StorageError):
    """A symbolic link, a special file, or not the expected type (409)."""

    status = 409


class NameTakenError(StorageError):
    """The name is taken (409); `name` is how it is written on disk."""

    status = 409

    def __init__(self, name: str) -> None:
        super().__init__(gettext("“%(name)s” already exists.") % {"name": name})
        self.name = name


class ChangedError(StorageError):
    """The file is not the version that was read before (412)."""

    status = 412


class IncompleteUploadError(StorageError):
    """Fewer bytes arrived than were announced (400); nothing was changed."""


class DiskFullError(StorageError):
    """No space on the disk, or a quota exceeded (507); nothing was changed."""

    status = 507


class AccessDeniedError(StorageError):
    """Permission denied to the portal's account (403): the mode was changed in a Lab."""

    status = 403


@contextmanager
def translate_errors() -> Iterator[None]:
    """Translate OSErrors into StorageErrors."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError(gettext("Nothing was found at this path.")) from error
    except OSError as error:
        match error.errno:
            case errno.ELOOP | errno.EXDEV:
                raise NotAFileError(gettext("Symbolic links are not followed.")) from error
            case errno.ENOTDIR | errno.EISDIR | errno.ENXIO:
                raise NotAFileError(gettext("This is not the expected type of file.")) from error
            case errno.ENOSPC | errno.EDQUOT:
                raise DiskFullError(gettext("The disk is full. Nothing was changed.")) from error
            case errno.EFBIG:
                raise DiskFullError(gettext("This file is too large for the disk. Nothing was changed.")) from error
            case errno.EAGAIN:
                raise AccessDeniedError(
                    gettext("A program in a Lab is using this file (a lease). Please try again.")
                ) from error
            case errno.EACCES | errno.EPERM | errno.EROFS:
                raise AccessDeniedError(
                    gettext("Permission denied: the file's mode was changed in a Lab (chmod).")
                ) from error
            case errno.ENAMETOOLONG:
                raise WrongPathError(gettext("This path is too long.")) from error
            case errno.EILSEQ | errno.EINVAL:
                raise WrongPathError(gettext("The file system does not support this name.")) from error
        raise
