"""PUT: what is asked before the body is read, and the body's way into the library.

nginx asks `may_upload` before it takes a body, so that a refused upload of gigabytes costs nobody its transfer, and
writes the body into a file. The same is asked once more when that has arrived: minutes may have passed.
"""

import os
import re
import time
from pathlib import Path

from django.http import HttpRequest, HttpResponse

from api.access import Asker
from api.models import Scope
from drive.files import operations
from drive.models import Library
from drive.storage import ABSENT, FileEntry, disk_space, open_library
from drive.uploads import admission, transfer

from . import checksums, clutter, conditions, dead_properties, locks, paths
from .errors import DavError
from .paths import Place

_TIME = re.compile(r"-?\d{1,12}(?:\.\d{1,9})?")
YEAR_9998 = 253_339_228_800


class Change:
    """One request that changes something: its person, what its If header says, and what stands in its way."""

    def __init__(self, request: HttpRequest, asker: Asker) -> None:
        self.request, self.asker, self.user = request, asker, asker.user
        self.submitted = conditions.parse(request.headers.get("If", ""))

    def require_conditions(self, place: Place) -> None:
        """Raise 412 unless the If header holds."""
        if not self.submitted.holds(lambda where: self._state(place, where)):
            raise DavError(412, "The condition of the If header does not hold.")

    def _state(self, place: Place, where: str) -> conditions.State:
        if where:
            place = paths.find(self.user, paths.below_root(paths.address_of(self.request, where)))
        if place.library is None:
            return conditions.State("", frozenset())
        with open_library(place.library) as files:
            place, item = paths.resolve(files, place)
        tokens = frozenset(lock.token for lock in locks.covering(locks.live(place.inside()), place.path))
        return conditions.State(item.etag if item else "", tokens)

    def require_unlocked(self, place: Place, *, deep: bool = False, member: bool = False) -> None:
        """Raise LockedError (423) unless the request has the tokens of all locks that are in the way."""
        locks.require(self.user, place, self.submitted.tokens, deep=deep, member=member)


def may_upload(change: Change, place: Place, length: int | None) -> tuple[Place, FileEntry | None]:
    """What is there now, at the path as the disk has it. Raises what a PUT of so many bytes would end with."""
    change.asker.require(Scope.WRITE)
    library = place.require_write()
    if not place.path:
        raise DavError(405, "A library is no file.")
    if change.request.headers.get("Content-Range"):
        raise DavError(400, "A file is uploaded as a whole: Content-Range is not supported.")
    if clutter.is_clutter(place.path):
        return place, None
    with open_library(library) as files:
        place, item = paths.resolve(files, place)
        if item is None and not paths.folder_exists(files, place.parent):
            raise DavError(409, "The folder does not exist. Create it first.")
    if item and item.kind == "folder":
        raise DavError(405, "A folder has this name.")
    change.require_conditions(place)
    change.require_unlocked(place, member=item is None)
    size = (length or 0) - (item.size if item else 0)
    admission.promise_body(library, change.user, size=size, files=0 if item else 1, disk=disk_space.of_upload(length))
    return place, item


def put(change: Change, place: Place) -> HttpResponse:
    """The body becomes the file: 201 for a new one, 204 for another content of one."""
    request = change.request
    announced = request.META.get("CONTENT_LENGTH") or ""
    place, item = may_upload(change, place, int(announced) if announced.isdigit() else None)
    library = place.inside()
    with transfer.arriving(request, library) as (_files, staged, condition):
        if clutter.is_clutter(place.path):
            clutter.keep(change.user, library, place.path, staged.read_bytes() if _is_small(staged) else b"")
            return HttpResponse(status=201)
        hashes = checksums.verified(staged, request.headers.get("OC-Checksum", ""))
        accepted = _set_time(staged, request.headers.get("X-OC-Mtime", ""))
        if condition is None and change.submitted.needs_etag:
            condition = item.etag if item else ABSENT  # what the If header was held against, and no other
        entry = operations.put(change.user, library, place.path, staged, if_match=condition)
    if item:
        checksums.forget(library, item.signature)
    else:
        dead_properties.drop(library, place.path)  # of an earlier file of this name, which a page or Lab removed
    if hashes:
        checksums.note(library, entry.signature, hashes)
    response = HttpResponse(status=204 if item else 201, headers={"ETag": entry.etag, "OC-ETag": entry.etag})
    if accepted:
        response["X-OC-Mtime"] = "accepted"
    return response


def _is_small(staged: Path) -> bool:
    return staged.stat().st_size <= clutter.MOST_BYTES


def _set_time(staged: Path, header: str) -> bool:
    """Give the upload the time of change that a program says (seconds since 1970, as ownCloud's clients send it)."""
    seconds = seconds_of(header)
    if seconds is None:
        return False
    os.utime(staged, ns=(time.time_ns(), int(seconds * 10**9)))
    return True


def seconds_of(header: str) -> float | None:
    """Seconds since 1970; None for no header; 400 for what is no time that a calendar has."""
    if not header:
        return None
    if not _TIME.fullmatch(header.strip()) or not abs(float(header)) < YEAR_9998:
        raise DavError(400, "Invalid time: seconds since 1970 are needed.")
    return float(header)


def create_empty(change: Change, library: Library, path: str) -> FileEntry:
    """An empty file, for the lock of a name where nothing is (RFC 4918, section 7.3)."""
    dead_properties.drop(library, path)
    return operations.write(change.user, library, path, b"", if_match=ABSENT)
