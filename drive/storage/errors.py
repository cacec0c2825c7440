"""What can go wrong with files, in words for people."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class StorageError(Exception):
    """Base of what can go wrong; the text is for the person."""

    status = 400


class WrongPathError(StorageError):
    """The path cannot be one of ours."""


class NotFoundError(StorageError):
    """There is no such file or folder."""

    status = 404


class NotAFileError(StorageError):
    """It is a link or a device, or it is not the kind of thing that was asked for."""

    status = 409


class NameTakenError(StorageError):
    """Something else has this name; `name` is what it is called."""

    status = 409

    def __init__(self, name: str) -> None:
        super().__init__(f"“{name}” is there already.")
        self.name = name


class ChangedError(StorageError):
    """The file is not the one that was read before (HTTP 412)."""

    status = 412


class IncompleteUploadError(StorageError):
    """Fewer bytes arrived than were announced; nothing was changed."""


class DiskFullError(StorageError):
    """No space, or over a quota; nothing was changed."""

    status = 507


class AccessDeniedError(StorageError):
    """The portal's account may not read or change it: somebody took the right away in their Lab."""

    status = 403


@contextmanager
def plainly() -> Iterator[None]:
    """Errors of the system as errors for people."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFoundError("There is nothing at this path.") from error
    except OSError as error:
        match error.errno:
            case errno.ELOOP | errno.EXDEV:
                raise NotAFileError("Links are not followed.") from error
            case errno.ENOTDIR | errno.EISDIR | errno.ENXIO:
                raise NotAFileError("It is not the kind of thing that was asked for.") from error
            case errno.ENOSPC | errno.EDQUOT:
                raise DiskFullError("There is no space left. Nothing was changed.") from error
            case errno.EFBIG:
                raise DiskFullError("The disk cannot hold a file of this size. Nothing was changed.") from error
            case errno.EAGAIN:
                raise AccessDeniedError("A program in a Lab holds this file (a lease). Please try again.") from error
            case errno.EACCES | errno.EPERM | errno.EROFS:
                raise AccessDeniedError(
                    "The portal may not touch this: its mode was changed in a Lab (chmod)."
                ) from error
            case errno.ENAMETOOLONG:
                raise WrongPathError("This path is too long.") from error
            case errno.EILSEQ | errno.EINVAL:
                raise WrongPathError("The disk cannot hold this name.") from error
        raise
