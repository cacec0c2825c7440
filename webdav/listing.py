"""PROPFIND: properties of one thing, or of a folder and all that is in it, written as the folder is read.

A folder of 100,000 files is never in memory: a batch of entries is, with what the database knows of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from xml.etree import ElementTree as ET

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse

from drive.folders import Folder
from drive.libraries import quota
from drive.libraries.visibility import Entry, as_entry, entries, public_entries
from drive.models import Library
from drive.storage import FileEntry, open_library
from portal.models import User

from . import checksums, clutter, dead_properties, locks
from .errors import DavError
from .live_properties import ALL, LIVE, Resource, element
from .paths import Place, allowed, resolve
from .xml_bodies import CONTENT_TYPE, HEAD, OWNCLOUD, dav, empty, read, text

BATCH = 400
KINDS = ("file", "folder")
"""Links and special files are left out: no program could read them here."""


@dataclass(frozen=True)
class Question:
    """Body of a PROPFIND."""

    names: tuple[str, ...] = ()
    """What is asked for by name; with `is_all`, in addition."""
    is_all: bool = False
    only_names: bool = False

    @property
    def needs_checksums(self) -> bool:
        """True if the database is to be asked for hashes."""
        return f"{{{OWNCLOUD}}}checksums" in self.names

    @property
    def needs_dead(self) -> bool:
        """True if something is asked for that is none of ours."""
        return self.is_all or self.only_names or any(name not in ALL for name in self.names)


def question(request: HttpRequest) -> Question:
    """Parse the body; an empty one asks for everything (RFC 4918, section 9.1)."""
    root = read(request)
    if root is None:
        return Question(is_all=True)
    if root.tag != dav("propfind"):
        raise DavError(400, "The body is no propfind.")
    by_tag = {child.tag: child for child in root}
    if dav("propname") in by_tag:
        return Question(only_names=True)
    if dav("allprop") in by_tag:
        return Question(_names(by_tag.get(dav("include"))), is_all=True)
    if dav("prop") not in by_tag:
        raise DavError(400, "The body names no properties.")
    return Question(_names(by_tag[dav("prop")]))


def _names(parent: ET.Element | None) -> tuple[str, ...]:
    return () if parent is None else tuple(dict.fromkeys(child.tag for child in parent))


def propfind(request: HttpRequest, user: User, place: Place) -> HttpResponseBase:
    """Answer PROPFIND. A depth of infinity is refused (403): it would be a walk of everything that there is."""
    asked, depth = question(request), request.headers.get("Depth", "infinity").strip().lower()
    if depth not in ("0", "1", "infinity"):
        raise DavError(400, "Depth is 0 or 1.")
    listing = Listing(user, asked)
    top = listing.top(place)
    if depth == "infinity" and top.is_folder:
        raise DavError(403, "Ask for a folder at a time: Depth 0 or 1.", "propfind-finite-depth")
    found: Iterable[Resource] = [top]
    if depth == "1" and top.is_folder:
        found = listing.with_members(top)
    return answer(asked, found)


def answer(asked: Question, found: Iterable[Resource]) -> HttpResponseBase:
    """207 with these, as they come."""
    return StreamingHttpResponse(multistatus(asked, found), status=207, content_type=CONTENT_TYPE)


def multistatus(asked: Question, found: Iterable[Resource]) -> Iterator[str]:
    """The answer's parts, one for each batch."""
    yield f'{HEAD}<D:multistatus xmlns:D="DAV:">'
    waiting = iter(found)
    while batch := list(islice(waiting, BATCH)):
        yield "".join(response(asked, one) for one in batch)
    yield "</D:multistatus>\n"


def response(asked: Question, one: Resource) -> str:
    """One `response` element."""
    if asked.only_names:
        present = [empty(name) for name in [*LIVE, *one.dead]]
        return _response(one, present, [])
    names = dict.fromkeys([*LIVE, *one.dead, *asked.names]) if asked.is_all else asked.names
    present, absent = [], []
    for name in names:
        function = ALL.get(name)
        if function is None:
            value = one.dead.get(name)
            if value is not None:
                present.append(value)
            else:
                absent.append(name)
            continue
        inner = function(one)
        if inner is not None:
            present.append(element(name, inner))
        elif not asked.is_all or name in asked.names:
            absent.append(name)
    return _response(one, present, absent)


def _response(one: Resource, present: list[str], absent: list[str]) -> str:
    parts = [f"<D:response><D:href>{text(one.href)}</D:href>"]
    if present or not absent:
        parts.append(_propstat("".join(present), "200 OK"))
    if absent:
        parts.append(_propstat("".join(map(empty, absent)), "404 Not Found"))
    parts.append("</D:response>")
    return "".join(parts)


def _propstat(inner: str, status: str) -> str:
    return f"<D:propstat><D:prop>{inner}</D:prop><D:status>HTTP/1.1 {status}</D:status></D:propstat>"


class Listing:
    """What one PROPFIND tells its person."""

    def __init__(self, user: User, asked: Question) -> None:
        self.user, self.asked = user, asked
        self.usage = cache(self._usage)

    def _usage(self, library: Library | None) -> quota.Usage | None:
        return quota.of_person(self.user) if library is None else quota.of(library)

    def top(self, place: Place) -> Resource:
        """The thing itself; Http404 for nothing there."""
        if place.library is None:
            usage = (lambda: self.usage(None)) if place.folder in (None, Folder.MINE) else (lambda: None)
            return Resource(place, place.names[-1] if place.names else "Drive", usage=usage)
        if clutter.is_clutter(place.path):
            return self._clutter(place)
        with open_library(place.library) as files:
            place, item = resolve(files, place)
        if item is None or item.kind not in KINDS:
            raise Http404("Nothing was found at this path.")
        return next(self._told(place, [(place, item)]))

    def _clutter(self, place: Place) -> Resource:
        content = clutter.find(self.user, place.inside(), place.path)
        if content is None:
            raise Http404("Nothing was found at this path.")
        return Resource(place, place.names[-1], size=len(content), locks=self._locks(place))

    def _locks(self, place: Place) -> list[locks.Lock]:
        return locks.covering(locks.live(place.inside()), place.path)

    def with_members(self, top: Resource) -> Iterator[Resource]:
        """A folder, then what is in it, in no order."""
        yield top
        place = top.place
        if place.folder is None:
            yield from (Resource(Place((folder.value,), folder), folder.value) for folder in Folder)
        elif place.library is None:
            yield from self._libraries(place.folder)
        else:
            yield from self._files(place)

    def _libraries(self, folder: Folder) -> Iterator[Resource]:
        if folder == Folder.ALL:
            rows = allowed(self.user, public_entries()).iterator(BATCH)
            found: Iterable[Entry] = (as_entry(row) for row in rows)
        else:
            found = entries(self.user, folders=[folder])
        for entry in found:
            library = Library(pk=entry.library_id)  # which is asked for no more than its name
            yield Resource(Place((folder.value, entry.name), folder, entry, library), entry.name)

    def _files(self, place: Place) -> Iterator[Resource]:
        with open_library(place.inside()) as files:
            items = (
                item for item in files.list(place.path) if item.kind in KINDS and not clutter.is_clutter(item.name)
            )
            while batch := list(islice(items, BATCH)):
                members = (
                    (Place((*place.names, item.name), place.folder, place.entry, place.library), item) for item in batch
                )
                yield from self._told(place, list(members))

    def _told(self, above: Place, found: list[tuple[Place, FileEntry]]) -> Iterator[Resource]:
        """Entries of one library with what the database knows of them: three queries at most, whatever their number."""
        library = above.inside()
        held, hashes, dead = self._live_locks(library), {}, {}
        if self.asked.needs_checksums:
            hashes = checksums.of(library, [item.signature for _place, item in found if item.kind == "file"])
        if self.asked.needs_dead and self._has_dead(library):
            dead = dead_properties.of(library, [place.path for place, _item in found])
        for place, item in found:
            yield Resource(
                place,
                place.names[-1],
                item,
                locks=locks.covering(held, place.path) if held else [],
                checksum=hashes.get(item.signature, ""),
                dead=dead.get(place.path, {}),
                usage=lambda: self.usage(library),
            )

    @property
    def _needs_locks(self) -> bool:
        return self.asked.is_all or dav("lockdiscovery") in self.asked.names

    def _live_locks(self, library: Library) -> list[locks.Lock]:
        return locks.live(library) if self._needs_locks else []

    def _has_dead(self, library: Library) -> bool:
        return dead_properties.any_in(library)


def lock_body(place: Place, lock: locks.Lock) -> HttpResponse:
    """Body of the answer to LOCK."""
    inner = element(dav("lockdiscovery"), locks.active([lock], place))
    return HttpResponse(f'{HEAD}<D:prop xmlns:D="DAV:">{inner}</D:prop>\n', content_type=CONTENT_TYPE)


Patched = dict[str, str]
"""Status of each property of a PROPPATCH, as in `200 OK`."""


def patched(place: Place, is_folder: bool, statuses: Patched) -> HttpResponse:
    """Answer of PROPPATCH."""
    by_status: dict[str, list[str]] = {}
    for name, status in statuses.items():
        by_status.setdefault(status, []).append(empty(name))
    stats = "".join(_propstat("".join(names), status) for status, names in by_status.items())
    address = f"{place.href}/" if is_folder else place.href
    response = f"<D:response><D:href>{text(address)}</D:href>{stats}</D:response>"
    body = f'{HEAD}<D:multistatus xmlns:D="DAV:">{response}</D:multistatus>\n'
    return HttpResponse(body, status=207, content_type=CONTENT_TYPE)
