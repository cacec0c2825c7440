"""How pages travel: compressed, not at all where the browser has this very page, prefetched when a link is pressed."""

import hashlib
import re
from http import HTTPStatus
from typing import TypeGuard

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.templatetags.static import static
from django.utils.cache import get_conditional_response
from django.utils.deprecation import MiddlewareMixin

LEAST_BYTES = 1000
"""Shorter pages fit into one packet as they are."""
SECRETS = ("/account/", "/admin/")
"""Pages below these may show a secret, such as a key of a second factor."""
_TOKEN = re.compile(rb'((?:name="csrfmiddlewaretoken" value|data-token)=")[A-Za-z0-9]{64}"')


class CompressionMiddleware(GZipMiddleware):
    """Compress pages, and nothing else: files are sent by the proxy, and most of them are packed already.

    BREACH: how long a compressed page is tells something of a secret beside words that somebody else chose. So Django
    masks the token of forms anew for each page and makes the length of each answer random by up to 100 bytes; what may
    show another secret (`no-store`, SECRETS) is not compressed; and another site's requests carry no session cookie
    (`SameSite=Lax`) unless they open the page before the person's eyes.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not is_page(response) or request.path.startswith(SECRETS) or len(response.content) < LEAST_BYTES:
            return response
        return super().process_response(request, response)


class UnchangedPageMiddleware(MiddlewareMixin):
    """304 for a page that is, but for the mask of its tokens, the one that the browser has (RFC 9110, section 13).

    The page is made all the same, with all its questions of who may see what: this saves its way and its parsing. The
    tag is made of everything that the person would see, and of the secret behind the tokens: the page that the browser
    has keeps tokens that are valid. Cookies are sent with a 304 too.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        """The response with its tag, or 304."""
        if request.method != "GET" or response.status_code != HTTPStatus.OK or not is_page(response):
            return response
        if not response.has_header("ETag"):
            response.headers["ETag"] = _tag(request, response.content)
        return get_conditional_response(request, etag=response.headers["ETag"], response=response) or response


class PrefetchMiddleware(MiddlewareMixin):
    """Tell the browser to ask for the page of a link that is pressed before it is released (Speculation Rules, WICG).

    `static/js/prefetch.js` marks such links. Browsers that do not know the header do as always.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if is_page(response):
            response.headers["Speculation-Rules"] = f'"{static("speculation/pressed_links.speculationrules")}"'
        return response


def is_page(response: HttpResponseBase) -> TypeGuard[HttpResponse]:
    """True for HTML that we made and a browser may keep; a file that the proxy sends is none."""
    if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
        return False
    if response.has_header("X-Accel-Redirect"):
        return False
    return "no-store" not in response.get("Cache-Control", "").lower()


def _tag(request: HttpRequest, content: bytes) -> str:
    """Weak: of two pages with one tag, the tokens look different."""
    digest = hashlib.blake2b(_TOKEN.sub(rb"\1", content), digest_size=16)
    digest.update(str(request.META.get("CSRF_COOKIE", "")).encode())
    return f'W/"{digest.hexdigest()}"'
