"""The pages of groups, as each kind of person."""

from collections.abc import Callable

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from groups import services
from groups.models import Group, people_in
from portal.models import User

pytestmark = pytest.mark.django_db
SignIn = Callable[[User], Client]


@pytest.fixture
def group(owner: User, viewer: User) -> Group:
    """Managed by the owner; the viewer is in it; the editor is in a group inside it."""
    group = services.create_group(owner, name="Institute", description="Everybody on the hill.")
    services.add_person(owner, group, viewer)
    return group


@pytest.fixture
def inner(owner: User, editor: User, group: Group) -> Group:
    inner = services.create_group(owner, name="Course")
    services.add_person(owner, inner, editor)
    services.nest(owner, group, inner)
    return inner


def test_it_shows_people_to_its_people_only(
    sign_in: SignIn, group: Group, inner: Group, owner: User, editor: User, viewer: User, stranger: User
) -> None:
    for person, sees in ((owner, True), (viewer, True), (editor, True), (stranger, False)):
        page = sign_in(person).get("/groups/institute/")
        assert page.status_code == 200
        assert ("Vera Viewer" in page.text) is sees, person
        assert "2 people" in page.text
    assert "Settings" not in sign_in(viewer).get("/groups/institute/").text
    assert Client().get("/groups/institute/").status_code == 302
    assert sign_in(owner).get("/groups/nothing/").status_code == 404


@pytest.mark.slow
def test_it_is_changed_by_managers_only(
    sign_in: SignIn, group: Group, inner: Group, viewer: User, stranger: User
) -> None:
    posts = ["people/add", "people/owner/remove", "managers/add", "managers/owner/remove", "groups/add"]
    posts += ["groups/course/remove", "settings", "settings/delete"]
    for person in (viewer, stranger):
        for path in posts:
            assert sign_in(person).post(f"/groups/institute/{path}/").status_code == 403, path
        for path in ("settings/", "people/?person=ol"):
            assert sign_in(person).get(f"/groups/institute/{path}").status_code == 403, path
    assert set(people_in(group).values_list("username", flat=True)) == {"editor", "viewer"}


@pytest.mark.slow
def test_it_is_made_filled_and_deleted(sign_in: SignIn, owner: User, viewer: User, inner: Group) -> None:
    client = sign_in(owner)
    made = client.post("/groups/new/", {"name": "Hill", "description": ""}, follow=True)
    assert "The group was created" in made.text
    assert "Vera" in client.post("/groups/hill/people/add/", {"person": "viewer"}, follow=True).text
    assert "Course" in client.post("/groups/hill/groups/add/", {"group": "course"}, follow=True).text
    managed = client.post("/groups/hill/managers/add/", {"manager-person": "viewer"}, follow=True)
    assert "now manages the group" in managed.text
    assert client.post("/groups/hill/people/add/", {"person": "viewer"}).status_code == 422
    assert client.post("/groups/hill/groups/add/", {"group": "nowhere"}).status_code == 422
    client.post("/groups/hill/groups/course/remove/")
    client.post("/groups/hill/people/viewer/remove/")
    client.post("/groups/hill/managers/viewer/remove/")
    refused = client.post("/groups/hill/managers/owner/remove/", follow=True)
    assert "A group needs a manager" in refused.text
    client.post("/groups/hill/settings/", {"name": "Hill 2", "description": "x"})
    assert client.post("/groups/hill/settings/delete/", {"typed_name": "Hill"}).status_code == 422
    client.post("/groups/hill/settings/delete/", {"typed_name": "Hill 2"})
    assert client.get("/groups/hill/").status_code == 404


def test_everybody_may_leave(sign_in: SignIn, group: Group, viewer: User) -> None:
    sign_in(viewer).post("/groups/institute/people/viewer/remove/")
    assert not people_in(group).exists()


def test_it_finds_groups_by_name(sign_in: SignIn, group: Group, stranger: User) -> None:
    client = sign_in(stranger)
    assert 'value="Institute"' in client.get("/groups/names/?group=inst").text
    assert "Institute" in client.get("/groups/?q=hill").text
    assert "No group matches" in client.get("/groups/?q=valley").text


@pytest.mark.slow
def test_its_pages_ask_the_same_number_of_questions_however_large(
    sign_in: SignIn,
    person: Callable[..., User],
    owner: User,
    group: Group,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client = sign_in(owner)
    for number in range(12):
        services.add_person(owner, group, person(f"p{number}"))
        services.nest(owner, group, services.create_group(owner, name=f"Inner {number}"))
    with django_assert_max_num_queries(16):
        client.get("/groups/institute/")
    with django_assert_max_num_queries(10):
        client.get("/groups/")


def test_operators_change_groups_by_the_same_rules(
    sign_in: SignIn, operator: User, owner: User, viewer: User, group: Group
) -> None:
    client = sign_in(operator)
    assert client.get("/admin/groups/group/").status_code == 200
    address = f"/admin/groups/group/{group.pk}/change/"
    form: dict[str, object] = {"name": "Institute", "description": "", "provider_name": "keycloak:/hill"}
    for prefix, initial in (("members", 1), ("managers", 1), ("inner_nestings", 0)):
        form |= {f"{prefix}-TOTAL_FORMS": str(initial), f"{prefix}-INITIAL_FORMS": str(initial)}
    member, manager = group.members.get(), group.managers.get()
    form |= {"members-0-id": member.pk, "members-0-group": group.pk, "members-0-DELETE": "on"}
    form |= {"managers-0-id": manager.pk, "managers-0-group": group.pk}
    client.post(address, form)
    group.refresh_from_db()
    assert group.provider_name == "keycloak:/hill"
    assert not people_in(group).exists()
    form |= {"members-INITIAL_FORMS": "0", "members-TOTAL_FORMS": "0", "managers-0-DELETE": "on"}
    assert "A group needs a manager" in client.post(address, form, follow=True).text
    assert group.managers.count() == 1
