"""Create and revoke personal access tokens."""

import secrets
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext

from portal import audit
from portal.digest import digest
from portal.models import User

from .models import Scope, Token

SECRET_BYTES = 20
"""Random bytes of a token. In hexadecimal it has 40 digits, the length that Seafile's clients insist on."""
HINT = 8
LIMITABLE = frozenset({Scope.READ, Scope.WRITE, Scope.SHARE})
"""Scopes that a token limited to some libraries can have."""
MOST_DAYS = 366
MOST_TOKENS = 50
"""Valid tokens that one person may have at a time."""
USE_NOTED_EVERY = timedelta(minutes=1)


@transaction.atomic
def create_token(
    actor: User, *, name: str, scopes: Collection[Scope], days: int, libraries: Collection[UUID] | None = None
) -> tuple[Token, str]:
    """Create a token of `actor`; returns it and its secret, which is shown once. ValidationError for too many.

    `libraries`: ids of those that it is limited to; None for no limit.
    """
    User.objects.select_for_update().get(pk=actor.pk)  # of two that are made at once, the second counts the first
    if Token.objects.usable().filter(user=actor).count() >= MOST_TOKENS:
        raise ValidationError(
            gettext("You have reached the limit of %(most_tokens)s tokens. Revoke one that you no longer need.")
            % {"most_tokens": MOST_TOKENS}
        )
    if not 1 <= days <= MOST_DAYS:
        raise ValidationError(gettext("A token can be valid for 1 to %(most_days)s days.") % {"most_days": MOST_DAYS})
    if libraries is not None and not LIMITABLE.issuperset(scopes):
        raise ValidationError(
            gettext("A token that is limited to some libraries can read, write and share them, and no more.")
        )
    limit = None if libraries is None else sorted(map(str, libraries))
    secret = secrets.token_hex(SECRET_BYTES)
    token = Token.objects.create(
        user=actor,
        name=name,
        digest=digest(secret),
        hint=secret[:HINT],
        scopes=[scope.value for scope in Scope if scope in scopes],
        libraries=limit,
        expires_at=timezone.now() + timedelta(days=days),
    )
    details = {"token": token.pk, "name": name, "scopes": token.scopes, "days": days}
    audit.record(actor, "account.token.made", actor, **details | ({} if limit is None else {"libraries": limit}))
    return token, secret


@transaction.atomic
def revoke_token(actor: User | None, token: Token) -> bool:
    """Revoke a token at once; False if it was revoked before."""
    if not Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        return False
    audit.record(actor, "account.token.revoked", token.user, token=token.pk, name=token.name)
    return True


def revoke_all(actor: User | None, user: User) -> None:
    """Revoke all tokens of a person who was deactivated."""
    for token in Token.objects.filter(user=user, revoked_at=None):
        revoke_token(actor, token)


def note_use(token: Token) -> None:
    """Record the time of use, at most once a minute."""
    now = timezone.now()
    if token.last_used_at and token.last_used_at > now - USE_NOTED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USE_NOTED_EVERY)
    Token.objects.filter(stale, pk=token.pk).update(last_used_at=now)
