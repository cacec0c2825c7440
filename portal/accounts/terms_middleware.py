"""Middleware that asks signed-in people to accept new terms of use before they go on."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext

from portal import languages
from portal.web.middleware import page_before

from . import terms

OPEN = (
    *("/terms/", "/imprint/", "/privacy/", "/institution/", "/language/", "/docs/", "/_gateway/"),
    *("/account/logout/", "/account/delete/", "/account/export/", "/account/reauthenticate/", "/account/2fa/reauth"),
    *("/dav", "/api2/", "/seafhttp/", "/healthz", "/readyz", "/metrics"),
)
"""What nobody has to accept terms for: to read them, to leave, and what the proxy and programs ask for."""


class TermsMiddleware:
    """Lead people to the page of the terms. Who has a token goes on, and so does a Lab that runs.

    A program does not stop at night because of a new text; a Lab is started on a page, which waits.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self._asked(request) if _has_to_accept(request) else self.get_response(request)

    def _asked(self, request: HttpRequest) -> HttpResponse:
        address = f"{reverse('accept_terms')}?{urlencode({'next': _page(request)})}"
        if request.headers.get("HX-Request"):
            return HttpResponse(status=204, headers={"HX-Redirect": address})
        is_page = request.headers.get("Sec-Fetch-Dest", "document") == "document"
        if is_page and not request.path.startswith(languages.FOR_PROGRAMS):
            return redirect(address)
        said = gettext("Accept the new terms of use on a page of this site first.")
        return HttpResponse(said, status=403, content_type="text/plain; charset=utf-8")


def _has_to_accept(request: HttpRequest) -> bool:
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or request.path.startswith(OPEN):
        return False
    if hasattr(request, "api_credentials") or not terms.exist():  # a token's; and nobody's row is read without terms
        return False
    return request.user.is_authenticated and terms.must_accept(request.user)


def _page(request: HttpRequest) -> str:
    """Where to go on: the page that was asked for, or the one that a form or a script is on."""
    asked = request.method in ("GET", "HEAD") and not request.headers.get("HX-Request")
    return request.get_full_path() if asked else page_before(request)
