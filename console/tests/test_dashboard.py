"""The first page of the administration, and what one person can see."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
import redis
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from redis.backoff import NoBackoff
from redis.retry import Retry

from collabs.models import Collab, Role
from collabs.services import add_member, create_collab, give_group_role
from console import dashboard
from console.models import FailedTask
from drive.libraries.services import create_library
from groups.services import add_person, create_group
from lab.tests.inprocess import InProcessLauncher, register
from portal.accounts import services
from portal.models import AuditEntry, User
from portal.ops import broker_stats
from rooms import process
from rooms.process import OpenRoomStatus

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(operator: User, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(operator)


def staff(user: User, *permissions: str) -> User:
    user.is_staff = True
    user.save()
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


# The first page


def test_it_says_how_the_site_is(console: Client, owner: User, editor: User, monkeypatch: pytest.MonkeyPatch) -> None:
    services.deactivate(None, editor)
    waiting = [broker_stats.Queue("celery", 0, 0.0), broker_stats.Queue("lab", 3, 125.0)]
    monkeypatch.setattr(broker_stats, "queues", lambda: waiting)
    FailedTask.objects.create(task_id="x", name="lab.tasks.launch", error="x")
    page = console.get("/admin/")
    panels = {panel.title: {line.name: line for line in panel.lines} for panel in page.context["panels"]}
    assert panels["People"]["active accounts"].value == "2"
    assert panels["People"]["deactivated"].value == "1"
    assert panels["Work"]["queue “lab”"].value == "3 waiting, for 2 minutes"
    assert panels["Work"]["queue “lab”"].is_bad
    assert not panels["Work"]["queue “celery”"].is_bad
    assert panels["Work"]["failed tasks"].is_bad
    assert "deactivated the account" in page.text


def test_it_says_what_is_edited_together_and_not_saved(console: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def room(people: list[int], seconds: float | None) -> OpenRoomStatus:
        return OpenRoomStatus(people=people, document_bytes=1000, unsaved_seconds=seconds, states=[])

    found = {uuid4(): room([1, 1, 2], 3.0), uuid4(): room([2, 3], None), uuid4(): room([], 7200.0)}
    monkeypatch.setattr(process, "open_rooms", lambda: found)
    lines = {line.name: line for line in dashboard.editing().lines}
    assert (lines["open files"].value, lines["people in them"].value) == ("3", "3")
    assert (lines["not saved"].value, lines["not saved"].is_bad) == ("1, for 2 hours", True)
    found.popitem()
    assert "not saved" not in {line.name for line in dashboard.editing().lines}


def test_it_says_what_is_away(console: Client) -> None:
    """Neither broker nor supervisor run here."""
    page = console.get("/admin/").text
    assert "The task queue is not available" in page
    assert "The supervisor does not respond" in page


def test_it_names_limits_that_are_not_kept(tmp_path: Path, settings: Settings) -> None:
    """As `check --deploy` does: this launcher keeps those of memory and disk alone."""
    settings.LAB_CPU_LIMIT, settings.LAB_PROCESS_LIMIT = 2, 0
    with register(InProcessLauncher(tmp_path)):
        bad = [line.name for line in dashboard.servers().lines if line.value == "not on this machine" and line.is_bad]
    assert bad == ["limit of processor time for each Lab", "user id of its own for each Lab"]


def test_it_shows_staff_what_they_may_see(owner: User, sign_in: Callable[[User], Client]) -> None:
    page = sign_in(staff(owner, "view_user")).get("/admin/")
    assert [panel.title for panel in page.context["panels"]] == ["People", "Disk"]
    assert page.context["latest"] == []


def test_it_asks_a_constant_number_of_queries(
    console: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(20):
        FailedTask.objects.create(task_id=str(number), name="x", error="x")
        User.objects.create_user(f"person{number}")
    with django_assert_max_num_queries(12):
        console.get("/admin/")


@pytest.mark.parametrize(("free", "is_bad"), [(5, True), (50, False)])
def test_it_warns_of_a_full_disk(monkeypatch: pytest.MonkeyPatch, free: int, is_bad: bool) -> None:
    usage = type("usage", (), {"free": free, "total": 100})
    monkeypatch.setattr(dashboard.shutil, "disk_usage", lambda place: usage)
    assert dashboard.disks().lines[0].is_bad == is_bad


# Queues


def test_it_says_when_the_broker_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = redis.Redis(port=1, retry=Retry(NoBackoff(), 0))  # as `metrics.client`
    monkeypatch.setattr(broker_stats, "client", lambda: nowhere)
    assert broker_stats.queues() is None


# What one person can see


def test_it_shows_what_somebody_sees_and_why(console: Client, owner: User, stranger: User, operator: User) -> None:
    collab = create_collab(owner, title="Cortex", description="", is_public=False)
    group = create_group(owner, name="Neuro")
    add_person(owner, group, stranger)
    give_group_role(owner, collab, group, Role.VIEWER)
    page = console.get(f"/admin/see/{stranger.pk}/").text
    assert "through the group Neuro" in page
    assert "You are a viewer of its Collab through the group Neuro." in page
    assert "My Library" in page
    add_member(owner, collab, stranger, Role.EDITOR)
    assert "direct role" in console.get(f"/admin/see/{stranger.pk}/").text
    assert AuditEntry.objects.filter(verb="account.looked-at", actor=operator).count() == 2


def test_it_shows_that_a_deactivated_person_sees_nothing(console: Client, editor: User, collab: Collab) -> None:
    services.deactivate(None, editor)
    page = console.get(f"/admin/see/{editor.pk}/")
    assert "deactivated, so without access" in page.text
    assert page.context["seen"].libraries == []
    assert page.context["seen"].collabs == []


def test_it_is_for_operators_with_the_right(owner: User, editor: User, sign_in: Callable[[User], Client]) -> None:
    address = f"/admin/see/{editor.pk}/"
    assert Client().get(address).status_code == 302
    assert sign_in(editor).get(address, follow=True).status_code == 403
    assert sign_in(staff(owner, "view_user", "change_user")).get(address).status_code == 403
    assert sign_in(staff(owner, "see_as_person")).get(address).status_code == 200
    assert sign_in(owner).get("/admin/see/999999/").status_code == 404


@pytest.mark.slow
def test_it_does_not_ask_more_for_more(
    console: Client, owner: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(30):
        create_library(owner, f"L{number}")
    with django_assert_max_num_queries(20):
        assert "L29" in console.get(f"/admin/see/{owner.pk}/").text
