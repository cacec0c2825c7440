"""Groups as operators name them at the command line."""

from django.core.management.base import CommandError

from .models import Group


def find_group(slug: str) -> Group:
    """Group of this slug; CommandError if there is none."""
    group = Group.objects.filter(slug=slug).first()
    if group is None:
        raise CommandError(f"There is no group “{slug}”.")
    return group
