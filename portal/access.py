"""Access control shared by all apps: signal of changed access, exceptions for 403 and sign-in, current person.

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
"""Signal after commit with `user_ids: frozenset[int]`: access of these people has changed. `lab` listens."""


class ForbiddenError(PermissionDenied):
    """A known member lacks a permission (403). The message names it; the page shows the message."""


def send_access_changed(user_ids: Iterable[int]) -> None:
    """Send `access_changed` for these people once the current transaction is committed."""
    ids = frozenset(user_ids)
    if ids:
        transaction.on_commit(lambda: access_changed.send(sender=None, user_ids=ids), robust=True)


class SignInRequiredError(Exception):
    """An anonymous visitor requested a page that needs an account; the middleware redirects to sign-in, and back."""


def person(request: HttpRequest) -> "User":
    """The signed-in person; SignInRequiredError for anonymous visitors."""
    if not request.user.is_authenticated:
        raise SignInRequiredError
    return request.user
