"""The clock queues what is due, and forgets nothing that comes seldom; the lease is tried with the real broker."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from celery import Celery
from celery.schedules import crontab
from django.db import OperationalError as DatabaseOperationalError
from django.utils import timezone
from kombu.exceptions import OperationalError

from portal.models import ScheduledTask
from portal.ops import clock
from portal.ops.clock import Clock, ClockLease

pytestmark = [pytest.mark.django_db, pytest.mark.database]


class Recording(Celery):
    """An application that notes what is sent, or has no broker."""

    def __init__(self, schedule: dict[str, dict]) -> None:
        super().__init__("clock", set_as_current=False)
        self.conf.beat_schedule = schedule
        self.conf.update(timezone="Europe/Berlin")
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.is_away = False

    def send_task(self, name: str, *arguments: Any, **options: Any) -> None:  # type: ignore[override]
        if self.is_away:
            raise OperationalError("away")
        self.sent.append((name, options))


SHORT = {"settle": {"task": "app.settle", "schedule": 2.0, "options": {"expires": 2}}}
SELDOM = {
    "nightly": {"task": "app.nightly", "schedule": crontab(hour="2", minute="0")},
    "daily": {"task": "app.daily", "schedule": 24 * 3600.0},
}


class Time:
    """The monotonic clock of a test."""

    now = 1000.0


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(clock.time, "monotonic", lambda: made.now)
    return made


@pytest.fixture(autouse=True)
def _connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test has its transaction in the connection that the clock's own thread would close."""
    monkeypatch.setattr(clock.connections, "close_all", lambda: None)


@pytest.fixture
def begin(time: Time) -> Callable[[dict[str, dict]], tuple[Clock, Recording]]:
    def make(schedule: dict[str, dict]) -> tuple[Clock, Recording]:
        app = Recording(schedule)
        return Clock(app, ClockLease(None)), app  # type: ignore[arg-type]  # looks without it

    return make


Begin = Callable[[dict[str, dict]], tuple[Clock, Recording]]


def names(app: Recording) -> list[str]:
    return sorted(name for name, _ in app.sent)


def test_a_short_round_is_queued_whenever_it_is_due(begin: Begin, time: Time) -> None:
    ours, app = begin(SHORT)
    assert ours.look() == 2.0
    assert app.sent == []
    time.now += 2
    ours.look()
    assert app.sent == [("app.settle", {"expires": 2})]
    time.now += 1.5
    assert ours.look() == 0.5
    assert len(app.sent) == 1
    time.now += 100
    ours.look()  # once, however many were missed
    assert len(app.sent) == 2
    assert not ScheduledTask.objects.exists()


def test_what_could_not_be_queued_stays_due(begin: Begin, time: Time) -> None:
    ours, app = begin(SHORT | SELDOM)
    ours.look()
    ScheduledTask.objects.update(last_run_at=timezone.now() - timedelta(days=2))
    app.is_away = True
    time.now += 100
    ours.look()
    app.is_away = False
    time.now += 100
    ours.look()
    assert names(app) == ["app.daily", "app.nightly", "app.settle"]


def test_a_new_site_waits_for_the_time_of_what_comes_seldom(begin: Begin, time: Time) -> None:
    ours, app = begin(SELDOM)
    ours.look()
    time.now += 100
    ours.look()
    assert app.sent == []
    assert sorted(ScheduledTask.objects.values_list("name", flat=True)) == ["daily", "nightly"]


def test_what_was_missed_while_nothing_ran_is_made_up_for_once(begin: Begin, time: Time) -> None:
    for name in SELDOM:
        ScheduledTask.objects.create(name=name, last_run_at=timezone.now() - timedelta(days=3))
    for _ in range(2):  # whoever restarts it
        ours, app = begin(SELDOM)
        ours.look()
        time.now += 100
        ours.look()
        if app.sent:
            assert names(app) == ["app.daily", "app.nightly"]
            assert not ScheduledTask.objects.filter(last_run_at__lt=timezone.now() - timedelta(hours=1)).exists()
    assert app.sent == []


def test_a_time_of_day_is_that_of_the_site(begin: Begin) -> None:
    ours, _ = begin(SELDOM)
    [nightly] = [entry for entry in ours.entries if entry.name == "nightly"]
    today = timezone.now().astimezone(ours.app.timezone).replace(hour=2, minute=0, second=0, microsecond=0)
    last = today if today <= timezone.now() else today - timedelta(days=1)
    assert ours._is_due(nightly, last - timedelta(minutes=1))
    assert not ours._is_due(nightly, last + timedelta(seconds=1))


def test_a_clock_that_was_set_back_does_not_stop_it(begin: Begin) -> None:
    """Otherwise nothing would be done until that time has come again."""
    ours, _ = begin(SELDOM)
    future = timezone.now() + timedelta(days=400)
    for entry in ours.entries:
        ScheduledTask.objects.create(name=entry.name, last_run_at=future)
    ours.look()
    assert not ScheduledTask.objects.filter(last_run_at__gt=timezone.now()).exists()


def test_it_goes_on_without_a_database(
    begin: Begin, time: Time, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object) -> None:
        raise DatabaseOperationalError("away")

    ours, app = begin(SHORT | SELDOM)
    monkeypatch.setattr(ScheduledTask.objects, "values_list", away)
    time.now += 3
    ours.look()
    assert names(app) == ["app.settle"]
    assert "the database is unavailable" in caplog.text


def test_every_line_of_the_schedule_names_a_task() -> None:
    from portal.celery import app

    app.loader.import_default_modules()
    assert {line["task"] for line in app.conf.beat_schedule.values()} <= set(app.tasks)
