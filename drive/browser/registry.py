"""Tables of all file pages and actions: which view answers which `?show=` and which `do`."""

from collections.abc import Callable

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect, render

from drive.files.library_access import LibraryAccess
from drive.storage import NotFoundError, StorageError
from drive.uploads import transfer

from . import (
    views_edit,
    views_file,
    views_folder,
    views_move_copy,
    views_search,
    views_selection,
    views_trash,
    views_versions,
    views_zip,
)

Page = Callable[[HttpRequest, LibraryAccess, str], HttpResponse]
Action = Callable[[HttpRequest, LibraryAccess, str], HttpResponse | None]

FOLDER_PAGES: dict[str, Page] = {
    "": views_folder.folder,
    "trash": views_trash.trash,
    "change": views_folder.change,
    "find": views_search.within,
    "zip": views_zip.folder,
}
"""By `?show=…` at a folder's address."""

FILE_PAGES: dict[str, Page] = {
    "": views_file.page,
    "raw": views_file.raw,
    "edit": views_edit.edit,
    "rendered": views_file.rendered,
    "rendering": views_file.rendering_state,
    "versions": views_versions.versions,
    "version": views_versions.version,
    "old": views_versions.old,
    "compare": views_versions.compare,
}
"""By `?show=…` at a file's address."""

ACTIONS: dict[str, Action] = {
    "upload": views_folder.upload,
    "choose": views_folder.choose,
    "folder": views_folder.make_folder,
    "create": views_folder.create,
    "rename": views_folder.rename,
    "save": views_edit.save,
    "go-back": views_versions.go_back,
    "restore": views_trash.restore,
    "purge": views_trash.purge,
    "restore-all": views_trash.restore_all,
    "dismiss": views_trash.dismiss,
    "delete": views_selection.delete,
    "move": views_move_copy.move,
    "copy": views_move_copy.copy,
    "zip": views_zip.selection,
}
"""By the field `do` of a form; the path is that of the page with the form. All but those below need the right to write.

One that returns None leads back to the page; a StorageError is said there.
"""

READING = ("copy", "zip")
"""Actions for which reading is enough; `copy` asks for the right to write where the copy goes."""

FOR_LINKS = frozenset({"", "raw", "rendered", "rendering", "zip", "find"})
"""Pages that a public link gives. The others are for those who see the library: they show more than what is there."""

PLACE_IN_LIST = ("sort", "page", "hidden")


def serve(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    """Answer a request for `path` below the folder of `access`."""
    path = path.strip("/")
    try:
        match request.method:
            case "GET" | "HEAD":
                return _show(request, access, path)
            case "PUT":
                access.require_write()
                return transfer.receive(request, access.library, access.inside(path))
            case "POST":
                if request.POST.get("do") not in READING:
                    access.require_write()
                return _act(request, access, path)
        return HttpResponseNotAllowed(["GET", "HEAD", "PUT", "POST"])
    except NotFoundError as error:
        raise Http404(str(error)) from error
    except StorageError as error:
        return render(request, "drive/refusal.html", {"error": error, "base": access.base}, status=error.status)


def _show(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    with access.files() as files:
        is_folder = files.stat(path).kind == "folder"
    show = request.GET.get("show", "")
    page = (FOLDER_PAGES if is_folder else FILE_PAGES).get(show)
    if page is None or (access.entry is None and show not in FOR_LINKS):
        raise Http404("No such page.")
    if is_folder and not request.path.endswith("/"):
        query = request.META.get("QUERY_STRING", "")
        return redirect(f"{access.folder_address(path)}{f'?{query}' if query else ''}")
    return page(request, access, path)


def _act(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    action = ACTIONS.get(request.POST.get("do", ""))
    if action is None:
        raise Http404("No such action.")
    try:
        answer = action(request, access, path)
    except StorageError as error:
        if from_script(request):
            return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
        messages.error(request, str(error))
        answer = None
    if answer is None and from_script(request):
        return HttpResponse(status=204)
    return answer or redirect(_back(request, access, path))


def from_script(request: HttpRequest) -> bool:
    """Whether a script of ours asks, which wants a status and not another page."""
    return request.headers.get("X-Script") == "1"


def _back(request: HttpRequest, access: LibraryAccess, path: str) -> str:
    """The list as it was: forms send the query of the page that they are on."""
    query = QueryDict(mutable=True)
    for name in PLACE_IN_LIST:
        if request.GET.get(name):
            query[name] = request.GET[name]
    return access.folder_address(path) + (f"?{query.urlencode()}" if query else "")
