"""What can go wrong with files, in words for people."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class StorageError(Exception):
    """Base of what can go wrong; the text is for the person."""

    status = 400


class WrongPath(StorageError):
    """The path cannot be one of ours."""


class NotFound(StorageError):
    """There is no such file or folder."""

    status = 404


class NotAFile(StorageError):
    """It is a link or a device, or it is not the kind of thing that was asked for."""

    status = 409


class Clash(StorageError):
    """Something else has this name; `name` is what it is called."""

    status = 409

    def __init__(self, name: str) -> None:
        super().__init__(f"“{name}” is there already.")
        self.name = name


class Changed(StorageError):
    """The file is not the one that was read before (HTTP 412)."""

    status = 412


class CutOff(StorageError):
    """Fewer bytes arrived than were announced; nothing was changed."""


class DiskFull(StorageError):
    """No space, or over a quota; nothing was changed."""

    status = 507


class Locked(StorageError):
    """The portal's account may not read or change it: somebody took the right away in their Lab."""

    status = 403


@contextmanager
def plainly() -> Iterator[None]:
    """Errors of the system as errors for people."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("There is nothing at this path.") from error
    except OSError as error:
        match error.errno:
            case errno.ELOOP | errno.EXDEV:
                raise NotAFile("Links are not followed.") from error
            case errno.ENOTDIR | errno.EISDIR | errno.ENXIO:
                raise NotAFile("It is not the kind of thing that was asked for.") from error
            case errno.ENOSPC | errno.EDQUOT:
                raise DiskFull("There is no space left. Nothing was changed.") from error
            case errno.EFBIG:
                raise DiskFull("The disk cannot hold a file of this size. Nothing was changed.") from error
            case errno.EAGAIN:
                raise Locked("A program in a Lab holds this file (a lease). Please try again.") from error
            case errno.EACCES | errno.EPERM | errno.EROFS:
                raise Locked("The portal may not touch this: its mode was changed in a Lab (chmod).") from error
            case errno.ENAMETOOLONG:
                raise WrongPath("This path is too long.") from error
            case errno.EILSEQ | errno.EINVAL:
                raise WrongPath("The disk cannot hold this name.") from error
        raise
