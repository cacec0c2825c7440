"""The page that a browser with too many cookies gets (deploy/nginx.cookies.conf.template), and which clears them.

A script in one Lab can set cookies for the domain above all Labs, as many as a browser keeps, and then no Lab's server
takes that browser's requests. This page has the browser forget all cookies of that domain: by `Clear-Site-Data` (W3C),
which counts over https and at localhost; elsewhere by setting each that is known again, in the past.
"""

from http.cookies import CookieError
from urllib.parse import urlsplit

from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from lab.locations import paths

from . import passes
from .views import PORTAL_STYLES

TOO_LARGE = 431
"""Request Header Fields Too Large (RFC 6585)."""
MOST_BYTES = 20_000
"""Of names; nginx takes 32 kB of headers from us. The next visit clears more."""


@require_GET
@never_cache
@csp_update({"style-src": PORTAL_STYLES})
def clear_cookies(request: HttpRequest) -> HttpResponse:
    """Have the browser forget its cookies, passes too: whoever is signed in on the portal is let in anew."""
    place = paths.local_address(request.headers.get("X-Original-URI", "/"))
    host = urlsplit(f"//{settings.LAB_DOMAIN}").hostname or ""
    response = render(request, "lab/too_many_cookies.html", {"place": place, "lab_host": host}, status=TOO_LARGE)
    response["Clear-Site-Data"] = '"cookies"'
    if passes.username_of(request):
        _expire(response, list(request.COOKIES), host)
    return response


def _expire(response: HttpResponse, names: list[str], host: str) -> None:
    """Expire cookies that were set for the whole domain and every path; others cannot be told from their names."""
    left = MOST_BYTES
    for name in names:
        left -= len(name) + len(host) + 100
        if left < 0:
            return
        try:
            response.delete_cookie(name, path="/", domain=host)
        except CookieError:  # browsers take names that HTTP does not allow
            continue
