"""Authentication of programs: tokens (personal, of a Lab, of OpenID Connect) or, API only, session cookie; scopes.

`ApiMiddleware` reads the Authorization header before anything else. A request with one is the token's person's, or
nobody's: a cookie that is sent along is ignored. A request without one is the session's person's; one that changes
something then needs the CSRF token, as a form does.
"""

import binascii
import re
from base64 import b64decode
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from identity import access_tokens
from lab.models import Server
from lab.servers import api_tokens
from portal.access import ForbiddenError
from portal.digest import digest
from portal.models import User
from portal.web import rate_limits

from . import services
from .models import Scope, Token

GUESSES = 10
"""Unknown tokens with the same first characters that one network address may try in GUESS_SECONDS. Not counted by
address alone: one old script must not shut out an institute behind one address."""
GUESS_SECONDS = 600
DOTS_OF_JWT = 2
CHANGING = ("POST", "PUT", "PATCH", "DELETE")

_SCHEME = re.compile(r"\A(bearer|token|basic) +(\S+)\Z", re.IGNORECASE)
_OF_LAB = re.compile(rf"\A{api_tokens.PREFIX}[0-9A-Za-z_:-]+\Z")
_PERSONAL = re.compile(r"\A(?:[0-9a-f]{40}|clb_[0-9A-Za-z]{48})\Z")
"""As `services` makes them, and as it made them before."""
_OF_OPENID = {"clb.wiki.read": (Scope.READ,), "clb.wiki.write": (Scope.WRITE, Scope.SHARE, Scope.MANAGE)}
"""What the scopes of an OpenID access token allow here; they have the names that scripts for EBRAINS ask for."""
_FILES = ("/api/v1/libraries", "/api/v1/me")
"""What of the API a token is good for that is limited to some libraries."""
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
class OpenIdToken:
    """Access token that the portal, as OpenID provider, gave a service which its person signed in to."""

    granted: access_tokens.AccessToken

    @property
    def user(self) -> User:
        """The person who signed in at the service."""
        return self.granted.user

    @property
    def scope_names(self) -> list[str]:
        """Scopes of the API that the token's own give, in the order of `Scope`."""
        return [scope.value for scope in Scope if self.allows(scope)]

    def allows(self, scope: Scope) -> bool:
        """True if one of the token's scopes gives this one."""
        return any(scope in _OF_OPENID.get(name, ()) for name in self.granted.scopes)

    def has(self, name: str) -> bool:
        """True if the token has this scope of OpenID Connect, such as `team` or `email`."""
        return name in self.granted.scopes


@dataclass(frozen=True)
class Asker:
    """The person and the token of a request of a program."""

    token: Token | LabToken | OpenIdToken

    @property
    def user(self) -> User:
        """The token's person."""
        return self.token.user

    def require(self, scope: Scope) -> None:
        """Raise ForbiddenError if the token does not include this scope."""
        if not self.token.allows(scope):
            raise ForbiddenError(f"This requires a token with the scope “{scope.value}”.")


@dataclass(frozen=True)
class Credentials:
    """Parsed Authorization header: a token, or the error to answer with."""

    token: Token | LabToken | OpenIdToken | None = None
    refusal: Exception | None = None


def read_header(request: HttpRequest) -> Credentials | None:
    """Parse and check the Authorization header of a request to an API, which takes OpenID access tokens too."""
    is_bearer = request.headers.get("Authorization", "").strip()[:6].lower() == "bearer"
    return check_openid(read_secret(request) if is_bearer else "") or read_own_token(request)


def read_own_token(request: HttpRequest) -> Credentials | None:
    """Parse and check the Authorization header for a token of the API; None for a request without one."""
    if not request.headers.get("Authorization", "").strip():
        return None
    return check_secret(request, read_secret(request))


def check_secret(request: HttpRequest, secret: str) -> Credentials:
    """Check a token as it was sent; wrong ones are slowed by their first characters and the network address."""
    if _OF_LAB.match(secret):  # signed, and so nothing that could be guessed
        return _check_lab(secret)
    if secret.startswith("ey") and secret.count(".") == DOTS_OF_JWT:
        refusal = AuthenticationError("This is a JSON Web Token, such as an ID token. Send the access token.")
        return Credentials(refusal=refusal)
    if not _PERSONAL.match(secret):
        return Credentials(
            refusal=AuthenticationError(
                "Invalid Authorization header. Send “Authorization: Bearer …” with a personal access token, or the "
                "token as the password (Basic)."
            )
        )
    where = f"{secret[: services.HINT]} {rate_limits.address(request)}"
    if rate_limits.used("token", where, GUESS_SECONDS) >= GUESSES:
        said = "Too many invalid tokens like this one from this network. Try again in ten minutes."
        return Credentials(refusal=RateLimitError(said, GUESS_SECONDS))
    token = Token.objects.select_related("user").filter(digest=digest(secret)).first()
    if token is None:  # one that has ended is no guess: an old script must not shut out its whole institute
        rate_limits.allowed("token", where, GUESSES, GUESS_SECONDS)
        return Credentials(refusal=AuthenticationError("Unknown token."))
    return check(token)


def read_secret(request: HttpRequest) -> str:
    """The token in the Authorization header: Bearer, Token, or the password of Basic (any username); else ""."""
    match = _SCHEME.match(request.headers.get("Authorization", "").strip())
    if not match:
        return ""
    if match[1].lower() != "basic":
        return match[2]
    try:
        return b64decode(match[2], validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _check_lab(token: str) -> Credentials:
    server = api_tokens.server_of(token)
    if server is None:
        return Credentials(
            refusal=AuthenticationError("This token's Lab has ended, or the token has expired. Read the token again.")
        )
    return Credentials(LabToken(server))


def check_openid(secret: str) -> Credentials | None:
    """Check an access token of OpenID Connect; None for what has not the form of one."""
    if not access_tokens.looks_like_one(secret) or _OF_LAB.match(secret):
        return None
    found = access_tokens.find(secret)
    if found is None:
        said = "This access token is unknown, has expired or was withdrawn. Get another with the refresh token."
        return Credentials(refusal=AuthenticationError(said))
    return Credentials(OpenIdToken(found))


def check(token: Token) -> Credentials:
    """The token of a person, unless it has ended."""
    if token.revoked_at or not token.user.is_active:
        return Credentials(refusal=AuthenticationError("This token was revoked."))
    if token.is_expired:
        return Credentials(refusal=AuthenticationError("This token has expired. Create a new one at /account/tokens/."))
    services.note_use(token)
    token.user.only_libraries = token.only_libraries
    return Credentials(token)


def challenge(request: HttpRequest) -> str:
    """Value of WWW-Authenticate with a 401 (RFC 6750, section 3): a bearer token that was sent is named as invalid."""
    is_bearer = request.headers.get("Authorization", "").strip()[:7].lower() == "bearer "
    return 'Bearer error="invalid_token"' if is_bearer else "Bearer"


def credentials(request: HttpRequest) -> Credentials | None:
    """Credentials that the middleware found; None where there is no Authorization header."""
    return getattr(request, "api_credentials", None)


def lab_server(request: HttpRequest) -> Server:
    """The running Lab that asks, by its own token; ForbiddenError for every other kind of credentials."""
    given = credentials(request)
    if given is None or not isinstance(given.token, LabToken):
        raise ForbiddenError("Only a running Lab may do this, with its own token.")
    return given.token.server


def has_team_only(request: HttpRequest) -> bool:
    """True for an OpenID access token that may see the Collabs that its person is in (`team`), and no others."""
    given = credentials(request)
    token = given.token if given else None
    return isinstance(token, OpenIdToken) and token.has("team") and not token.allows(Scope.READ)


def require_own(request: HttpRequest, only_own: bool, parameter: str) -> None:
    """ForbiddenError if a token with `team` alone asks for more than its person's own Collabs."""
    if has_team_only(request) and not only_own:
        raise ForbiddenError(f"With the scope “team” alone, only your own Collabs are listed: send `{parameter}=true`.")


class PersonalToken(AuthBase):
    """Authentication by a personal access token with the scope that an operation needs."""

    openapi_type = "http"
    openapi_scheme = "bearer"
    openapi_description = (
        "Personal access token, created at /account/tokens/; or an access token of the site's OpenID Connect provider."
    )

    def __init__(self, scope: Scope, *, team_is_enough: bool = False) -> None:
        self.scope, self.team_is_enough = scope, team_is_enough
        super().__init__()

    def __call__(self, request: HttpRequest) -> Any:
        given = credentials(request)
        if given is None:
            return None
        if given.refusal:
            raise given.refusal
        assert given.token
        if not given.token.allows(self.scope) and not (self.team_is_enough and has_team_only(request)):
            raise ForbiddenError(f"This requires a token with the scope “{self.scope.value}”.")
        if given.token.user.only_libraries is not None and not request.path.startswith(_FILES):
            raise ForbiddenError("This token is limited to the files of some libraries.")
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
