"""DELETE, MKCOL, COPY, MOVE, PROPPATCH, LOCK and UNLOCK: operations of the Drive, and what WebDAV keeps beside."""

from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from xml.etree import ElementTree as ET

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse

from api.models import Scope
from drive.files import operations
from drive.folders import Folder
from drive.libraries import naming, services
from drive.storage import ChangedError, FileEntry, StorageError, open_library
from drive.versions import trash

from . import checksums, clutter, dead_properties, listing, locks, paths
from .errors import DavError
from .live_properties import SETTABLE, protected
from .paths import Place
from .uploads import Change, create_empty, seconds_of
from .xml_bodies import dav, read, serialized


def _existing(place: Place) -> tuple[Place, FileEntry]:
    """What is there; Http404 for nothing."""
    with open_library(place.inside()) as files:
        place, item = paths.resolve(files, place)
    if item is None:
        raise Http404("Nothing was found at this path.")
    return place, item


# DELETE and MKCOL


def delete(change: Change, place: Place) -> HttpResponse:
    """Move a file or folder to the library's trash; an own library as a whole can be restored for 30 days."""
    if place.library is None:
        raise DavError(403, "The folders of the Drive cannot be deleted.")
    if not place.path:
        return _delete_library(change, place)
    library = place.require_write()
    change.asker.require(Scope.WRITE)
    if clutter.is_clutter(place.path):
        if not clutter.forget(change.user, library, place.path):
            raise Http404("Nothing was found at this path.")
        return HttpResponse(status=204)
    place, item = _existing(place)
    if item.kind == "folder" and change.request.headers.get("Depth", "infinity").strip().lower() != "infinity":
        raise DavError(400, "A folder is deleted with all that is in it: Depth is infinity.")
    change.require_conditions(place)
    change.require_unlocked(place, deep=True, member=True)
    _require_match(change, item)
    operations.delete(change.user, library, place.path)
    _forget(place, item)
    return HttpResponse(status=204)


def _require_match(change: Change, item: FileEntry) -> None:
    wanted = change.request.headers.get("If-Match", "*")
    if wanted.strip() != "*" and item.etag not in [tag.strip() for tag in wanted.split(",")]:
        raise ChangedError("The file has changed since. Nothing was deleted.")


def _forget(place: Place, item: FileEntry) -> None:
    """What is kept beside a file that is gone."""
    library = place.inside()
    locks.drop(library, place.path)
    dead_properties.drop(library, place.path)
    checksums.forget(library, item.signature)


def _delete_library(change: Change, place: Place) -> HttpResponse:
    change.asker.require(Scope.MANAGE)
    library = place.inside()
    if place.folder != Folder.MINE or library.owner_user_id != change.user.pk:
        raise DavError(403, "Only the owner of this library may delete it, in “My Libraries”.")
    change.require_unlocked(place, deep=True)
    try:
        services.delete_library(change.user, library)
    except ValidationError as error:
        raise DavError(403, " ".join(error.messages)) from error
    return HttpResponse(status=204)


def make_collection(change: Change, path: str) -> HttpResponse:
    """Create a folder, or a library in “My Libraries”."""
    if int(change.request.META.get("CONTENT_LENGTH") or 0) or change.request.headers.get("Transfer-Encoding"):
        raise DavError(415, "A folder is created without a body.")
    names = [name for name in path.split("/") if name]
    if len(names) == 2 and names[0] == Folder.MINE:
        return _make_library(change, names[1])
    place = paths.find(change.user, path)
    if place.library is None or not place.path:
        raise DavError(405, "This exists already.")
    library = place.require_write()
    change.asker.require(Scope.WRITE)
    if clutter.is_clutter(place.path):
        raise DavError(403, "Folders of this name are not kept here.")
    with open_library(library) as files:
        place, item = paths.resolve(files, place)
        if item:
            raise DavError(405, "This exists already.")
        if not paths.folder_exists(files, place.parent):
            raise DavError(409, "The folder above does not exist. Create it first.")
    change.require_conditions(place)
    change.require_unlocked(place, member=True)
    operations.make_folder(change.user, library, place.path)
    dead_properties.drop(library, place.path)
    return HttpResponse(status=201)


def _make_library(change: Change, name: str) -> HttpResponse:
    if paths.library_named(change.user, Folder.MINE, name):
        raise DavError(405, "This exists already.")
    change.asker.require(Scope.MANAGE)
    if change.user.only_libraries is not None:
        raise DavError(403, "This token is limited to the files of some libraries.")
    try:
        services.create_library(change.user, naming.clean(name))
    except ValidationError as error:
        raise DavError(409, " ".join(error.messages)) from error
    return HttpResponse(status=201)


# COPY and MOVE


@dataclass(frozen=True)
class _Transfer:
    """A COPY or MOVE whose places and rights are known."""

    source: Place
    item: FileEntry
    target: Place
    there: FileEntry | None

    @property
    def is_file_over_file(self) -> bool:
        """What is replaced becomes a version then: many programs save into another file first, and move that."""
        files = [one for one in (self.item, self.there) if one and one.kind == "file"]
        return len(files) == 2 and all(one.size <= settings.VERSION_MAX_BYTES for one in files)


def copy(change: Change, place: Place) -> HttpResponse:
    """Copy a file, or a folder with all that is in it (Depth: infinity) or without (0)."""
    depth = change.request.headers.get("Depth", "infinity").strip().lower()
    if depth not in ("0", "infinity"):
        raise DavError(400, "Depth is 0 or infinity.")
    if clutter.is_clutter(place.path):
        return _move_clutter(change, place, is_copy=True)
    found = _prepare(change, place)
    if found.is_file_over_file:
        return _copy_over(change, found)

    def carry_out() -> None:
        source, target = found.source, found.target
        if depth == "0" and found.item.kind == "folder":
            operations.make_folder(change.user, target.inside(), target.path)
        else:
            operations.copy(change.user, source.inside(), source.path, target.inside(), target.path)
        dead_properties.copy(source.inside(), source.path, target.inside(), target.path)

    return _replacing(change, found, carry_out)


def move(change: Change, place: Place) -> HttpResponse:
    """Move or rename a file or folder, also into another library."""
    if change.request.headers.get("Depth", "infinity").strip().lower() != "infinity":
        raise DavError(400, "A folder is moved with all that is in it: Depth is infinity.")
    if place.library is None or not place.path:
        raise DavError(403, "Libraries cannot be moved. Rename one on its page.")
    place.require_write()
    if clutter.is_clutter(place.path):
        return _move_clutter(change, place, is_copy=False)
    found = _prepare(change, place, is_move=True)
    if found.is_file_over_file:
        response = _copy_over(change, found)
        operations.delete(change.user, found.source.inside(), found.source.path)
        _forget(found.source, found.item)
        return response

    def carry_out() -> None:
        source, target = found.source, found.target
        operations.move(change.user, source.inside(), source.path, target.inside(), target.path)
        dead_properties.move(source.inside(), source.path, target.inside(), target.path)
        locks.drop(source.inside(), source.path)
        if found.item.kind == "file":
            _carry_checksum(found)

    return _replacing(change, found, carry_out)


def _carry_checksum(found: _Transfer) -> None:
    with open_library(found.target.inside()) as files:
        try:
            moved = files.stat(found.target.path)
        except StorageError:  # a notebook has removed it already
            return
    checksums.carry(found.source.inside(), found.item.signature, found.target.inside(), moved.signature)


def _prepare(change: Change, place: Place, *, is_move: bool = False) -> _Transfer:
    """Rights, locks and conditions of both places."""
    target = paths.find(change.user, paths.destination(change.request))
    change.asker.require(Scope.WRITE)
    if not place.path or place.library is None:
        raise DavError(403, "Only what is in libraries can be copied or moved.")
    library = target.require_write()
    if not target.path:
        raise DavError(403, "The Destination has to be in a library.")
    if clutter.is_clutter(target.path):
        raise DavError(403, "Files of this name are not kept here.")
    place, item = _existing(place)
    with open_library(library) as files:
        target, there = paths.resolve(files, target)
        if not paths.folder_exists(files, target.parent):
            raise DavError(409, "The folder of the Destination does not exist. Create it first.")
    if library == place.library and target.path == place.path:
        raise DavError(403, "The Destination is the same file.")
    if library == place.library and target.path.startswith(f"{place.path}/"):
        raise DavError(403, "A folder cannot be copied or moved into itself.")
    if there and library == place.library and place.path.startswith(f"{target.path}/"):
        raise DavError(403, "The Destination is a folder above: it would be replaced by a part of itself.")
    change.require_conditions(place)
    if is_move:
        change.require_unlocked(place, deep=True, member=True)
    change.require_unlocked(target, deep=True, member=there is None)
    return _Transfer(place, item, target, there)


def _require_overwrite(change: Change) -> None:
    if change.request.headers.get("Overwrite", "T").strip().upper() == "F":
        raise DavError(412, "Something has this name, and Overwrite is F.")


def _copy_over(change: Change, found: _Transfer) -> HttpResponse:
    _require_overwrite(change)
    source, target = found.source, found.target
    operations.copy_over(change.user, source.inside(), source.path, target.inside(), target.path)
    dead_properties.copy(source.inside(), source.path, target.inside(), target.path)
    if found.there:
        checksums.forget(target.inside(), found.there.signature)
    return HttpResponse(status=204)


def _replacing(change: Change, found: _Transfer, carry_out: Callable[[], None]) -> HttpResponse:
    """Carry it out; what has the name goes to the trash before, and comes back from there if it fails."""
    if found.there is None:
        carry_out()
        return HttpResponse(status=201)
    _require_overwrite(change)
    library = found.target.inside()
    trashed = operations.delete(change.user, library, found.target.path)
    try:
        carry_out()
    except Exception:
        trash.restore(change.user, trashed)
        raise
    checksums.forget(library, found.there.signature)
    return HttpResponse(status=204)


def _move_clutter(change: Change, place: Place, *, is_copy: bool) -> HttpResponse:
    """What desktops write beside a file goes with it."""
    target = paths.find(change.user, paths.destination(change.request))
    change.asker.require(Scope.WRITE)
    target.require_write()
    content = clutter.find(change.user, place.inside(), place.path)
    if content is None:
        raise Http404("Nothing was found at this path.")
    if not clutter.is_clutter(target.path):
        raise DavError(403, "Such a file gets no other name.")
    clutter.keep(change.user, target.inside(), target.path, content)
    if not is_copy:
        clutter.forget(change.user, place.inside(), place.path)
    return HttpResponse(status=201)


# PROPPATCH


def patch_properties(change: Change, place: Place) -> HttpResponse:
    """Store or remove properties, all of them or none; and the time of change, in ownCloud's manner."""
    library = place.require_write()
    change.asker.require(Scope.WRITE)
    root = read(change.request)
    if root is None or root.tag != dav("propertyupdate"):
        raise DavError(400, "The body is no propertyupdate.")
    if clutter.is_clutter(place.path):
        return listing.patched(place, False, {name: "200 OK" for name, _value in _changes(root)})
    place, item = _existing(place)
    change.require_conditions(place)
    change.require_unlocked(place)
    wanted = _changes(root)
    refused = [name for name, _element in wanted if protected(name) and name != SETTABLE]
    is_folder = item.kind == "folder"
    if refused:
        statuses = {name: "403 Forbidden" if name in refused else "424 Failed Dependency" for name, _ in wanted}
        return listing.patched(place, is_folder, statuses)
    times = [element for name, element in wanted if name == SETTABLE]
    if times:
        _set_time(change, place, item, times[-1])
    stored = [(name, serialized(one) if one is not None else None) for name, one in wanted if name != SETTABLE]
    if stored:
        dead_properties.change(library, place.path, stored)
    return listing.patched(place, is_folder, {name: "200 OK" for name, _element in wanted})


def _changes(root: ET.Element) -> list[tuple[str, ET.Element | None]]:
    """Names and elements in the order of the body; None for one to be removed."""
    found: list[tuple[str, ET.Element | None]] = []
    for instruction in root:
        if instruction.tag not in (dav("set"), dav("remove")):
            continue
        for prop in instruction.iterfind(dav("prop")):
            found += [(one.tag, one if instruction.tag == dav("set") else None) for one in prop]
    if not found:
        raise DavError(400, "The body names no properties.")
    return found


def _set_time(change: Change, place: Place, item: FileEntry, element: ET.Element | None) -> None:
    """The time of change of a file: seconds since 1970, or a date as HTTP writes it."""
    if element is None or item.kind != "file":
        raise DavError(409, "Only files have a time that can be set.")
    given = (element.text or "").strip()
    try:
        seconds = parsedate_to_datetime(given).timestamp() if "," in given else seconds_of(given)
    except ValueError as error:
        raise DavError(409, "Invalid time.") from error
    if seconds is None:
        raise DavError(409, "Invalid time.")
    entry = operations.set_modified(change.user, place.inside(), place.path, seconds)
    checksums.carry(place.inside(), item.signature, place.inside(), entry.signature)


# LOCK and UNLOCK


def lock(change: Change, place: Place) -> HttpResponse:
    """Lock a file or folder, or, without a body, let a lock last longer. A name where nothing is gets an empty file."""
    library = place.require_write()
    change.asker.require(Scope.WRITE)
    root, timeout = read(change.request), change.request.headers.get("Timeout", "")
    if root is None:
        if not change.submitted.tokens:
            raise DavError(400, "To let a lock last longer, send its token in the If header.")
        return listing.lock_body(place, locks.refresh(change.user, place, change.submitted.tokens, timeout))
    is_shared, owner = _lock_asked(root)
    depth = change.request.headers.get("Depth", "infinity").strip().lower()
    if depth not in ("0", "infinity"):
        raise DavError(400, "Depth is 0 or infinity.")
    is_new = False
    if not clutter.is_clutter(place.path):
        with open_library(library) as files:
            place, item = paths.resolve(files, place)
            if item is None and not paths.folder_exists(files, place.parent):
                raise DavError(409, "The folder does not exist. Create it first.")
        is_new = item is None
        change.require_conditions(place)
        if is_new:
            change.require_unlocked(place, member=True)
    made = locks.create(
        change.user, place, is_deep=depth == "infinity", is_shared=is_shared, owner=owner, timeout=timeout
    )
    if is_new:
        try:
            create_empty(change, library, place.path)
        except Exception:
            made.delete()
            raise
    response = listing.lock_body(place, made)
    response["Lock-Token"] = f"<{made.token}>"
    response.status_code = 201 if is_new else 200
    return response


def _lock_asked(root: ET.Element) -> tuple[bool, str]:
    """Whether it is a shared lock, and its owner as XML."""
    scope = root.find(dav("lockscope"))
    kinds = [] if scope is None else [child.tag for child in scope]
    if root.tag != dav("lockinfo") or kinds not in ([dav("exclusive")], [dav("shared")]):
        raise DavError(400, "The body is no lockinfo of an exclusive or shared lock.")
    if root.find(f"{dav('locktype')}/{dav('write')}") is None:
        raise DavError(422, "There are write locks only.")
    owner = root.find(dav("owner"))
    return kinds == [dav("shared")], "" if owner is None else serialized(owner)


def unlock(change: Change, place: Place) -> HttpResponse:
    """End a lock of one's own."""
    change.asker.require(Scope.WRITE)
    with open_library(place.inside()) as files:
        place, _item = paths.resolve(files, place)
    locks.release(change.user, place, change.request.headers.get("Lock-Token", ""))
    return HttpResponse(status=204)
