"""Create and revoke personal access tokens."""

from collections.abc import Collection
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import get_random_string

from portal import audit
from portal.digest import digest
from portal.models import User

from .models import Scope, Token

PREFIX = "clb_"
"""Prefix of every token, so that people and secret scanners recognise one."""
LETTERS = 48
"""Random characters of a token, of an alphabet of 62: 285 bits."""
HINT = len(PREFIX) + 4
MOST_DAYS = 366
MOST_TOKENS = 50
"""Valid tokens that one person may have at a time."""
USE_NOTED_EVERY = timedelta(minutes=1)


@transaction.atomic
def create_token(actor: User, *, name: str, scopes: Collection[Scope], days: int) -> tuple[Token, str]:
    """Create a token of `actor`; returns it and its secret, which is shown once. ValidationError for too many."""
    User.objects.select_for_update().get(pk=actor.pk)  # of two that are made at once, the second counts the first
    if Token.objects.usable().filter(user=actor).count() >= MOST_TOKENS:
        raise ValidationError(
            f"You have reached the limit of {MOST_TOKENS} tokens. Revoke one that you no longer need."
        )
    if not 1 <= days <= MOST_DAYS:
        raise ValidationError(f"A token can be valid for 1 to {MOST_DAYS} days.")
    secret = PREFIX + get_random_string(LETTERS)
    token = Token.objects.create(
        user=actor,
        name=name,
        digest=digest(secret),
        hint=secret[:HINT],
        scopes=[scope.value for scope in Scope if scope in scopes],
        expires_at=timezone.now() + timedelta(days=days),
    )
    audit.record(actor, "account.token.made", actor, token=token.pk, name=name, scopes=token.scopes, days=days)
    return token, secret


@transaction.atomic
def revoke_token(actor: User | None, token: Token) -> None:
    """Revoke a token at once; does nothing if it was revoked before."""
    if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        audit.record(actor, "account.token.revoked", token.user, token=token.pk, name=token.name)


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
