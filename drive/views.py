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

from . import services, transfer
from .access import get_library
from .forms import LibraryForm, NameForm, UploadForm
from .listing import Listing, read_listing
from .models import Library
from .storage import NotFound, StorageError, open_library
from .visibility import MOUNTED, Entry, Folder, as_entry, entries, public_entries

PUBLIC_PAGE = 50


@login_required
@require_http_methods(["GET", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """The four folders, exactly as in the Lab; and a new library."""
    form = LibraryForm(request.POST or None)
    if form.is_valid():
        try:
            library = services.create_library(request.user, form.cleaned_data["name"])
        except ValidationError as error:
            form.add_error("name", error)
        else:
            return redirect(library)
    mine = entries(request.user, folders=MOUNTED)
    folders = [(folder, [entry for entry in mine if entry.folder == folder]) for folder in MOUNTED]
    search = request.GET.get("q", "").strip()[:100]
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
        with open_library(found) as files:
            is_file = files.stat(path).kind == "file"
            if is_file and request.method != "POST":
                return transfer.send(found, files, path)
        if request.method == "POST":
            return _change(request, found, path, base)
        if not request.path.endswith("/"):
            return redirect(f"{request.path}/")
        listing = read_listing(found, path, request.GET.get("page"), request.GET.get("sort", "name"))
        return _folder_page(request, found, entry, listing, base, collab)
    except NotFound as error:
        raise Http404(str(error)) from error
    except StorageError as error:
        return _refusal(request, error)


def _folder_page(
    request: HttpRequest, found: Library, entry: Entry, listing: Listing, base: str, collab: Collab | None
) -> HttpResponse:
    context = {
        "library": found,
        "entry": entry,
        "listing": listing,
        "page": listing.page,
        "base": base,
        "here": request.path,
        "lab_path": entry.lab_path(listing.path),
        "collab": collab,
        "is_owner": found.owner_user_id == request.user.pk,
        "upload": UploadForm(),
        "folder": NameForm(),
    }
    return render(request, "drive/collab_files.html" if collab else "drive/library.html", context)


def _change(request: HttpRequest, found: Library, path: str, base: str) -> HttpResponse:
    """What the forms of a folder's page do: upload, new folder, rename, delete."""
    actions = {"upload": transfer.receive_form, "folder": _make_folder, "rename": _rename, "delete": _delete}
    action = actions.get(request.POST.get("do", ""))
    if action is None:
        raise Http404("No such action.")
    try:
        action(request, found, path)
    except StorageError as error:
        messages.error(request, str(error))
    return redirect(request.path)


def _child(request: HttpRequest, path: str, field: str) -> str:
    return "/".join(part for part in (path, request.POST.get(field, "")) if part)


def _make_folder(request: HttpRequest, found: Library, path: str) -> None:
    with open_library(found) as files:
        files.make_folder(_child(request, path, "name"))


def _rename(request: HttpRequest, found: Library, path: str) -> None:
    with open_library(found) as files:
        files.rename(_child(request, path, "old"), _child(request, path, "name"))


def _delete(request: HttpRequest, found: Library, path: str) -> None:
    with open_library(found) as files:
        files.delete(_child(request, path, "name"))
    messages.success(request, f"“{request.POST.get('name', '')}” was moved to the library's trash.")


def _refusal(request: HttpRequest, error: StorageError) -> HttpResponse:
    """An error of the storage, in words; JSON-free, because scripts read the status."""
    return render(request, "drive/refusal.html", {"error": error}, status=error.status)
