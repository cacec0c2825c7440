"""The one signal, and the one refusal, that every app shares.

The table of who may do what is in docs/explanation/access.md; each app's own `access.py` holds its helpers.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.dispatch import Signal
from django.http import HttpRequest

if TYPE_CHECKING:
    from .models import User  # the operators' site imports this module before models can be

access_changed = Signal()
"""Sent after commit with `user_ids: frozenset[int]`: what these people may reach has changed. `lab` listens."""


class ForbiddenError(PermissionDenied):
    """A known member lacks a right. The message names the right; the 403 page shows it."""


def send_access_changed(user_ids: Iterable[int]) -> None:
    """Tell running servers, once the current transaction is committed, that these people's access changed."""
    ids = frozenset(user_ids)
    if ids:
        transaction.on_commit(lambda: access_changed.send(sender=None, user_ids=ids), robust=True)


class SignInRequiredError(Exception):
    """An anonymous visitor asked for what needs an account: the middleware leads to sign-in, and back."""


def person(request: HttpRequest) -> "User":
    """Who is signed in; SignInRequiredError when nobody is."""
    if not request.user.is_authenticated:
        raise SignInRequiredError
    return request.user
