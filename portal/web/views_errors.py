"""Error pages, with the id of the request in the log.

400, 500 and 503 come from places where nothing can be relied on, the database least of all: their pages have no context
processors, and the same header for everybody.
"""

import sys

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import get_language

from portal.ops import logs


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: malformed request."""
    return plain("400.html", 400)


def too_many(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """429: rate limit of ours or allauth's exceeded."""
    return render(request, "429.html", status=429)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: missing or wrong CSRF token, e.g. an expired form. The log has the reason."""
    return render(request, "403_csrf.html", status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 if the database cannot be reached; Django calls this while handling the exception."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    return plain("503.html", 503) if away else plain("500.html", 500)


def plain(template: str, status: int) -> HttpResponse:
    """Page that needs nothing but its template."""
    context = {"request_id": logs.request_id(), "site_name": settings.SITE_NAME, "language": get_language()}
    return HttpResponse(render_to_string(template, context), status=status)
