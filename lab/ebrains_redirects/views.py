"""Redirects from addresses of the EBRAINS Lab and Drive to our own pages, whatever they hold.

Nothing is looked up and nobody is asked who they are: the page that an address leads to does that.
"""

from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.urls import reverse
from django.views.decorators.http import require_GET

from drive.folders import Folder
from lab.locations import paths

TREES = ("lab/tree/", "lab/workspaces/auto/tree/", "tree/", "notebooks/", "edit/", "doc/tree/")
"""What stands before a path of the home in an address of JupyterLab, or of the notebook that came before it."""
ROOTS = {"drive/": "", "shared/": f"{Folder.GROUPS}/"}
"""What was in the home: the four folders, and the Collabs' libraries once more."""


@require_GET
def lab(request: HttpRequest) -> HttpResponse:
    """Pages of the EBRAINS JupyterHub itself."""
    return HttpResponsePermanentRedirect(reverse("lab:home"))


@require_GET
def user_redirect(request: HttpRequest, rest: str) -> HttpResponse:
    """`/hub/user-redirect/lab/tree/…`: a place in the Lab of whoever follows the link."""
    if rest == "git-pull":
        return git_pull(request)
    path = drive_path(rest)
    query = f"?{urlencode({'path': path})}" if path else ""
    return HttpResponsePermanentRedirect(reverse("lab:open") + query)


def git_pull(request: HttpRequest) -> HttpResponse:
    """A link of nbgitpuller (its documentation, "URL options"): the page that asks."""
    given = {name.lower(): str(value) for name, value in request.GET.items()}
    shown = given.get("urlpath", "").partition("?")[0]
    tree = next((tree for tree in TREES if shown.startswith(tree)), "")
    wanted = {
        "repo": given.get("repo", ""),
        "branch": given.get("branch", ""),
        "folder": given.get("targetpath", "").rstrip("/").rpartition("/")[2],
        "path": shown[len(tree) :].partition("/")[2] if tree else given.get("subpath", ""),
    }
    query = urlencode({name: value for name, value in wanted.items() if value})
    return HttpResponsePermanentRedirect(f"{reverse('lab:git_pull')}?{query}")


@require_GET
def users_own(request: HttpRequest, username: str, rest: str) -> HttpResponse:
    """`/user/<name>/lab/tree/…`: copied from somebody's address bar, and meant for others in theirs."""
    return user_redirect(request, rest)


@require_GET
def library(request: HttpRequest, library_id: UUID, name: str = "", rest: str = "") -> HttpResponse:
    """A library or file of the Drive by the library's number, where it has kept it."""
    if rest.strip("/"):
        return HttpResponsePermanentRedirect(reverse("drive:path", args=[library_id, rest.lstrip("/")]))
    return HttpResponsePermanentRedirect(reverse("drive:library", args=[library_id]))


def drive_path(rest: str) -> str:
    """The path in `~/drive` that the rest of an old address names; "" for the Lab itself, and for what is no place."""
    tree = next((tree for tree in TREES if rest.startswith(tree)), "")
    root = next((root for root in ROOTS if rest[len(tree) :].startswith(root)), "")
    if not tree or not root:
        return ""
    try:
        return paths.drive_path(ROOTS[root] + rest[len(tree) + len(root) :])
    except paths.InvalidLocationError:
        return ""
