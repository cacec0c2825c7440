"""Collabs that a person wants at hand. A private note of theirs, so the audit trail says nothing of it."""

from portal.models import User

from .models import Collab, Favourite


def mark(user: User, collab: Collab) -> None:
    """Make it a favourite; one that is, stays."""
    Favourite.objects.get_or_create(user=user, collab=collab)


def unmark(user: User, collab: Collab) -> None:
    """End that."""
    Favourite.objects.filter(user=user, collab=collab).delete()
