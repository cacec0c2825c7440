"""Fetch and authorise: the file that somebody asks to edit, by its path in their Lab or in the Drive.

The rules are the Drive's (`drive.libraries.visibility`): a library stands in a folder of a person's Lab if they see it
there, and what they may do in it is the most that any route gives.
"""

from dataclasses import dataclass
from uuid import UUID

from django.conf import settings
from django.db.models import Q

from drive.folders import Folder
from drive.libraries.visibility import Entry, entries
from drive.models import Library
from drive.storage import StorageError, open_library
from portal.models import User

OFF_HERE = "Editing together is switched off on this site."
OFF_IN_COLLAB = "Editing together is switched off in this Collab."
LAB_FOLDER = "drive"
"""Where the Drive is in a Lab's home."""


class RefusedError(Exception):
    """The file is not edited together: `status` of HTTP, and a text for the person. The page opens it as ever."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Place:
    """A file of a library, as somebody reaches it."""

    library: Library
    path: str
    may_write: bool


def in_lab(user: User, path: str) -> Place:
    """The file at `drive/<folder>/<library>/<path>` of the person's Lab. RefusedError."""
    top, _, below = path.partition("/")
    folder, _, below = below.partition("/")
    name, _, inside = below.partition("/")
    if top != LAB_FOLDER or folder not in list(Folder) or not name or not inside:
        raise RefusedError(404, "This file is not in the Drive.")
    named = Q(owner_user=user, name=name) if folder == Folder.MINE else Q(shared_name=name)
    library = Library.objects.live().filter(named).select_related("owner_collab").first()
    have = entries(user, library=library.pk) if library else []
    if library is None or not any(entry.folder == folder for entry in have):
        raise _no_such_file()
    return _place(library, inside, have)


def in_drive(user: User, library_id: UUID, path: str) -> Place:
    """The file at a path of a library. RefusedError."""
    have = entries(user, library=library_id)
    if not have:
        raise _no_such_file()
    return _place(Library.objects.select_related("owner_collab").get(pk=library_id), path, have)


def _place(library: Library, path: str, have: list[Entry]) -> Place:
    check_enabled(library)
    try:
        with open_library(library) as files:
            entry = files.stat(path)
    except StorageError as error:
        raise _no_such_file() from error
    if entry.kind != "file":
        raise RefusedError(409, "Only files are edited together.")
    if entry.size > settings.COEDITING_MAX_BYTES:
        raise RefusedError(409, "This file is too large to be edited together.")
    return Place(library, path, any(one.may_write for one in have))


def _no_such_file() -> RefusedError:
    return RefusedError(404, "No such file.")


def check_enabled(library: Library) -> None:
    """RefusedError where people do not edit together."""
    if not settings.COEDITING:
        raise RefusedError(404, OFF_HERE)
    if library.owner_collab and not library.owner_collab.coediting:
        raise RefusedError(404, OFF_IN_COLLAB)
