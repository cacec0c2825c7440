"""The Drive's pages: the four folders, and one library. What owners do is in views_owner.py."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from collabs.access import get_collab
from collabs.models import Collab
from portal.access import person

from . import services, transfer
from .access import get_library
from .addresses import folder_address, name_from_form
from .forms import LibraryForm
from .held import Held, choose
from .listing import Listing, read_listing
from .models import Library
from .storage import NotFound, StorageError, open_library, shown
from .visibility import MOUNTED, Entry, Folder, as_entry, entries, public_entries

PUBLIC_PAGE = 50


@login_required
@require_http_methods(["GET", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """The four folders, exactly as in the Lab; and a new library."""
    form = LibraryForm(request.POST or None)
    if form.is_valid():
        try:
            library = services.create_library(person(request), form.cleaned_data["name"])
        except ValidationError as error:
            form.add_error("name", error)
        else:
            return redirect(library)
    mine = entries(request.user, folders=MOUNTED)
    folders = [(folder, [entry for entry in mine if entry.folder == folder]) for folder in MOUNTED]
    search = request.GET.get("q", "").replace("\0", "").strip()[:100]  # PostgreSQL refuses NUL
    page = Paginator(public_entries(search), PUBLIC_PAGE).get_page(request.GET.get("page"))
    context = {
        "folders": folders,
        "public_name": Folder.ALL,
        "page": page,
        "public": [as_entry(row) for row in page.object_list],
        "search": search,
        "form": form,
    }
    return render(request, "drive/home.html", context)


@require_http_methods(["GET", "HEAD", "POST", "PUT"])
def library(request: HttpRequest, library_id: UUID, path: str = "") -> HttpResponse:
    """A folder's page, or a file's bytes; PUT puts a file there."""
    found, entry = get_library(request.user, library_id, "r" if request.method in ("GET", "HEAD") else "rw")
    return _answer(request, found, entry, path, base=reverse("drive:library", args=[found.pk]))


@require_http_methods(["GET", "HEAD", "POST", "PUT"])
def collab_files(request: HttpRequest, slug: str, path: str = "") -> HttpResponse:
    """The same, within the Collab's pages."""
    collab = get_collab(request, slug)
    found = Library.objects.get(owner_collab=collab)
    found, entry = get_library(request.user, found.pk, "r" if request.method in ("GET", "HEAD") else "rw")
    return _answer(request, found, entry, path, base=reverse("collab_files", args=[slug]), collab=collab)


def _answer(
    request: HttpRequest, found: Library, entry: Entry, path: str, *, base: str, collab: Collab | None = None
) -> HttpResponse:
    path = path.strip("/")
    try:
        if request.method == "PUT":
            return transfer.receive(request, found, path)
        if request.method == "POST":
            return _change(request, found, path, folder_address(base, path))
        with open_library(found) as files:
            kind = files.stat(path).kind
            if kind != "folder":
                return transfer.send(request, found, files, path)  # which refuses what is no file either
        if not request.path.endswith("/"):
            return redirect(folder_address(base, path))
        listing = read_listing(found, path, request.GET.get("page"), request.GET.get("sort", "name"))
        return _folder_page(request, found, entry, listing, base, collab)
    except NotFound as error:
        raise Http404(str(error)) from error
    except StorageError as error:
        return _refusal(request, error, base)


def _folder_page(
    request: HttpRequest, found: Library, entry: Entry, listing: Listing, base: str, collab: Collab | None
) -> HttpResponse:
    context = {
        "library": found,
        "entry": entry,
        "listing": listing,
        "page": listing.page,
        "base": base,
        "here": folder_address(base, listing.path),
        "lab_path": entry.lab_path(listing.path),
        "collab": collab,
        "is_owner": found.owner_user_id == request.user.pk,
    }
    return render(request, "drive/collab_files.html" if collab else "drive/library.html", context)


def _change(request: HttpRequest, found: Library, path: str, here: str) -> HttpResponse:
    """What the forms of a folder's page do. Whatever they are refused is said on the page they lead back to."""
    actions = {"upload": _upload, "choose": _choose, "folder": _make_folder, "rename": _rename, "delete": _delete}
    action = actions.get(request.POST.get("do", ""))
    if action is None:
        raise Http404("No such action.")
    try:
        held = action(request, found, path)
    except StorageError as error:
        messages.error(request, str(error))
        held = []
    if held:
        return render(request, "drive/choice.html", {"held": held, "here": here, "library": found}, status=409)
    return redirect(here)


def _child(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _upload(request: HttpRequest, found: Library, path: str) -> list[Held]:
    if not request.FILES:
        messages.error(request, "Choose a file first.")
        return []
    done, held = transfer.receive_form(request, found, path)
    for entry in done:
        messages.success(request, f"“{entry.name}” is here.")
    return held


def _choose(request: HttpRequest, found: Library, path: str) -> list[Held]:
    """The person's answer about uploads whose names were taken."""
    again = []
    with open_library(found) as files:
        for number, token in enumerate(request.POST.getlist("held")):
            how, etag = request.POST.get(f"how-{number}", ""), request.POST.get(f"etag-{number}", "")
            again.append(choose(files, person(request), found, token, how, etag))
    return [held for held in again if held]


def _make_folder(request: HttpRequest, found: Library, path: str) -> list[Held]:
    with open_library(found) as files:
        files.make_folder(_child(path, request.POST.get("name", "")))
    return []


def _rename(request: HttpRequest, found: Library, path: str) -> list[Held]:
    old = name_from_form(request.POST.get("old", ""))
    with open_library(found) as files:
        files.rename(_child(path, old), _child(path, request.POST.get("name", "")))
    return []


def _delete(request: HttpRequest, found: Library, path: str) -> list[Held]:
    name = name_from_form(request.POST.get("name", ""))
    with open_library(found) as files:
        files.delete(_child(path, name))
    messages.success(request, f"“{shown(name)}” was moved to the library's trash.")
    return []


def _refusal(request: HttpRequest, error: StorageError, base: str) -> HttpResponse:
    """An error of the storage, in words."""
    return render(request, "drive/refusal.html", {"error": error, "base": base}, status=error.status)
