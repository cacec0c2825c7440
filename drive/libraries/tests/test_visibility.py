"""The derivation, as the table says it: every kind of person, every route, public and private."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collabs import services as collab_services
from collabs.models import Collab, Membership, Person, Role
from drive.folders import MOUNTED, Folder
from drive.libraries import services
from drive.libraries.visibility import affected, as_entry, entries, mounted, public_entries, reached_by
from drive.models import Library, Permission, Share
from groups import services as group_services
from portal.accounts import services as portal_services
from portal.models import User

READ, WRITE = Permission.READ, Permission.WRITE
MINE, PEOPLE, GROUPS, ALL = Folder.MINE, Folder.PEOPLE, Folder.GROUPS, Folder.ALL


@pytest.fixture
def people(owner: User, editor: User, viewer: User, stranger: User, person: Callable[..., User]) -> dict[str, Person]:
    """Everybody of the table."""
    return {
        "owner": owner,
        "editor": editor,
        "viewer": viewer,
        "stranger": stranger,
        "inactive": person("inactive"),
        "anonymous": AnonymousUser(),
    }


def seen(user: Person, library: Library) -> dict[str, tuple[str, str]]:
    """Folder → (permission, reason)."""
    return {str(e.folder): (e.permission, e.reason) for e in entries(user, library=library.pk)}


ADMINISTRATES = {GROUPS: ("rw", "You are an administrator of its Collab.")}
EDITS = {GROUPS: ("rw", "You are an editor of its Collab.")}
VIEWS = {GROUPS: ("r", "You are a viewer of its Collab.")}
PUBLIC = {ALL: ("r", "It is public.")}


@pytest.mark.parametrize(
    ("who", "private", "public"),
    [
        ("owner", ADMINISTRATES, ADMINISTRATES | PUBLIC),
        ("editor", EDITS, EDITS | PUBLIC),
        ("viewer", VIEWS, VIEWS | PUBLIC),
        ("stranger", {}, PUBLIC),
        ("inactive", {}, {}),
        ("anonymous", {}, {}),
    ],
)
def test_it_derives_who_sees_a_collabs_library(
    people: dict[str, User],
    collab: Collab,
    public_collab: Collab,
    operator: User,
    who: str,
    private: dict[str, tuple[str, str]],
    public: dict[str, tuple[str, str]],
) -> None:
    for team in (collab, public_collab):
        collab_services.add_member(people["owner"], team, people["inactive"], Role.EDITOR)
    portal_services.deactivate(operator, people["inactive"])
    people["inactive"].refresh_from_db()
    assert seen(people[who], collab.library) == private
    assert seen(people[who], public_collab.library) == public


OWNS = {MINE: ("rw", "You own it.")}


@pytest.mark.parametrize(
    ("route", "who", "expected"),
    [
        ("none", "owner", OWNS),
        ("none", "stranger", {}),
        ("none", "editor", {}),
        ("person r", "stranger", {PEOPLE: ("r", "owner shared it with you.")}),
        ("person rw", "stranger", {PEOPLE: ("rw", "owner shared it with you.")}),
        ("person rw", "owner", OWNS),
        ("person rw", "editor", {}),
        ("person rw", "anonymous", {}),
        ("team r", "viewer", {GROUPS: ("r", "It is shared with the team of Cortex.")}),
        ("team rw", "viewer", {GROUPS: ("rw", "It is shared with the team of Cortex.")}),
        ("team rw", "owner", OWNS | {GROUPS: ("rw", "It is shared with the team of Cortex.")}),
        ("team rw", "stranger", {}),
        ("team rw", "inactive", {}),
        ("public", "stranger", PUBLIC),
        ("public", "owner", OWNS | PUBLIC),
        ("public", "inactive", {}),
        ("public", "anonymous", {}),
    ],
)
def test_it_derives_who_sees_a_persons_library(
    people: dict[str, User],
    collab: Collab,
    operator: User,
    route: str,
    who: str,
    expected: dict[str, tuple[str, str]],
) -> None:
    collab_services.add_member(people["owner"], collab, people["inactive"], Role.EDITOR)
    portal_services.deactivate(operator, people["inactive"])
    people["inactive"].refresh_from_db()
    library = services.create_library(people["owner"], "Data")
    match route.split():
        case ["person", permission]:
            services.share_with_person(people["owner"], library, people["stranger"], Permission(permission))
        case ["team", permission]:
            services.share_with_team(people["owner"], library, collab, Permission(permission))
        case ["public"]:
            services.set_public(people["owner"], library, True)
    assert seen(people[who], library) == expected


def test_it_takes_the_highest_permission_within_a_folder_and_says_why(
    owner: User, viewer: User, collab: Collab, public_collab: Collab
) -> None:
    library = services.create_library(owner, "Data")
    services.share_with_team(owner, library, collab, READ)
    assert seen(viewer, library) == {GROUPS: ("r", "It is shared with the team of Cortex.")}
    services.share_with_team(owner, library, public_collab, WRITE)
    assert seen(viewer, library) == {GROUPS: ("rw", "It is shared with the team of Open Cortex.")}
    services.share_with_person(owner, library, viewer, READ)
    assert seen(viewer, library)[PEOPLE] == ("r", "owner shared it with you.")


def test_it_says_through_which_group_somebody_belongs(owner: User, stranger: User, collab: Collab) -> None:
    group = group_services.create_group(owner, name="Institute")
    group_services.add_person(owner, group, stranger)
    collab_services.give_group_role(owner, collab, group, Role.EDITOR)
    through = "You are an editor of its Collab through the group Institute."
    assert seen(stranger, collab.library) == {GROUPS: ("rw", through)}
    collab_services.archive_collab(owner, collab)
    archived = "You belong to its Collab, which is archived."
    assert seen(stranger, collab.library) == {GROUPS: ("r", archived)}
    assert seen(owner, collab.library) == {GROUPS: ("r", archived)}


def test_a_team_whose_collab_is_archived_only_reads(owner: User, viewer: User, collab: Collab) -> None:
    library = services.create_library(owner, "Data")
    services.share_with_team(owner, library, collab, WRITE)
    collab_services.archive_collab(owner, collab)
    reason = "It is shared with the team of Cortex, which is archived."
    assert seen(viewer, library) == {GROUPS: ("r", reason)}


@pytest.mark.parametrize("which", ["collab", "library"])
def test_either_of_a_deleted_collab_and_its_library_hides_it(viewer: User, collab: Collab, which: str) -> None:
    """They are two rows, deleted one after the other."""
    assert seen(viewer, collab.library) == VIEWS
    row = collab if which == "collab" else collab.library
    row.deleted_at = timezone.now()
    row.save()
    assert seen(viewer, collab.library) == {}


def test_it_shows_nothing_that_was_deleted(owner: User, viewer: User, stranger: User, collab: Collab) -> None:
    library = services.create_library(owner, "Data")
    services.share_with_team(owner, library, collab, WRITE)
    services.share_with_person(owner, library, stranger, WRITE)
    services.set_public(owner, library, True)
    services.delete_library(owner, library)
    assert [seen(user, library) for user in (owner, viewer, stranger)] == [{}, {}, {}]

    shared = services.create_library(owner, "More data")
    services.share_with_team(owner, shared, collab, READ)
    collab_services.delete_collab(owner, collab)
    assert seen(viewer, shared) == {}
    assert seen(viewer, collab.library) == {}


def test_it_names_a_library_alike_for_everybody_but_its_owner(
    owner: User, viewer: User, stranger: User, collab: Collab
) -> None:
    services.share_with_person(stranger, services.create_library(stranger, "Data"), viewer, READ)
    library = services.create_library(owner, "Data")
    services.share_with_person(owner, library, viewer, READ)
    services.share_with_team(owner, library, collab, READ)
    services.set_public(owner, library, True)
    names = {(e.folder, e.name) for e in entries(viewer, library=library.pk)}
    assert names == {(PEOPLE, "Data (owner)"), (GROUPS, "Data (owner)"), (ALL, "Data (owner)")}
    assert {e.name for e in entries(owner, folders=[MINE], library=library.pk)} == {"Data"}


def test_it_gives_the_place_in_the_lab(owner: User, collab: Collab) -> None:
    [entry] = entries(owner, folders=[GROUPS])
    assert entry.lab_path() == "Shared with groups/Cortex"
    assert entry.lab_path("a/b.ipynb") == "Shared with groups/Cortex/a/b.ipynb"


def test_it_sorts_by_folder_and_name(owner: User, collab: Collab, public_collab: Collab) -> None:
    services.create_library(owner, "alpha")
    services.create_library(owner, "Beta")
    found = [(e.folder, e.name) for e in entries(owner)]
    mine = [(MINE, "alpha"), (MINE, "Beta"), (MINE, "My Library")]
    assert found == [*mine, (GROUPS, "Cortex"), (GROUPS, "Open Cortex"), (ALL, "Open Cortex")]


@pytest.mark.parametrize("folders", [tuple(Folder), MOUNTED, (MINE,), (PEOPLE,), (GROUPS,), (ALL,)])
def test_it_takes_one_query(owner: User, collab: Collab, folders: tuple[Folder, ...]) -> None:
    with CaptureQueriesContext(connection) as queries:
        entries(owner, folders=folders)
    assert len(queries) == 1


def test_it_asks_the_database_nothing_for_who_is_nobody() -> None:
    assert entries(AnonymousUser()) == []


def test_it_finds_nothing_in_no_folder(owner: User) -> None:
    assert entries(owner, folders=[]) == []


def test_it_finds_public_libraries_by_name_in_any_script(owner: User) -> None:
    for name in ("Größe", "Δεδομένα", "Data 100%"):
        services.set_public(owner, services.create_library(owner, name), True)

    def search(text: str) -> list[str | None]:
        return [row.shared_name for row in public_entries(text)]

    assert search("GRÖSSE") == ["Größe"]
    assert search("δεδ") == ["Δεδομένα"]
    assert search("0%") == ["Data 100%"]
    assert search("%") == ["Data 100%"]
    assert search("") == ["Data 100%", "Größe", "Δεδομένα"]
    assert [row.shared_name for row in public_entries()] == search("")


def test_a_row_of_the_public_folder_makes_the_entry_that_a_person_sees(owner: User, stranger: User) -> None:
    services.share_with_person(stranger, services.create_library(stranger, "Data"), owner, READ)
    services.set_public(owner, services.create_library(owner, "Data"), True)
    [row] = public_entries("data")
    entry = as_entry(row)
    assert [entry] == entries(stranger, folders=[ALL])
    assert (entry.name, entry.reason, entry.may_write) == ("Data (owner)", "It is public.", False)


def test_it_knows_whom_a_change_reaches(
    owner: User, editor: User, viewer: User, stranger: User, collab: Collab
) -> None:
    everybody = {owner.pk, editor.pk, viewer.pk}
    collab_services.create_collab(stranger, title="Another team")
    assert affected(collab.library) == everybody
    library = services.create_library(stranger, "Data")
    assert affected(library) == {stranger.pk}
    team = Share.objects.create(library=library, collab=collab, permission=READ)
    assert affected(library) == everybody | {stranger.pk}
    assert reached_by(team) == everybody
    assert reached_by(services.share_with_person(stranger, library, owner, READ)) == {owner.pk}


ROUTES = st.lists(
    st.tuples(
        st.sampled_from(["person", "team", "member", "public", "delete library", "delete collab"]),
        st.integers(0, 2),
        st.sampled_from(["r", "rw"]),
    ),
    max_size=8,
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(routes=ROUTES)
def test_it_agrees_with_the_table_worked_out_by_hand(
    routes: list[tuple[str, int, str]], person: Callable[..., User]
) -> None:
    """Any mix of routes: the query gives what a naive walk through the rows gives, and `visible_to` agrees."""
    number = User.objects.count()
    me, other = person(f"me{number}"), person(f"other{number}")
    collabs = [collab_services.create_collab(other, title=f"Team {number} {n}") for n in range(3)]
    library = services.create_library(other, "Data")
    for kind, which, permission in routes:
        match kind:
            case "person":
                services.share_with_person(other, library, me, Permission(permission))
            case "team":
                services.share_with_team(other, library, collabs[which], Permission(permission))
            case "member":
                role = Role.EDITOR if permission == "rw" else Role.VIEWER
                Membership.objects.update_or_create(collab=collabs[which], user=me, defaults={"role": role})
            case "public":
                services.set_public(other, library, permission == "rw")
            case "delete library" if library.deleted_at is None and which == 2:
                services.delete_library(other, library)
                break
            case "delete collab":
                collab_services.delete_collab(other, collabs[which])
    expected = _by_hand(me)
    assert {(e.library_id, str(e.folder)): e.permission for e in entries(me)} == expected
    assert set(Library.objects.visible_to(me).values_list("pk", flat=True)) == {pk for pk, _ in expected}
    assert set(mounted(me).values_list("pk", flat=True)) == {pk for pk, folder in expected if folder != ALL}


def _by_hand(me: User) -> dict[tuple[UUID, str], str]:
    found: dict[tuple[UUID, str], str] = {}

    def add(library: Library, folder: Folder, permission: str) -> None:
        if library.deleted_at is None:
            found[library.pk, str(folder)] = max(permission, found.get((library.pk, str(folder)), "r"))

    teams = {m.collab_id: m.role for m in Membership.objects.filter(user=me, collab__deleted_at=None)}
    for library in Library.objects.all():
        if library.owner_user_id == me.pk:
            add(library, MINE, "rw")
        if library.owner_collab_id in teams:
            add(library, GROUPS, "r" if teams[library.owner_collab_id] == Role.VIEWER else "rw")
        if library.is_public:
            add(library, ALL, "r")
    for share in Share.objects.select_related("library"):
        if share.user_id == me.pk:
            add(share.library, PEOPLE, share.permission)
        if share.collab_id in teams:
            add(share.library, GROUPS, share.permission)
    return found
