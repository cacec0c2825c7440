"""Groups in teams: roles that they give, and the pages that say so."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from collabs import services
from collabs.models import Collab, Role
from groups import services as group_services
from groups.models import Group
from portal import audit
from portal.models import User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def group(owner: User, stranger: User) -> Group:
    """Managed by the owner; the stranger is in a group inside it."""
    group = group_services.create_group(owner, name="Institute")
    inner = group_services.create_group(owner, name="Course")
    group_services.nest(owner, group, inner)
    group_services.add_person(owner, inner, stranger)
    return group


def test_it_gives_the_highest_of_all_routes(owner: User, stranger: User, collab: Collab, group: Group) -> None:
    assert collab.role_of(stranger) is None
    services.add_member(owner, collab, stranger, Role.VIEWER)
    services.give_group_role(owner, collab, group, Role.EDITOR)
    assert collab.role_of(stranger) == Role.EDITOR
    services.give_group_role(owner, collab, group, Role.VIEWER)
    assert collab.role_of(stranger) == Role.VIEWER
    effective_role = collab.effective_role_of(stranger)
    assert effective_role is not None
    assert effective_role.group is None, "of two equal routes, one's own is named"
    services.remove_member(owner, collab, stranger)
    assert collab.role_of(stranger) == Role.VIEWER
    services.remove_group(owner, collab, group)
    assert collab.role_of(stranger) is None


def test_it_does_not_count_administrators_by_a_group(owner: User, collab: Collab, group: Group) -> None:
    services.give_group_role(owner, collab, group, Role.ADMINISTRATOR)
    with pytest.raises(services.LastAdministratorError):
        services.leave(owner, collab)


def test_it_counts_everybody_once(owner: User, editor: User, collab: Collab, group: Group) -> None:
    group_services.add_person(owner, group, editor)
    services.give_group_role(owner, collab, group, Role.VIEWER)
    assert Collab.objects.with_team_size().get(pk=collab.pk).team_size == 4


def test_it_is_given_and_taken_on_the_page(
    sign_in: SignIn, owner: User, stranger: User, collab: Collab, group: Group
) -> None:
    client = sign_in(owner)
    assert client.post("/collabs/cortex/team/groups/", {"group": "nothing", "role": "viewer"}).status_code == 422
    given = client.post("/collabs/cortex/team/groups/", {"group": "institute", "role": "editor"}, follow=True)
    assert "Everybody in Institute now has the role Editor." in given.text
    member = sign_in(stranger)
    assert "through the group" in member.get("/collabs/cortex/team/").text
    assert "stranger" in member.get("/collabs/cortex/team/groups/institute/").text
    assert member.get("/collabs/cortex/team/leave/").status_code == 200
    assert member.post("/collabs/cortex/team/leave/").status_code == 409
    client.post("/collabs/cortex/team/groups/institute/remove/")
    assert member.get("/collabs/cortex/").status_code == 404
    assert "collab.group.removed" in {entry.verb for entry in audit.trail(collab)}


@pytest.mark.slow
def test_it_is_for_administrators_to_change_and_for_members_to_see(
    sign_in: SignIn, owner: User, editor: User, viewer: User, stranger: User, collab: Collab, group: Group
) -> None:
    services.give_group_role(owner, collab, group_services.create_group(owner, name="Empty"), Role.VIEWER)
    for person, see, change in ((owner, 200, 302), (editor, 200, 403), (viewer, 200, 403), (stranger, 404, 404)):
        client = sign_in(person)
        assert client.get("/collabs/cortex/team/groups/").status_code == see
        assert client.get("/collabs/cortex/team/groups/empty/").status_code == see
        form = {"group": "Institute", "role": "viewer"}
        assert client.post("/collabs/cortex/team/groups/", form).status_code == change
        services.remove_group(owner, collab, group)
        assert client.post("/collabs/cortex/team/groups/institute/remove/").status_code in (403, 404)


def test_it_ends_with_the_group_which_the_collab_remembers(
    owner: User, stranger: User, collab: Collab, group: Group
) -> None:
    services.give_group_role(owner, collab, group, Role.EDITOR)
    group_services.delete_group(owner, group)
    assert collab.role_of(stranger) is None
    assert audit.trail(collab)[0].verb == "collab.group.removed"


def test_its_page_asks_the_same_number_of_questions_however_many_groups(
    sign_in: SignIn, owner: User, collab: Collab, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client = sign_in(owner)
    for number in range(12):
        made = group_services.create_group(owner, name=f"Group {number}")
        services.give_group_role(owner, collab, made, Role.VIEWER)
    with django_assert_max_num_queries(12):
        client.get("/collabs/cortex/team/groups/")
