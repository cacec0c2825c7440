"""Authentication of the API: personal access token, token of a Lab, or session cookie; scopes.

`ApiMiddleware` reads the Authorization header before anything else. A request with one is the token's person's, or
nobody's: a cookie that is sent along is ignored. A request without one is the session's person's; one that changes
something then needs the CSRF token, as a form does.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from lab.models import Server
from lab.servers import api_tokens
from portal.access import ForbiddenError
from portal.digest import digest
from portal.models import User
from portal.web import rate_limits

from . import services
from .models import Scope, Token

GUESSES = 60
"""Unknown tokens that one network address may try in GUESS_SECONDS."""
GUESS_SECONDS = 600
CHANGING = ("POST", "PUT", "PATCH", "DELETE")

_OF_LAB = re.compile(rf"\Abearer +({api_tokens.PREFIX}[0-9A-Za-z_:-]+)\Z", re.IGNORECASE)
_BEARER = re.compile(rf"\Abearer +({services.PREFIX}[0-9A-Za-z]{{{services.LETTERS}}})\Z", re.IGNORECASE)
MINUTE, HOUR, DAY = 60, 3600, 86400


class AuthenticationError(Exception):
    """No credentials, or invalid ones (401)."""


class RateLimitError(Exception):
    """Rate limit exceeded (429); try again after `seconds`."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class LabToken:
    """Token of a person's running Lab (lab/servers/api_tokens.py), without the scope to manage Collabs and groups."""

    server: Server
    scope_names = [Scope.READ.value, Scope.WRITE.value, Scope.SHARE.value]

    @property
    def user(self) -> User:
        """The Lab's person."""
        return self.server.owner

    def allows(self, scope: Scope) -> bool:
        """True if the token includes this scope."""
        return scope.value in self.scope_names


@dataclass(frozen=True)
class Credentials:
    """Parsed Authorization header: a token, or the error to answer with."""

    token: Token | LabToken | None = None
    refusal: Exception | None = None


def read_header(request: HttpRequest) -> Credentials | None:
    """Parse and check the Authorization header; None for a request without one."""
    given = request.headers.get("Authorization", "").strip()
    if not given:
        return None
    if of_lab := _OF_LAB.match(given):  # signed, and so nothing that could be guessed
        return _check_lab(of_lab[1])
    match = _BEARER.match(given)
    if not match:
        return Credentials(
            refusal=AuthenticationError(
                "Invalid Authorization header. Send “Authorization: Bearer …” with a personal access token."
            )
        )
    where = rate_limits.address(request)
    if rate_limits.used("token", where, GUESS_SECONDS) >= GUESSES:
        said = "Too many invalid tokens from this network. Try again in ten minutes."
        return Credentials(refusal=RateLimitError(said, GUESS_SECONDS))
    token = Token.objects.select_related("user").filter(digest=digest(match[1])).first()
    if token is None:  # one that has ended is no guess: an old script must not shut out its whole institute
        rate_limits.allowed("token", where, GUESSES, GUESS_SECONDS)
        return Credentials(refusal=AuthenticationError("Unknown token."))
    return _check(token)


def _check_lab(token: str) -> Credentials:
    server = api_tokens.server_of(token)
    if server is None:
        return Credentials(
            refusal=AuthenticationError("This token's Lab has ended, or the token has expired. Read the token again.")
        )
    return Credentials(LabToken(server))


def _check(token: Token) -> Credentials:
    if token.revoked_at or not token.user.is_active:
        return Credentials(refusal=AuthenticationError("This token was revoked."))
    if token.is_expired:
        return Credentials(refusal=AuthenticationError("This token has expired. Create a new one at /account/tokens/."))
    services.note_use(token)
    return Credentials(token)


def credentials(request: HttpRequest) -> Credentials | None:
    """Credentials that the middleware found; None where there is no Authorization header."""
    return getattr(request, "api_credentials", None)


def lab_server(request: HttpRequest) -> Server:
    """The running Lab that asks, by its own token; ForbiddenError for every other kind of credentials."""
    given = credentials(request)
    if given is None or not isinstance(given.token, LabToken):
        raise ForbiddenError("Only a running Lab may do this, with its own token.")
    return given.token.server


class PersonalToken(AuthBase):
    """Authentication by a personal access token with the scope that an operation needs."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = "Personal access token, created at /account/tokens/."

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
            raise ForbiddenError(f"This requires a token with the scope “{self.scope.value}”.")
        return given.token.user


class SessionCookie(AuthBase):
    """Authentication by the session cookie, with the CSRF token where something changes."""

    openapi_type = "apiKey"
    openapi_in = "cookie"
    openapi_description = (
        "Session cookie of the site's own pages, with “X-CSRFToken” for requests that change something."
    )

    def __init__(self, name: str) -> None:
        self.openapi_name = name
        super().__init__()

    def __call__(self, request: HttpRequest) -> Any:
        if credentials(request) is not None or not request.user.is_authenticated:
            return None
        if request.method in CHANGING and check_csrf(request):
            raise ForbiddenError(
                "Requests with a cookie need the CSRF token in “X-CSRFToken”. Programs should use an access token."
            )
        return request.user


def anybody(request: HttpRequest) -> bool:
    """Anonymous access, for operations on public Collabs; tried after the two above."""
    return credentials(request) is None
