"""Moving and copying what is selected: where to, folder by folder; and then doing it."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe

from drive.files import background_copy, operations
from drive.files.background_copy import BackgroundCopy
from drive.files.library_access import LibraryAccess, drive_access
from drive.files.listing import crumbs
from drive.files.paths import name_from_form, name_in_form
from drive.folders import MOUNTED
from drive.libraries.visibility import Entry, entries
from drive.storage import NotFoundError, StorageError, is_hidden, shown
from drive.storage.names import alternatives
from portal.access import ForbiddenError, person
from portal.text.numbers import grouped
from portal.text.unique_names import name_key

from .views_folder import child, frame
from .views_selection import each, selected

FOLDERS_SHOWN = 500
NAMES_SHOWN = 10


@dataclass(frozen=True)
class Place:
    """A folder of a library that the person may write to."""

    access: LibraryAccess
    path: str

    @property
    def field(self) -> str:
        """As it stands in a form."""
        return f"{self.access.library.pk}/{name_in_form(self.path)}"

    @property
    def name(self) -> str:
        """For a sentence."""
        return " / ".join([self.access.name, *shown(self.path).split("/")] if self.path else [self.access.name])


def move(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse | None:
    """Choose where what is selected goes, then move it."""
    return _carry(request, access, path, "move")


def copy(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse | None:
    """Choose where a copy of what is selected goes, then make it. Reading is enough."""
    return _carry(request, access, path, "copy")


def _carry(request: HttpRequest, access: LibraryAccess, path: str, what: str) -> HttpResponse | None:
    names = selected(request)
    place = _place(request, access, path)
    if "go" not in request.POST or place is None:
        return _ask(request, access, path, names, place, what)
    try:
        place = _new_folder(request, place)
    except StorageError as error:
        return _ask(request, access, path, names, place, what, str(error))
    wanted = _wanted(access, path, names, place, what)
    taken = _taken(place, wanted)
    if taken:
        return _ask(request, access, path, names, place, what, _clash(taken, place, what))
    if what == "copy":
        things = [access.inside(child(path, name)) for name in names]
        extra = operations.check_copy(access.library, things, place.access.library)
        if background_copy.is_long(extra):
            _copy_later(request, access, path, place, wanted)
            return None
    missing: list[str] = []
    mover, copier = _mover(request, access, path, place, wanted), _copier(request, access, path, place, wanted, missing)
    done = each(request, names, mover if what == "move" else copier)
    _say_missing(request, missing)
    if done:
        address = place.access.folder_address(place.path)
        messages.success(request, format_html(_said(what, done), shown(done[0]), address, place.name))
    return None


def _place(request: HttpRequest, access: LibraryAccess, path: str) -> Place | None:
    """Folder that the chooser shows, at first the one that the items are in; None for the list of libraries."""
    begin = f"{access.library.pk}/{name_in_form(access.inside(path))}" if access.entry and access.may_write else ""
    at = request.POST.get("open", request.POST.get("to", begin))
    return _place_at(request, at) if at.partition("/")[0] else None


def _place_at(request: HttpRequest, at: str) -> Place:
    """The folder that a form or address names so; it exists, and the person may write there."""
    library, _, folder = at.partition("/")
    try:
        there = drive_access(request, UUID(library))
    except ValueError as error:
        raise Http404("No such library.") from error
    there.require_write()
    place = Place(there, name_from_form(folder))
    with there.files() as files:
        if files.stat(place.path).kind != "folder":
            raise NotFoundError(gettext("This folder no longer exists."))
    return place


def _new_folder(request: HttpRequest, place: Place) -> Place:
    name = request.POST.get("new_folder", "").strip()
    if not name:
        return place
    path = child(place.path, name)
    operations.make_folder(person(request), place.access.library, path)
    with place.access.files() as files:
        made = next(item for item, _ in files.names(place.path) if name_key(item) == name_key(name))
    return Place(place.access, child(place.path, made))


def _wanted(access: LibraryAccess, path: str, names: list[str], place: Place, what: str) -> dict[str, str]:
    """The name that each gets there: its own, or a free one where a copy stays beside what it is a copy of."""
    if what == "move" or (place.access.library, place.path) != (access.library, access.inside(path)):
        return {name: name for name in names}
    with place.access.files() as files:
        taken = {name_key(name) for name, _ in files.names(place.path)}
    wanted = {}
    for name in names:
        wanted[name] = next(free for free in alternatives(name, "copy") if free != name and name_key(free) not in taken)
        taken.add(name_key(wanted[name]))
    return wanted


def _taken(place: Place, wanted: dict[str, str]) -> list[str]:
    """Names in the way, as they are called there."""
    keys = {name_key(name) for name in wanted.values()}
    with place.access.files() as files:
        return [name for name, _ in files.names(place.path) if name_key(name) in keys]


def _clash(taken: list[str], place: Place, what: str) -> str:
    names = ", ".join(f"“{shown(name)}”" for name in taken[:NAMES_SHOWN])
    if len(taken) > NAMES_SHOWN:
        names = gettext("%(names)s and %(number)s more") % {"names": names, "number": len(taken) - NAMES_SHOWN}
    there = ngettext("%(names)s is in “%(folder)s” already.", "%(names)s are in “%(folder)s” already.", len(taken)) % {
        "names": names,
        "folder": place.name,
    }
    advice = (
        gettext("Nothing was moved: choose another folder.")
        if what == "move"
        else gettext("Nothing was copied: choose another folder.")
    )
    return f"{there} {advice}"


def _said(what: str, done: list[str]) -> str:
    """What was done, for `format_html`: the name of the only item, address and name of the folder."""
    if what == "move":
        return ngettext(
            "“{0}” was moved to <a href='{1}'>{2}</a>.",
            "%(number)s items were moved to <a href='{1}'>{2}</a>.",
            len(done),
        ) % {"number": len(done)}
    return ngettext(
        "“{0}” was copied to <a href='{1}'>{2}</a>.",
        "%(number)s items were copied to <a href='{1}'>{2}</a>.",
        len(done),
    ) % {"number": len(done)}


def _titles(what: str, names: list[str], place: Place | None) -> dict[str, str]:
    """Heading of the page on which a folder is chosen, and its button."""
    one = {"name": shown(names[0]), "number": len(names)}
    folder = {"folder": place.name if place else ""}
    if what == "move":
        heading = ngettext("Move “%(name)s”", "Move %(number)s items", len(names)) % one
        return {"heading": heading, "button": gettext("Move to “%(folder)s”") % folder}
    heading = ngettext("Copy “%(name)s”", "Copy %(number)s items", len(names)) % one
    return {"heading": heading, "button": gettext("Copy to “%(folder)s”") % folder}


def _mover(
    request: HttpRequest, access: LibraryAccess, path: str, place: Place, wanted: dict[str, str]
) -> Callable[[str], object]:
    actor, target = person(request), place.access.library

    def act(name: str) -> None:
        source = access.inside(child(path, name))
        operations.move(actor, access.library, source, target, child(place.path, wanted[name]))

    return act


def _copier(
    request: HttpRequest, access: LibraryAccess, path: str, place: Place, wanted: dict[str, str], missing: list[str]
) -> Callable[[str], object]:
    """Returns a function that copies one name; the paths of what cannot be copied are added to `missing`."""
    actor, target = person(request), place.access.library

    def act(name: str) -> None:
        source = access.inside(child(path, name))
        copied = operations.copy(actor, access.library, source, target, child(place.path, wanted[name]))
        missing.extend(child(name, left_out) for left_out in copied.left_out)
        missing.extend([name] * copied.more_left_out)

    return act


def _copy_later(request: HttpRequest, access: LibraryAccess, path: str, place: Place, wanted: dict[str, str]) -> None:
    """Leave a copy that takes long to a task."""
    names = {access.inside(child(path, name)): new for name, new in wanted.items()}
    target = place.access.library.pk
    if BackgroundCopy(person(request).pk, access.library.pk, target, place.path, names).queue():
        address = place.access.folder_address(place.path)
        if len(wanted) == 1:
            said = gettext("“{what}” is being copied to <a href='{at}'>{place}</a>. You are told when it is done.")
        else:
            said = gettext("{what} items are being copied to <a href='{at}'>{place}</a>. You are told when it is done.")
        what = shown(next(iter(wanted))) if len(wanted) == 1 else len(wanted)
        messages.success(request, format_html(said, what=what, at=address, place=place.name))
    else:
        messages.error(request, gettext("This cannot be done right now. Please try again in a minute."))


def _say_missing(request: HttpRequest, missing: list[str]) -> None:
    for name in missing[:NAMES_SHOWN]:
        messages.warning(
            request,
            gettext("“%(name)s” was not copied: it cannot be read, or it is a special file.") % {"name": shown(name)},
        )
    if len(missing) > NAMES_SHOWN:
        more = len(missing) - NAMES_SHOWN
        said = ngettext("%(number)s more was not copied.", "%(number)s more were not copied.", more)
        messages.warning(request, said % {"number": grouped(more)})


def _ask(
    request: HttpRequest,
    access: LibraryAccess,
    path: str,
    names: list[str],
    place: Place | None,
    what: str,
    error: str = "",
) -> HttpResponse:
    """The page on which a folder is chosen."""
    context = frame(request, access, path) | {
        "what": what,
        **_titles(what, names, place),
        "names": names,
        "place": place,
        "error": error,
    }
    if place:
        at_home = (place.access.library, place.path) == (access.library, access.inside(path))
        context |= _inside(place, without=set(names) if what == "move" and at_home else set())
    else:
        context["groups"] = _libraries(request)
    return render(request, "drive/choose_destination.html", context, status=409 if error else 200)


@require_safe
def folders(request: HttpRequest) -> HttpResponse:
    """`?at=…`: the folders in a folder that one may write to, as JSON for the tree; without it the libraries."""
    person(request)
    if "at" not in request.GET:
        found = [
            {"name": entry.name, "kind": folder, "at": f"{entry.library_id}/"}
            for folder, group in _libraries(request)
            for entry in group
        ]
        return JsonResponse({"folders": found, "more": False})
    try:
        place = _place_at(request, request.GET["at"])
        there = _inside(place, without=set())
    except NotFoundError as error:
        raise Http404(str(error)) from error
    except StorageError as error:
        return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
    names = [{"name": name, "at": field} for name, field in there["folders"]]
    return JsonResponse({"folders": names, "more": there["more_folders"]})


def _inside(place: Place, without: set[str]) -> dict[str, Any]:
    """The folders in a folder, and the way to it. What is moved goes into none of itself."""
    with place.access.files() as files:
        found = ((name.casefold(), name) for name, is_folder in files.names(place.path) if is_folder)
        folders = heapq.nsmallest(
            FOLDERS_SHOWN + 1, (item for item in found if not is_hidden(item[1]) and item[1] not in without)
        )
    shown_folders = [(shown(name), Place(place.access, child(place.path, name)).field) for _, name in folders]
    steps = [(crumb.name, Place(place.access, crumb.path).field) for crumb in crumbs(place.path)]
    return {
        "steps": [(place.access.name, Place(place.access, "").field), *steps],
        "folders": shown_folders[:FOLDERS_SHOWN],
        "more_folders": len(folders) > FOLDERS_SHOWN,
    }


def _libraries(request: HttpRequest) -> list[tuple[str, list[Entry]]]:
    """Libraries to write to, each once, by the Drive's folders."""
    writable: dict[UUID, Entry] = {}
    for entry in entries(person(request), folders=MOUNTED):
        if entry.may_write:
            writable.setdefault(entry.library_id, entry)
    if not writable:
        raise ForbiddenError(gettext("There is no library that you can write to."))
    groups = [(folder, [entry for entry in writable.values() if entry.folder == folder]) for folder in MOUNTED]
    return [(str(folder), found) for folder, found in groups if found]
