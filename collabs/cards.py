"""Cards of Collabs, as lists show them: the ids of a page are found first, then described.

In one query, SQLite would count the teams of all that are sorted before it takes the first page.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from portal.models import User
from portal.prepared_queries import prepared

from .models import Collab, CollabQuerySet, Favourite, Person, Tag

AT_HOME = 6
TAGS = 24
"""Tags in the directory."""
TAGS_SECONDS = 60
"""For which the count is cached: it takes longer the more Collabs there are."""


def cards(user: Person, keys: Iterable[int]) -> list[Collab]:
    """These Collabs, in this order, with role, team size and tags; two queries."""
    keys = list(keys)
    rows = _cards_of(user=user.pk, keys=keys) if user.is_active and user.pk else _cards_for_visitors(keys=keys)
    found = {collab.pk: collab for collab in _with_tags(rows)}
    return [found[key] for key in keys if key in found]


@prepared
def _cards_of(user: int, keys: list[int]) -> CollabQuerySet:
    return _described(User(pk=user)).with_favourite_of(User(pk=user)).filter(pk__in=keys)


@prepared
def _cards_for_visitors(keys: list[int]) -> CollabQuerySet:
    return _described(AnonymousUser()).with_favourite_of(AnonymousUser()).filter(pk__in=keys)


def _described(user: Person) -> CollabQuerySet:
    return Collab.objects.with_role_of(user).with_team_size()


def _with_tags(collabs: list[Collab]) -> list[Collab]:
    """The same Collabs, with their tags; one query."""
    names: dict[int, list[str]] = {}
    for collab_id, name in _tags_of(keys=[collab.pk for collab in collabs]) if collabs else []:
        names.setdefault(collab_id, []).append(name)
    for collab in collabs:
        collab.tag_names = names.get(collab.pk, [])
    return collabs


@prepared
def _tags_of(keys: list[int]) -> QuerySet:
    return Tag.objects.filter(collab__in=keys).order_by("name").values_list("collab", "name")


@dataclass(frozen=True)
class Mine:
    """Collabs on a person's home page."""

    favourites: list[Collab]
    """The last marked comes first."""
    newest: list[Collab]
    """The newest of those that the person is a member of."""


def at_home(user: User) -> Mine:
    """A person's favourites and newest Collabs; two queries for both."""
    found: list[Any] = _with_tags(_shown_at_home(user=user.pk))
    for row in found:
        row.is_favourite = row.marked_at is not None
    favourites = sorted((row for row in found if row.is_favourite), key=lambda row: row.marked_at, reverse=True)
    mine = [row for row in found if row.my_role and not row.archived_at]
    return Mine(favourites[:AT_HOME], mine[:AT_HOME])


@prepared
def _shown_at_home(user: int) -> QuerySet:
    me = User(pk=user)
    newest = Collab.objects.of_member(me).current().order_by("-created_at")[:AT_HOME]
    marks = Favourite.objects.filter(user=me)
    marked = Collab.objects.visible_to(me).filter(favourites__user=me).order_by("-favourites__since")[:AT_HOME]
    when = Subquery(marks.filter(collab=OuterRef("pk")).values("since")[:1])
    either = Q(pk__in=_keys(newest)) | Q(pk__in=_keys(marked))
    return _described(me).annotate(marked_at=when).filter(either).order_by("-created_at")


def _keys(collabs: CollabQuerySet) -> QuerySet:
    return collabs.values("pk")


def common_tags() -> list[dict[str, Any]]:
    """The most frequent tags of public Collabs: `name` and `size` (number of Collabs), sorted by name."""
    found = cache.get("collabs.tags")
    if found is None:
        collabs = Collab.objects.current().filter(is_public=True).order_by().values("pk")
        sizes = Tag.objects.filter(collab__in=collabs).values("name").annotate(size=Count("pk"))
        found = sorted(map(dict, sizes.order_by("-size", "name")[:TAGS]), key=lambda tag: tag["name"])
        cache.set("collabs.tags", found, TAGS_SECONDS)
    return found
