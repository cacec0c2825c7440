"""Titles, roles, and questions about many Collabs."""

import unicodedata
from collections.abc import Callable

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError

from collabs import services
from collabs.models import RANKS, Collab, GroupRole, Membership, Role, role_rank, tidy_title, validate_title
from groups.services import add_person, create_group
from portal.models import User

GOOD = ["Cortex", "A", "2", "Größe & Maß", "大脑皮层", "Кора мозга", "a.b", "-x", "x" * 100, "it's “quoted” <b>", "\\"]
BAD = ["a/b", "/", ".hidden", "dot.", "..", "nul\0", "bell\a", "zero\u200bwidth", "right\u202eleft", "\ud800", "\ue000"]


@pytest.mark.parametrize("title", GOOD)
def test_it_takes_good_titles(title: str) -> None:
    validate_title(title)


@pytest.mark.parametrize("title", [*BAD, "two\u2028lines", " space", "space ", "大" * 67])
def test_it_refuses_what_cannot_name_a_folder(title: str) -> None:
    with pytest.raises(ValidationError):
        validate_title(title)


def test_it_tidies_titles() -> None:
    assert tidy_title("  Open\u00a0 \t Cortex\n") == "Open Cortex"
    assert tidy_title(unicodedata.normalize("NFD", "Größe")) == "Größe"


def test_it_ranks_roles() -> None:
    ranks = [Role.ADMINISTRATOR, Role.EDITOR, Role.VIEWER]
    assert [[one.includes(other) for other in ranks] for one in ranks] == [
        [True, True, True],
        [False, True, True],
        [False, False, True],
    ]


def test_it_has_a_rank_for_every_role() -> None:
    assert sorted(RANKS) == sorted(Role)
    assert len(set(RANKS.values())) == len(Role)
    assert min(RANKS.values()) > 0, "0 is for what is no role"


@pytest.mark.parametrize("name", ["abstainer", "zealot"])
@pytest.mark.parametrize("rank", [5, 15, 40])
def test_it_compares_a_new_role_by_its_rank_and_not_by_its_name(
    monkeypatch: pytest.MonkeyPatch, name: str, rank: int, collab: Collab, owner: User, viewer: User, stranger: User
) -> None:
    group = create_group(owner, name="Institute")
    add_person(owner, group, viewer)
    GroupRole.objects.create(collab=collab, group=group, role=name)
    Membership.objects.create(collab=collab, user=stranger, role=name)
    monkeypatch.setitem(RANKS, name, rank)
    roles = {role: RANKS[role] for role in ("viewer", name)}
    highest = max(roles, key=roles.__getitem__)
    assert Collab.objects.with_role_of(viewer).get(pk=collab.pk).my_role == highest
    effective = collab.effective_role_of(viewer)
    assert effective is not None
    assert effective.role == highest
    team = collab.memberships.order_by(role_rank().desc()).values_list("role", flat=True)
    assert list(team) == sorted(team, key=RANKS.__getitem__, reverse=True)


def test_it_knows_who_sees_what(collab: Collab, public_collab: Collab, viewer: User, stranger: User) -> None:
    for user, visible in ((viewer, {collab, public_collab}), (stranger, {public_collab})):
        assert set(Collab.objects.visible_to(user)) == visible
    assert set(Collab.objects.visible_to(AnonymousUser())) == {public_collab}
    assert set(Collab.objects.of_member(viewer)) == {collab, public_collab}
    assert set(Collab.objects.of_member(stranger)) == set()


def test_it_hides_the_deleted(collab: Collab, owner: User) -> None:
    services.delete_collab(owner, collab)
    assert not Collab.objects.visible_to(owner).exists()
    assert Collab.all_objects.visible_to(owner).exists()
    assert Membership.objects.get(user=owner).collab.deleted_at  # a row still finds its Collab


def test_it_knows_roles(public_collab: Collab, viewer: User, stranger: User) -> None:
    roles = {user: Collab.objects.with_role_of(user).get().my_role for user in (viewer, stranger, AnonymousUser())}
    assert list(roles.values()) == ["viewer", None, None]
    assert [public_collab.role_of(user) for user in roles] == [Role.VIEWER, None, None]


def test_it_gives_inactive_people_nothing(collab: Collab, public_collab: Collab, viewer: User) -> None:
    viewer.is_active = False
    viewer.save()
    assert set(Collab.objects.visible_to(viewer)) == {public_collab}
    assert Collab.objects.with_role_of(viewer).get(pk=public_collab.pk).my_role is None
    assert public_collab.role_of(viewer) is None


def test_it_counts_active_people(collab: Collab, owner: User, viewer: User, person: Callable[..., User]) -> None:
    services.create_collab(person("other"), title="Other")
    sizes = {row.title: row.team_size for row in Collab.objects.with_team_size()}
    assert sizes == {"Cortex": 3, "Other": 1}
    User.objects.filter(pk=viewer.pk).update(is_active=False)
    assert Collab.objects.with_team_size().get(pk=collab.pk).team_size == 2
    collab.memberships.all().delete()
    assert Collab.objects.with_team_size().get(pk=collab.pk).team_size == 0


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", 3),
        ("cortex", 2),
        ("CORTEX map", 1),
        ("map cortex", 1),
        ("größe", 1),
        ("GRÖSSE", 1),
        (unicodedata.normalize("NFD", "Größe"), 1),
        ("slices", 1),
        ("cortex slices", 1),
        ("%", 0),
        ("_", 0),
        ("' OR 1=1 --", 0),
        ("cor\0tex", 0),
        ("\0", 3),
    ],
)
def test_it_finds_words_in_title_and_description(owner: User, words: str, found: int) -> None:
    services.create_collab(owner, title="Cortex", description="Data of slices.")
    services.create_collab(owner, title="Map of the Cortex")
    services.create_collab(owner, title="Größe")
    assert Collab.objects.matching(words).count() == found
