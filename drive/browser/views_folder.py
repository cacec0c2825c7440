"""One folder: its page, and what the forms on it do to one thing. For several at once, see views_selection.py."""

from collections.abc import Iterable
from unicodedata import normalize
from urllib.parse import urlencode

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html

from drive.files import new_files, operations
from drive.files.access_context import Door
from drive.files.listing import crumbs, read_listing
from drive.files.paths import name_from_form
from drive.storage import ABSENT, FileEntry, StorageError, check_name, open_library
from drive.uploads import form_handler, transfer
from drive.uploads.conflicts import Held
from drive.uploads.conflicts import choose as choose_held
from drive.versions import history
from portal.access import person


def folder(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """What is in a folder, page by page, and its README."""
    hidden = "hidden" in request.GET
    with door.files() as files:
        query = request.GET
        listing = read_listing(files, path, query.get("page"), query.get("sort", "name"), hidden=hidden)
    context = frame(request, door, path) | {
        "rows": _rows(door, path, listing.page.object_list),
        "listing": listing,
        "crumbs": listing.crumbs,
        "page": listing.page,
        "show_hidden": hidden,
        "all_selected": request.GET.get("select") == "all",
    }
    return render(request, _template(door), context)


def _template(door: Door) -> str:
    """The page of a folder, by who comes."""
    if door.entry is None:
        return "drive/link_folder.html"
    return "drive/collab_files.html" if door.collab else "drive/library.html"


def _rows(door: Door, path: str, items: Iterable[FileEntry]) -> list[tuple[FileEntry, str]]:
    """What is listed, and who changed it last; visitors with a link learn no names."""
    places = {door.inside(child(path, item.name)): item for item in items}
    who = history.who(door.library, places) if door.entry else {}
    return [(item, who.get(place, "")) for place, item in places.items()]


def frame(request: HttpRequest, door: Door, path: str) -> dict[str, object]:
    """What every page of a folder is told."""
    return {
        "door": door,
        "library": door.library,
        "here": door.folder_address(path),
        "lab_path": door.lab_path(path),
        "collab": door.collab,
        "is_owner": request.user.is_authenticated and door.library.owner_user_id == request.user.pk,
    }


def change(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """What can be done to one thing in this folder, for browsers without JavaScript."""
    door.require_write()
    name = name_from_form(request.GET.get("name", ""))
    with door.files() as files:
        item = files.stat(child(path, name)) if name else None
    if item is None:
        raise Http404("Nothing was named.")
    has_versions = item.kind == "file" and item.reachable
    versions = f"{door.address(child(path, name))}?show=versions" if has_versions else ""
    context = frame(request, door, path) | {"item": item, "versions": versions, "crumbs": crumbs(path)}
    return render(request, "drive/change.html", context)


def child(path: str, name: str) -> str:
    """The path of a name in a folder."""
    return f"{path}/{name}" if path else name


def upload(request: HttpRequest, door: Door, path: str) -> HttpResponse | None:
    """The upload form, for browsers without JavaScript."""
    form_handler.check(request)
    if not request.FILES:
        messages.error(request, "Choose a file first.")
        return None
    done, held = transfer.receive_form(request, door.library, door.inside(path))
    for entry in done:
        messages.success(request, f"“{entry.name}” is here.")
    return _ask(request, door, path, held)


def choose(request: HttpRequest, door: Door, path: str) -> HttpResponse | None:
    """The person's answer about uploads whose names were taken."""
    again, refused = [], []
    with open_library(door.library) as files:
        for number, token in enumerate(request.POST.getlist("held")):
            how, etag = request.POST.get(f"how-{number}", ""), request.POST.get(f"etag-{number}", "")
            try:
                again.append(choose_held(files, person(request), door.library, token, how, etag))
            except StorageError as error:  # of one; the others are looked at all the same
                refused.append(error)
    if len(refused) == 1 and not any(again):
        raise refused[0]
    for refusal in refused:
        messages.error(request, str(refusal))
    return _ask(request, door, path, [held for held in again if held])


def _ask(request: HttpRequest, door: Door, path: str, held: list[Held]) -> HttpResponse | None:
    """Which of two files of one name shall stay."""
    if not held:
        return None
    context = {"held": held, "here": door.folder_address(path), "library": door.library}
    return render(request, "drive/choice.html", context, status=409)


def create(request: HttpRequest, door: Door, path: str) -> HttpResponse | None:
    """A new folder, text file, Markdown file or notebook in this folder."""
    kind = request.POST.get("kind", "")
    name = check_name(normalize("NFC", request.POST.get("name", "").strip()))
    if kind == "folder":
        operations.make_folder(person(request), door.library, door.inside(child(path, name)))
        return redirect(door.folder_address(child(path, name)))
    if kind not in new_files.KINDS:
        raise Http404("No such kind of file.")
    name = new_files.name_of(kind, name)
    place = door.inside(child(path, name))
    made = operations.write(person(request), door.library, place, new_files.content(kind, name), if_match=ABSENT)
    if kind == "notebook":
        messages.success(request, _open_in_lab(door, path, made.name))
        return None
    return redirect(door.address(child(path, made.name)))


def _open_in_lab(door: Door, path: str, name: str) -> str:
    address = f"{reverse('lab:open')}?{urlencode({'path': door.lab_path(child(path, name))})}"
    return format_html("“{}” is here. <a href='{}'>Open in Lab</a>", name, address)


def make_folder(request: HttpRequest, door: Door, path: str) -> None:
    """A new folder in this one."""
    operations.make_folder(person(request), door.library, door.inside(child(path, request.POST.get("name", ""))))


def rename(request: HttpRequest, door: Door, path: str) -> None:
    """Another name for something in this folder."""
    old, new = name_from_form(request.POST.get("old", "")), request.POST.get("name", "")
    here, there = door.inside(child(path, old)), door.inside(child(path, check_name(new)))
    operations.rename(person(request), door.library, here, there)
