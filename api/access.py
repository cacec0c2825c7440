"""Who asks, by token or by cookie, and whether they may do this kind of thing.

`ApiMiddleware` reads the Authorization header before anything else. A request with one is the token's person's, or
nobody's: a cookie that is sent along counts for nothing. A request without one is the session's person's, and then what
changes something needs the CSRF token, as a form does.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from lab.servers import api_tokens
from portal.access import ForbiddenError
from portal.digest import digest
from portal.models import User
from portal.web import rate_limits

from . import services
from .models import Scope, Token

GUESSES = 60
"""So many tokens that never were may be tried from one network address in GUESS_SECONDS."""
GUESS_SECONDS = 600
CHANGING = ("POST", "PUT", "PATCH", "DELETE")

_OF_LAB = re.compile(rf"\Abearer +({api_tokens.PREFIX}[0-9A-Za-z_:-]+)\Z", re.IGNORECASE)
_BEARER = re.compile(rf"\Abearer +({services.PREFIX}[0-9A-Za-z]{{{services.LETTERS}}})\Z", re.IGNORECASE)
MINUTE, HOUR, DAY = 60, 3600, 86400


class AuthenticationError(Exception):
    """Nobody, or not who they say (401)."""


class RateLimitError(Exception):
    """Too often in a short time (429): to be tried again after `seconds`."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class LabToken:
    """The token of a person's Lab (lab/servers/api_tokens.py): it can do no lasting harm to Collabs and groups."""

    user: User
    scope_names = [Scope.READ.value, Scope.WRITE.value, Scope.SHARE.value]

    def allows(self, scope: Scope) -> bool:
        """Whether a program with it may do this kind of thing."""
        return scope.value in self.scope_names


@dataclass(frozen=True)
class Credentials:
    """What came in the Authorization header: a token, or why it is none."""

    token: Token | LabToken | None = None
    refusal: Exception | None = None


def read_header(request: HttpRequest) -> Credentials | None:
    """The credentials in the request's header; None for a request without."""
    given = request.headers.get("Authorization", "").strip()
    if not given:
        return None
    if of_lab := _OF_LAB.match(given):  # signed, and so nothing that could be guessed
        return _check_lab(of_lab[1])
    match = _BEARER.match(given)
    if not match:
        return Credentials(refusal=AuthenticationError("Send “Authorization: Bearer ” and a personal access token."))
    where = rate_limits.address(request)
    if rate_limits.used("token", where, GUESS_SECONDS) >= GUESSES:
        said = "Too many wrong tokens came from this network. Please wait ten minutes."
        return Credentials(refusal=RateLimitError(said, GUESS_SECONDS))
    token = Token.objects.select_related("user").filter(digest=digest(match[1])).first()
    if token is None:  # one that has ended is no guess: an old script must not shut out its whole institute
        rate_limits.allowed("token", where, GUESSES, GUESS_SECONDS)
        return Credentials(refusal=AuthenticationError("This token is not known here."))
    return _check(token)


def _check_lab(token: str) -> Credentials:
    server = api_tokens.server_of(token)
    if server is None:
        return Credentials(
            refusal=AuthenticationError("This token's Lab has ended, or the token is too old: read it anew.")
        )
    return Credentials(LabToken(server.owner))


def _check(token: Token) -> Credentials:
    if token.revoked_at or not token.user.is_active:
        return Credentials(refusal=AuthenticationError("This token was revoked."))
    if token.is_expired:
        return Credentials(refusal=AuthenticationError("This token has expired. Make a new one at /account/tokens/."))
    services.note_use(token)
    return Credentials(token)


def credentials(request: HttpRequest) -> Credentials | None:
    """As the middleware found them; None where there is no Authorization header."""
    return getattr(request, "api_credentials", None)


class PersonalToken(AuthBase):
    """A personal access token with the scope that an operation needs."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "A personal access token, made at /account/tokens/."

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        super().__init__()

    def __call__(self, request: HttpRequest) -> Any:
        given = credentials(request)
        if given is None:
            return None
        if given.refusal:
            raise given.refusal
        assert given.token
        if not given.token.allows(self.scope):
            raise ForbiddenError(f"This needs a token with the scope “{self.scope.value}”.")
        return given.token.user


class SessionCookie(AuthBase):
    """The cookie of somebody who is signed in, with the CSRF token where something changes."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_description = "The site's own pages: a session, and “X-CSRFToken” for what changes something."

    def __init__(self, name: str) -> None:
        self.openapi_name = name
        super().__init__()

    def __call__(self, request: HttpRequest) -> Any:
        if credentials(request) is not None or not request.user.is_authenticated:
            return None
        if request.method in CHANGING and check_csrf(request):
            raise ForbiddenError("With a cookie, this needs the CSRF token in “X-CSRFToken”. Programs use a token.")
        return request.user


def anybody(request: HttpRequest) -> bool:
    """For operations that public Collabs give to people without an account; after the two above."""
    return credentials(request) is None
