"""`bin/manage groups`."""

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django import DjangoAssertNumQueries

from groups.models import Group
from portal import audit
from portal.accounts import services
from portal.models import User


def groups(*words: str) -> str:
    said = io.StringIO()
    call_command("groups", *words, stdout=said)
    return said.getvalue()


@pytest.fixture
def lab_group(owner: User) -> Group:
    groups("create", "Lab People", "--manager", "owner", "--description", "All")
    return Group.objects.get()


def test_it_makes_a_group_and_lists_it(lab_group: Group) -> None:
    assert (lab_group.slug, lab_group.description, lab_group.created_by) == ("lab-people", "All", None)
    assert "Lab People" in groups("list")
    assert json.loads(groups("list", "--json"))[0] | {"provider_name": None} == {
        "group": "lab-people",
        "name": "Lab People",
        "people": 0,
        "managers": ["owner"],
        "provider_name": None,
    }
    assert audit.trail(lab_group).get(verb="group.created").actor_name == "command line"
    with pytest.raises(CommandError, match="There is a group with this name"):
        groups("create", "lab people")


def test_the_list_asks_no_more_of_many_groups_than_of_few(
    lab_group: Group, editor: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(7):
        groups("create", f"Group {number}", "--manager", "owner", "--manager", "editor")
    with django_assert_num_queries(3):
        rows = json.loads(groups("list", "--json"))
    assert [row["managers"] for row in rows] == [["editor", "owner"]] * 7 + [["owner"]]


def test_it_adds_and_removes_people(lab_group: Group, editor: User, viewer: User) -> None:
    assert "2 people" in groups("add", "lab-people", "editor", "viewer")
    assert "0 people" in groups("add", "lab-people", "editor")
    assert [row["username"] for row in json.loads(groups("people", "lab-people", "--json"))] == ["editor", "viewer"]
    assert "1 person " in groups("remove", "lab-people", "editor", "owner")
    services.deactivate(None, editor)
    with pytest.raises(CommandError, match="deactivated"):
        groups("add", "lab-people", "owner", "editor")
    assert [row["username"] for row in json.loads(groups("people", "lab-people", "--json"))] == ["viewer"], (
        "none of them"
    )


def test_it_keeps_a_manager(lab_group: Group, editor: User) -> None:
    with pytest.raises(CommandError, match="needs a manager"):
        groups("remove-manager", "lab-people", "owner")
    assert "editor, owner" in groups("add-manager", "lab-people", "editor")
    assert "“Lab People”: editor." in groups("remove-manager", "lab-people", "owner")


def test_it_deletes_a_group(lab_group: Group) -> None:
    groups("delete", "lab-people")
    assert not Group.objects.exists()
    with pytest.raises(CommandError, match="no group “lab-people”"):
        groups("people", "lab-people")
