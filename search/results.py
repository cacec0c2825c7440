"""One search over all kinds of things: what a person gets for what they typed.

Words are found as they begin. Only where nothing at all has them as they were typed, words that are close to them are
looked for as well (typos.py).
"""

from dataclasses import dataclass, field
from typing import Any

from django.db.models import F

from collabs.cards import cards
from collabs.models import Collab, Person
from collabs.search import having
from portal.accounts import people_search
from portal.models import User
from portal.web import rate_limits

from . import files, people
from .files import FoundFile
from .people import FoundPerson
from .typos import widened
from .words import Alternatives, typed_words

KINDS = ("files", "text", "collabs", "people")
SEARCHES_PER_MINUTE = 120
"""Of a person, or of a visitor's network address: suggestions, and pages and answers to programs, which count more."""
PAGE_COUNTS = 4
TEXT = 200
"""Characters of a search; the rest is ignored."""
MOST = 400
"""Results of one kind that a person can page to."""


@dataclass(frozen=True)
class Wanted:
    """What is looked for: how many results of which kinds, from which on."""

    counts: dict[str, int]
    first: int = 0
    described: bool = True
    """With the Collabs' cards and people's Collabs, which suggestions have no room for, and with more excerpts."""


@dataclass
class Results:
    """What was found, kind by kind; `more` names the kinds of which there are more."""

    files: list[FoundFile] = field(default_factory=list)
    text: list[FoundFile] = field(default_factory=list)
    collabs: list[Collab] = field(default_factory=list)
    people: list[FoundPerson] = field(default_factory=list)
    more: set[str] = field(default_factory=set)
    has_typos: bool = False
    """True if the words were not found as typed, and these are results for words that are close to them."""
    too_many_people: bool = False
    """True if this person has looked for people too often; nobody is shown."""

    def add(self, kind: str, found: list[Any], has_more: bool) -> None:
        """Set what was found of a kind."""
        setattr(self, kind, found)
        if has_more:
            self.more.add(kind)

    def __len__(self) -> int:
        return sum(len(getattr(self, kind)) for kind in KINDS)


def may_search(whose: str, counts: int = PAGE_COUNTS) -> bool:
    """Count a search of a person (key) or a network address; False above SEARCHES_PER_MINUTE."""
    return rate_limits.allowed("search", whose, SEARCHES_PER_MINUTE, 60, by=counts)


def tidy(text: str) -> str:
    """What was typed, as it is searched for."""
    return text.replace("\0", " ").strip()[:TEXT]


def search(user: Person, text: str, wanted: Wanted) -> Results:
    """Look for the words of a text; nothing for a text without words."""
    groups = typed_words(text)
    if not groups:
        return Results()
    may_find_people = "people" not in wanted.counts or not isinstance(user, User) or people_search.may_search(user)
    results = _search(user, text, groups, wanted, may_find_people, with_typos=False)
    if not len(results):
        wider = widened(groups)
        results = _search(user, text, wider, wanted, may_find_people, with_typos=True)
        results.has_typos = bool(len(results))
    results.too_many_people = not may_find_people
    return results


def _search(
    user: Person, text: str, groups: Alternatives, wanted: Wanted, may_find_people: bool, *, with_typos: bool
) -> Results:
    results, counts, first = Results(), wanted.counts, wanted.first
    if "files" in counts:
        results.add("files", *files.by_name(user, groups, first, counts["files"]))
    if "text" in counts:
        reading = files.FOR_A_PAGE if wanted.described else files.FOR_SUGGESTIONS
        results.add("text", *files.by_text(user, groups, first, counts["text"], reading))
    if "collabs" in counts:
        results.add("collabs", *_collabs(user, groups, first, counts["collabs"], wanted.described))
    if "people" in counts and may_find_people and isinstance(user, User) and user.is_active:
        found = people.find(user, text, with_typos=with_typos, with_collabs=wanted.described)[first:]
        results.add("people", found[: counts["people"]], len(found) > counts["people"])
    return results


def _collabs(user: Person, groups: Alternatives, first: int, count: int, described: bool) -> tuple[list[Collab], bool]:
    found = having(Collab.objects.visible_to(user).current(), groups).order_by(F("distance"), "title_key", "pk")
    page = list(found[first : first + count + 1])
    shown = cards(user, [collab.pk for collab in page[:count]]) if described else page[:count]
    return shown, len(page) > count
