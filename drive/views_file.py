"""One file."""

from django.http import HttpRequest, HttpResponse

from . import transfer
from .doors import Door


def raw(request: HttpRequest, door: Door, path: str) -> HttpResponse:
    """The file's bytes, as a download."""
    with door.files() as files:
        return transfer.send(request, door.library, files, path, door.inside(path))
