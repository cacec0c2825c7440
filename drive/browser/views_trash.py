"""The trash of a library, and what its people are told when much of it is gone at once."""

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from drive.files.access_context import Door
from drive.models import Loss, Trashed
from drive.storage import NotFound, StorageError, shown
from drive.versions import trash as trashing
from portal.access import person
from portal.ops.task_queue import publish

PER_PAGE = 50
AT_ONCE = 1000
"""Files that vanished in a Lab are made again while the person waits, up to so many; more are for a task."""
CANNOT_START = "This cannot be started right now. Please try again in a minute."


def trash(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """What was deleted from a library, newest first; the folder does not matter."""
    door.require_entry()
    items = door.library.trash.select_related("deleted_by")
    search = request.GET.get("q", "").replace("\0", "").strip()[:200]
    if search:
        items = items.filter(path__icontains=search)
    context = {
        "door": door,
        "collab": door.collab,
        "page": Paginator(items, PER_PAGE).get_page(request.GET.get("page")),
        "search": search,
        "days": settings.TRASH_KEEP_DAYS,
    }
    return render(request, "drive/trash.html", context)


def restore(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """Put an item back."""
    item = _item(request, door)
    if item.files > AT_ONCE and not item.place:
        return _restore_later(request, door, item)
    try:
        now = trashing.restore(person(request), item)
    except StorageError as error:
        messages.error(request, str(error))
        return _back(door)
    messages.success(request, f"“{shown(now)}” is back.")
    folder = now.rpartition("/")[0]
    return redirect(door.folder_address(folder))


def _restore_later(request: HttpRequest, door: Door, item: Trashed) -> HttpResponse:
    if publish("drive.tasks.restore_trashed", item.pk, person(request).pk):
        messages.success(request, f"“{item.path}” is being made again, {item.files} files. This takes a while.")
    else:
        messages.error(request, CANNOT_START)
    return _back(door)


def purge(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """Remove an item for good."""
    item = _item(request, door)
    trashing.purge(person(request), item)
    publish("drive.tasks.empty_bin")  # should the broker be away: every night
    messages.success(request, f"“{item.path}” was deleted for good.")
    return _back(door)


def restore_all(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """Bring back everything that vanished at once; a task does it."""
    loss = _loss(request, door)
    if publish("drive.tasks.restore_loss", loss.pk, person(request).pk):
        messages.success(request, f"{loss.files} files are being restored. Large files take a while.")
    else:
        messages.error(request, CANNOT_START)
    return redirect(door.folder_address())


def dismiss(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """It was meant to be so: the banner goes, the trash stays."""
    trashing.answer(person(request), _loss(request, door))
    return redirect(door.folder_address())


def _back(door: Door) -> HttpResponse:
    return redirect(f"{door.folder_address()}?show=trash")


def _item(request: HttpRequest, door: Door) -> Trashed:
    number = request.POST.get("id", "")
    found = door.library.trash.filter(pk=number).first() if number.isdecimal() and len(number) < 19 else None
    if found is None:
        raise NotFound("This is not in the trash any more.")
    return found


def _loss(request: HttpRequest, door: Door) -> Loss:
    number = request.POST.get("id", "")
    found = door.library.losses.filter(pk=number).first() if number.isdecimal() and len(number) < 19 else None
    if found is None:
        raise Http404("No such loss.")
    return found
