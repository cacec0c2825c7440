"""Two people at once, each on a database connection of their own, commits included."""

from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest
from django.core.exceptions import ValidationError

from collabs import services
from collabs.models import Collab, Membership, Role
from portal import audit
from portal.models import User

from .support import at_once

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 8


def people(*names: str) -> list[User]:
    return [User.objects.create_user(name, email=f"{name}@example.org") for name in names]


@pytest.fixture
def administrators() -> list[User]:
    return people("ada", "ben")


def with_both(administrators: list[User], number: int) -> Collab:
    ada, ben = administrators
    collab = services.create_collab(ada, title=f"Cortex {number}")
    services.add_member(ada, collab, ben, Role.ADMINISTRATOR)
    return collab


WAYS: dict[str, Callable[[User, User, Collab], object]] = {
    "remove": lambda actor, other, collab: services.remove_member(actor, collab, other),
    "demote": lambda actor, other, collab: services.change_role(actor, collab, other, Role.VIEWER),
    "leave": lambda actor, other, collab: services.leave(actor, collab),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_it_keeps_one_of_two_administrators_who_end_each_other(administrators: list[User], way: str) -> None:
    ada, ben = administrators
    for number in range(ROUNDS):
        collab = with_both(administrators, number)
        trail = audit.trail(collab).count()
        results = at_once(partial(WAYS[way], ada, ben, collab), partial(WAYS[way], ben, ada, collab))
        outcomes = Counter(type(result) for result in results)
        assert outcomes == {type(None): 1, services.LastAdministratorError: 1}, results
        assert administrators_of(collab) == 1
        assert audit.trail(collab).count() == trail + 1  # what was refused left no entry


@pytest.mark.slow
@pytest.mark.parametrize(("one", "other"), [("remove", "demote"), ("remove", "leave"), ("demote", "leave")])
def test_it_keeps_one_whatever_two_administrators_do_at_once(administrators: list[User], one: str, other: str) -> None:
    ada, ben = administrators
    for number in range(ROUNDS):
        collab = with_both(administrators, number)
        results = at_once(partial(WAYS[one], ada, ben, collab), partial(WAYS[other], ben, ada, collab))
        assert all(result is None or isinstance(result, ValidationError) for result in results), results
        assert administrators_of(collab) == 1


def administrators_of(collab: Collab) -> int:
    return Membership.objects.filter(collab=collab, role=Role.ADMINISTRATOR).count()


def test_it_gives_a_title_to_one_of_many() -> None:
    users = people(*(f"user{number}" for number in range(6)))
    results = at_once(*(lambda user=user: services.create_collab(user, title="Cortex") for user in users))
    assert Collab.all_objects.count() == 1
    kinds = Counter(type(result) for result in results)
    assert kinds == {Collab: 1, ValidationError: 5}, results


def test_it_gives_each_of_many_an_address() -> None:
    users = people(*(f"user{number}" for number in range(6)))
    titles = ["Cortex" + "!" * number for number in range(6)]  # different titles, one slug
    results = at_once(
        *(
            lambda user=user, title=title: services.create_collab(user, title=title)
            for user, title in zip(users, titles, strict=True)
        )
    )
    assert all(isinstance(result, Collab) for result in results), results
    assert Collab.all_objects.values("slug").distinct().count() == 6


def test_it_renames_one_of_two_to_a_title(administrators: list[User]) -> None:
    ada, ben = administrators
    collabs = [services.create_collab(ada, title="One"), services.create_collab(ben, title="Two")]
    results = at_once(
        *(
            lambda collab=collab: services.update_collab(ada, collab, title="Three", description="", is_public=False)
            for collab in collabs
        )
    )
    assert Counter(type(result) for result in results) == {Collab: 1, ValidationError: 1}, results
    assert Collab.objects.filter(title="Three").count() == 1


def test_it_adds_a_person_once(administrators: list[User]) -> None:
    ada, ben = administrators
    collab = with_both(administrators, 0)
    (carl,) = people("carl")
    results = at_once(
        lambda: services.add_member(ada, collab, carl, Role.EDITOR),
        lambda: services.add_member(ben, collab, carl, Role.VIEWER),
    )
    assert Counter(type(result) for result in results) == {Membership: 1, ValidationError: 1}, results
    assert Membership.objects.filter(collab=collab, user=carl).count() == 1
