"""Changes: their rules, their audit rows, their hooks, and who is told."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from collabs import services
from collabs.models import Collab, Membership, Role
from drive.models import Library
from portal import audit, hooks
from portal.access import access_changed
from portal.accounts.services import activate, deactivate
from portal.models import AuditEntry, User


@pytest.fixture
def told() -> Iterator[list[set[int]]]:
    """Whose access was said to have changed."""
    heard: list[set[int]] = []

    def listen(user_ids: frozenset[int], **_: object) -> None:
        heard.append(set(user_ids))

    access_changed.connect(listen)
    yield heard
    access_changed.disconnect(listen)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Hooks that were run; they still run."""
    noted: list[tuple[str, dict[str, Any]]] = []
    run = hooks.run

    def note(event: str, **arguments: Any) -> None:
        noted.append((event, arguments))
        run(event, **arguments)

    monkeypatch.setattr(hooks, "run", note)
    return noted


def team(collab: Collab) -> dict[str, str]:
    return dict(collab.memberships.values_list("user__username", "role"))


def last(collab: Collab) -> AuditEntry:
    return audit.trail(collab)[0]


def everybody(*people: User) -> set[int]:
    return {user.pk for user in people}


# Create


def test_it_makes_the_creator_administrator(owner: User, told: list, ran: list) -> None:
    collab = services.create_collab(owner, title="Cortex", description="Slices.", is_public=True)
    assert team(collab) == {"owner": "administrator"}
    assert (collab.slug, collab.created_by, collab.is_public) == ("cortex", owner, True)
    assert (last(collab).verb, last(collab).actor, last(collab).details) == (
        "collab.created",
        owner,
        {"is_public": True},
    )
    assert ran == [("collab_created", {"actor": owner, "collab": collab})]
    assert told[-1] == {owner.pk}
    assert Library.objects.get(owner_collab=collab).shared_name == "Cortex"


def test_it_leaves_nothing_behind_when_a_hook_refuses(owner: User, monkeypatch: pytest.MonkeyPatch, told: list) -> None:
    def refuse(event: str, **_: object) -> None:
        raise ValidationError("No.")

    monkeypatch.setattr(hooks, "run", refuse)
    with pytest.raises(ValidationError):
        services.create_collab(owner, title="Cortex")
    assert not Collab.all_objects.exists()
    assert not AuditEntry.objects.filter(verb__startswith="collab.").exists()
    assert told == []


def test_it_keeps_a_shared_librarys_name_from_collabs(owner: User, stranger: User) -> None:
    from drive.libraries import services as drive_services
    from drive.models import Permission

    library = drive_services.create_library(stranger, "Atlas")
    drive_services.share_with_person(stranger, library, owner, Permission.READ)
    with pytest.raises(ValidationError, match="taken"):
        services.create_collab(owner, title="ATLAS")


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Cortex", "cortex"),
        ("  Open   Cortex ", "open-cortex"),
        ("Größe & Maß", "groe-ma"),
        ("Émile's data (2026)", "emiles-data-2026"),
        ("new", "new-2"),
        ("New", "new-2"),
        ("x" * 100, "x" * 60),
        ("a" * 59 + " b", "a" * 59),
    ],
)
def test_it_makes_an_address_of_the_title(owner: User, title: str, slug: str) -> None:
    assert services.create_collab(owner, title=title).slug == slug


@pytest.mark.parametrize("title", ["大脑皮层", "Кора мозга", "قشرة", "…", "🧠"])
def test_it_makes_an_address_for_every_script(owner: User, title: str, sign_in: Callable) -> None:
    collab = services.create_collab(owner, title=title)
    assert collab.slug.startswith("collab-")
    assert len(collab.slug) == len("collab-") + 6
    assert sign_in(owner).get(collab.get_absolute_url()).status_code == 200


def test_it_finds_a_free_address_however_many_are_taken(owner: User) -> None:
    slugs = [services.create_collab(owner, title=f"Cortex{'!' * number}").slug for number in range(15)]
    assert slugs[:9] == ["cortex", *(f"cortex-{number}" for number in range(2, 10))]
    assert all(len(slug) == len("cortex-") + 6 for slug in slugs[9:])
    assert len(set(slugs)) == 15


@pytest.mark.parametrize(
    "title",
    [
        "Cortex",
        "cortex",
        "CORTEX",
        " cortex  ",
        "Größe",
        "GRÖSSE",
        "gro\u0308ße",
        unicodedata.normalize("NFD", "größe"),
    ],
)
def test_it_has_one_collab_of_a_title(owner: User, stranger: User, title: str) -> None:
    services.create_collab(owner, title="Cortex")
    services.create_collab(owner, title="Größe")
    with pytest.raises(ValidationError) as refused:
        services.create_collab(stranger, title=title)
    assert list(refused.value.message_dict) == ["title"]
    assert Collab.all_objects.count() == 2


@pytest.mark.parametrize("title", ["", "   ", "x" * 101, "a/b", ".a", "a.", "a\0", "\u0958" * 60])
def test_it_refuses_bad_titles(owner: User, title: str) -> None:
    with pytest.raises(ValidationError) as refused:
        services.create_collab(owner, title=title)
    assert list(refused.value.message_dict) == ["title"]


# Change


def test_it_changes_what_settings_show(
    collab: Collab, owner: User, editor: User, viewer: User, told: list, ran: list
) -> None:
    ran.clear()
    told.clear()
    row = services.update_collab(owner, collab, title="Hippocampus", description="New.", is_public=True)
    assert (row.title, row.slug, row.is_public) == ("Hippocampus", "cortex", True)
    assert last(row).verb == "collab.changed"
    assert last(row).details == {
        "before": {"title": "Cortex", "description": "", "is_public": False},
        "after": {"title": "Hippocampus", "description": "New.", "is_public": True},
    }
    assert [event for event, _ in ran] == ["collab_changed"]
    assert ran[0][1]["changed"] == {"title", "description", "is_public"}
    assert told == [everybody(owner, editor, viewer)]
    library = Library.objects.get(owner_collab=collab)
    assert (library.shared_name, library.is_public) == ("Hippocampus", True)


def test_it_says_nothing_when_nothing_changes(collab: Collab, owner: User, told: list, ran: list) -> None:
    before = AuditEntry.objects.count()
    ran.clear()
    told.clear()
    services.update_collab(owner, collab, title=" Cortex ", description="", is_public=False)
    assert (AuditEntry.objects.count(), ran, told) == (before, [], [])


def test_it_lets_a_title_change_its_case(collab: Collab, owner: User) -> None:
    assert services.update_collab(owner, collab, title="CORTEX", description="", is_public=False).title == "CORTEX"


def test_it_does_not_take_anothers_title(collab: Collab, public_collab: Collab, owner: User) -> None:
    with pytest.raises(ValidationError, match="taken"):
        services.update_collab(owner, collab, title="open CORTEX", description="", is_public=False)
    collab.refresh_from_db()
    assert collab.title == "Cortex"


def test_it_frees_the_old_title_but_not_the_address(collab: Collab, owner: User) -> None:
    services.update_collab(owner, collab, title="Hippocampus", description="", is_public=False)
    assert services.create_collab(owner, title="Cortex").slug == "cortex-2"


def test_it_can_be_changed_when_nobody_knows_who_made_it(collab: Collab, owner: User) -> None:
    Collab.all_objects.update(created_by=None)
    collab.refresh_from_db()
    assert services.update_collab(owner, collab, title="Other", description="", is_public=False).title == "Other"


# Delete and restore


def test_it_is_deleted_and_restored_whole(
    collab: Collab, owner: User, editor: User, viewer: User, operator: User, told: list, ran: list
) -> None:
    before = team(collab)
    ran.clear()
    told.clear()
    services.delete_collab(owner, collab)
    assert not Collab.objects.exists()
    assert (last(collab).verb, last(collab).actor) == ("collab.deleted", owner)
    services.restore_collab(operator, collab)
    assert Collab.objects.get() == collab
    assert (last(collab).verb, last(collab).actor) == ("collab.restored", operator)
    assert team(collab) == before
    assert [event for event, _ in ran] == ["collab_deleted", "collab_restored"]
    assert all(ids == everybody(owner, editor, viewer) for ids in told)
    assert len(told) >= 2
    assert Library.objects.get(owner_collab=collab).deleted_at is None


def test_it_is_deleted_and_restored_once(collab: Collab, owner: User, ran: list) -> None:
    services.restore_collab(owner, collab)
    services.delete_collab(owner, collab)
    when = Collab.all_objects.get().deleted_at
    services.delete_collab(owner, collab)
    assert Collab.all_objects.get().deleted_at == when
    assert [event for event, _ in ran if event != "collab_created"] == ["collab_deleted"]


def test_it_keeps_the_title_of_a_deleted_one(collab: Collab, owner: User, stranger: User) -> None:
    services.delete_collab(owner, collab)
    with pytest.raises(ValidationError, match="deleted"):
        services.create_collab(stranger, title="cortex")
    assert services.create_collab(stranger, title="Cortex!").slug == "cortex-2"  # the address is never reused


# The team


def test_it_adds_people(collab: Collab, owner: User, stranger: User, told: list) -> None:
    told.clear()
    services.add_member(owner, collab, stranger, Role.EDITOR)
    assert team(collab)["stranger"] == "editor"
    assert (last(collab).verb, last(collab).details) == (
        "collab.member.added",
        {"user": "stranger", "role": "editor"},
    )
    assert told == [{stranger.pk}]


def test_it_adds_nobody_twice_and_keeps_their_role(collab: Collab, owner: User, viewer: User, told: list) -> None:
    told.clear()
    before = AuditEntry.objects.count()
    with pytest.raises(ValidationError, match="already a member"):
        services.add_member(owner, collab, viewer, Role.ADMINISTRATOR)
    assert team(collab)["viewer"] == "viewer"
    assert (AuditEntry.objects.count(), told) == (before, [])


def test_it_adds_nobody_whose_account_is_shut(collab: Collab, owner: User, stranger: User) -> None:
    deactivate(None, stranger)
    with pytest.raises(ValidationError, match="deactivated"):
        services.add_member(owner, collab, stranger, Role.VIEWER)
    assert "stranger" not in team(collab)


def test_it_changes_roles(collab: Collab, owner: User, viewer: User, told: list) -> None:
    told.clear()
    services.change_role(owner, collab, viewer, Role.EDITOR)
    services.change_role(owner, collab, viewer, Role.EDITOR)
    assert team(collab)["viewer"] == "editor"
    assert last(collab).details == {"user": "viewer", "before": "viewer", "role": "editor"}
    assert audit.trail(collab).filter(verb="collab.member.changed").count() == 1
    assert told == [{viewer.pk}]


def test_it_changes_no_role_of_who_is_no_member(collab: Collab, owner: User, stranger: User) -> None:
    with pytest.raises(ValidationError, match="not a member"):
        services.change_role(owner, collab, stranger, Role.EDITOR)


def test_it_removes_people(collab: Collab, owner: User, viewer: User, told: list) -> None:
    told.clear()
    services.remove_member(owner, collab, viewer)
    services.remove_member(owner, collab, viewer)
    assert "viewer" not in team(collab)
    assert (last(collab).verb, last(collab).details) == ("collab.member.removed", {"user": "viewer"})
    assert told == [{viewer.pk}]


def test_it_lets_people_leave(collab: Collab, viewer: User) -> None:
    services.leave(viewer, collab)
    assert "viewer" not in team(collab)
    assert last(collab).verb == "collab.member.left"


# The last administrator

LOSSES: dict[str, Callable[[User, Collab], None]] = {
    "leave": lambda user, collab: services.leave(user, collab),
    "remove": lambda user, collab: services.remove_member(user, collab, user),
    "edit": lambda user, collab: services.change_role(user, collab, user, Role.EDITOR),
    "view": lambda user, collab: services.change_role(user, collab, user, Role.VIEWER),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_it_does_not_lose_its_last_administrator(collab: Collab, owner: User, lose: Callable, told: list) -> None:
    told.clear()
    before = AuditEntry.objects.count()
    with pytest.raises(services.LastAdministratorError):
        lose(owner, collab)
    assert team(collab)["owner"] == "administrator"
    assert (AuditEntry.objects.count(), told) == (before, [])


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_it_does_not_count_administrators_who_are_shut_out(
    collab: Collab, owner: User, editor: User, lose: Callable
) -> None:
    services.change_role(owner, collab, editor, Role.ADMINISTRATOR)
    deactivate(None, editor)
    with pytest.raises(services.LastAdministratorError):
        lose(owner, collab)


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_it_lets_one_of_two_administrators_go(collab: Collab, owner: User, editor: User, lose: Callable) -> None:
    services.change_role(owner, collab, editor, Role.ADMINISTRATOR)
    lose(owner, collab)
    assert team(collab)["editor"] == "administrator"
    assert team(collab).get("owner") != "administrator"


def test_it_lets_others_go_when_a_deactivation_left_no_administrator(
    collab: Collab, owner: User, editor: User, viewer: User, operator: User
) -> None:
    deactivate(operator, owner)  # the one exception: safety first
    services.leave(viewer, collab)
    services.change_role(operator, collab, editor, Role.VIEWER)
    with pytest.raises(services.LastAdministratorError):
        services.remove_member(operator, collab, owner)
    services.change_role(operator, collab, editor, Role.ADMINISTRATOR)
    services.remove_member(operator, collab, owner)
    assert team(collab) == {"editor": "administrator"}


def test_it_gives_a_person_who_comes_back_what_they_had(collab: Collab, owner: User, editor: User) -> None:
    deactivate(None, editor)
    assert collab.role_of(editor) is None
    activate(None, editor)
    assert collab.role_of(editor) == Role.EDITOR
    assert Membership.objects.filter(collab=collab).count() == 3
