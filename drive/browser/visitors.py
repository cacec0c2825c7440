"""Answers to visitors without an account, where a Collab lets them read its files: counted, and kept by nobody."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from portal.web import rate_limits
from portal.web.views_errors import too_many

REQUESTS = 1200
"""Pages and files a minute for one network address: a class of sixty has one, and a page many pictures."""
COSTLY = {"zip": 20, "find": 60}
"""Of these, by `?show=…`, so many: each goes through a whole folder."""
SECONDS = 60
HEADERS = {"X-Robots-Tag": "noindex, nofollow, noarchive", "Cache-Control": "private, no-cache"}
"""No search engine keeps what may be taken back, no cache between hands it to others, no browser shows it unasked."""


def answer(request: HttpRequest, show: Callable[[], HttpResponse]) -> HttpResponse:
    """What `show` answers a visitor, within their address's limits; 429 beyond them."""
    response = show() if _allowed(request) else too_many(request)
    for name, value in HEADERS.items():
        response.setdefault(name, value)
    patch_vary_headers(response, ["Cookie"])
    return response


def _allowed(request: HttpRequest) -> bool:
    whose, asked = rate_limits.address(request), request.GET.get("show", "")
    most = {"": REQUESTS} | ({asked: COSTLY[asked]} if asked in COSTLY else {})
    return all(rate_limits.allowed(f"visitor-{kind}", whose, limit, SECONDS) for kind, limit in most.items())
