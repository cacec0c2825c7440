"""Markdown files of a Collab's library as its pages, each at an address of its own that stays."""

from contextlib import suppress

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from collabs.access import get_collab
from drive.files.library_access import LibraryAccess, collab_access
from drive.files.listing import README, crumbs
from drive.files.paths import quoted
from drive.files.visitor_access import visitor_access
from drive.models import File, Library
from drive.preview import kinds
from drive.storage import FileEntry, LibraryFiles, NotFoundError, StorageError, path_codec, shown
from portal.text.markdown import ENDINGS, is_markdown

from . import visitors
from .views_file import about

PER_PAGE = 100


@require_safe
def index(request: HttpRequest, slug: str) -> HttpResponse:
    """All pages, by their paths."""
    if opened := visitor_access(request, slug):
        return visitors.answer(request, lambda: _index(request, opened))
    return _index(request, collab_access(request, slug))


def _index(request: HttpRequest, access: LibraryAccess) -> HttpResponse:
    page = Paginator(_pages(access.library), PER_PAGE).get_page(request.GET.get("page"))
    found = [path_codec.from_row(row.path) for row in page.object_list]
    pages = [(path, f"{access.pages}{quoted(path)}") for path in found if shown(path) == path]
    return render(
        request, "drive/pages.html", {"access": access, "collab": access.collab, "page": page, "pages": pages}
    )


def _pages(library: Library) -> QuerySet[File]:
    endings = Q()
    for ending in ENDINGS:
        endings |= Q(path__iendswith=ending)
    rows = File.objects.filter(endings, library=library, trashed=None)
    return rows.exclude(path__startswith=".").exclude(path__contains="/.").order_by("path")


@require_safe
def page(request: HttpRequest, slug: str, path: str) -> HttpResponse:
    """One page. Visitors of a public Collab read its README, which stands on its first page, or what it lets them."""
    if opened := visitor_access(request, slug):
        return visitors.answer(request, lambda: _answer(request, opened, path))
    if not request.user.is_authenticated and path in README:
        return redirect(get_collab(request, slug))
    return _answer(request, collab_access(request, slug), path)


def _answer(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    path = path.strip("/")
    try:
        with access.files() as files:
            item = files.stat(path)
            if item.kind == "folder":
                return redirect(_front(access, files, path))
    except NotFoundError:
        return _missing(request, access, path)
    except StorageError as error:
        raise Http404(str(error)) from error
    if item.kind != "file" or not is_markdown(path):
        raise Http404("Not a page.")
    return _page(request, access, path, item)


def _front(access: LibraryAccess, files: LibraryFiles, folder: str) -> str:
    """A folder's own page is its README; without one, its list of files."""
    for name in README:
        path = f"{folder}/{name}" if folder else name
        with suppress(StorageError):
            files.stat(path)
            return access.page_address(path)
    return access.folder_address(folder)


def _page(request: HttpRequest, access: LibraryAccess, path: str, item: FileEntry) -> HttpResponse:
    folder, _, name = path.rpartition("/")
    try:
        with access.files() as files, files.open(path) as source:
            preview = kinds.of_file(source, name, item.size, access.base, folder, access.pages)
    except StorageError as error:
        preview = kinds.Preview("nothing", str(error))
    return render(request, "drive/page.html", about(access, path, item) | {"preview": preview})


def _missing(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """A link to a page that nobody has written yet: whoever may write can begin it."""
    folder, _, name = path.rpartition("/")
    if not (access.may_write and is_markdown(path)):
        raise Http404("No such page.")
    with access.files() as files:
        try:
            has_folder = files.stat(folder).kind == "folder"
        except StorageError:
            has_folder = False
    context: dict[str, object] = {"access": access, "collab": access.collab, "name": name, "crumbs": crumbs(folder)}
    context |= {"has_folder": has_folder, "folder": access.folder_address(folder), "folder_name": folder}
    return render(request, "drive/page_missing.html", context, status=404)
