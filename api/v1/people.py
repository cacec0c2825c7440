"""People: search by name, for sharing and inviting."""

from typing import Any

from django.http import HttpRequest

from api.access import MINUTE, RateLimitError
from api.models import Scope
from api.routing import StrictRouter
from portal.access import person
from portal.accounts import people_search
from portal.models import User

from .schemas import Page, Paged, PersonOut, Words, each, paged, route

router = StrictRouter(tags=["People"])


def _person_out(user: User) -> PersonOut:
    return PersonOut(username=user.username, name=user.display_name)


@router.get("", **route(Scope.READ, {200: Page[PersonOut]}))
def search_people(request: HttpRequest, paging: Paged, q: Words = "") -> Any:
    """Search active people whose username, first or last name begins with each word of `q`; at most eight.

    Fewer than two letters find nobody, and e-mail addresses are not searched: nobody can list everybody.
    """
    if not people_search.may_search(person(request)):
        raise RateLimitError("Too many searches. Try again in a minute.", MINUTE)
    return paged(list(people_search.suggest(q)), paging, each(_person_out))
