"""What the proxy wrote of a request's body is removed with the request, unless it has become a file of the Drive, and
the room that the body was promised is given back."""

from collections.abc import Callable
from contextlib import suppress

from django.http import HttpRequest, HttpResponse

from drive.storage import StorageError, promises
from portal.ops import logs

from .transfer import body_file

BODIES = ("PUT", "PATCH", "POST")
QUESTIONS = "/_gateway/"
"""Where the proxy asks before it reads the body: the request is still to come."""


class BodyFileMiddleware:
    """Remove the file of a request's body: nginx leaves that to the portal for pieces of resumable uploads."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.get_response(request)
        finally:
            if request.method in BODIES and not request.path_info.startswith(QUESTIONS):
                promises.end(logs.request_id(), promises.BODY)
            with suppress(StorageError, IsADirectoryError):  # a name that is none of the proxy's
                if path := body_file(request):
                    path.unlink(missing_ok=True)
