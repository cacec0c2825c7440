"""Favourite Collabs of a person. Private to them, so the audit trail does not record them."""

from portal.models import User

from .models import Collab, Favourite


def mark(user: User, collab: Collab) -> None:
    """Mark a Collab as a favourite. Idempotent."""
    Favourite.objects.get_or_create(user=user, collab=collab)


def unmark(user: User, collab: Collab) -> None:
    """Unmark a favourite. Idempotent."""
    Favourite.objects.filter(user=user, collab=collab).delete()
