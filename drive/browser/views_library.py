"""The Drive's front: the four folders, and the ways into a library.

What is shown of a file or folder is said by `?show=…`, what is done to it by the field `do`; the tables in `pages.py`
say which function that is.
"""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from drive.files.library_access import collab_access, drive_access
from drive.files.visitor_access import visitor_access
from drive.folders import MOUNTED, Folder
from drive.libraries import services
from drive.libraries.forms import LibraryForm
from drive.libraries.visibility import as_entry, entries, public_entries
from drive.models import Library
from drive.storage.names import has_hidden
from portal.access import person

from . import visitors
from .collab_readme import picture_access
from .registry import serve

PUBLIC_PAGE = 50


@login_required
@require_http_methods(["GET", "POST"])
def home(request: HttpRequest) -> HttpResponse:
    """The four folders, as in the Lab; and a new library.

    A public library that stands in another folder is listed there alone, unless one searches among the public ones.
    """
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
    public = public_entries(search)
    if not search:
        public = public.exclude(pk__in={entry.library_id for entry in mine})
    page = Paginator(public, PUBLIC_PAGE).get_page(request.GET.get("page"))
    context = {
        "folders": folders,
        "own": Library.objects.live().filter(owner_user=person(request)).in_bulk(),
        "public_name": Folder.ALL,
        "page": page,
        "public": [as_entry(row) for row in page.object_list],
        "search": search,
        "form": form,
    }
    return render(request, "drive/home.html", context)


def library(request: HttpRequest, library_id: UUID, path: str = "") -> HttpResponse:
    """A folder or file of a library, for those who see it in their Drive."""
    return serve(request, drive_access(request, library_id), path)


def collab_files(request: HttpRequest, slug: str, path: str = "") -> HttpResponse:
    """The same, within the Collab's pages. Visitors without an account read where the Collab lets them.

    Elsewhere they see the pictures of a public Collab's README; one in a hidden folder everywhere.
    """
    opened = visitor_access(request, slug)
    asks_for_picture = not request.user.is_authenticated and (opened is None or has_hidden(path))
    if asks_for_picture and (shown := picture_access(request, slug, path)):
        return serve(request, shown, path)
    if opened:
        return visitors.answer(request, lambda: serve(request, opened, path))
    return serve(request, collab_access(request, slug), path)
