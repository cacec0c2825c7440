"""Redirects from addresses of the EBRAINS Lab and Drive, and of any JupyterHub, to our own pages, whatever they hold.

Nothing is looked up and nobody is asked who they are: the page that an address leads to does that. They are temporary
redirects (302): a browser keeps a permanent one for ever, also one that turns out to be wrong.
"""

from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET

from . import jupyter_addresses
from .jupyter_addresses import GIT_LINKS

FORWARDED = ("/hub", "/user/", "/user-redirect/", "/lab", "/tree/", "/notebooks/", "/git-pull", "/git-sync")
"""How addresses begin to which `next` may lead."""


@require_GET
def hub(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Pages of a JupyterHub itself: on to what they would lead to."""
    page, _, below = rest.partition("/")
    if page == "api":
        raise Http404("There is no JupyterHub here; the API of this site is at /api/.")
    if page == "user-redirect":
        return _place(request, below)
    if page == "user":
        return _place(request, below.partition("/")[2])
    return HttpResponseRedirect(_next(request) or reverse("lab:home"))


def _next(request: HttpRequest) -> str:
    """Address on this site that `next` asks for, if it is one of those that are known here; "" otherwise."""
    address = request.GET.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(address, allowed_hosts=None) and address.startswith("/")
    return address if is_ours and address.startswith(FORWARDED) else ""


@require_GET
def my_server(request: HttpRequest, rest: str = "") -> HttpResponse:
    """`/user-redirect/lab/tree/…`: a place in the Lab of whoever follows the link."""
    return _place(request, rest)


@require_GET
def users_server(request: HttpRequest, username: str, rest: str = "") -> HttpResponse:
    """`/user/<name>/lab/tree/…`: copied from somebody's address bar, and meant for others in theirs."""
    return _place(request, rest)


@require_GET
def jupyterlab(request: HttpRequest, rest: str = "") -> HttpResponse:
    """`/lab/tree/…`, `/tree/…`, `/notebooks/…`: addresses of JupyterLab and of the Notebook without a name before."""
    return _place(request, request.path_info.lstrip("/"))


@require_GET
def git_pull(request: HttpRequest) -> HttpResponse:
    """A link of nbgitpuller without a Hub before it."""
    return _git_pull(request, "git-pull")


@require_GET
def own_git_link(request: HttpRequest) -> HttpResponse:
    """Our own git link with a slash too many."""
    return HttpResponseRedirect(f"{reverse('lab:git_pull')}?{request.GET.urlencode()}")


def _place(request: HttpRequest, rest: str) -> HttpResponse:
    """On to what an address of a Jupyter server shows; `rest` begins after the server's own part."""
    link = jupyter_addresses.git_link(rest)
    if link:
        return _git_pull(request, link)
    path = jupyter_addresses.drive_path(rest)
    query = f"?{urlencode({'path': path})}" if path else ""
    return HttpResponseRedirect(reverse("lab:open") + query)


def _git_pull(request: HttpRequest, kind: str) -> HttpResponse:
    """The page that asks whether to fetch a repository, filled in."""
    wanted = GIT_LINKS[kind]({name.lower(): str(value) for name, value in request.GET.items()})
    query = urlencode({name: value for name, value in wanted.items() if value})
    return HttpResponseRedirect(f"{reverse('lab:git_pull')}?{query}")


@require_GET
def library(request: HttpRequest, library_id: UUID, name: str = "", rest: str = "") -> HttpResponse:
    """A library or file of the Drive by the library's number, where it has kept it."""
    if rest.strip("/"):
        return HttpResponseRedirect(reverse("drive:path", args=[library_id, rest.lstrip("/")]))
    return HttpResponseRedirect(reverse("drive:library", args=[library_id]))
