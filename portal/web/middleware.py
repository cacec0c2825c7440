"""What every request passes."""

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
"""Seconds after which a request that was turned away may be sent again, where the view says nothing else."""
METHODS = frozenset(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])


class RequestIdMiddleware:
    """Gives every request a number, for its log lines and its answer.

    nginx makes the number; what a browser sends under this name never comes through. The number is kept after the
    answer was made: what Django logs of it, and what a long download does, comes later.
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
    """What says nothing about caches is for one browser alone: no cache between keeps it, and this one asks again."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-cache")
        return response


def known_user(request: HttpRequest) -> int | None:
    """Id of who is signed in, if something has asked for it before; never a question to the database."""
    user = request.__dict__.get("user")
    if user is None or (isinstance(user, SimpleLazyObject) and user.__dict__["_wrapped"] is empty):
        return None
    return user.pk


class MetricsMiddleware:
    """Counts every answer, by the address's name: what a person or a Collab is called is no label."""

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
    """A program can send any word."""
    return request.method if request.method in METHODS else "other"


class SignInRequiredMiddleware:
    """Answers `SignInRequiredError` with the sign-in page, which leads back to the address that was asked for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn the exception into a redirect; a changing request leads back to the page it came from, not to itself."""
        if not isinstance(exception, SignInRequiredError):
            return None
        return redirect_to_login(
            request.get_full_path() if request.method in ("GET", "HEAD") else _page_before(request)
        )


def _page_before(request: HttpRequest) -> str:
    """Path of the page of ours that the form was on; the start page when the browser does not say."""
    referrer = request.headers.get("Referer", "")
    if not url_has_allowed_host_and_scheme(referrer, {request.get_host()}, require_https=request.is_secure()):
        return "/"
    parts = urlsplit(referrer)
    return f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
