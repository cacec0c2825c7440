"""Addresses: what stands at one, and the Destination of a copy or move.

/dav                                            the root: the four folders of the Drive
/dav/My Libraries                               a folder: libraries
/dav/My Libraries/My Library/data/a.csv         a file of a library
"""

import os
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlsplit

from django.db.models import QuerySet
from django.http import Http404, HttpRequest

from drive.folders import Folder
from drive.libraries.visibility import Entry, as_entry, entries, public_libraries
from drive.models import Library
from drive.storage import FileEntry, LibraryFiles, NotFoundError, StorageError, WrongPathError, check_name, shown
from portal.access import ForbiddenError
from portal.models import User
from portal.text.unique_names import name_key

from .errors import DavError

ROOT = "/dav"
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Place:
    """What an address means for a person: the root, a folder of the Drive, or a path in a library."""

    names: tuple[str, ...]
    folder: Folder | None = None
    entry: Entry | None = None
    library: Library | None = None

    @property
    def path(self) -> str:
        """Path in the library; "" for the library itself."""
        return "/".join(self.names[2:])

    @property
    def parent(self) -> str:
        """Path of the folder that it is in, in the library."""
        return "/".join(self.names[2:-1])

    @property
    def href(self) -> str:
        """The address, without a slash at its end."""
        return href(*self.names)

    def inside(self) -> Library:
        """Its library; 405 for the root and the four folders, which are no files."""
        if self.library is None:
            raise DavError(405, "This folder holds libraries. Files are in them.")
        return self.library

    def require_write(self) -> Library:
        """Its library; ForbiddenError without the right to write there."""
        if self.entry is None or self.library is None:
            raise DavError(403, "Only libraries can be changed. This folder holds them.")
        if not self.entry.may_write:
            raise ForbiddenError(f"This needs the right to write in “{self.entry.name}”. {self.entry.reason}")
        return self.library


def href(*names: str) -> str:
    """The address of names below the root, quoted."""
    return "/".join([ROOT, *(quote(os.fsencode(name), safe="") for name in names)])


def asked(request: HttpRequest) -> str:
    """Path of a request below the root, as names on disk: bytes that are not UTF-8 stand as Python's surrogates."""
    raw = request.META.get("RAW_URI")  # gunicorn's: what Django makes of it says “%FF” for a byte that is not UTF-8
    if raw is None:
        return request.path_info.removeprefix(ROOT)
    if "#" in raw:
        raise DavError(400, "An address of a request has no fragment.")
    return below_root(raw if raw.startswith("/") else urlsplit(raw).path)


def asked_by_proxy(request: HttpRequest) -> str:
    """As `asked`, of the request that nginx asks about."""
    return below_root(request.headers.get("X-Original-URI", ""))


def destination(request: HttpRequest) -> str:
    """Path below the root in the Destination header. 502 for another server's, 400 for none."""
    given = request.headers.get("Destination", "")
    if not given:
        raise DavError(400, "The Destination header is missing.")
    return below_root(address_of(request, given))


def address_of(request: HttpRequest, url: str) -> str:
    """Quoted path of a URL in a header; 502 for another server's."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise DavError(400, "Invalid address in a header.") from error
    if parts.fragment or parts.query:
        raise DavError(400, "An address in a header has no query and no fragment.")
    if (parts.scheme or parts.netloc) and _host(parts.scheme, parts.netloc) != _host(
        request.scheme or "", request.get_host()
    ):
        raise DavError(502, "The Destination is on another server.")
    return parts.path


def _host(scheme: str, netloc: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{netloc}")
        return parts.hostname or "", parts.port or PORTS.get(scheme.lower(), 0)
    except ValueError as error:
        raise DavError(400, "Invalid address in a header.") from error


def below_root(address: str) -> str:
    path = os.fsdecode(unquote_to_bytes(address.partition("?")[0]))
    if path != ROOT and not path.startswith(f"{ROOT}/"):
        raise DavError(502, "The Destination is no address of WebDAV.")
    return path.removeprefix(ROOT)


def find(user: User, path: str) -> Place:
    """What a path below the root means. Http404 for folders and libraries that the person does not see."""
    names = tuple(name for name in path.split("/") if name)
    for name in names:
        check_name(name)
    if not names:
        return Place(names)
    try:
        folder = Folder(names[0])
    except ValueError as error:
        raise Http404("The Drive has four folders.") from error
    if len(names) == 1:
        return Place(names, folder)
    entry = library_named(user, folder, names[1])
    if entry is None:
        raise Http404("No such library.")
    library = Library.objects.select_related("owner_user", "owner_collab").get(pk=entry.library_id)
    return Place((folder.value, entry.name, *names[2:]), folder, entry, library)


def library_named(user: User, folder: Folder, name: str) -> Entry | None:
    """The library of a name in one of the four folders, as the person sees it."""
    if shown(name) != name:
        return None
    wanted = unicodedata.normalize("NFC", name)
    if folder != Folder.ALL:
        found = entries(user, folders=[folder])
    else:
        rows = public_libraries().filter(shared_key=name_key(wanted))
        found = [as_entry(row) for row in allowed(user, rows)] if user.is_active else []
    return next((entry for entry in found if entry.name in (wanted, name)), None)


def allowed(user: User, rows: QuerySet) -> QuerySet:
    """Rows of libraries that the person's token is not kept from."""
    return rows if user.only_libraries is None else rows.filter(pk__in=user.only_libraries)


def resolve(files: LibraryFiles, place: Place) -> tuple[Place, FileEntry | None]:
    """The place under the name that it has on disk, and what is there; None for nothing.

    macOS sends names taken apart (NFD): where no file has such a name, the composed one (NFC) is meant.
    """
    composed = Place(
        (*place.names[:2], *(unicodedata.normalize("NFC", name) for name in place.names[2:])),
        place.folder,
        place.entry,
        place.library,
    )
    for one in (place, composed):
        try:
            return one, files.stat(one.path)
        except NotFoundError:
            continue
    return composed, None


def folder_exists(files: LibraryFiles, path: str) -> bool:
    """True if there is a folder at this path."""
    try:
        return files.stat(path).kind == "folder"
    except WrongPathError:
        raise
    except StorageError:
        return False
