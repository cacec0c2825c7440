"""One folder: its page, and what the forms on it do to one thing. For several at once, see views_selection.py."""

from collections.abc import Iterable
from unicodedata import normalize
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext

from drive.files import new_files, operations
from drive.files.library_access import LibraryAccess
from drive.files.listing import crumbs, read_listing
from drive.files.paths import name_from_form
from drive.storage import ABSENT, FileEntry, StorageError, check_name, open_library
from drive.storage.names import with_free_name
from drive.uploads import form_handler, transfer
from drive.uploads.conflicts import UploadConflict
from drive.uploads.conflicts import resolve as resolve_conflict
from drive.versions import history
from portal.access import person

from .folder_rows import html_of_rows


def folder(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Page of a folder: its entries, paginated, and its README."""
    hidden = "hidden" in request.GET
    with access.files() as files:
        query = request.GET
        listing = read_listing(files, path, query.get("page"), query.get("sort", "name"), hidden=hidden)
    all_selected = request.GET.get("select") == "all"
    context = frame(request, access, path) | {
        "rows": html_of_rows(_rows(access, path, listing.page.object_list), access, path, all_selected=all_selected),
        "listing": listing,
        "inside": access.inside(path) if access.entry else "",
        "crumbs": listing.crumbs,
        "page": listing.page,
        "show_hidden": hidden,
        "all_selected": all_selected,
    }
    return render(request, _template(access), context)


def _template(access: LibraryAccess) -> str:
    """Template of a folder's page: of the Drive, a Collab or a public link."""
    if access.collab:
        return "drive/collab_files.html"
    return "drive/library.html" if access.entry else "drive/public_link_folder.html"


def _rows(access: LibraryAccess, path: str, items: Iterable[FileEntry]) -> list[tuple[FileEntry, str]]:
    """Listed entries, each with its last author; visitors with a link learn no names."""
    places = {access.inside(child(path, item.name)): item for item in items}
    authors = history.last_authors(access.library, places) if access.entry else {}
    return [(item, authors.get(place, "")) for place, item in places.items()]


def frame(request: HttpRequest, access: LibraryAccess, path: str) -> dict[str, object]:
    """Template context of all pages of a folder."""
    return {
        "access": access,
        "library": access.library,
        "here": access.folder_address(path),
        "lab_path": access.lab_path(path),
        "collab": access.collab,
        "is_owner": request.user.is_authenticated and access.library.owner_user_id == request.user.pk,
    }


def change(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Page with the actions for one entry of this folder, for browsers without JavaScript."""
    name = name_from_form(request.GET.get("name", ""))
    with access.files() as files:
        item = files.stat(child(path, name)) if name else None
    if item is None:
        raise Http404("No name was given.")
    place = child(path, name)
    context = frame(request, access, path) | actions_of(access, place, item)
    context |= {"item": item, "entry_path": place, "crumbs": crumbs(path)}
    return render(request, "drive/entry_actions.html", context)


def actions_of(access: LibraryAccess, path: str, item: FileEntry) -> dict[str, object]:
    """Template context of the menu of an entry (`drive/_entry_menu.html`): addresses, "" for what it does not have."""
    if not item.reachable or item.kind not in ("file", "folder"):
        return {}
    is_file, lab_path = item.kind == "file", access.lab_path(path)
    address = access.address(path) if is_file else access.folder_address(path)
    return {
        "open_at": address,
        "lab_at": f"{reverse('lab:open')}?{urlencode({'path': lab_path})}" if lab_path else "",
        "download_at": f"{address}?show={'raw' if is_file else 'zip'}",
        "versions_at": f"{address}?show=versions" if is_file else "",
        "copy_link": f"{settings.PORTAL_URL.rstrip('/')}{address}",
        "copy_path": access.inside(path),
        "copy_lab_path": f"~/drive/{lab_path}" if lab_path else "",
    }


def child(path: str, name: str) -> str:
    """The path of a name in a folder."""
    return f"{path}/{name}" if path else name


def upload(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse | None:
    """The upload form, for browsers without JavaScript."""
    form_handler.check(request)
    if not request.FILES:
        messages.error(request, gettext("Choose a file first."))
        return None
    done, conflicts = transfer.receive_form(request, access.library, access.inside(path))
    for entry in done:
        messages.success(request, gettext("“%(name)s” was uploaded.") % {"name": entry.name})
    return _ask(request, access, path, conflicts)


def choose(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse | None:
    """The person's answer about uploads whose names were taken."""
    again, refused = [], []
    with open_library(access.library) as files:
        for number, token in enumerate(request.POST.getlist("held")):
            how, etag = request.POST.get(f"how-{number}", ""), request.POST.get(f"etag-{number}", "")
            try:
                again.append(resolve_conflict(files, person(request), access.library, token, how, etag))
            except StorageError as error:  # of one; the others are looked at all the same
                refused.append(error)
    if len(refused) == 1 and not any(again):
        raise refused[0]
    for refusal in refused:
        messages.error(request, str(refusal))
    return _ask(request, access, path, [conflict for conflict in again if conflict])


def _ask(
    request: HttpRequest, access: LibraryAccess, path: str, conflicts: list[UploadConflict]
) -> HttpResponse | None:
    """Page that asks which of two files of one name is kept; None without conflicts."""
    if not conflicts:
        return None
    context = {"conflicts": conflicts, "here": access.folder_address(path), "library": access.library}
    return render(request, "drive/upload_conflict.html", context, status=409)


def create(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse | None:
    """A new folder, text file, Markdown file or notebook in this folder; without a name it is called `Untitled`."""
    kind, name = request.POST.get("kind", ""), normalize("NFC", request.POST.get("name", "").strip())
    if kind == "by-name":
        kind = new_files.kind_by(name)
    if kind not in new_files.UNTITLED:
        raise Http404("No such kind of file.")
    if name:
        return _create(request, access, path, kind, check_name(name))
    return with_free_name(new_files.UNTITLED[kind], lambda free: _create(request, access, path, kind, free))


def _create(request: HttpRequest, access: LibraryAccess, path: str, kind: str, name: str) -> HttpResponse | None:
    if kind == "folder":
        operations.make_folder(person(request), access.library, access.inside(child(path, name)))
        return redirect(access.folder_address(child(path, name)))
    name = new_files.name_of(kind, name)
    place = access.inside(child(path, name))
    made = operations.write(person(request), access.library, place, new_files.content(kind, name), if_match=ABSENT)
    if kind == "notebook":
        messages.success(request, _open_in_lab(access, path, made.name))
        return None
    return redirect(f"{access.address(child(path, made.name))}?show=edit")


def _open_in_lab(access: LibraryAccess, path: str, name: str) -> str:
    address = f"{reverse('lab:open')}?{urlencode({'path': access.lab_path(child(path, name))})}"
    return format_html(gettext("“{}” was created. <a href='{}'>Open in Lab</a>"), name, address)


def make_folder(request: HttpRequest, access: LibraryAccess, path: str) -> None:
    """A new folder in this one."""
    operations.make_folder(person(request), access.library, access.inside(child(path, request.POST.get("name", ""))))


def rename(request: HttpRequest, access: LibraryAccess, path: str) -> None:
    """Another name for something in this folder."""
    old, new = name_from_form(request.POST.get("old", "")), request.POST.get("name", "")
    here, there = access.inside(child(path, old)), access.inside(child(path, check_name(new)))
    operations.rename(person(request), access.library, here, there)
