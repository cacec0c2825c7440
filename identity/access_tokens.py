"""Access tokens of people who signed in at a service, for the APIs, which take them as Bearer (RFC 6750)."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from allauth.idp.oidc.models import Token
from django.conf import settings
from django.db.models import QuerySet

from portal.models import User

_OPAQUE = re.compile(r"\A[A-Za-z0-9_-]{86}\Z")
"""As allauth makes them: 64 random bytes in base64url, so that there is nothing to guess."""


@dataclass(frozen=True)
class AccessToken:
    """Valid access token: its person, and what they and the operators let its client have."""

    user: User
    scopes: frozenset[str]
    pk: int


def looks_like_one(secret: str) -> bool:
    """True for the form of an access token, valid or not."""
    return bool(_OPAQUE.match(secret))


def find(secret: str) -> AccessToken | None:
    """The access token with this secret; None for unknown, expired and withdrawn ones, and tokens for another audience.

    Scopes that operators have taken away from the client since do not count.
    """
    return _valid(Token.objects.valid().by_value(secret))


def find_again(pk: int) -> AccessToken | None:
    """An access token that was found before, by its `pk`; None if it would not be found any more."""
    return _valid(Token.objects.valid().filter(pk=pk))


def _valid(tokens: QuerySet[Token]) -> AccessToken | None:
    rows = tokens.filter(type=Token.Type.ACCESS_TOKEN, user__is_active=True)
    row = rows.exclude(client=None).select_related("user", "client").first()
    if row is None or not _is_for_this_site(row):
        return None
    return AccessToken(row.user, frozenset(row.get_scopes()).intersection(row.client.get_scopes()), row.pk)


def _is_for_this_site(token: Token) -> bool:
    """True for a token without an audience, or with this site among them (RFC 8707)."""
    audiences = token.get_resources()
    here = urlsplit(settings.PORTAL_URL)[:2]
    return not audiences or any(urlsplit(one)[:2] == here for one in audiences)
