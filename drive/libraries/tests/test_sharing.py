"""The sharing page, who sees a library, and giving it to somebody else."""

from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from pytest_django.asserts import assertContains, assertNotContains

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.libraries import audience, public_links, services
from drive.libraries.visibility import entries
from drive.models import Library, Permission, Share
from drive.storage import layout
from portal import audit
from portal.access import access_changed
from portal.accounts import people_search
from portal.accounts.services import deactivate
from portal.models import User

SignIn = Callable[[User], Client]
READ, WRITE = Permission.READ, Permission.WRITE


@pytest.fixture
def data(owner: User) -> Library:
    return services.create_library(owner, "Data")


def sharing(library: Library) -> str:
    return f"/drive/sharing/{library.pk}/"


# Changing shares


def test_it_changes_a_right_in_place(owner: User, stranger: User, data: Library, sign_in: SignIn) -> None:
    share = services.share_with_person(owner, data, stranger, READ)
    client = sign_in(owner)
    client.post(f"/drive/shares/{share.pk}/change/", {"permission": "rw"})
    share.refresh_from_db()
    assert share.permission == WRITE
    assert audit.trail(data)[0].details == {"user": "stranger", "permission": "rw"}
    before = audit.trail(data).count()
    client.post(f"/drive/shares/{share.pk}/change/", {"permission": "rw"})
    assert audit.trail(data).count() == before
    assert client.post(f"/drive/shares/{share.pk}/change/", {"permission": "x"}).status_code == 404
    services.unshare(owner, share)
    services.change_share(owner, share, READ)
    assert not data.shares.exists(), "what has ended stays ended"


def test_it_shares_with_teams_that_the_sharer_is_in(
    owner: User, stranger: User, public_collab: Collab, data: Library
) -> None:
    services.share_with_team(owner, data, public_collab, READ)
    theirs = services.create_library(stranger, "Theirs")
    with pytest.raises(ValidationError, match="teams that you belong to"):
        services.share_with_team(stranger, theirs, public_collab, READ)


def test_it_suggests_people(
    owner: User, viewer: User, stranger: User, data: Library, sign_in: SignIn, person: Callable[..., User]
) -> None:
    person("vera2", is_active=False)
    client, page = sign_in(owner), sharing(data) + "people/"
    assertContains(client.get(page + "?person=ve"), "Vera Viewer")
    assertNotContains(client.get(page + "?person=ve"), "vera2")
    assert client.get(page + "?person=v").content.strip() == b""
    assert b"owner" not in client.get(page + "?person=ow").content
    services.share_with_person(owner, data, viewer, READ)
    assert b"Vera" not in client.get(page + "?person=ve").content
    assertContains(client.get(sharing(data)), f'hx-get="{page}"')


def test_it_limits_how_fast_people_can_be_listed(
    owner: User, editor: User, data: Library, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_search, "SEARCHES_PER_MINUTE", 3)
    client, page = sign_in(owner), sharing(data) + "people/?person=ve"
    assert [client.get(page).status_code for _ in range(4)] == [200, 200, 200, 429]
    mine = Library.objects.get(owner_user=editor)
    assert sign_in(editor).get(sharing(mine) + "people/?person=ve").status_code == 200


# Who sees it


def names(asker: User, library: Library) -> dict[str, list[str]]:
    readers = audience.with_routes(asker, library, audience.people(asker, library))
    return {reader.user.username: [route.text for route in reader.routes] for reader in readers}


def test_it_tells_the_owner_everybody(
    owner: User, editor: User, viewer: User, stranger: User, collab: Collab, data: Library
) -> None:
    services.share_with_person(owner, data, stranger, WRITE)
    services.share_with_person(owner, data, viewer, WRITE)
    services.share_with_team(owner, data, collab, READ)
    assert names(owner, data) == {
        "owner": ["owner", "in the team of Cortex"],
        "editor": ["in the team of Cortex"],
        "viewer": ["shared directly", "in the team of Cortex"],
        "stranger": ["shared directly"],
    }
    assert audience.undisclosed(owner, data) == (0, 0)


def test_it_tells_others_what_they_may_know(
    owner: User, editor: User, viewer: User, stranger: User, collab: Collab, data: Library, person: Callable[..., User]
) -> None:
    other = person("other")
    services.share_with_person(owner, data, stranger, READ)
    services.share_with_person(owner, data, other, READ)
    services.share_with_team(owner, data, collab, READ)
    assert names(stranger, data) == {"owner": ["owner"], "stranger": ["shared directly"]}
    assert audience.undisclosed(stranger, data) == (1, 1)
    assert set(names(viewer, data)) == {"owner", "editor", "viewer"}
    assert audience.undisclosed(viewer, data) == (2, 0)


def test_it_tells_the_public_no_names(
    owner: User, stranger: User, viewer: User, public_collab: Collab, data: Library, sign_in: SignIn
) -> None:
    services.share_with_person(owner, data, viewer, READ)
    services.set_public(owner, data, True)
    assert names(stranger, data) == {"owner": ["owner"]}
    assert names(stranger, public_collab.library) == {}
    page = sign_in(stranger).get(sharing(data))
    assertContains(page, "Everybody who is signed in can read it")
    assertContains(page, "1 other person")
    assertNotContains(page, "Vera")
    page = sign_in(stranger).get(sharing(public_collab.library))
    assertContains(page, "Open Cortex")
    assertNotContains(page, "Vera")


def test_it_names_the_roles_of_a_collab(viewer: User, collab: Collab, sign_in: SignIn) -> None:
    assert names(viewer, collab.library) == {
        "owner": ["administrator of Cortex"],
        "editor": ["editor of Cortex"],
        "viewer": ["viewer of Cortex"],
    }
    page = sign_in(viewer).get(sharing(collab.library))
    assertContains(page, "Vera Viewer")
    assert sign_in(viewer).post(sharing(collab.library)).status_code == 403


def test_it_names_nobody_who_sees_it_no_more(owner: User, stranger: User, collab: Collab, data: Library) -> None:
    services.share_with_person(owner, data, stranger, READ)
    services.share_with_team(owner, data, collab, READ)
    deactivate(None, stranger)
    collab_services.delete_collab(owner, collab)
    assert set(names(owner, data)) == {"owner"}


def test_it_agrees_with_what_people_see(
    owner: User, editor: User, viewer: User, stranger: User, collab: Collab, data: Library
) -> None:
    services.share_with_person(owner, data, stranger, WRITE)
    services.share_with_team(owner, data, collab, READ)
    for reader in audience.with_routes(owner, data, audience.people(owner, data)):
        found = entries(reader.user, library=data.pk)
        assert found
        assert reader.may_write == any(entry.may_write for entry in found)


@pytest.mark.slow
def test_it_pages_large_teams_with_the_same_queries(
    owner: User, collab: Collab, data: Library, sign_in: SignIn, person: Callable[..., User]
) -> None:
    services.share_with_team(owner, data, collab, READ)
    client = sign_in(owner)

    def queries() -> int:
        client.get(sharing(data))
        with CaptureQueriesContext(connection) as captured:
            assert client.get(sharing(data)).status_code == 200
        return len(captured)

    before = queries()
    for number in range(60):
        collab_services.add_member(owner, collab, person(f"member-{number:02}"), Role.VIEWER)
    assert queries() == before
    assertContains(client.get(sharing(data)), "Page 1 of 2")
    assertContains(client.get(sharing(data) + "?page=2"), "member-59")


# Giving it away


def test_it_gives_a_library_away(
    owner: User, editor: User, viewer: User, stranger: User, collab: Collab, data: Library
) -> None:
    services.create_library(stranger, "Data")
    services.share_with_person(owner, data, viewer, READ)
    services.share_with_person(owner, data, stranger, READ)
    services.share_with_team(owner, data, collab, READ)
    link = public_links.make_link(owner, data, "")
    before = entries(editor)
    told: list[frozenset[int]] = []
    listen = lambda sender, user_ids, **_: told.append(user_ids)  # noqa: E731
    access_changed.connect(listen)
    services.transfer_library(owner, data, stranger)
    access_changed.disconnect(listen)
    data.refresh_from_db()
    assert (data.owner_user, data.name, data.shared_name) == (stranger, "Data (from owner)", "Data")
    assert entries(editor) == before, "nobody else's path changes"
    assert {owner.pk, editor.pk, viewer.pk, stranger.pk} in told
    assert [entry.lab_path() for entry in entries(stranger, library=data.pk)] == ["My Libraries/Data (from owner)"]
    assert {entry.reason for entry in entries(owner, library=data.pk)} == {"It is shared with the team of Cortex."}
    link.refresh_from_db()
    assert link.revoked_at
    assert audit.trail(data)[0].verb == "library.transferred"
    assert audit.trail(data)[0].details == {"before": "owner", "after": "stranger"}


def test_it_gives_my_library_away_and_leaves_an_empty_one(owner: User, stranger: User, viewer: User) -> None:
    mine = Library.objects.get(owner_user=owner)
    services.share_with_person(owner, mine, viewer, READ)
    (layout.find(mine.pk) / "a.txt").write_text("kept")
    services.transfer_library(owner, mine, stranger)
    mine.refresh_from_db()
    assert (mine.name, mine.is_default, mine.shared_name) == ("My Library (from owner)", False, "My Library (owner)")
    assert (layout.find(mine.pk) / "a.txt").read_text() == "kept"
    fresh = Library.objects.get(owner_user=owner)
    assert (fresh.name, fresh.is_default) == ("My Library", True)
    assert list(layout.find(fresh.pk).iterdir()) == []
    assert Library.objects.get(owner_user=stranger, is_default=True) != mine
    services.share_with_person(owner, fresh, viewer, READ)
    fresh.refresh_from_db()
    assert fresh.shared_name not in (None, "My Library (owner)")


def test_it_finds_a_free_name_for_the_new_owner(owner: User, stranger: User, data: Library) -> None:
    for name in ("Data", "Data (from owner)"):
        services.create_library(stranger, name)
    services.transfer_library(owner, data, stranger)
    data.refresh_from_db()
    assert data.name == f"Library {str(data.pk)[:8]} (from owner)"
    long = services.create_library(owner, "é" * 90)
    services.create_library(stranger, "é" * 90)
    services.transfer_library(owner, long, stranger)
    long.refresh_from_db()
    assert long.name.endswith(" (from owner)")


def test_it_gives_nothing_to_nobody(
    owner: User, stranger: User, collab: Collab, data: Library, person: Callable[..., User]
) -> None:
    gone = person("gone", is_active=False)
    for library, user in ((data, owner), (data, gone), (collab.library, stranger)):
        with pytest.raises(ValidationError):
            services.transfer_library(owner, library, user)
    services.delete_library(owner, data)
    with pytest.raises(ValidationError):
        services.transfer_library(owner, data, stranger)


def test_it_is_transferred_on_its_page(
    owner: User, stranger: User, data: Library, sign_in: SignIn, settings: Settings
) -> None:
    client, page = sign_in(owner), sharing(data) + "transfer/"
    assertContains(client.get(page), "New owner")
    assertContains(client.post(page, {"person": "owner"}), "already owns the library", status_code=422)
    settings.QUOTA_PERSON_BYTES = 10
    Library.objects.filter(pk=data.pk).update(used_bytes=11)
    assertContains(client.post(page, {"person": "stranger"}), "would not fit", status_code=422)
    settings.QUOTA_PERSON_BYTES = 11
    assertContains(client.post(page, {"person": "stranger"}, follow=True), "belongs to stranger now")
    assert Share.objects.get(library=data, user=owner).permission == WRITE
    assert [entry.may_write for entry in entries(owner, library=data.pk)] == [True]
    assert client.get(page).status_code == 403
