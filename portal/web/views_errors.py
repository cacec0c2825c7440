"""What went wrong, on a page with the number under which the log tells more.

400, 500 and 503 come from places where nothing can be relied on, the database least of all: their pages have no context
processors, and the same header for everybody.
"""

import sys

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from portal.ops import logs


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: not what a browser sends by itself."""
    return plain("400.html", 400)


def too_many(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """429, for allauth's rate limits and ours."""
    return render(request, "429.html", status=429)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form is not from a page of ours, or from one of another session. Why exactly is in the log."""
    return render(request, "403_csrf.html", status=403)


def server_error(request: HttpRequest) -> HttpResponse:
    """500, or 503 while the database cannot be reached: Django calls this where the exception is at hand."""
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    return plain("503.html", 503) if away else plain("500.html", 500)


def plain(template: str, status: int) -> HttpResponse:
    """A page that needs nothing but its template."""
    context = {"request_id": logs.request_id(), "site_name": settings.SITE_NAME}
    return HttpResponse(render_to_string(template, context), status=status)
