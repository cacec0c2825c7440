"""Middleware: request ids, metrics, cache headers, redirects to sign-in."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject, empty
from django.utils.http import url_has_allowed_host_and_scheme

from portal.access import SignInRequiredError
from portal.ops import logs, metrics

RETRY_AFTER = {429: "60", 503: "5"}
"""Default `Retry-After` in seconds, by status."""
METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK".split())


class RequestIdMiddleware:
    """Give every request an id, for the log and the response.

    nginx makes the id and overwrites one from a browser. It stays in the log context after the response was made:
    what Django logs of it, and what a long download does, comes later.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        number = given if logs.REQUEST_ID.fullmatch(given) else logs.new_id()
        logs.reset_context(request_id=number, user_id=lambda: known_user(request))
        response = self.get_response(request)
        response["X-Request-ID"] = number
        if response.status_code in RETRY_AFTER:
            response.headers.setdefault("Retry-After", RETRY_AFTER[response.status_code])
        return response


class PrivateCacheMiddleware:
    """Default `Cache-Control`: private, and revalidated by the browser."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


def known_user(request: HttpRequest) -> int | None:
    """Id of the signed-in person if already loaded; never queries the database."""
    user = request.__dict__.get("user")
    if user is None or (isinstance(user, SimpleLazyObject) and user.__dict__["_wrapped"] is empty):
        return None
    return user.pk


class MetricsMiddleware:
    """Count responses by route name, so that names of people and Collabs are not labels."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        labels = {"route": match.view_name if match else "none", "method": _method(request)}
        metrics.REQUEST_SECONDS.observe(time.perf_counter() - began, **labels)
        metrics.REQUESTS.add(**labels, status=str(response.status_code))
        return response


def _method(request: HttpRequest) -> str:
    """Known method, else `other`: a program can send any word."""
    return request.method if request.method in METHODS else "other"


class SignInRequiredMiddleware:
    """Redirect to the sign-in page on `SignInRequiredError`, and back afterwards."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Redirect to sign-in; after a POST back to the page it came from."""
        if not isinstance(exception, SignInRequiredError):
            return None
        return redirect_to_login(request.get_full_path() if request.method in ("GET", "HEAD") else page_before(request))


def page_before(request: HttpRequest) -> str:
    """Path of the page of the form (Referer), if ours; else the start page."""
    referrer = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure()):
        return "/"
    parts = urlsplit(referrer)
    return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
