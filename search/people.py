"""Search for people: by the rule of the team page, and what one may see of them.

Everybody who is signed in finds active people by the beginnings of their username, first and last name; never by an
address. Beside a person stand the Collabs whose team page shows them to whoever searches.
"""

from dataclasses import dataclass, field

from django.db.models import Q

from collabs.models import Collab, Membership
from collabs.search import words_of
from portal.accounts import people_search
from portal.models import User

from .typos import SHORTEST, closest
from .words import has

CANDIDATES = 300
COLLABS = 5
"""Shown beside a person."""


@dataclass(frozen=True)
class FoundPerson:
    """A person as a page of results shows them."""

    username: str
    name: str
    collabs: list[Collab] = field(default_factory=list)


def find(asker: User, text: str, *, with_typos: bool, with_collabs: bool = True) -> list[FoundPerson]:
    """People whom the words name, eight at most. One or two queries, and one for the Collabs."""
    people = list(people_search.suggest(text))
    if not people and with_typos:
        people = _nearly(text)
    collabs = _collabs_of(asker, people) if with_collabs else {}
    return [FoundPerson(one.username, one.display_name, collabs.get(one.pk, [])[:COLLABS]) for one in people]


def _nearly(text: str) -> list[User]:
    """People with a name nearly like each word: the same two first letters, then a letter or two that differ."""
    words = [word for word in words_of(text) if len(word) >= SHORTEST][:4]
    if not words or len(words) < len(words_of(text)):
        return []
    head = words[0][:2]
    begins = Q(username__istartswith=head) | Q(first_name__istartswith=head) | Q(last_name__istartswith=head)
    found = []
    for one in User.objects.filter(begins, is_active=True).order_by("username")[:CANDIDATES]:
        names = words_of(f"{one.username} {one.first_name} {one.last_name}")
        if all(has(names, [word]) or closest(word, names) for word in words):
            found.append(one)
    return found[: people_search.MAX_SUGGESTIONS]


def _collabs_of(asker: User, people: list[User]) -> dict[int, list[Collab]]:
    """Of each person, the Collabs that they are a member of by themselves and whose team page the asker may open."""
    found: dict[int, list[Collab]] = {}
    if not people:
        return found
    seen = Collab.objects.visible_to(asker).current().values("pk")
    rows = Membership.objects.filter(user__in=people, collab__in=seen).select_related("collab")
    for row in rows.order_by("collab__title_key"):
        found.setdefault(row.user_id, []).append(row.collab)
    return found
