"""Groups: who is in them, who may change them, and that nesting has no circles."""

from collections.abc import Iterator

import pytest
from django.core.exceptions import ValidationError

from groups import services
from groups.models import Group, GroupMember, people_in
from portal import audit
from portal.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def institute(owner: User) -> Group:
    return services.create_group(owner, name="Institute", description="Everybody on the hill.")


@pytest.fixture
def course(owner: User) -> Group:
    return services.create_group(owner, name="Course 2026")


def names(group: Group) -> set[str]:
    return set(people_in(group).values_list("username", flat=True))


def test_it_is_empty_and_managed_by_who_made_it(institute: Group, owner: User) -> None:
    assert names(institute) == set()
    assert institute.is_managed_by(owner)
    assert [entry.verb for entry in audit.trail(institute)] == ["group.created"]


def test_it_has_a_name_of_its_own(owner: User, institute: Group) -> None:
    for name in ("INSTITUTE", " institute ", "Institu\u200bte", "a/b", "   "):
        with pytest.raises(ValidationError):
            services.create_group(owner, name=name)


def test_it_makes_an_address_of_any_name(owner: User) -> None:
    slugs = [services.create_group(owner, name=name).slug for name in ("New", "Ωmega", "Ωmega 2", "Lab!", "Lab?")]
    assert slugs == ["new-2", "mega", "mega-2", "lab", "lab-2"]


def test_it_counts_people_of_groups_inside_once(
    owner: User, editor: User, viewer: User, institute: Group, course: Group
) -> None:
    services.add_person(owner, institute, editor)
    services.add_person(owner, course, editor)
    services.add_person(owner, course, viewer)
    services.nest(owner, institute, course)
    assert names(institute) == {"editor", "viewer"}
    assert Group.objects.with_size().get(pk=institute.pk).size == 2
    services.unnest(owner, institute, course)
    assert names(institute) == {"editor"}


def test_it_refuses_circles_of_any_length(owner: User, institute: Group, course: Group) -> None:
    third = services.create_group(owner, name="Third")
    services.nest(owner, institute, course)
    services.nest(owner, course, third)
    for outer, inner in ((institute, institute), (course, institute), (third, institute)):
        with pytest.raises(ValidationError, match="circle"):
            services.nest(owner, outer, inner)
    with pytest.raises(ValidationError, match="already"):
        services.nest(owner, institute, course)


def test_it_stays_reached_by_the_other_way(owner: User, viewer: User) -> None:
    top, left, right, bottom = (services.create_group(owner, name=name) for name in "abcd")
    for outer, inner in ((top, left), (top, right), (left, bottom), (right, bottom)):
        services.nest(owner, outer, inner)
    services.add_person(owner, bottom, viewer)
    services.unnest(owner, top, left)
    assert names(top) == {"viewer"}
    services.delete_group(owner, right)
    assert names(top) == set()
    assert names(left) == {"viewer"}


def test_it_keeps_a_manager(owner: User, editor: User, institute: Group) -> None:
    with pytest.raises(services.LastManagerError):
        services.remove_manager(owner, institute, owner)
    services.add_manager(owner, institute, editor)
    editor.is_active = False
    editor.save()
    with pytest.raises(services.LastManagerError):
        services.remove_manager(owner, institute, owner)


def test_it_takes_nobody_twice_and_no_deactivated_account(owner: User, viewer: User, institute: Group) -> None:
    services.add_person(owner, institute, viewer)
    with pytest.raises(ValidationError, match="already"):
        services.add_person(owner, institute, viewer)
    viewer.is_active = False
    viewer.save()
    services.remove_person(owner, institute, viewer)
    with pytest.raises(ValidationError, match="deactivated"):
        services.add_person(owner, institute, viewer)


def test_it_follows_a_provider(owner: User, operator: User, viewer: User, institute: Group, course: Group) -> None:
    services.update_group(operator, institute, name="Institute", description="", provider_name="keycloak:/hill")
    services.update_group(operator, course, name="Course 2026", description="", provider_name="keycloak:/course")
    services.add_person(owner, course, viewer)
    services.follow_provider(viewer, "keycloak", ["/hill", "/course", "/unknown"])
    assert (names(institute), names(course)) == ({"viewer"}, {"viewer"})
    services.follow_provider(viewer, "other", ["/hill"])
    services.follow_provider(viewer, "keycloak", [])
    assert (names(institute), names(course)) == (set(), {"viewer"}), "only what the provider gave, it takes back"


def test_it_says_whose_access_changed(
    owner: User, editor: User, viewer: User, institute: Group, course: Group, access_changes: list[set[int]]
) -> None:
    services.add_person(owner, course, viewer)
    services.add_person(owner, institute, editor)
    services.nest(owner, institute, course)
    services.unnest(owner, institute, course)
    services.remove_person(owner, course, viewer)
    services.delete_group(owner, institute)
    assert access_changes == [{viewer.pk}, {editor.pk}, {viewer.pk}, {viewer.pk}, {viewer.pk}, {editor.pk}]


@pytest.fixture
def access_changes() -> Iterator[list[set[int]]]:
    from portal.access import access_changed

    heard: list[set[int]] = []

    def hear(sender: object, user_ids: frozenset[int], **_: object) -> None:
        heard.append(set(user_ids))

    access_changed.connect(hear, weak=False, dispatch_uid="test")
    yield heard
    access_changed.disconnect(dispatch_uid="test")


def test_it_forgets_who_is_deleted(owner: User, viewer: User, institute: Group) -> None:
    services.add_person(owner, institute, viewer)
    viewer.libraries.all().delete()
    viewer.delete()
    assert not GroupMember.objects.exists()
