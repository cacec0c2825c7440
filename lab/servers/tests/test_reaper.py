"""Stopping what nobody uses, and nothing else."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from conftest import Queue
from lab.models import Server, State, StopReason
from lab.servers import lifecycle, reaper
from lab.tests.inprocess import InProcessLauncher
from lab.tests.support import Jupyter, state_of
from notices.models import Kind, Notice
from portal import audit
from portal.models import User

pytestmark = pytest.mark.django_db

LONG = timedelta(hours=13)


@pytest.fixture
def unused(server: Callable[..., Server]) -> Server:
    long_ago = timezone.now() - LONG
    return server("running", started_at=long_ago, last_interaction=long_ago)


def says(jupyter: Jupyter, **facts: Any) -> None:
    answer = {"now": timezone.now().isoformat(), "kernels": [], "terminals": []} | facts
    jupyter.answers["GET /api/collaboratory/activity"] = (200, json.dumps(answer).encode())


def test_it_takes_up_only_what_is_due(server: Callable[..., Server], person: Callable[..., User], queue: Queue) -> None:
    later = timezone.now() + timedelta(minutes=5)
    due = server("running", owner=person("ada"))
    server("running", owner=person("ben"), due_at=later)
    server("stopped", owner=person("cleo"))
    assert reaper.take_up_due() == 1
    assert queue == [("lab.tasks.reap_server", due.pk.hex)]
    assert reaper.take_up_due() == 0  # it is being worked on


def test_it_takes_up_again_what_got_lost(running: Server, queue: Queue) -> None:
    reaper.take_up_due()
    Server.objects.update(due_at=timezone.now())
    assert reaper.take_up_due() == 1


def test_it_stops_an_unused_server(unused: Server, jupyter: Jupyter, launcher: InProcessLauncher) -> None:
    (launcher.home(unused.pk) / "notes.md").write_text("kept")
    says(jupyter)
    assert reaper.reap(unused.pk)
    row = Server.objects.get()
    assert (row.state, row.stop_reason) == (State.STOPPED, StopReason.IDLE)
    assert row.stop_sentence == "It was idle for 12 hours, so it was stopped."
    assert row.rescued
    assert row.rescued["files"] == 1
    assert launcher.sandboxes == {}
    entry = audit.trail(row).get()
    assert (entry.actor, entry.details["reason"]) == (None, "idle")


def test_it_asks_right_before_stopping(unused: Server, jupyter: Jupyter) -> None:
    """By the row it is idle; its person came back a minute ago."""
    now = timezone.now()
    says(jupyter, last_input=(now - timedelta(minutes=1)).isoformat())
    assert not reaper.reap(unused.pk)
    row = Server.objects.get()
    assert row.state == State.RUNNING
    assert row.last_interaction
    assert row.last_interaction > now - timedelta(minutes=2)
    assert row.due_at
    assert row.due_at > now


def test_after_a_gap_it_warns_and_stops_nothing(unused: Server, jupyter: Jupyter, owner: User, queue: Queue) -> None:
    """Nearly idle when the machine went to sleep, and due for long when it wakes; the worker dies on the way."""
    asleep = timezone.now() - LONG
    columns = {"looked_at": asleep, "due_at": asleep, "keep_until": asleep - timedelta(hours=1)}
    times = {name: asleep - timedelta(hours=11, minutes=55) for name in ("last_interaction", "last_by_hand")}
    Server.objects.update(**columns, **times, started_at=asleep - timedelta(days=3), warned_for=asleep)
    says(jupyter, last_input=(asleep - timedelta(hours=11, minutes=55)).isoformat())
    assert reaper.take_up_due() == 1  # and this task is lost
    Server.objects.update(due_at=timezone.now())
    assert reaper.take_up_due() == 1
    for _ in range(2):  # the message came twice
        assert not reaper.reap(unused.pk)
    row = Server.objects.get()
    assert row.idle_at
    assert timedelta(0) < row.idle_at - timezone.now() <= timedelta(minutes=30)
    assert Notice.objects.filter(user=owner, kind=Kind.LAB_WARNING).count() == 1
    assert LONG - timedelta(minutes=11) < row.unseen < LONG  # once
    assert row.ages_from == asleep - timedelta(days=3) + row.unseen
    assert row.keep_until == asleep - timedelta(hours=1) + row.unseen
    assert row.last_interaction
    Server.objects.update(last_interaction=row.last_interaction - timedelta(minutes=31), last_by_hand=row.started_at)
    assert reaper.reap(unused.pk)  # nobody came


def test_of_two_looks_at_once_after_a_gap_one_counts_it(unused: Server, jupyter: Jupyter) -> None:
    asleep = timezone.now() - LONG
    Server.objects.update(looked_at=asleep, keep_until=asleep)
    says(jupyter)
    first, second = Server.objects.get(), Server.objects.get()
    verdicts = reaper.check(first), reaper.check(second)
    reaper.record(first, verdicts[0])
    reaper.record(second, verdicts[1])
    row = Server.objects.get()
    assert (row.unseen, row.keep_until) == (verdicts[0].unseen, asleep + verdicts[0].unseen)


def test_it_finds_what_is_due_after_the_clock_was_set_back(unused: Server, jupyter: Jupyter, queue: Queue) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    names = ("looked_at", "due_at", "started_at", "last_interaction", "last_by_hand", "keep_until", "warned_for")
    Server.objects.update(**dict.fromkeys(names, tomorrow))
    says(jupyter)
    assert reaper.take_up_due() == 1
    assert reaper.take_up_due() == 0
    assert not reaper.reap(unused.pk)
    row = Server.objects.get()
    for moment in (row.looked_at, row.ages_from, row.last_interaction, row.last_by_hand, row.keep_until):
        assert moment
        assert moment <= timezone.now()
    assert row.warned_for is None
    assert row.due_at
    assert row.due_at <= timezone.now() + timedelta(minutes=10)


def test_it_keeps_a_busy_kernel(unused: Server, jupyter: Jupyter) -> None:
    says(jupyter, kernels=[{"id": "a", "busy": True, "last_activity": (timezone.now() - LONG).isoformat()}])
    assert not reaper.reap(unused.pk)


def test_it_stops_a_busy_kernel_at_the_greatest_age(unused: Server, jupyter: Jupyter) -> None:
    old = timezone.now() - timedelta(days=8)
    Server.objects.update(started_at=old, last_interaction=timezone.now() - LONG)
    says(jupyter, kernels=[{"id": "a", "busy": True, "last_activity": timezone.now().isoformat()}])
    assert reaper.reap(unused.pk)
    assert Server.objects.get().stop_reason == StopReason.AGE


def test_it_does_not_stop_a_silent_server(unused: Server, jupyter: Jupyter) -> None:
    assert not reaper.reap(unused.pk)
    row = Server.objects.get()
    assert row.unreachable_since
    assert row.due_at
    assert row.due_at > timezone.now()


def test_it_stops_a_server_that_was_silent_too_long(unused: Server, jupyter: Jupyter) -> None:
    Server.objects.update(unreachable_since=timezone.now() - LONG)
    assert reaper.reap(unused.pk)
    assert Server.objects.get().stop_reason == StopReason.UNREACHABLE


def test_it_does_not_stop_what_was_stopped_meanwhile(unused: Server, jupyter: Jupyter) -> None:
    Server.objects.update(state=State.STOPPING, stop_reason=StopReason.ASKED)
    assert not reaper.reap(unused.pk)
    assert Server.objects.get().stop_reason == StopReason.ASKED


def test_a_reap_that_was_cut_off_is_finished(unused: Server, jupyter: Jupyter, launcher: InProcessLauncher) -> None:
    says(jupyter)
    launcher.away = True
    reaper.reap(unused.pk)
    assert state_of(unused) == State.STOPPING
    launcher.away = False
    lifecycle.end(unused.pk)
    assert state_of(unused) == State.STOPPED
