"""Names, shares, visibility: what owners do, who is told, and what is written down."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from collabs import services as collab_services
from collabs.models import Collab, Role
from drive.libraries import naming, services
from drive.libraries.visibility import entries
from drive.models import Library, Permission, Share
from portal import audit
from portal.access import access_changed
from portal.models import User

READ, WRITE = Permission.READ, Permission.WRITE


@pytest.fixture
def told() -> Iterator[list[frozenset[int]]]:
    """Who was told that their access changed, call by call."""
    calls: list[frozenset[int]] = []

    def listen(sender: object, user_ids: frozenset[int], **_: Any) -> None:
        calls.append(user_ids)

    access_changed.connect(listen)
    yield calls
    access_changed.disconnect(listen)


@pytest.fixture
def data(owner: User, told: list[frozenset[int]]) -> Library:
    library = services.create_library(owner, "Data")
    told.clear()
    return library


def verbs(target: Library) -> list[str]:
    return [entry.verb for entry in audit.trail(target)]


# From the first second


def test_it_opens_my_library_at_sign_up(stranger: User) -> None:
    library = Library.objects.get(owner_user=stranger)
    assert (library.name, library.is_default, library.is_public) == ("My Library", True, False)


def test_it_opens_a_collabs_library_with_the_collab(collab: Collab, public_collab: Collab) -> None:
    assert (collab.library.name, collab.library.shared_name, collab.library.is_public) == ("Cortex", "Cortex", False)
    assert public_collab.library.is_public


# Names


@pytest.mark.parametrize("name", ["", "  ", "a/b", ".hidden", "dot.", "a\0b", "x" * 101, "é" * 101])
def test_it_refuses_a_name_that_names_no_folder(owner: User, data: Library, name: str) -> None:
    with pytest.raises(ValidationError):
        services.create_library(owner, name)
    with pytest.raises(ValidationError):
        services.rename_library(owner, data, name)


@pytest.mark.parametrize("name", ["Data", "data", "DATA ", " data"])
def test_it_refuses_a_second_library_of_one_name(owner: User, stranger: User, data: Library, name: str) -> None:
    with pytest.raises(ValidationError, match="You have a library"):
        services.create_library(owner, name)
    services.create_library(stranger, name)


def test_it_gives_a_shared_name_once(owner: User, editor: User, viewer: User, data: Library) -> None:
    second = services.create_library(editor, "data")
    services.share_with_person(editor, second, viewer, READ)
    services.share_with_person(owner, data, viewer, READ)
    data.refresh_from_db()
    assert data.shared_name == "Data (owner)"
    services.delete_library(editor, second)
    services.set_public(owner, data, True)
    data.refresh_from_db()
    assert data.shared_name == "Data (owner)", "a path never changes because of somebody else"


def test_it_says_whose_my_library_is(owner: User, viewer: User) -> None:
    mine = Library.objects.get(owner_user=owner)
    services.share_with_person(owner, mine, viewer, READ)
    assert "My Library (owner)" in {entry.name for entry in entries(viewer)}


def test_it_renames_for_others_too(owner: User, viewer: User, data: Library) -> None:
    services.share_with_person(owner, data, viewer, READ)
    services.rename_library(owner, data, "Results")
    assert {entry.name for entry in entries(viewer, library=data.pk)} == {"Results"}
    assert verbs(data)[0] == "library.renamed"


def test_it_keeps_my_library_and_a_collabs_library(owner: User, collab: Collab) -> None:
    mine = Library.objects.get(owner_user=owner, is_default=True)
    for attempt in (
        lambda: services.rename_library(owner, mine, "Other"),
        lambda: services.delete_library(owner, mine),
        lambda: services.delete_library(owner, collab.library),
        lambda: services.rename_library(owner, collab.library, "Other"),
        lambda: services.set_public(owner, collab.library, True),
        lambda: services.share_with_person(owner, collab.library, owner, READ),
        lambda: services.share_with_team(owner, collab.library, collab, READ),
    ):
        with pytest.raises(ValidationError):
            attempt()


def test_it_refuses_a_collab_the_name_of_a_shared_library(owner: User, viewer: User, data: Library) -> None:
    collab_services.create_collab(viewer, title="Results")
    services.share_with_person(owner, data, viewer, READ)
    with pytest.raises(ValidationError, match="taken"):
        collab_services.create_collab(viewer, title="DATA")
    assert not Collab.all_objects.filter(title_key="data").exists()
    results = services.create_library(owner, "results")
    services.set_public(owner, results, True)
    results.refresh_from_db()
    assert results.shared_name == "results (owner)"


def test_it_refuses_a_collab_a_name_that_is_taken_in_the_same_moment(
    owner: User, viewer: User, data: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.share_with_person(owner, data, viewer, READ)

    def look_too_early(library: Library, title: str) -> None:
        naming.set_name(library, title)
        library.shared_name, library.shared_key = library.name, library.name_key

    monkeypatch.setattr(naming, "set_title", look_too_early)
    with pytest.raises(ValidationError, match="taken"):
        collab_services.create_collab(viewer, title="Data")


def test_it_restores_a_deleted_library_unless_its_name_is_taken(owner: User, data: Library) -> None:
    services.delete_library(owner, data)
    again = services.create_library(owner, "Data")
    with pytest.raises(ValidationError):
        services.restore_library(owner, data)
    services.rename_library(owner, again, "Newer")
    services.restore_library(owner, data)
    assert {entry.name for entry in entries(owner)} == {"Data", "Newer", "My Library"}


# Who is told, and what is written down


def test_it_tells_exactly_those_whom_a_change_reaches(
    owner: User,
    editor: User,
    viewer: User,
    stranger: User,
    collab: Collab,
    data: Library,
    told: list[frozenset[int]],
) -> None:
    told.clear()
    team = {owner.pk, editor.pk, viewer.pk}
    person_share = services.share_with_person(owner, data, stranger, READ)
    team_share = services.share_with_team(owner, data, collab, READ)
    services.rename_library(owner, data, "Results")
    services.set_public(owner, data, True)
    services.unshare(owner, person_share)
    services.unshare(owner, person_share)
    services.unshare(owner, team_share)
    services.delete_library(owner, data)
    services.restore_library(owner, data)
    services.create_library(stranger, "Mine")
    everybody = team | {stranger.pk}
    expected = [{stranger.pk}, team, everybody, {stranger.pk}, team, {owner.pk}, {owner.pk}, {stranger.pk}]
    assert told == expected
    assert verbs(data) == [
        "library.restored",
        "library.deleted",
        "library.unshared",
        "library.unshared",
        "library.made_public",
        "library.renamed",
        "library.shared",
        "library.shared",
        "library.created",
    ]


def test_it_says_with_whom(owner: User, stranger: User, collab: Collab, data: Library) -> None:
    services.share_with_person(owner, data, stranger, WRITE)
    services.share_with_team(owner, data, collab, READ)
    team, person = audit.trail(data)[:2]
    assert person.details == {"user": "stranger", "permission": "rw"}
    assert team.details == {"collab": "Cortex", "permission": "r"}


def test_it_tells_nobody_of_what_did_not_happen(
    owner: User, stranger: User, data: Library, told: list[frozenset[int]]
) -> None:
    with suppress(KeyboardInterrupt), transaction.atomic():
        services.share_with_person(owner, data, stranger, READ)
        raise KeyboardInterrupt
    services.set_public(owner, data, False)
    assert told == []
    assert Share.objects.count() == 0


def test_it_shares_anew_with_another_permission(owner: User, stranger: User, data: Library) -> None:
    services.share_with_person(owner, data, stranger, READ)
    services.share_with_person(owner, data, stranger, WRITE)
    assert Share.objects.get().permission == WRITE


def test_it_shares_with_nobody_who_cannot_use_it(owner: User, data: Library, person: Callable[..., User]) -> None:
    for whom in (owner, person("gone", is_active=False)):
        with pytest.raises(ValidationError):
            services.share_with_person(owner, data, whom, READ)
    services.delete_library(owner, data)
    with pytest.raises(ValidationError):
        services.share_with_person(owner, data, person("late"), READ)


def test_it_shares_with_no_deleted_team(owner: User, collab: Collab, data: Library) -> None:
    collab_services.delete_collab(owner, collab)
    collab.refresh_from_db()
    with pytest.raises(ValidationError):
        services.share_with_team(owner, data, collab, READ)


@pytest.mark.parametrize(
    "fields",
    [{}, {"owner_user": True, "owner_collab": True}],
    ids=["nobody", "both"],
)
def test_it_has_exactly_one_owner(owner: User, stranger: User, fields: dict[str, bool], collab: Collab) -> None:
    Library.objects.filter(owner_collab=collab).delete()
    people = {"owner_user": stranger, "owner_collab": collab}
    with pytest.raises(IntegrityError), transaction.atomic():
        Library.objects.create(name="x", name_key="x", **{name: people[name] for name in fields})


def test_it_follows_a_role_at_once(owner: User, viewer: User, collab: Collab) -> None:
    collab_services.change_role(owner, collab, viewer, Role.EDITOR)
    [entry] = entries(viewer, library=collab.library.pk)
    assert entry.may_write
    collab_services.remove_member(owner, collab, viewer)
    assert entries(viewer, library=collab.library.pk) == []
