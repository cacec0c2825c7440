"""Maintenance: a time in which no Lab is started, and people are told until when."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from lab.models import Environment, Pause, Server, State, StopReason
from lab.servers import lifecycle, services
from lab.tests.inprocess import InProcessLauncher
from portal.models import AuditEntry, User

pytestmark = pytest.mark.django_db
Make = Callable[..., Server]


@pytest.fixture
def pause(db: None) -> Pause:
    return Pause.objects.create(text="New disks.", ends_at=timezone.now() + timedelta(hours=2))


def test_it_starts_no_lab_and_says_until_when(
    client: Client, owner: User, environment: Environment, pause: Pause
) -> None:
    client.force_login(owner)
    answer = client.post("/lab/start")
    assert answer.status_code == 503
    assert 7100 < int(answer["Retry-After"]) <= 7200
    assert f"{timezone.localtime(pause.ends_at):%H:%M}. New disks. Running Labs continue." in answer.content.decode()
    assert "New disks." in client.get("/lab/").content.decode()
    assert not Server.objects.exists()


def test_it_lets_running_labs_go_on(client: Client, owner: User, server: Make, pause: Pause) -> None:
    lab = server("running")
    client.force_login(owner)
    assert "New disks" not in client.post("/lab/start").content.decode()
    assert services.request_server(owner, owner) == lab


def test_it_starts_none_after_one_that_ends_meanwhile(owner: User, server: Make, launcher: InProcessLauncher) -> None:
    lab = server("running")
    services.stop_server(owner, lab, StopReason.ASKED)
    services.request_server(owner, owner)  # asked for before the pause
    Pause.objects.create(text="Now.", ends_at=timezone.now() + timedelta(hours=1))
    lifecycle.end(lab.pk)
    assert not Server.objects.live().exists()
    lab.refresh_from_db()
    assert lab.state == State.STOPPED


@pytest.mark.parametrize(("starts", "ends"), [(-2, -1), (1, 2)])
def test_it_holds_between_its_moments_only(owner: User, environment: Environment, starts: int, ends: int) -> None:
    now = timezone.now()
    Pause.objects.create(text="x", starts_at=now + timedelta(hours=starts), ends_at=now + timedelta(hours=ends))
    assert services.request_server(owner, owner).state == State.REQUESTED


def test_it_is_made_and_ended_by_operators_and_written_down(client: Client, operator: User) -> None:
    client.force_login(operator)
    end = timezone.localtime() + timedelta(hours=2)
    form = {"text": "New disks.", "starts_at_0": f"{timezone.localtime():%Y-%m-%d}", "starts_at_1": "00:00:00"}
    form |= {"ends_at_0": f"{end:%Y-%m-%d}", "ends_at_1": f"{end:%H:%M:%S}"}
    assert client.post("/admin/lab/pause/add/", form).status_code == 302
    made = Pause.objects.get()
    assert AuditEntry.objects.filter(verb="lab.pause.made", actor=operator).exists()
    wrong = client.post(f"/admin/lab/pause/{made.pk}/change/", form | {"ends_at_0": "2020-01-01"})
    assert "It must end after it starts." in wrong.content.decode()
