"""Tables of all file pages and actions: the part of the address or form, the view, and the right that it needs."""

import enum
from collections.abc import Callable
from dataclasses import dataclass

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect, render

from drive.files.library_access import LibraryAccess
from drive.storage import NotFoundError, StorageError
from drive.uploads import transfer
from portal.access import SignInRequiredError

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

View = Callable[[HttpRequest, LibraryAccess, str], HttpResponse]
ActionView = Callable[[HttpRequest, LibraryAccess, str], HttpResponse | None]


class Right(enum.Enum):
    """Right that a page or action needs: a public link at least, a library that the person sees, or writing to it."""

    LINK = enum.auto()
    READ = enum.auto()
    WRITE = enum.auto()


@dataclass(frozen=True)
class Page:
    """A page of a file or folder, for those with the right. Pages that visitors may not see do not exist for them."""

    view: View
    right: Right


@dataclass(frozen=True)
class Action:
    """An action of a form. The path is that of the page with the form.

    A view that returns None leads back to the page; a StorageError is shown there.
    """

    view: ActionView
    right: Right


FOLDER_PAGES: dict[str, Page] = {
    "": Page(views_folder.folder, Right.LINK),
    "find": Page(views_search.within, Right.LINK),
    "zip": Page(views_zip.folder, Right.LINK),
    "trash": Page(views_trash.trash, Right.READ),
    "change": Page(views_folder.change, Right.READ),
}
"""By `?show=…` in a folder's address."""

FILE_PAGES: dict[str, Page] = {
    "": Page(views_file.page, Right.LINK),
    "raw": Page(views_file.raw, Right.LINK),
    "rendered": Page(views_file.rendered, Right.LINK),
    "interactive": Page(views_file.interactive, Right.LINK),
    "rendering": Page(views_file.rendering_state, Right.LINK),
    "thumbnail": Page(views_file.thumbnail, Right.LINK),
    "versions": Page(views_versions.versions, Right.READ),
    "version": Page(views_versions.version, Right.READ),
    "old": Page(views_versions.old, Right.READ),
    "compare": Page(views_versions.compare, Right.READ),
    "compared": Page(views_versions.compared, Right.READ),
    "edit": Page(views_edit.edit, Right.WRITE),
}
"""By `?show=…` in a file's address."""

ACTIONS: dict[str, Action] = {
    "zip": Action(views_zip.selection, Right.READ),
    "copy": Action(views_move_copy.copy, Right.READ),  # asks for the right to write where the copy goes
    "upload": Action(views_folder.upload, Right.WRITE),
    "choose": Action(views_folder.choose, Right.WRITE),
    "folder": Action(views_folder.make_folder, Right.WRITE),
    "create": Action(views_folder.create, Right.WRITE),
    "rename": Action(views_folder.rename, Right.WRITE),
    "save": Action(views_edit.save, Right.WRITE),
    "preview": Action(views_edit.preview, Right.WRITE),
    "go-back": Action(views_versions.go_back, Right.WRITE),
    "restore": Action(views_trash.restore, Right.WRITE),
    "undo": Action(views_trash.undo, Right.WRITE),
    "purge": Action(views_trash.purge, Right.WRITE),
    "restore-all": Action(views_trash.restore_all, Right.WRITE),
    "dismiss": Action(views_trash.dismiss, Right.WRITE),
    "delete": Action(views_selection.delete, Right.WRITE),
    "move": Action(views_move_copy.move, Right.WRITE),
}
"""By the field `do` of a form."""

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
                return _act(request, access, path)
        return HttpResponseNotAllowed(["GET", "HEAD", "PUT", "POST"])
    except NotFoundError as error:
        raise Http404(str(error)) from error
    except StorageError as error:
        return render(request, "drive/storage_error.html", {"error": error, "base": access.base}, status=error.status)


def _show(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    with access.files() as files:
        is_folder = files.stat(path).kind == "folder"
    show = request.GET.get("show", "")
    page = (FOLDER_PAGES if is_folder else FILE_PAGES).get(show)
    if page is None:
        raise Http404("No such page.")
    if access.entry is None and page.right != Right.LINK:
        raise SignInRequiredError if access.asks_to_sign_in else Http404("No such page.")
    if is_folder and not request.path.endswith("/"):
        query = request.META.get("QUERY_STRING", "")
        return redirect(f"{access.folder_address(path)}{f'?{query}' if query else ''}")
    if page.right == Right.WRITE:
        access.require_write()
    return page.view(request, access, path)


def _act(request: HttpRequest, access: LibraryAccess, path: str) -> HttpResponse:
    action = ACTIONS.get(request.POST.get("do", ""))
    if action is None or action.right == Right.WRITE:
        access.require_write()
    if action is None:
        raise Http404("No such action.")
    try:
        answer = action.view(request, access, path)
    except StorageError as error:
        if from_script(request):
            return HttpResponse(str(error), status=error.status, content_type="text/plain; charset=utf-8")
        messages.error(request, str(error))
        answer = None
    if answer is None and from_script(request):
        return HttpResponse(status=204)
    return answer or redirect(_back(request, access, path))


def from_script(request: HttpRequest) -> bool:
    """True for a request by one of our scripts, which wants a status instead of another page."""
    return request.headers.get("X-Script") == "1"


def _back(request: HttpRequest, access: LibraryAccess, path: str) -> str:
    """The list as it was: forms send the query of the page that they are on."""
    query = QueryDict(mutable=True)
    for name in PLACE_IN_LIST:
        if request.GET.get(name):
            query[name] = request.GET[name]
    return access.folder_address(path) + (f"?{query.urlencode()}" if query else "")
