"""Upload conflicts: the name was taken, or the file changed. The upload is kept in staging until the person chooses.

So nobody uploads ten gigabytes twice, and nothing is ever replaced that the person has not seen. What nobody chooses
about goes with the next day's sweep.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from django.core import signing
from django.utils.translation import gettext

from drive.files import operations
from drive.models import Library
from drive.storage import ABSENT, ChangedError, FileEntry, LibraryFiles, NameTakenError, NotFoundError
from drive.storage.names import with_free_name
from portal.models import User

SALT = "drive.held"
KEPT = 24 * 3600
"""Seconds for which a choice can be made."""


@dataclass(frozen=True)
class UploadConflict:
    """An upload that was refused, and waits for the choice of its person."""

    token: str
    name: str
    """As it was uploaded."""
    there: FileEntry | None
    """The entry with this name now; None if there is none."""

    @property
    def may_replace(self) -> bool:
        """Only files are replaced."""
        return self.there is None or self.there.kind == "file"


def keep_upload(
    files: LibraryFiles, user: User, library: Library, path: str, staged: Path, error: NameTakenError | ChangedError
) -> UploadConflict:
    """Keep an upload that was refused with `error`."""
    kept = files.staging / f"held-{secrets.token_hex(16)}"
    staged.rename(kept)
    os.utime(kept)
    folder, _, name = path.rpartition("/")
    target = path
    if isinstance(error, NameTakenError) and error.name != name:  # it differs by case only: that one would be replaced
        target = f"{folder}/{error.name}" if folder else error.name
    token = signing.dumps([kept.name, user.pk, str(library.pk), path, target], salt=SALT)
    return UploadConflict(token, name, _there(files, target))


def _there(files: LibraryFiles, path: str) -> FileEntry | None:
    try:
        return files.stat(path)
    except NotFoundError:
        return None


def resolve(
    files: LibraryFiles, user: User, library: Library, token: str, how: str, etag: str
) -> UploadConflict | None:
    """Do what the person chose: `replace` the version that they saw, keep `both`, or drop it.

    Returns the upload once more when what they saw has changed since. NotFoundError if it is no longer there.
    """
    staged, path, target = _take(files, user, library, token)
    if how == "replace":
        try:
            operations.put(user, library, target, staged, if_match=etag or ABSENT)
        except (ChangedError, NameTakenError) as error:
            return keep_upload(files, user, library, path, staged, error)
    elif how == "both":
        with_free_name(path, lambda free: operations.put(user, library, free, staged, if_match=ABSENT))
    else:
        staged.unlink(missing_ok=True)
    return None


def _take(files: LibraryFiles, user: User, library: Library, token: str) -> tuple[Path, str, str]:
    gone = NotFoundError(gettext("This upload is no longer available. Please upload the file again."))
    try:
        name, user_id, library_id, path, target = signing.loads(token, salt=SALT, max_age=KEPT)
    except signing.BadSignature as error:
        raise gone from error
    staged = files.staging / name
    if (user_id, library_id) != (user.pk, str(library.pk)) or not staged.is_file():
        raise gone
    return staged, path, target
