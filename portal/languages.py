"""Languages of pages and mails: which one a request, or a person who gets a mail, has.

A person's own choice, kept with the account, goes before the browser's choice (a cookie, for visitors), and that before
`Accept-Language` (RFC 9110, section 12.5.4). Where none of them names a language that the site offers: the first of
`LANGUAGES`.
"""

from contextlib import AbstractContextManager

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import translation

from .models import User

COOKIE_SECONDS = 365 * 24 * 3600
FOR_PROGRAMS = ("/api/", "/api2/", "/rest/", "/dav", "/seafhttp/", "/healthz", "/readyz", "/metrics")
"""Addresses whose answers programs read: always English."""
ENGLISH = (*FOR_PROGRAMS, "/admin/")
WITHOUT_PERSON = ("/_gateway/", "/identity/o/api/")
"""Asked by the proxy and by services all the time: nobody's row is read for them."""


def of_person(user: User | None) -> str:
    """Language of mails and messages to a person: the own choice, else the site's first."""
    return (user and offered(user.language)) or settings.LANGUAGE_CODE


def speaking_to(user: User | None) -> AbstractContextManager[None]:
    """Context in which translated sentences come out in this person's language."""
    return translation.override(of_person(user))


def of_request(request: HttpRequest) -> str:
    """Language of the answer to a request. Reads the signed-in person's row, as each page does anyway."""
    if request.path.startswith(ENGLISH):
        return "en"
    return _of_account(request) or of_browser(request)


def _of_account(request: HttpRequest) -> str:
    """The signed-in person's own choice; "" for none, and while the database is away: pages that need none go on."""
    if settings.SESSION_COOKIE_NAME not in request.COOKIES or request.path.startswith(WITHOUT_PERSON):
        return ""
    try:
        return offered(getattr(request.user, "language", ""))
    except DatabaseError:
        return ""


def of_browser(request: HttpRequest) -> str:
    """Language by the browser's cookie, else by `Accept-Language`, else the site's first."""
    return translation.get_language_from_request(request)


def offered(language: str) -> str:
    """The language, if the site offers it; else ""."""
    return language if language in dict(settings.LANGUAGES) else ""


def remember(response: HttpResponse, language: str) -> None:
    """Keep the choice in the browser; "" forgets it. Pages that were prefetched in another language are dropped."""
    name = settings.LANGUAGE_COOKIE_NAME
    if language:
        response.set_cookie(
            name, language, COOKIE_SECONDS, secure=settings.HTTPS, httponly=True, samesite="Lax", path="/"
        )
    else:
        response.delete_cookie(name, samesite="Lax")
    response.headers["Clear-Site-Data"] = '"prefetchCache", "prerenderCache"'
