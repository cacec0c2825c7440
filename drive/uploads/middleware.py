"""What the proxy wrote of a request's body is removed with the request, unless it has become a file of the Drive."""

from collections.abc import Callable
from contextlib import suppress

from django.http import HttpRequest, HttpResponse

from drive.storage import StorageError

from .transfer import body_file


class BodyFileMiddleware:
    """Remove the file of a request's body: nginx leaves that to the portal for pieces of resumable uploads."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            return self.get_response(request)
        finally:
            with suppress(StorageError, IsADirectoryError):  # a name that is none of the proxy's
                if path := body_file(request):
                    path.unlink(missing_ok=True)
