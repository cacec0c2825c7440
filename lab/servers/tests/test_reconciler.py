"""Rows and sandboxes that disagree, and messages that got lost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from conftest import Queue
from lab.models import Build, BuildState, Environment, Lease, Pass, Server, State, StopReason, Ticket
from lab.servers import lifecycle, reconciler
from lab.servers import queue as server_queue
from lab.servers.mounts import digest, mounts_of
from lab.tests.inprocess import InProcessLauncher
from lab.tests.support import state_of
from portal.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_queue, "length", lambda: 0)


def long_ago() -> dict:
    return {"changed_at": timezone.now() - timedelta(minutes=1)}


def in_step(server: Server) -> Server:
    """Mounted is what its person may see."""
    Server.objects.filter(pk=server.pk).update(mounts_digest=digest(mounts_of(server.owner)))
    return server


def test_it_changes_nothing_when_all_is_true(running: Server, queue: Queue) -> None:
    in_step(running)
    reconciler.reconcile()
    assert state_of(running) == State.RUNNING
    assert queue == []


def test_it_has_fork_servers_ready_where_operators_want_them(launcher: InProcessLauncher) -> None:
    Environment.objects.create(slug="careful", name="Careful", prefix="/srv/careful", by_fork=False)
    quick = Environment.objects.create(slug="quick", name="Quick", prefix="/srv/quick")
    reconciler.reconcile()
    assert quick.prefix in launcher.prepared
    assert "/srv/careful" not in launcher.prepared


def test_it_notices_a_server_that_died(running: Server, launcher: InProcessLauncher, queue: Queue) -> None:
    launcher.sandboxes[running.pk] = "stopped"
    (launcher.home(running.pk) / "notes.md").write_text("kept")
    reconciler.reconcile()
    row = Server.objects.get()
    assert (row.state, row.stop_reason, row.log_tail) == (State.STOPPING, StopReason.DIED, "the log's last line")
    assert queue == [("lab.tasks.stop", row.pk.hex)]
    lifecycle.end(row.pk)
    row.refresh_from_db()
    assert row.state == State.FAILED
    assert row.rescued
    assert row.rescued["files"] == 1
    assert launcher.sandboxes == {}


def test_it_leaves_it_to_who_takes_a_library_away_to_say_why_the_server_ended(
    running: Server, launcher: InProcessLauncher, queue: Queue
) -> None:
    """It looks between the end of the sandbox, which was still using the library, and what is written down of it."""
    Server.objects.update(mounts_digest="of another view")
    launcher.notes = ["The server was stopped."]

    def end() -> None:
        launcher.sandboxes[running.pk] = "stopped"
        reconciler.reconcile()

    launcher.after["remount"] = end
    lifecycle.follow_access(running.pk)
    row = Server.objects.get()
    assert (row.state, row.stop_reason) == (State.STOPPING, StopReason.ACCESS)


def test_it_finds_a_server_dead_that_nobody_has_ended_although_its_access_has_changed(
    running: Server, launcher: InProcessLauncher, queue: Queue
) -> None:
    Server.objects.update(mounts_digest="of another view")
    launcher.sandboxes[running.pk] = "stopped"
    reconciler.reconcile()
    assert queue == [("lab.tasks.remount", running.pk.hex)]
    lifecycle.follow_access(running.pk)
    reconciler.reconcile()
    row = Server.objects.get()
    assert (row.state, row.stop_reason) == (State.STOPPING, StopReason.DIED)


def test_it_removes_a_sandbox_without_a_live_row(
    server: Callable[..., Server], launcher: InProcessLauncher, queue: Queue
) -> None:
    ended = server("stopped", sandbox=True)
    reconciler.reconcile()
    assert queue == [("lab.tasks.stop", ended.pk.hex)]
    lifecycle.end(ended.pk)
    assert launcher.sandboxes == {}


def test_it_does_not_touch_what_started_meanwhile(
    server: Callable[..., Server], launcher: InProcessLauncher, queue: Queue
) -> None:
    """Between reading the rows and reading the sandboxes a launch comes up."""
    launcher.before["inspect"] = lambda: in_step(server("running"))
    reconciler.reconcile()
    assert Server.objects.get().state == State.RUNNING
    assert queue == []


def test_it_wakes_requests_whose_message_was_lost(server: Callable[..., Server], queue: Queue) -> None:
    lost = server("requested", **long_ago())
    reconciler.reconcile()
    assert queue == [("lab.tasks.launch", lost.pk.hex)]


@pytest.mark.parametrize("waiting", [1, 5, None])
def test_it_queues_nothing_twice(
    server: Callable[..., Server], queue: Queue, monkeypatch: pytest.MonkeyPatch, waiting: int | None
) -> None:
    server("requested", **long_ago())
    monkeypatch.setattr(server_queue, "length", lambda: waiting)
    reconciler.reconcile()
    assert queue == []


def test_it_wakes_stops_that_nobody_works_on(server: Callable[..., Server], queue: Queue) -> None:
    lost = server("stopping", **long_ago())
    reconciler.reconcile()
    assert queue == [("lab.tasks.stop", lost.pk.hex)]


def test_it_leaves_stops_to_the_task_at_work(server: Callable[..., Server], queue: Queue) -> None:
    server("stopping", ended_by_task_until=timezone.now() + timedelta(seconds=20), **long_ago())
    reconciler.reconcile()
    assert queue == []


@pytest.mark.parametrize("sandbox", [None, "stopped", "running"])
def test_it_goes_on_with_a_launch_whose_task_was_killed(
    server: Callable[..., Server], launcher: InProcessLauncher, queue: Queue, sandbox: Any
) -> None:
    cut_off = server("starting", **long_ago())
    if sandbox:
        launcher.sandboxes[cut_off.pk] = sandbox
    reconciler.reconcile()
    assert queue == [("lab.tasks.launch", cut_off.pk.hex)]
    lifecycle.launch(cut_off.pk)
    assert state_of(cut_off) == State.RUNNING


def test_it_waits_for_a_sandbox_that_comes_up(
    server: Callable[..., Server], launcher: InProcessLauncher, queue: Queue
) -> None:
    launcher.sandboxes[server("starting", **long_ago()).pk] = "starting"
    reconciler.reconcile()
    assert queue == []


def test_it_gives_up_a_start_that_takes_too_long(server: Callable[..., Server], launcher: InProcessLauncher) -> None:
    began = timezone.now() - timedelta(seconds=settings.LAB_START_TIMEOUT) - timedelta(minutes=2)
    late = server("starting", starting_at=began, sandbox=True)
    reconciler.reconcile()
    assert state_of(late) == State.FAILED
    assert launcher.sandboxes == {}


def test_it_heals_a_missed_change_of_access(running: Server, queue: Queue) -> None:
    reconciler.reconcile()
    assert queue == [("lab.tasks.remount", running.pk.hex)]


def test_it_heals_a_missed_deactivation(running: Server, queue: Queue) -> None:
    in_step(running)
    User.objects.update(is_active=False)
    reconciler.reconcile()
    assert queue == [("lab.tasks.remount", running.pk.hex)]


def test_it_survives_a_supervisor_that_is_away(
    server: Callable[..., Server], launcher: InProcessLauncher, queue: Queue
) -> None:
    lost = server("requested", **long_ago())
    launcher.away = True
    reconciler.reconcile()
    assert queue == [("lab.tasks.launch", lost.pk.hex)]


def test_only_one_does_it_at_a_time(running: Server, launcher: InProcessLauncher) -> None:
    assert Lease.take(reconciler.LEASE, 60)
    reconciler.reconcile()
    assert launcher.calls == []


def test_a_turn_ends_by_itself(running: Server, launcher: InProcessLauncher) -> None:
    assert Lease.take(reconciler.LEASE, 0)
    reconciler.reconcile()
    assert "inspect" in launcher.calls


def test_it_forgets_expired_tickets_and_passes(owner: User) -> None:
    past, future = timezone.now() - timedelta(seconds=1), timezone.now() + timedelta(minutes=1)
    for number, moment in enumerate((past, future)):
        Ticket.objects.create(digest=str(number), user=owner, expires_at=moment)
        Pass.objects.create(digest=str(number), user=owner, expires_at=moment)
    reconciler.reconcile()
    assert (Ticket.objects.get().digest, Pass.objects.get().digest) == ("1", "1")


def test_a_launch_that_slept_with_the_machine_has_its_time_again(server: Callable[..., Server], queue: Queue) -> None:
    asleep = timezone.now() - timedelta(hours=9)
    lab = server("starting", starting_at=asleep)
    Lease.objects.create(name=reconciler.LEASE, until=asleep)  # the last pass
    reconciler.reconcile()
    assert state_of(lab) == State.STARTING
    reconciler.reconcile()
    assert state_of(lab) == State.STARTING
    Server.objects.update(starting_at=asleep)  # now without a gap
    reconciler.reconcile()
    assert state_of(lab) == State.FAILED


def test_a_build_that_slept_with_the_machine_has_its_time_again(environment: Environment, queue: Queue) -> None:
    asleep, tomorrow = timezone.now() - timedelta(hours=9), timezone.now() + timedelta(days=1)
    build = Build.objects.create(environment=environment, state=BuildState.RUNNING, started_at=asleep)
    Lease.objects.create(name=reconciler.LEASE, until=asleep)
    reconciler.reconcile()
    build.refresh_from_db()
    assert build.state == BuildState.RUNNING
    Build.objects.update(started_at=tomorrow)
    reconciler.reconcile()
    build.refresh_from_db()
    assert build.started_at
    assert build.started_at <= timezone.now()
    Build.objects.update(started_at=asleep)
    reconciler.reconcile()
    build.refresh_from_db()
    assert build.state == BuildState.FAILED


def test_a_gap_is_seen_again_by_the_pass_after_one_that_was_killed(
    server: Callable[..., Server], queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    asleep = timezone.now() - timedelta(hours=9)
    lab = server("starting", starting_at=asleep)
    Lease.objects.create(name=reconciler.LEASE, until=asleep)

    def killed(*_: object) -> bool:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(Lease, "take", killed)
        with pytest.raises(SystemExit):
            reconciler.reconcile()
    Server.objects.update(starting_at=asleep)
    reconciler.reconcile()
    assert state_of(lab) == State.STARTING


def test_a_stop_that_slept_with_the_machine_is_not_taken_for_dead(server: Callable[..., Server], queue: Queue) -> None:
    asleep = timezone.now() - timedelta(hours=9)
    server("stopping", changed_at=asleep, ended_by_task_until=asleep)
    Lease.objects.create(name=reconciler.LEASE, until=asleep)
    reconciler.reconcile()
    assert queue == []


@pytest.mark.parametrize("state", ["requested", "stopping"])
def test_what_was_lost_is_found_though_the_clock_was_set_back(
    server: Callable[..., Server], queue: Queue, state: str
) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    lab = server(state, changed_at=tomorrow, ended_by_task_until=tomorrow)
    Lease.objects.create(name=reconciler.LEASE, until=tomorrow)  # its holder was killed before
    reconciler.reconcile()
    assert queue == [(f"lab.tasks.{'launch' if state == 'requested' else 'stop'}", lab.pk.hex)]
    lifecycle.end(lab.pk)
    assert state_of(lab) == (State.STOPPED if state == "stopping" else State.REQUESTED)


def test_a_start_is_given_up_in_time_though_the_clock_was_set_back(server: Callable[..., Server], queue: Queue) -> None:
    lab = server("starting", starting_at=timezone.now() + timedelta(days=1))
    reconciler.reconcile()
    assert state_of(lab) == State.STARTING
    began = Server.objects.get().starting_at
    assert began
    assert began <= timezone.now()
