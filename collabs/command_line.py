"""Collabs as operators name them at the command line."""

from django.core.management.base import CommandError

from .models import Collab


def find_collab(slug: str) -> Collab:
    """Collab of this slug, deleted ones included; CommandError if there is none."""
    collab = Collab.all_objects.filter(slug=slug, removed_at=None).first()
    if collab is None:
        raise CommandError(f"There is no Collab “{slug}”.")
    return collab
