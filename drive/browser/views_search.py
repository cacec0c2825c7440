"""Searching by name: in a folder and below, and in all libraries that a person sees."""

from dataclasses import dataclass
from itertools import takewhile

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from drive.files.library_access import LibraryAccess
from drive.files.listing import crumbs
from drive.files.paths import folder_address, quoted
from drive.files.search import Hit, Search
from drive.files.search import everywhere as search_everywhere
from drive.storage import FileEntry, shown
from portal.access import person

from .views_folder import frame

TEXT = 200


@dataclass(frozen=True)
class Line:
    """One thing found, as the page shows it."""

    item: FileEntry
    address: str
    """URL of the file or folder; of its folder if it cannot be opened."""
    folder: str
    """The way to its folder, for the eye."""
    folder_address: str


def _text(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\0", "").strip()[:TEXT]


def _line(hit: Hit, base: str, library_name: str) -> Line:
    folder = folder_address(base, _addressable(hit.folder))
    opens = shown(hit.path) == hit.path and hit.item.kind in ("file", "folder")
    address = f"{base}{quoted(hit.path)}{'/' if hit.item.kind == 'folder' else ''}" if opens else folder
    return Line(hit.item, address, " / ".join([library_name, *filter(None, shown(hit.folder).split("/"))]), folder)


def _addressable(folder: str) -> str:
    """The folder, or the lowest above it that has a page: names that are no UTF-8 have none."""
    parts = folder.split("/")
    return "/".join(takewhile(lambda part: shown(part) == part, parts))


def within(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """`?show=find&q=…`: below a folder."""
    search = Search(_text(request))
    with access.files() as files:
        search.look(files, path)
    context = frame(request, access, path) | {
        "search": search,
        "lines": [_line(hit, access.base, access.name) for hit in search.hits],
        "crumbs": crumbs(path),
        "beyond": gettext("Find"),
        "action": access.folder_address(path),
        "everywhere": request.user.is_authenticated,
    }
    return render(request, "drive/search.html", context)


@login_required
@require_safe
def across(request: HttpRequest) -> HttpResponse:
    """In all libraries that the person sees, by the names of the libraries too."""
    search = Search(_text(request))
    places = search_everywhere(search, person(request))
    context = {
        "search": search,
        "libraries": [entry for entry in places.values() if search.words and search.matches(entry.name)],
        "lines": [_line_across(hit, places[hit.library.pk].name) for hit in search.hits if hit.library],
        "action": reverse("drive:find"),
    }
    return render(request, "drive/search.html", context)


def _line_across(hit: Hit, name: str) -> Line:
    assert hit.library
    return _line(hit, reverse("drive:library", args=[hit.library.pk]), name)
