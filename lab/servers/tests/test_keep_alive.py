"""Warning before an idle Lab ends, and keeping it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from lab.models import Server
from lab.servers import keep_alive, reaper
from lab.servers.idle_culling import Verdict, Why
from notices.models import Kind, Notice
from portal.models import AuditEntry, User

pytestmark = pytest.mark.django_db
Make = Callable[..., Server]


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> None:
    settings.LAB_IDLE_LIMIT, settings.LAB_WARN_BEFORE, settings.LAB_KEEP_LIMIT = 12 * 3600, 1800, 24 * 3600


def ago(**parts: float) -> dict:
    now = timezone.now()
    return {"started_at": now - timedelta(days=1), "last_interaction": now - timedelta(**parts)}


def remembered(server: Server, **more: float) -> Server:
    """As the reaper does after a look at a server that is not idle yet."""
    last = ago(**more)["last_interaction"]
    now = timezone.now()
    reaper.record(server, Verdict(Why.USED, last, now + timedelta(minutes=10), looked_at=now))
    server.refresh_from_db()
    return server


def warnings(user: User) -> int:
    return Notice.objects.filter(user=user, kind=Kind.LAB_WARNING).count()


def test_it_warns_once_each_time_that_a_lab_is_left_alone(owner: User, server: Make) -> None:
    lab = server("running", **ago(hours=1))
    remembered(lab, hours=11, minutes=29)
    assert warnings(owner) == 0
    remembered(lab, hours=11, minutes=31)
    remembered(lab, hours=11, minutes=30, seconds=50)  # the same moment, read a little later
    assert warnings(owner) == 1
    remembered(lab, minutes=1)
    remembered(lab, hours=11, minutes=40)
    assert warnings(owner) == 1  # an older reading of what was warned of before
    lab.warned_for = timezone.now() - timedelta(hours=12)
    lab.save()
    remembered(lab, hours=11, minutes=40)
    assert warnings(owner) == 2


def test_it_does_not_warn_of_what_is_past(owner: User, server: Make) -> None:
    """A Lab that does not answer stays, however long nobody has used it as far as is known."""
    remembered(server("running", **ago(hours=1)), hours=12, minutes=1)
    assert warnings(owner) == 0


def test_it_warns_before_a_lab_that_computes_is_too_old(owner: User, server: Make, settings: Settings) -> None:
    settings.LAB_MAX_AGE, now = 25 * 3600, timezone.now()
    lab = server("running", **ago(hours=0) | {"last_by_hand": now - timedelta(hours=13)})
    verdict = Verdict(Why.BUSY, now, now, looked_at=now, last_by_hand=now - timedelta(hours=13))
    reaper.record(lab, verdict)
    assert warnings(owner) == 0
    Server.objects.update(started_at=now - timedelta(hours=24, minutes=45))
    lab.refresh_from_db()
    reaper.record(lab, verdict)
    assert "nobody has used it" in Notice.objects.get(user=owner, kind=Kind.LAB_WARNING).text


def test_it_looks_again_when_the_warning_is_due(server: Make) -> None:
    lab = remembered(server("running", **ago(hours=1)), hours=11, minutes=25)
    assert lab.due_at
    assert lab.idle_at
    assert lab.due_at == lab.idle_at - timedelta(minutes=30)


def test_it_offers_hours_within_the_limits(server: Make, settings: Settings) -> None:
    lab = server("running", **ago(hours=11))
    assert keep_alive.hours_offered(lab) == [4, 12, 24]  # it stays an hour by itself
    settings.LAB_KEEP_LIMIT = 5 * 3600
    assert keep_alive.hours_offered(lab) == [4]
    settings.LAB_MAX_AGE = 27 * 3600
    assert keep_alive.hours_offered(lab) == []
    settings.LAB_KEEP_LIMIT = 0
    assert keep_alive.hours_offered(lab) == []


def test_it_keeps_a_lab_for_some_hours(client: Client, owner: User, server: Make) -> None:
    lab = server("running", **ago(hours=11, minutes=50))
    client.force_login(owner)
    assert "Keep it, even if idle" in client.get("/lab/").content.decode()
    client.post("/lab/keep", {"hours": "4"})
    lab.refresh_from_db()
    assert lab.keep_until
    assert timedelta(hours=3) < lab.keep_until - timezone.now() <= timedelta(hours=4)
    assert lab.idle_at == lab.keep_until
    assert AuditEntry.objects.filter(verb="lab.server.kept", actor=owner).exists()
    client.post("/lab/keep", {"hours": "1"})
    lab.refresh_from_db()
    assert lab.idle_at
    assert lab.idle_at - timezone.now() > timedelta(hours=3)


@pytest.mark.parametrize("hours", ["", "-4", "5", "4000", "1e3", "x" * 4000])
def test_it_keeps_for_no_other_hours(client: Client, owner: User, server: Make, hours: str) -> None:
    lab = server("running", **ago(hours=11, minutes=50))
    client.force_login(owner)
    client.post("/lab/keep", {"hours": hours})
    lab.refresh_from_db()
    assert lab.keep_until is None


def test_it_keeps_nobody_elses_lab(client: Client, owner: User, stranger: User, server: Make) -> None:
    lab = server("running", **ago(hours=11))
    client.force_login(stranger)
    client.post("/lab/keep", {"hours": "4"})
    lab.refresh_from_db()
    assert lab.keep_until is None
