"""Two accounts of one person become one: nothing that a person has is lost, and the other account opens nothing."""

import io
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from api.models import Token
from api.services import create_token
from collabs.models import Collab, Membership, Role
from conftest import PASSWORD
from drive.libraries.services import set_quota, share_with_person
from drive.models import Contributor, File, Library, Permission, Share, Version, Via
from groups.models import GroupManager, GroupMember
from groups.services import add_manager, add_person, create_group
from lab.models import Environment, Server, State
from portal import audit
from portal.accounts import merging, services
from portal.models import AuditEntry, DirectoryAccount, User

pytestmark = pytest.mark.django_db


def run(*words: str) -> str:
    said = io.StringIO()
    call_command("people", "merge", *words, stdout=said)
    return said.getvalue()


def state() -> list[Any]:
    """All rows that a merge may change."""
    models: list[Any] = [Collab, Membership, Library, Share, GroupMember, GroupManager, Token, SocialAccount]
    models += [DirectoryAccount, EmailAddress, AuditEntry, Version, User]
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_the_other_account_gets_it_all(owner: User, editor: User, viewer: User, stranger: User, collab: Collab) -> None:
    """`owner`, the only administrator, becomes `viewer`, who has a lower role there."""
    group = create_group(None, name="Team")
    add_person(None, group, owner)
    add_manager(None, group, owner)
    mine = owner.libraries.get(is_default=True)
    for user in (owner, viewer):
        share_with_person(
            stranger, stranger.libraries.get(), user, Permission.WRITE if user == owner else Permission.READ
        )
    share_with_person(owner, mine, viewer, Permission.READ)
    for user in (owner, viewer):
        EmailAddress.objects.create(user=user, email=f"{user.username}@example.org", verified=True, primary=True)
    SocialAccount.objects.create(user=owner, provider="keycloak", uid="s-1")
    DirectoryAccount.objects.create(user=owner, uid="id-1", dn="uid=owner")
    create_token(owner, name="script", scopes=[], days=1)
    now, via = timezone.now(), Via.choices[0][0]
    file = File.objects.create(library=collab.library, path="a.txt", changed_by=owner, changed_at=now, via=via)
    Version.objects.create(file=file, by=owner, size=0, sha256="0" * 64, modified=now, via=via)
    Contributor.objects.create(file=file, user=owner)
    Contributor.objects.create(file=file, user=viewer)
    before = state()
    said = run(owner.username, viewer.username, "--check")
    assert said.startswith("Nothing was done. It would be:")
    assert state() == before
    assert run(owner.username, viewer.username).splitlines()[1:] == said.splitlines()[1:]
    assert "administrator instead of viewer of the Collab" in said
    assert collab.role_of(viewer) == Role.ADMINISTRATOR
    assert not collab.memberships.filter(user=owner).exists()
    assert group.has(viewer)
    assert not group.has(owner)
    assert [row.user for row in GroupManager.objects.filter(group=group)] == [viewer]
    mine.refresh_from_db()
    assert (mine.owner_user, mine.name, mine.is_default) == (viewer, f"My Library (from {owner.username})", False)
    assert not mine.shares.exists()
    [share] = Share.objects.filter(library__owner_user=stranger)
    assert (share.user, share.permission) == (viewer, Permission.WRITE)
    assert SocialAccount.objects.get().user == viewer
    assert DirectoryAccount.objects.get().user == viewer
    assert set(EmailAddress.objects.filter(user=viewer).values_list("email", "primary")) == {
        (f"{viewer.username}@example.org", True),
        (f"{owner.username}@example.org", False),
    }
    assert not Token.objects.filter(user=owner, revoked_at=None).exists()
    assert Version.objects.get().by == viewer
    owner.refresh_from_db()
    assert not owner.is_active
    assert audit.trail(viewer).get(verb="account.merged").details == {"user": owner.username}


def test_sessions_of_the_account_end(owner: User, viewer: User, client: Client) -> None:
    assert client.login(username=owner.username, password=PASSWORD)
    run(owner.username, viewer.username)
    assert client.get("/account/").status_code == 302
    assert not Client().login(username=owner.username, password=PASSWORD)


def test_a_higher_role_of_the_other_account_stays(owner: User, viewer: User, collab: Collab) -> None:
    run(viewer.username, owner.username)
    assert collab.role_of(owner) == Role.ADMINISTRATOR
    assert collab.role_of(viewer) is None


def test_it_does_all_or_nothing(owner: User, editor: User, viewer: User, operator: User) -> None:
    services.deactivate(None, editor)
    before = state()
    for words, said in (
        ((owner.username, owner.username), "not two accounts"),
        ((owner.username, editor.username), "is deactivated"),
        ((owner.username, "nobody-at-all"), "no account"),
        ((operator.username, owner.username), "superuser"),
    ):
        with pytest.raises(CommandError, match=said):
            run(*words)
        assert state() == before
    with pytest.raises(CommandError, match="If that is meant: --deactivated"):
        run(editor.username, owner.username)
    assert state() == before
    run(editor.username, owner.username, "--deactivated")


def test_it_waits_for_the_end_of_the_lab(owner: User, viewer: User) -> None:
    """It would go on writing into libraries that are somebody else's, and rescue into an account that is closed."""
    environment = Environment.objects.create(slug="base", name="Base", prefix="/srv/base")
    server = Server.objects.create(owner=owner, environment=environment, state=State.STOPPING)
    before = state()
    for words in ([], ["--check"]):
        with pytest.raises(CommandError, match=f"bin/manage servers stop {owner.username}"):
            run(owner.username, viewer.username, *words)
        assert state() == before
    Server.objects.filter(pk=server.pk).update(state=State.STOPPED)
    run(owner.username, viewer.username)


def test_it_says_what_becomes_of_quotas(owner: User, viewer: User, settings: Settings) -> None:
    Library.objects.filter(owner_user=owner).update(used_bytes=2000, used_files=2)
    set_quota(None, owner, 5000, None)
    assert "over quota" not in run(owner.username, viewer.username, "--check")
    settings.QUOTA_PERSON_BYTES = 1000
    said = run(owner.username, viewer.username, "--check")
    assert f"not handed over: the quota of its own that {owner.username} has" in said
    assert f"{viewer.username} is over quota then" in said


def test_no_statement_grows_with_what_two_authors_have_written(owner: User, viewer: User, collab: Collab) -> None:
    """Databases take so many parameters in one, and people write more versions than that."""
    now, via = timezone.now(), Via.choices[0][0]
    file = File.objects.create(library=collab.library, path="a.txt", changed_by=owner, changed_at=now, via=via)
    versions = Version.objects.bulk_create(
        Version(file=file, by=owner, size=0, sha256="0" * 64, modified=now, via=via) for _ in range(500)
    )
    for user in (owner, viewer):
        Contributor.objects.bulk_create(Contributor(file=file, user=user, version=version) for version in versions)
    with CaptureQueriesContext(connection) as asked:
        run(owner.username, viewer.username)
    assert Contributor.objects.filter(user=viewer).count() == len(versions)
    assert max(len(query["sql"]) for query in asked.captured_queries) < 2500


def test_who_has_a_place_in_the_directory_keeps_it(owner: User, viewer: User) -> None:
    for user in (owner, viewer):
        DirectoryAccount.objects.create(user=user, uid=user.username, dn="-")
    merging.merge(None, owner, viewer)
    assert {row.uid: row.user for row in DirectoryAccount.objects.all()} == {
        owner.username: owner,
        viewer.username: viewer,
    }
