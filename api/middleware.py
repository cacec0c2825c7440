"""Middleware of both APIs: authentication by the Authorization header, and errors of Django itself as JSON."""

import logging
from collections.abc import Callable
from http import HTTPStatus

from django.contrib.auth.models import AnonymousUser
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control, patch_vary_headers

from drive.uploads import admission

from .access import Credentials, challenge, read_header
from .errors import default_message, ebrains_problem, problem
from .models import Scope

log = logging.getLogger(__name__)

SHAPES = {"/api/": problem, "/rest/": ebrains_problem}
SEAFILE = "/api/v2.1/"
"""Seafile's Web API, which reads tokens itself and has errors of another shape."""
ASKED_BY_PROXY = "/_gateway/upload"
ROOTS = frozenset({"/api/", "/api/v1/", "/rest/", "/rest/v1/"})
FIRST_ERROR = 400


class ApiMiddleware:
    """Set `request.user` to the token's person. Pages ignore tokens."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == ASKED_BY_PROXY:
            return self._asked_by_proxy(request)
        if request.path.startswith(SEAFILE):
            return self.get_response(request)
        shape = next((shape for prefix, shape in SHAPES.items() if request.path.startswith(prefix)), None)
        if shape is None:
            return self.get_response(request)
        _without_slash_at_end(request)
        response = self._answer(request, shape)
        if request.method == "OPTIONS" and response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = sorted([*response["Allow"].split(", "), "OPTIONS"])
            response = HttpResponse(status=204, headers={"Allow": ", ".join(allowed)})
        if response.status_code >= FIRST_ERROR and "json" not in response.get("Content-Type", ""):
            response = _in_shape(shape, response)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            response["WWW-Authenticate"] = challenge(request)
        _without_body(request, response)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, private=True, no_store=True)
        patch_vary_headers(response, ["Authorization"])
        return response

    def _answer(self, request: HttpRequest, shape: Callable[..., HttpResponse]) -> HttpResponse:
        try:
            _identify(request)
        except (OperationalError, InterfaceError):
            log.exception("the database cannot be read to check a token")
            return shape(503, "The site cannot reach its database at the moment.")
        return self.get_response(request)

    def _asked_by_proxy(self, request: HttpRequest) -> HttpResponse:
        """Answer nginx, before it reads the body of an upload: by the token's sender, and refusals in JSON."""
        if not request.headers.get("X-Original-URI", "").startswith("/api/"):
            return self.get_response(request)
        given = _identify(request)
        if given and given.token and not given.token.allows(Scope.WRITE):
            response = admission.refusal(403, f"This requires a token with the scope “{Scope.WRITE.value}”.")
        else:
            response = self.get_response(request)
        if given and given.refusal:
            response["X-Challenge"] = challenge(request)  # nginx takes the answer to the upload for its own
        if refused := admission.said(response):
            return admission.refusal(refused[0], problem(*refused).content.decode())
        return response


def _identify(request: HttpRequest) -> Credentials | None:
    given = read_header(request)
    if given is not None:
        request.api_credentials = given  # type: ignore[attr-defined]
        request.user = given.token.user if given.token else AnonymousUser()
    return given


def _without_slash_at_end(request: HttpRequest) -> None:
    """Serve an address with a slash at its end as that without: a redirect would lose the body of a POST."""
    if request.path.endswith("/") and request.path not in ROOTS:
        request.path, request.path_info = request.path.rstrip("/"), request.path_info.rstrip("/")


def _without_body(request: HttpRequest, response: HttpResponse) -> None:
    """Leave out the body of an answer to HEAD, and a type of content where there is none."""
    if request.method == "HEAD" and not response.streaming:
        response.setdefault("Content-Length", str(len(response.content)))
        response.content = b""
    if response.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        del response["Content-Type"]


def _in_shape(shape: Callable[..., HttpResponse], response: HttpResponse) -> HttpResponse:
    """An error page of Django's, such as a 404 for an unknown address, as JSON."""
    said = shape(response.status_code, default_message(response.status_code))
    if response.has_header("Allow"):
        said["Allow"] = ", ".join(sorted(response["Allow"].split(", ")))
    # Not `response.close()`: that says the request is over, and the connection to the database is closed under it.
    said._resource_closers += response._resource_closers  # type: ignore[attr-defined]
    return said
