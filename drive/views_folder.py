"""One folder: its page, and what the forms on it do."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from portal.access import person

from . import changes, transfer
from .addresses import name_from_form
from .doors import Door
from .held import Held
from .held import choose as choose_held
from .listing import read_listing
from .storage import open_library, shown


def folder(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """What is in a folder, page by page, and its README."""
    with door.files() as files:
        listing = read_listing(files, path, request.GET.get("page"), request.GET.get("sort", "name"))
    context = {
        "door": door,
        "library": door.library,
        "listing": listing,
        "page": listing.page,
        "here": door.folder_address(path),
        "lab_path": door.lab_path(path),
        "collab": door.collab,
        "is_owner": door.library.owner_user_id == request.user.pk,
    }
    return render(request, "drive/collab_files.html" if door.collab else "drive/library.html", context)


def child(path: str, name: str) -> str:
    """The path of a name in a folder."""
    return f"{path}/{name}" if path else name


def upload(request: HttpRequest, door: Door, path: str) -> HttpResponse | None:
    """The upload form, for browsers without JavaScript."""
    if not request.FILES:
        messages.error(request, "Choose a file first.")
        return None
    done, held = transfer.receive_form(request, door.library, door.inside(path))
    for entry in done:
        messages.success(request, f"“{entry.name}” is here.")
    return _ask(request, door, path, held)


def choose(request: HttpRequest, door: Door, path: str) -> HttpResponse | None:
    """The person's answer about uploads whose names were taken."""
    again = []
    with open_library(door.library) as files:
        for number, token in enumerate(request.POST.getlist("held")):
            how, etag = request.POST.get(f"how-{number}", ""), request.POST.get(f"etag-{number}", "")
            again.append(choose_held(files, person(request), door.library, token, how, etag))
    return _ask(request, door, path, [held for held in again if held])


def _ask(request: HttpRequest, door: Door, path: str, held: list[Held]) -> HttpResponse | None:
    """Which of two files of one name shall stay."""
    if not held:
        return None
    context = {"held": held, "here": door.folder_address(path), "library": door.library}
    return render(request, "drive/choice.html", context, status=409)


def make_folder(request: HttpRequest, door: Door, path: str) -> None:
    """A new folder in this one."""
    changes.make_folder(person(request), door.library, door.inside(child(path, request.POST.get("name", ""))))


def rename(request: HttpRequest, door: Door, path: str) -> None:
    """Another name for something in this folder."""
    old, new = name_from_form(request.POST.get("old", "")), request.POST.get("name", "")
    changes.rename(person(request), door.library, door.inside(child(path, old)), door.inside(child(path, new)))


def delete(request: HttpRequest, door: Door, path: str) -> None:
    """Something in this folder goes to the trash."""
    name = name_from_form(request.POST.get("name", ""))
    changes.delete(person(request), door.library, door.inside(child(path, name)))
    messages.success(request, f"“{shown(name)}” was moved to the library's trash.")
