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
