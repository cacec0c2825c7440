"""Opening a notebook that one may only read: as it is, or as a copy of one's own."""

from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from drive.storage import StorageError
from portal.access import person

from . import copies, paths


def choose(request: HttpRequest, location: paths.Location, error: StorageError | None = None) -> HttpResponse:
    """Page that offers a copy or read-only; nothing is started before the person has chosen."""
    asked = _asked(request)
    context = {
        "path": location.path,
        "name": location.inside.rpartition("/")[2],
        "library": location.path.split("/")[1],
        "as_it_is": address(location.path, **{"as": "read-only"}, **asked),
        "asked": asked,
        "earlier": [(path, address(path, **asked)) for path in copies.earlier_copies(person(request), location)],
        "error": error,
    }
    return render(request, "lab/read_only.html", context, status=error.status if error else 200)


@require_POST
def copy(request: HttpRequest) -> HttpResponse:
    """Make a copy in My Library, and open that."""
    try:
        found = paths.find(person(request), paths.drive_path(request.POST.get("path", "")))
    except paths.InvalidLocationError as error:
        return render(request, "lab/invalid_location.html", {"error": error}, status=400)
    if isinstance(found, paths.Missing) or found.library is None or not copies.is_file(found):
        raise Http404("There is no such file.")
    try:
        path = copies.make_copy(person(request), found)
    except StorageError as error:
        return choose(request, found, error)
    return HttpResponseRedirect(address(path, **_asked(request)))


def _asked(request: HttpRequest) -> dict[str, str]:
    """Further parameters of the link."""
    slug = (request.POST if request.method == "POST" else request.GET).get("environment", "")
    return {"environment": slug} if slug else {}


def address(path: str, **more: str) -> str:
    """The link that opens the Lab at a path of the Drive."""
    return f"{reverse('lab:open')}?{urlencode({'path': path, **more})}"
