"""Operators create, change, repair; all of it by the services, so all of it audited."""

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.asserts import assertContains, assertNotContains, assertRedirects

from collabs import services
from collabs.models import Collab, Membership, Role
from drive.models import Library
from portal import audit
from portal.access import access_changed
from portal.accounts.services import deactivate
from portal.models import User

LIST = "/admin/collabs/collab/"
NEW, TEAM = "memberships", "memberships-2"
"""Prefixes of the two inlines: people to add, people who are there."""

Form = dict[str, str]


class _Fields(HTMLParser):
    """The form's fields as a browser would send them back."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.values: Form = {}
        self._select = self._area = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        name = values.get("name", "")
        if tag == "input" and name and values.get("type") not in ("submit", "button"):
            if values.get("type") != "checkbox" or "checked" in values:
                self.values[name] = values.get("value", "on" if values.get("type") == "checkbox" else "")
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in values and self._select:
            self.values[self._select] = values.get("value", "")
        elif tag == "textarea":
            self._area = name
            self.values[name] = ""

    def handle_data(self, data: str) -> None:
        if self._area:
            self.values[self._area] += data.removeprefix("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            self._area = ""
        elif tag == "select":
            self._select = ""


@pytest.fixture
def client(operator: User) -> Client:
    client = Client()
    client.force_login(operator)
    return client


@pytest.fixture
def told() -> Iterator[set[int]]:
    """Whose access was said to have changed."""
    heard: set[int] = set()

    def listen(user_ids: frozenset[int], **_: object) -> None:
        heard.update(user_ids)

    access_changed.connect(listen)
    yield heard
    access_changed.disconnect(listen)


def address(collab: Collab) -> str:
    return reverse("admin:collabs_collab_change", args=[collab.pk])


def form(client: Client, collab: Collab) -> Form:
    response = client.get(address(collab))
    assert response.status_code == 200
    values = _Fields(response.content.decode()).values
    return {name: value for name, value in values.items() if "__prefix__" not in name and not name.startswith("_")}


def row_of(data: Form, collab: Collab, username: str) -> str:
    """Prefix of a member's row."""
    pk = str(Membership.objects.get(collab=collab, user__username=username).pk)
    return next(name.removesuffix("-id") for name, value in data.items() if name.endswith("-id") and value == pk)


def newcomer(user: User, role: str, number: int = 0) -> Form:
    return {f"{NEW}-TOTAL_FORMS": str(number + 1), f"{NEW}-{number}-user": str(user.pk), f"{NEW}-{number}-role": role}


def save(client: Client, collab: Collab, data: Form) -> Any:
    return client.post(address(collab), data, follow=True)


def team(collab: Collab) -> dict[str, str]:
    return dict(collab.memberships.values_list("user__username", "role"))


def verbs(collab: Collab) -> list[str]:
    return [entry.verb for entry in audit.trail(collab)]


def test_it_creates_as_the_pages_do(client: Client, operator: User) -> None:
    response = client.post(f"{LIST}add/", {"title": "Cortex", "description": "Slices.", "is_public": "on"}, follow=True)
    assertRedirects(response, LIST)
    collab = Collab.objects.get()
    assert (collab.slug, collab.created_by, collab.is_public) == ("cortex", operator, True)
    assert team(collab) == {"operator": "administrator"}
    assert verbs(collab) == ["collab.created"]
    assert Library.objects.filter(owner_collab=collab).exists()


@pytest.mark.parametrize("title", ["CORTEX", "a/b", ""])
def test_it_says_what_is_wrong_with_a_title(client: Client, collab: Collab, owner: User, title: str) -> None:
    for page in (f"{LIST}add/", address(services.create_collab(owner, title="Other"))):
        data = {"title": title, "description": ""} | {
            f"{prefix}-{name}_FORMS": "0" for prefix in (NEW, TEAM) for name in ("TOTAL", "INITIAL")
        }
        assertContains(client.post(page, data), "errorlist")
    assert sorted(Collab.all_objects.values_list("title", flat=True)) == ["Cortex", "Other"]


def test_it_says_what_a_hook_refuses(client: Client, owner: User, stranger: User) -> None:
    from drive.libraries import services as drive_services

    drive_services.set_public(stranger, drive_services.create_library(stranger, "Atlas"), True)
    response = client.post(f"{LIST}add/", {"title": "Atlas", "description": ""}, follow=True)
    assertContains(response, "Nothing was saved. This title is taken")
    assert not Collab.all_objects.exists()


def test_it_changes_through_the_service(client: Client, collab: Collab, operator: User, told: set[int]) -> None:
    data = form(client, collab) | {"title": "Hippocampus", "is_public": "on"}
    assertRedirects(save(client, collab, data), LIST)
    collab.refresh_from_db()
    assert (collab.title, collab.slug, collab.is_public) == ("Hippocampus", "cortex", True)
    entry = audit.trail(collab)[0]
    assert (entry.verb, entry.actor) == ("collab.changed", operator)
    assert told >= set(collab.memberships.values_list("user", flat=True))
    assert Library.objects.get(owner_collab=collab).is_public


def test_it_writes_nothing_down_when_nothing_changes(client: Client, collab: Collab) -> None:
    before = verbs(collab)
    assertRedirects(save(client, collab, form(client, collab)), LIST)
    assert verbs(collab) == before


def test_it_adds_changes_and_removes_people(
    client: Client, collab: Collab, stranger: User, editor: User, viewer: User, told: set[int]
) -> None:
    told.clear()
    data = form(client, collab)
    data |= newcomer(stranger, "editor")
    data[f"{row_of(data, collab, 'viewer')}-role"] = "editor"
    data[f"{row_of(data, collab, 'editor')}-DELETE"] = "on"
    assertRedirects(save(client, collab, data), LIST)
    assert team(collab) == {"owner": "administrator", "viewer": "editor", "stranger": "editor"}
    assert verbs(collab)[:3] == ["collab.member.removed", "collab.member.changed", "collab.member.added"]
    assert told == {stranger.pk, editor.pk, viewer.pk}


@pytest.mark.parametrize("ending", ["DELETE", "role"])
def test_it_hands_a_collab_over_in_one_step(client: Client, collab: Collab, stranger: User, ending: str) -> None:
    data = form(client, collab)
    data |= newcomer(stranger, "administrator")
    data[f"{row_of(data, collab, 'owner')}-{ending}"] = "on" if ending == "DELETE" else "viewer"
    assertRedirects(save(client, collab, data), LIST)
    assert team(collab)["stranger"] == "administrator"
    assert team(collab).get("owner") == (None if ending == "DELETE" else "viewer")


@pytest.mark.parametrize("successor", ["editor", "viewer"])
def test_it_swaps_the_administrator_in_any_order_of_rows(client: Client, collab: Collab, successor: str) -> None:
    data = form(client, collab)
    data[f"{row_of(data, collab, 'owner')}-role"] = "viewer"
    data[f"{row_of(data, collab, successor)}-role"] = "administrator"
    assertRedirects(save(client, collab, data), LIST)
    assert {name for name, role in team(collab).items() if role == "administrator"} == {successor}


@pytest.mark.parametrize("ending", ["DELETE", "role"])
def test_it_keeps_the_last_administrator(client: Client, collab: Collab, stranger: User, ending: str) -> None:
    before, trail = team(collab), verbs(collab)
    data = form(client, collab) | {"title": "Renamed"} | newcomer(stranger, "editor")
    data[f"{row_of(data, collab, 'owner')}-{ending}"] = "on" if ending == "DELETE" else "editor"
    response = save(client, collab, data)
    assertContains(response, "Nothing was saved. A Collab needs an administrator")
    collab.refresh_from_db()
    assert (collab.title, team(collab), verbs(collab)) == ("Cortex", before, trail)


@pytest.mark.slow
def test_it_repairs_a_collab_whose_administrator_was_shut_out(
    client: Client, collab: Collab, owner: User, operator: User
) -> None:
    orphans = f"{LIST}?administered=no"
    assert not client.get(orphans).context["cl"].result_list
    users = reverse("admin:portal_user_changelist")
    response = client.post(users, {"action": "deactivate", "_selected_action": [owner.pk]}, follow=True)
    assertContains(response, f'<a href="{orphans}">')
    assert list(client.get(orphans).context["cl"].result_list) == [collab]
    response = client.get(address(collab))
    assertContains(response, "(deactivated)")
    assertContains(response, "has no active administrator")
    data = form(client, collab)
    data[f"{row_of(data, collab, 'editor')}-role"] = "administrator"
    assertRedirects(save(client, collab, data), LIST)
    assert team(collab)["editor"] == "administrator"
    assertNotContains(client.get(address(collab)), "has no active administrator")


@pytest.mark.slow
def test_it_adds_nobody_twice_or_shut_out(
    client: Client, collab: Collab, viewer: User, stranger: User, operator: User
) -> None:
    before = team(collab)
    assertContains(save(client, collab, form(client, collab) | newcomer(viewer, "editor")), "already a member")
    twice = newcomer(stranger, "editor") | newcomer(stranger, "viewer", 1)
    assertContains(save(client, collab, form(client, collab) | twice), "duplicate")
    deactivate(operator, stranger)
    assertContains(save(client, collab, form(client, collab) | newcomer(stranger, "editor")), "deactivated")
    assert team(collab) == before


def test_it_takes_no_member_of_another_collab_for_its_own(
    client: Client, collab: Collab, public_collab: Collab
) -> None:
    data = form(client, collab)
    foreign = Membership.objects.get(collab=public_collab, user__username="viewer")
    prefix = row_of(data, collab, "viewer")
    save(client, collab, data | {f"{prefix}-id": str(foreign.pk), f"{prefix}-role": "administrator"})
    foreign.refresh_from_db()
    assert foreign.role == Role.VIEWER


@pytest.mark.slow
def test_it_deletes_and_restores(client: Client, collab: Collab, public_collab: Collab, operator: User) -> None:
    both = [collab.pk, public_collab.pk]
    for action, verb, gone in (("delete_softly", "collab.deleted", True), ("restore", "collab.restored", False)):
        response = client.post(LIST, {"action": action, "_selected_action": both}, follow=True)
        assertContains(response, ": 2 collabs (")
        for row in Collab.all_objects.all():
            assert (row.deleted_at is not None) is gone
            assert (Library.objects.get(owner_collab=row).deleted_at is not None) is gone
            assert (audit.trail(row)[0].verb, audit.trail(row)[0].actor) == (verb, operator)
        assertContains(client.get(LIST), "Open Cortex")  # the deleted are listed too


def test_it_never_deletes_for_good(client: Client, collab: Collab) -> None:
    assert client.post(f"{LIST}{collab.pk}/delete/", {"post": "yes"}).status_code == 403
    assertNotContains(client.get(LIST), "delete_selected")
    assert Collab.objects.exists()


def test_it_lets_who_may_only_look_do_nothing(collab: Collab, person: Callable[..., User], sign_in: Callable) -> None:
    helper = person("helper", is_staff=True)
    helper.user_permissions.set(Permission.objects.filter(codename__in=["view_collab", "view_membership"]))
    client = sign_in(helper)
    assertContains(client.get(address(collab)), "Cortex")
    assertNotContains(client.get(LIST), "delete_softly")
    client.post(LIST, {"action": "delete_softly", "_selected_action": [collab.pk]})
    assert client.post(address(collab), {"title": "Mine"}).status_code == 403
    collab.refresh_from_db()
    assert (collab.title, collab.deleted_at) == ("Cortex", None)


def test_it_finds_by_member_and_counts_once(client: Client, collab: Collab, public_collab: Collab) -> None:
    response = client.get(LIST, {"q": "viewer"})
    assert {row.title: row.team_size for row in response.context["cl"].result_list} == {"Cortex": 3, "Open Cortex": 3}


def test_it_shows_the_trail(client: Client, collab: Collab) -> None:
    assertContains(client.get(address(collab)), "added a member")


@pytest.mark.slow
def test_it_needs_no_more_queries_for_more_rows(
    client: Client, collab: Collab, owner: User, person: Callable[..., User]
) -> None:
    def queries() -> list[int]:
        counts = []
        for page in (LIST, address(collab)):
            with CaptureQueriesContext(connection) as captured:
                client.get(page)
            counts.append(len(captured))
        return counts

    queries()
    few = queries()
    for number in range(12):
        services.create_collab(owner, title=f"Slice {number}")
        services.add_member(owner, collab, person(f"member{number}"), Role.EDITOR)
    assert queries() == few


@pytest.mark.slow
def test_it_saves_a_team_of_hundreds(client: Client, collab: Collab) -> None:
    users = User.objects.bulk_create(User(username=f"u{number:03}") for number in range(500))
    Membership.objects.bulk_create(Membership(collab=collab, user=user, role=Role.VIEWER) for user in users)
    data = form(client, collab)
    data[f"{row_of(data, collab, 'u499')}-role"] = "editor"
    assertRedirects(save(client, collab, data), LIST)
    assert team(collab)["u499"] == "editor"
