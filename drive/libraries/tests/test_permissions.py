"""What many people may do, asked at once: it is what `visibility` says of each of them."""

import pytest
from pytest_django import DjangoAssertNumQueries

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.libraries import services
from drive.libraries.permissions import Pair, permissions
from drive.libraries.visibility import entries
from drive.models import Library, Permission
from groups import services as group_services
from portal.accounts.services import deactivate
from portal.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.database]


@pytest.fixture
def people(owner: User, editor: User, viewer: User, stranger: User, operator: User) -> list[User]:
    return [owner, editor, viewer, stranger, operator]


@pytest.fixture
def libraries(people: list[User], collab: Collab, public_collab: Collab) -> list[Library]:
    """One for each route, and some whose route is shut."""
    owner, editor, viewer, stranger, _operator = people
    mine = services.create_library(owner, "Shared")
    services.share_with_person(owner, mine, viewer, Permission.READ)
    services.share_with_person(owner, mine, stranger, Permission.WRITE)
    team = services.create_library(owner, "Of a team")
    services.share_with_team(owner, team, collab, Permission.WRITE)
    deleted = services.create_library(owner, "Deleted")
    services.share_with_person(owner, deleted, viewer, Permission.READ)
    services.delete_library(owner, deleted)
    archived = collab_services.create_collab(owner, title="Done")
    collab_services.add_member(owner, archived, editor, Role.EDITOR)
    of_archived = services.create_library(owner, "Of an archived team")
    services.share_with_team(owner, of_archived, archived, Permission.WRITE)
    collab_services.archive_collab(owner, archived)
    gone = collab_services.create_collab(owner, title="Gone")
    collab_services.add_member(owner, gone, editor, Role.EDITOR)
    of_gone = services.create_library(stranger, "Of a deleted team")
    services.share_with_person(stranger, of_gone, owner, Permission.WRITE)
    services.share_with_team(owner, services.create_library(owner, "Twice"), gone, Permission.WRITE)
    collab_services.delete_collab(owner, gone)
    group = group_services.create_group(owner, name="Institute")
    group_services.add_person(owner, group, stranger)
    collab_services.give_group_role(owner, collab, group, Role.EDITOR)
    return list(Library.objects.all())


def one_by_one(people: list[User], libraries: list[Library]) -> dict[Pair, str]:
    found = {}
    for user in people:
        for library in libraries:
            given = [entry.permission for entry in entries(User.objects.get(pk=user.pk), library=library.pk)]
            if given:
                found[user.pk, library.pk] = max(given, key=["r", "rw"].index)
    return found


def pairs(people: list[User], libraries: list[Library]) -> list[Pair]:
    return [(user.pk, library.pk) for user in people for library in libraries]


@pytest.mark.slow
def test_it_says_of_all_what_is_said_of_each(people: list[User], libraries: list[Library]) -> None:
    found = permissions(pairs(people, libraries))
    assert found == one_by_one(people, libraries)
    assert set(found.values()) == {"r", "rw"}


def test_inactive_people_have_none(people: list[User], libraries: list[Library]) -> None:
    for user in people[1:4]:
        deactivate(people[4], user)
    found = permissions(pairs(people, libraries))
    assert found == one_by_one(people, libraries)
    assert {user for user, _library in found} == {people[0].pk, people[4].pk}


def test_it_says_nothing_that_was_not_asked(people: list[User], libraries: list[Library], collab: Collab) -> None:
    owner, editor = people[:2]
    asked = [(owner.pk, collab.library.pk), (editor.pk, libraries[0].pk)]
    assert set(permissions(asked)) <= set(asked)
    assert permissions([]) == {}


def test_it_asks_four_queries_for_one_pair_and_for_all(
    people: list[User], libraries: list[Library], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for asked in (pairs(people, libraries)[:1], pairs(people, libraries)):
        with django_assert_num_queries(4):
            permissions(asked)
