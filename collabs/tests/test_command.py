"""`bin/manage collabs`."""

import io
import json

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from collabs.models import Collab, Role
from groups.services import create_group
from notices.models import Notice
from portal import audit
from portal.accounts import services as accounts
from portal.models import User


def collabs(*words: str) -> str:
    said = io.StringIO()
    call_command("collabs", *words, stdout=said)
    return said.getvalue()


def test_it_makes_a_collab_for_somebody(stranger: User) -> None:
    said = collabs("create", "New Cortex", "--administrator", "stranger", "--public", "--slug", "new-cortex")
    collab = Collab.objects.get()
    assert (collab.slug, collab.is_public, collab.created_by) == ("new-cortex", True, None)
    assert collab.role_of(stranger) == Role.ADMINISTRATOR
    assert collab.library.name == "New Cortex"
    entry = audit.trail(collab).get(verb="collab.created")
    assert (entry.actor_name, entry.details["administrator"]) == ("command line", "stranger")
    assert "new-cortex" in said
    with pytest.raises(CommandError, match="title: "):
        collabs("create", "New Cortex", "--administrator", "stranger")


def test_it_gives_no_collab_to_a_deactivated_account(stranger: User) -> None:
    accounts.deactivate(None, stranger)
    with pytest.raises(CommandError, match="deactivated"):
        collabs("create", "New Cortex", "--administrator", "stranger")
    assert not Collab.all_objects.exists()


def test_it_lists_collabs_and_teams(collab: Collab, owner: User) -> None:
    rows = json.loads(collabs("list", "--json"))
    assert [(row["collab"], row["people"], row["public"]) for row in rows] == [("cortex", 3, False)]
    team = json.loads(collabs("team", "cortex", "--json"))
    assert [(row["who"], row["role"]) for row in team] == [
        ("owner", "administrator"),
        ("editor", "editor"),
        ("viewer", "viewer"),
    ]
    assert json.loads(collabs("list", "--json", "--without-administrator")) == []
    accounts.deactivate(None, owner)
    assert [row["collab"] for row in json.loads(collabs("list", "--json", "--without-administrator"))] == ["cortex"]


def test_it_changes_a_team_and_tells_the_people(collab: Collab, stranger: User, viewer: User) -> None:
    collabs("add", "cortex", "stranger", "viewer", "--role", "editor")
    assert {collab.role_of(user) for user in (stranger, viewer)} == {Role.EDITOR}
    assert "An operator of this site added you to “Cortex”" in Notice.objects.get(user=stranger).subject
    collabs("remove", "cortex", "stranger")
    assert collab.role_of(stranger) is None
    assert set(audit.trail(collab).exclude(actor_name="owner").values_list("actor_name", flat=True)) == {"command line"}


def test_it_keeps_the_last_administrator(collab: Collab) -> None:
    with pytest.raises(CommandError, match="needs an administrator"):
        collabs("remove", "cortex", "viewer", "owner")
    with pytest.raises(CommandError, match="needs an administrator"):
        collabs("add", "cortex", "owner", "--role", "viewer")
    assert collab.memberships.count() == 3, "all, or none"


def test_it_gives_groups_roles(collab: Collab, owner: User) -> None:
    group = create_group(owner, name="Lab")
    collabs("add-group", "cortex", "lab", "--role", "editor")
    assert collab.group_roles.get().role == Role.EDITOR
    assert [row["who"] for row in json.loads(collabs("team", "cortex", "--json"))][-1] == group.slug
    collabs("remove-group", "cortex", "lab")
    assert not collab.group_roles.exists()


def test_it_archives_deletes_and_restores(collab: Collab) -> None:
    assert "cortex: archived." in collabs("archive", "cortex")
    assert "cortex: nothing to do." in collabs("archive", "cortex")
    collabs("unarchive", "cortex")
    assert "cortex: deleted." in collabs("delete", "cortex")
    assert collabs("list") == ""
    assert "cortex" in collabs("list", "--deleted")
    with pytest.raises(CommandError, match="no Collab “none”"):
        collabs("restore", "cortex", "none")
    assert not Collab.objects.exists(), "all, or none"
    assert "cortex: restored." in collabs("restore", "cortex")
    assert Collab.objects.exists()
