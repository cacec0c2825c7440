"""The trash of a library, and what its people are told when much of it is gone at once."""

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy, ngettext

from drive.files.library_access import LibraryAccess
from drive.models import Loss, Trashed
from drive.storage import NotFoundError, StorageError, shown
from drive.versions import trash as trashing
from portal.access import person
from portal.ops.task_queue import publish

PER_PAGE = 50
UNDONE_AT_ONCE = 100
"""So many items at most are put back by one click on *Undo*; more are restored in the trash."""
CANNOT_START = gettext_lazy("This cannot be done right now. Please try again in a minute.")


def trash(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Page of a library's trash, newest first, whatever folder it is opened from."""
    items = access.library.trash.select_related("deleted_by")
    search = request.GET.get("q", "").replace("\0", "").strip()[:200]
    if search:
        items = items.filter(path__icontains=search)
    context = {
        "access": access,
        "collab": access.collab,
        "page": Paginator(items, PER_PAGE).get_page(request.GET.get("page")),
        "search": search,
        "days": settings.TRASH_KEEP_DAYS,
    }
    return render(request, "drive/trash.html", context)


def restore(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Put an item back."""
    item = _item(access, request.POST.get("id", ""))
    if trashing.is_for_a_task(item):
        return _restore_later(request, access, item)
    try:
        now = trashing.restore(person(request), item)
    except StorageError as error:
        messages.error(request, str(error))
        return _back(access)
    messages.success(request, gettext("“%(path)s” was restored.") % {"path": shown(now)})
    folder = now.rpartition("/")[0]
    return redirect(access.folder_address(folder))


def undo(request: HttpRequest, access: LibraryAccess, path: str) -> None:
    """Put back what was deleted a moment ago, several items perhaps; then the list is shown as it was."""
    restored, numbers = 0, request.POST.getlist("id")[:UNDONE_AT_ONCE]
    for number in numbers:
        try:
            item = _item(access, number)
            if trashing.is_for_a_task(item):  # nothing that this page deleted, but somebody may send any id
                _restore_later(request, access, item)
                continue
            trashing.restore(person(request), item)
            restored += 1
        except StorageError as error:
            messages.error(request, str(error))
    if restored:
        said = ngettext("Restored.", "%(number)s items were restored.", restored)
        messages.success(request, said % {"number": restored})


def _restore_later(request: HttpRequest, access: LibraryAccess, item: Trashed) -> HttpResponse:
    if publish("drive.tasks.restore_trashed", item.pk, person(request).pk):
        said = ngettext(
            "“%(path)s” is being restored (%(number)s file). You are told when it is done.",
            "“%(path)s” is being restored (%(number)s files). You are told when it is done.",
            item.files,
        )
        messages.success(request, said % {"path": item.path, "number": item.files})
    else:
        messages.error(request, str(CANNOT_START))
    return _back(access)


def purge(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Remove an item for good."""
    item = _item(access, request.POST.get("id", ""))
    trashing.purge(person(request), item)
    publish("drive.tasks.empty_bin")  # should the broker be away: every night
    messages.success(request, gettext("“%(path)s” was deleted permanently.") % {"path": item.path})
    return _back(access)


def restore_all(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Bring back everything that vanished at once; a task does it."""
    loss = _loss(request, access)
    if publish("drive.tasks.restore_loss", loss.pk, person(request).pk):
        said = ngettext(
            "%(number)s file is being restored. You are told when it is done.",
            "%(number)s files are being restored. You are told when it is done.",
            loss.files,
        )
        messages.success(request, said % {"number": loss.files})
    else:
        messages.error(request, str(CANNOT_START))
    return redirect(access.folder_address())


def dismiss(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Dismiss the banner about a large deletion, which was intended; the trash stays."""
    trashing.answer(person(request), _loss(request, access))
    return redirect(access.folder_address())


def _back(access: LibraryAccess) -> HttpResponse:
    return redirect(f"{access.folder_address()}?show=trash")


def _item(access: LibraryAccess, number: str) -> Trashed:
    found = access.library.trash.filter(pk=number).first() if number.isdecimal() and len(number) < 19 else None
    if found is None:
        raise NotFoundError(gettext("This item is no longer in the trash."))
    return found


def _loss(request: HttpRequest, access: LibraryAccess) -> Loss:
    number = request.POST.get("id", "")
    found = access.library.losses.filter(pk=number).first() if number.isdecimal() and len(number) < 19 else None
    if found is None:
        raise Http404("No such loss.")
    return found
