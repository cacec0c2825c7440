"""Locations in a Lab: a path in the Drive (`Shared with groups/Retina/first.ipynb`), and an address on a Lab's origin.

Both come from links that anybody may have written, so both are checked here and nowhere else.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext

from drive.folders import Folder
from drive.libraries.visibility import Entry, entries
from drive.models import Library
from drive.storage import NotFoundError, StorageError, open_library
from lab.models.presence import MAX_LENGTH
from portal.models import User

HOME = "/lab"
"""JupyterLab itself, at no place in particular."""
SIMPLE_VIEW = "/notebooks"
"""Notebooks on a page of their own, without JupyterLab around them."""
PRIVATE = "/.collaboratory"
"""Addresses on the Lab's origin that are the portal's."""

ADDRESS_LENGTH = 4000
"""Characters of an address; one of a name may be twelve there (an emoji), and a ticket keeps so many."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TREE = re.compile(r"\A/(?:lab(?:/workspaces/[^/?#]+)?/tree|notebooks)/(.+)\Z")


class InvalidLocationError(ValueError):
    """A path that cannot be in anybody's Drive. `str(error)` says why, for a person."""


def drive_path(text: str) -> str:
    """A path relative to `~/drive` as it stands in a link, with or without `drive/`; "" is the Drive itself."""
    path = relative_path(text)
    return path.partition("/")[2] if path.split("/")[0] == "drive" else path


def relative_path(text: str) -> str:
    """A path as it stands in a link; it leads down and nowhere else."""
    if len(text) > MAX_LENGTH:
        raise InvalidLocationError(gettext("The link's path is too long."))
    if _CONTROL.search(text):
        raise InvalidLocationError(gettext("The link's path contains characters that file names in a Lab cannot have."))
    parts = [part for part in text.strip("/").split("/") if part]
    if any(part in (".", "..") for part in parts):
        raise InvalidLocationError(gettext("The link's path must not contain “.” or “..”."))
    return "/".join(parts)


def address_of(path: str) -> str:
    """Address on the Lab's origin that opens a Drive path."""
    return f"{HOME}/tree/drive/{quote(path)}" if path else HOME


def local_address(text: str) -> str:
    """An address on the Lab's origin, from its first slash on.

    Anything else, and the portal's own corner, becomes HOME.
    """
    suspicious = len(text) > ADDRESS_LENGTH or _CONTROL.search(text) or "\\" in text or not text.isascii()
    if suspicious or not text.startswith("/") or text.startswith("//"):
        return HOME
    try:
        path = urlsplit(text).path
    except ValueError:
        return HOME
    return HOME if path.startswith(PRIVATE) or path == "/" else text


def path_at(address: str) -> str:
    """The Drive path that an address of JupyterLab or the simple view shows; "" when it shows none."""
    match = _TREE.match(urlsplit(address).path)
    if not match:
        return ""
    whole = unquote(match[1])
    if not whole.startswith("drive/"):
        return ""
    try:
        return drive_path(whole)
    except InvalidLocationError:
        return ""


def origin(username: str) -> str:
    """The origin of a person's Lab, as browsers write it; with the path of their server where a Hub runs it."""
    if settings.LAB_LAUNCHER == "jupyterhub":
        return f"{settings.LAB_HUB_URL}/user/{username}"
    return f"{'https' if settings.HTTPS else 'http'}://{username}.{settings.LAB_DOMAIN}"


@dataclass(frozen=True)
class Location:
    """A file or folder in a person's Drive."""

    path: str = ""
    """In their `~/drive`, which may be another folder than the link's."""
    library: Library | None = None
    """None for the Drive itself and its folders."""
    inside: str = ""
    """The path in the library."""
    may_write: bool = True
    entry: Entry | None = field(default=None, compare=False, repr=False)
    """The library in the person's Drive, as it was when the location was found."""


@dataclass(frozen=True)
class Missing:
    """A location that the person does not have: why, and what they can do."""

    reason: str
    advice: str
    instead: str = ""
    """The path of what they do have."""


def find(user: User, path: str) -> Location | Missing:
    """Location at which a person has the library that a link leads into.

    Whoever wrote the link may have it in another folder: a public Collab's library stands with the groups for its
    members and with the public ones for everybody else. One link serves all, and leads to where one may do most.
    """
    folder, _, below = path.partition("/")
    if folder and folder not in list(Folder):
        names = ", ".join(f"“{name}”" for name in Folder)
        reason = gettext("The Drive has four folders: %(names)s. “%(folder)s” is not one of them.")
        advice = gettext("Ask the person who gave you the link for a new one.")
        return Missing(reason % {"names": names, "folder": folder}, advice)
    name, _, inside = below.partition("/")
    if not name:
        return Location(path)
    named = Q(owner_user=user, name=name) if folder == Folder.MINE else Q(shared_name=name)
    library = Library.objects.live().filter(named).first()
    have = entries(user, library=library.pk) if library else []
    if not have:
        reason = gettext(
            "There is no library “%(name)s” in your folder “%(folder)s”: you do not have access to it, or it was "
            "deleted."
        )
        advice = gettext(
            "Ask the person who gave you the link to share the library with you, or to add you to their Collab."
        )
        return Missing(reason % {"name": name, "folder": folder}, advice)
    best = max(have, key=lambda entry: (entry.may_write, entry.folder == folder))
    return Location(best.lab_path(inside), library, inside, best.may_write, best)


def locate(user: User, path: str) -> Location:
    """As `find`; where nothing is found, the path and no library."""
    found = find(user, path)
    return found if isinstance(found, Location) else Location(path)


def find_file(user: User, path: str) -> Location | Missing:
    """As `find`, and there is a file or folder at that place now."""
    found = find(user, path)
    if isinstance(found, Missing) or found.library is None or not found.inside:
        return found
    try:
        with open_library(found.library) as files:
            files.stat(found.inside)
    except NotFoundError:
        library = found.path.removesuffix(f"/{found.inside}")
        reason = gettext("“%(name)s” contains nothing of that name: it may have been renamed, moved or deleted.")
        advice = gettext("Look for it in the library, or ask the person who gave you the link for a new one.")
        return Missing(reason % {"name": library.rpartition("/")[2]}, advice, library)
    except StorageError:
        pass  # something is there that is no file of ours; JupyterLab shows what it is
    return found
