"""Middleware: OPTIONS at the site's root."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from . import reading


class SiteRootMiddleware:
    """Answer OPTIONS of `/` as `/dav/` does: Windows asks each level of an address whether it is WebDAV."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "OPTIONS" and request.path == "/":
            return reading.options()
        return self.get_response(request)
