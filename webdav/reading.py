"""OPTIONS, GET and HEAD."""

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from drive.storage import open_library
from drive.uploads import transfer
from portal.models import User

from . import clutter
from .live_properties import TYPE
from .paths import Place, resolve

METHODS = "OPTIONS, GET, HEAD, PUT, DELETE, PROPFIND, PROPPATCH, MKCOL, COPY, MOVE, LOCK, UNLOCK"
CAPABILITIES = {"DAV": "1, 2", "MS-Author-Via": "DAV", "Allow": METHODS}
"""Headers of the answer to OPTIONS; Windows asks for them at each level, the site's root included."""
TEXT = "This is a folder for WebDAV programs. See /account/connect/ for how to connect one.\n"


def options() -> HttpResponse:
    """What can be done here; the same everywhere, and nothing about what there is."""
    return HttpResponse(status=200, headers={**CAPABILITIES, "Content-Length": "0"})


def get(request: HttpRequest, user: User, place: Place) -> HttpResponseBase:
    """A file; nginx sends it. For a folder one sentence: the site's own pages are for browsers."""
    if place.library is None or not place.path:
        return HttpResponse(TEXT, content_type="text/plain; charset=utf-8")
    if clutter.is_clutter(place.path):
        content = clutter.find(user, place.library, place.path)
        if content is None:
            raise Http404("Nothing was found at this path.")
        return HttpResponse(content, content_type=TYPE)
    with open_library(place.library) as files:
        place, item = resolve(files, place)
        if item is None:
            raise Http404("Nothing was found at this path.")
        if item.kind == "folder":
            return HttpResponse(TEXT, content_type="text/plain; charset=utf-8")
        return transfer.send(request, place.inside(), files, place.path, place.path)
