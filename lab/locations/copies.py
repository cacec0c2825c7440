"""A copy of one's own of a notebook that one may only read, in My Library."""

from itertools import islice

from drive.files import operations
from drive.folders import Folder
from drive.models import Library
from drive.storage import LibraryFiles, NameTakenError, StorageError, open_library
from drive.storage.names import alternatives, with_free_name
from portal.models import User

from .paths import Location

NOTEBOOK = ".ipynb"
EARLIER_SHOWN = 5


def is_read_only_notebook(location: Location) -> bool:
    """True for a notebook that the person cannot save."""
    if location.may_write or location.library is None or not location.inside.endswith(NOTEBOOK):
        return False
    return is_file(location)


def is_file(location: Location) -> bool:
    """True if there is a file at the location."""
    try:
        with open_library(_source(location)) as files:
            return files.stat(location.inside).kind == "file"
    except StorageError:
        return False


def earlier_copies(user: User, location: Location) -> list[str]:
    """Copies that this person may have made of it before, as paths in their `~/drive`."""
    mine = _my_library(user)
    with open_library(mine) as files:
        names = islice(alternatives(_target(location)), EARLIER_SHOWN)
        return [_in_drive(mine, path) for path in names if _has_file(files, path)]


def _has_file(files: LibraryFiles, path: str) -> bool:
    try:
        return files.stat(path).kind == "file"
    except StorageError:
        return False


def make_copy(actor: User, location: Location) -> str:
    """Copy it to My Library, into a folder named after its library; returns the copy's path in `~/drive`.

    `actor` may read it. A name that is taken stays as it is: the copy gets the next free one. Raises StorageError, and
    then nothing was copied.
    """
    mine, target = _my_library(actor), _target(location)
    try:
        operations.make_folder(actor, mine, target.rpartition("/")[0])
    except NameTakenError as error:
        target = f"{error.name}/{target.rpartition('/')[2]}"  # there already, written in capitals perhaps
    source = _source(location)
    copied = with_free_name(target, lambda free: operations.copy(actor, source, location.inside, mine, free))
    return _in_drive(mine, copied.path)


def _target(location: Location) -> str:
    """`<name of its library>/<its name>`."""
    return f"{location.path.split('/')[1]}/{location.inside.rpartition('/')[2]}"


def _source(location: Location) -> Library:
    assert location.library
    return location.library


def _my_library(user: User) -> Library:
    return Library.objects.get(owner_user=user, is_default=True)


def _in_drive(library: Library, path: str) -> str:
    return f"{Folder.MINE}/{library.name}/{path}"
