"""Collabs as lists show them: which ones is found first, and then what is said of those on the page.

In one query, SQLite would count the teams of all that are sorted before it takes the first page.
"""

from collections.abc import Iterable
from typing import Any

from django.db.models import Count

from .models import Collab, CollabQuerySet, Person, Tag

TAGS = 24
"""Tags that the directory offers."""


def cards(user: Person, keys: Iterable[int]) -> list[Collab]:
    """These Collabs, in this order, with role, team size and tags; two queries."""
    keys = list(keys)
    rows = Collab.objects.filter(pk__in=keys).with_role_of(user).with_team_size().with_favourite_of(user)
    found = {collab.pk: collab for collab in rows.prefetch_related("tags")}
    return [found[key] for key in keys if key in found]


def common_tags(among: CollabQuerySet) -> list[dict[str, Any]]:
    """The tags that most of these have, by name, with `size`."""
    sizes = Tag.objects.filter(collab__in=among.order_by().values("pk")).values("name").annotate(size=Count("pk"))
    commonest = list(sizes.order_by("-size", "name")[:TAGS])
    return sorted(map(dict, commonest), key=lambda tag: tag["name"])
