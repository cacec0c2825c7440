"""The address `/dav/` with all methods, and the proxy's question before it takes a body."""

import logging
import re
from collections.abc import Callable

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET

from api.access import Asker, AuthenticationError, RateLimitError
from api.models import Scope
from drive.storage import StorageError

from . import access, listing, paths, reading, uploads, writing, xml_bodies
from .errors import DavError, LockedError
from .uploads import Change

log = logging.getLogger(__name__)

RETRY_SECONDS = 5
_NOT_IN_HEADER = re.compile("[^ -~]")
REALM = 'Basic realm="WebDAV", charset="UTF-8"'
EXPECTED = (
    DavError,
    StorageError,
    Http404,
    PermissionDenied,
    AuthenticationError,
    RateLimitError,
    UnreadablePostError,
    OperationalError,
    InterfaceError,
)


@csrf_exempt  # it believes a token, and no cookie
def dav(request: HttpRequest, path: str = "") -> HttpResponseBase:
    """WebDAV. `path` is read once more, as bytes: names on disk need not be UTF-8."""
    if request.method == "OPTIONS":
        return reading.options()
    try:
        return _answer(request)
    except EXPECTED as error:
        return _refusal(error)


def _answer(request: HttpRequest) -> HttpResponseBase:
    asker, path = access.identify(request), paths.asked(request)
    method = request.method or ""
    if method in _READING:
        asker.require(Scope.READ)
        return _READING[method](request, asker, path)
    if method == "MKCOL":
        return writing.make_collection(Change(request, asker), path)
    if method not in _CHANGING:
        raise DavError(405, "This method is not supported here.")
    return _CHANGING[method](Change(request, asker), paths.find(asker.user, path))


def _propfind(request: HttpRequest, asker: Asker, path: str) -> HttpResponseBase:
    return listing.propfind(request, asker.user, paths.find(asker.user, path))


def _get(request: HttpRequest, asker: Asker, path: str) -> HttpResponseBase:
    return reading.get(request, asker.user, paths.find(asker.user, path))


_READING: dict[str, Callable[[HttpRequest, Asker, str], HttpResponseBase]] = {
    "PROPFIND": _propfind,
    "GET": _get,
    "HEAD": _get,
}
_CHANGING: dict[str, Callable[[Change, paths.Place], HttpResponse]] = {
    "PUT": uploads.put,
    "DELETE": writing.delete,
    "COPY": writing.copy,
    "MOVE": writing.move,
    "PROPPATCH": writing.patch_properties,
    "LOCK": writing.lock,
    "UNLOCK": writing.unlock,
}


@never_cache
@require_GET
def may_upload(request: HttpRequest) -> HttpResponse:
    """The proxy's question before it reads the body of a PUT: 204, or 403 with the real answer in headers."""
    length = request.headers.get("X-Original-Length", "")
    try:
        asker, path = access.identify(request), paths.asked_by_proxy(request)
        place = paths.find(asker.user, path)
        uploads.may_upload(Change(request, asker), place, int(length) if length.isdigit() else None)
    except EXPECTED as error:
        status, message = _described(error)
        headers = {"X-Dav-Status": str(status), "X-Dav-Said": _NOT_IN_HEADER.sub("?", message)}
        return HttpResponse(status=403, headers=headers)
    return HttpResponse(status=204)


def _described(error: Exception) -> tuple[int, str]:
    """Status and message of an exception that is expected."""
    match error:
        case DavError() | StorageError():
            return error.status, str(error)
        case Http404():
            return 404, str(error) or "Nothing was found at this path."
        case PermissionDenied():
            return 403, str(error) or "You do not have permission to do this."
        case AuthenticationError():
            return 401, str(error) or access.SIGN_IN
        case RateLimitError():
            return 429, str(error)
        case UnreadablePostError():
            return 400, "The request was interrupted."
    log.exception("the database cannot be read", exc_info=error)
    return 503, "The site cannot reach its database at the moment."


def _refusal(error: Exception) -> HttpResponse:
    status, message = _described(error)
    condition = error.condition if isinstance(error, DavError) else ""
    href = error.href if isinstance(error, LockedError) else ""
    body = xml_bodies.error_body(message, condition, href)
    response = HttpResponse(body, status=status, content_type=xml_bodies.CONTENT_TYPE)
    match status:
        case 401:
            response["WWW-Authenticate"] = REALM
        case 405:
            response["Allow"] = reading.METHODS
        case 503:
            response["Retry-After"] = str(RETRY_SECONDS)
    if isinstance(error, RateLimitError):
        response["Retry-After"] = str(error.seconds)
    return response
