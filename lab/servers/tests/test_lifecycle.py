"""Launch and end: whoever is killed, clicks twice or comes late, the row ends up true."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from conftest import Queue
from lab.launchers import LaunchFailedError
from lab.locations.paths import Location
from lab.models import Environment, Server, State, StopReason
from lab.servers import lifecycle, services
from lab.tests.inprocess import InProcessLauncher, Killed
from lab.tests.support import state_of
from portal import audit
from portal.access import ForbiddenError
from portal.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def requested(environment: Environment, owner: User) -> Server:
    return services.request_server(owner, owner)


class TestRequest:
    def test_it_makes_one_row_and_queues_its_launch(self, requested: Server, owner: User, queue: Queue) -> None:
        assert requested.state == State.REQUESTED
        assert queue == [("lab.tasks.launch", requested.pk.hex)]
        assert audit.trail(requested).get().verb == "lab.server.requested"

    @pytest.mark.parametrize("state", ["requested", "starting", "running"])
    def test_it_gives_the_live_one(self, server: Callable[..., Server], owner: User, queue: Queue, state: str) -> None:
        live = server(state)
        assert services.request_server(owner, owner) == live
        assert queue == []

    def test_the_database_allows_one_live_server_per_person(self, running: Server) -> None:
        with pytest.raises(IntegrityError), transaction.atomic():
            Server.objects.create(owner=running.owner, environment=running.environment)

    def test_it_follows_one_that_is_stopping(self, server: Callable[..., Server], owner: User, queue: Queue) -> None:
        old = server("stopping")
        assert services.request_server(owner, owner, Location("My Libraries/My Library/a.ipynb")) == old
        lifecycle.end(old.pk)
        new = Server.objects.live().get()
        assert (new.state, new.place) == (State.REQUESTED, "My Libraries/My Library/a.ipynb")
        assert [entry for entry in queue if entry[0] == "lab.tasks.launch"] == [("lab.tasks.launch", new.pk.hex)]

    def test_it_begins_nothing_while_the_broker_is_away(
        self, environment: Environment, owner: User, queue: Queue
    ) -> None:
        queue.up = False
        with pytest.raises(services.CannotLaunchError):
            services.request_server(owner, owner)
        assert not Server.objects.exists()

    def test_it_says_that_no_environment_is_there(self, owner: User) -> None:
        with pytest.raises(services.CannotLaunchError, match="environment"):
            services.request_server(owner, owner)

    def test_it_refuses_a_deactivated_account(self, environment: Environment, owner: User) -> None:
        owner.is_active = False
        with pytest.raises(ForbiddenError):
            services.request_server(owner, owner)

    def test_it_knows_the_place_in_the_queue(self, environment: Environment, person: Callable[..., User]) -> None:
        people = [person(name) for name in ("ada", "ben", "cleo")]
        servers = [services.request_server(user, user) for user in people]
        assert [Server.objects.queue_position(server) for server in servers] == [1, 2, 3]
        lifecycle.launch(servers[0].pk)
        assert Server.objects.queue_position(servers[2]) == 2


class TestLaunch:
    def test_it_runs(self, requested: Server, launcher: InProcessLauncher, owner: User) -> None:
        lifecycle.launch(requested.pk)
        row = Server.objects.get()
        assert row.state == State.RUNNING
        assert row.started_at
        assert row.due_at
        assert row.due_at > timezone.now()
        assert launcher.sandboxes == {row.pk: "running"}
        spec = launcher.specs[row.pk]
        assert (spec.username, spec.token, spec.prefix) == (owner.username, row.token, "/srv/base")
        assert [(m.folder, m.name, m.mode) for m in spec.mounts] == [("My Libraries", "My Library", "rw")]

    def test_it_says_what_went_wrong_and_leaves_nothing(self, requested: Server, launcher: InProcessLauncher) -> None:
        launcher.fails = LaunchFailedError("The disk is full.", "line 1\nline 2")
        lifecycle.launch(requested.pk)
        row = Server.objects.get()
        assert (row.state, row.error, row.log_tail) == (State.FAILED, "The disk is full.", "line 1\nline 2")
        assert row.stop_sentence == "It did not start: The disk is full."
        assert launcher.sandboxes == {}
        assert [entry.verb for entry in audit.trail(row)] == ["lab.server.stopped", "lab.server.requested"]

    def test_it_reports_an_error_of_our_own(self, requested: Server, launcher: InProcessLauncher) -> None:
        launcher.before["start"] = lambda: 1 / 0
        lifecycle.launch(requested.pk)
        assert state_of(requested) == State.FAILED

    def test_it_starts_nothing_twice(self, requested: Server, launcher: InProcessLauncher) -> None:
        lifecycle.launch(requested.pk)
        lifecycle.launch(requested.pk)
        assert launcher.calls.count("start") == 1

    def test_it_does_nothing_for_a_row_that_is_gone(self, requested: Server, launcher: InProcessLauncher) -> None:
        Server.objects.all().delete()
        lifecycle.launch(requested.pk)
        assert launcher.calls == []

    def test_it_waits_for_a_launcher_that_is_restarted(self, requested: Server, launcher: InProcessLauncher) -> None:
        launcher.away = True
        lifecycle.launch(requested.pk)
        assert state_of(requested) == State.STARTING
        launcher.away = False
        lifecycle.launch(requested.pk)
        assert state_of(requested) == State.RUNNING

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("call", ["start", "wait"])
    def test_it_goes_on_after_being_killed(
        self, requested: Server, launcher: InProcessLauncher, call: str, when: str
    ) -> None:
        getattr(launcher, when)[call] = killed
        with pytest.raises(Killed):
            lifecycle.launch(requested.pk)
        lifecycle.launch(requested.pk)
        assert state_of(requested) == State.RUNNING
        assert launcher.sandboxes == {requested.pk: "running"}

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("call", ["start", "wait"])
    def test_a_stop_meanwhile_wins(
        self, requested: Server, launcher: InProcessLauncher, owner: User, call: str, when: str
    ) -> None:
        """The stop's own task runs to its end while the launch is inside a call."""

        def stop() -> None:
            services.stop_server(owner, Server.objects.get(), StopReason.ASKED)
            lifecycle.end(requested.pk)

        getattr(launcher, when)[call] = stop
        lifecycle.launch(requested.pk)
        assert state_of(requested) == State.STOPPED
        assert launcher.sandboxes == {}

    def test_a_stop_before_the_launch_needs_no_launcher(
        self, requested: Server, launcher: InProcessLauncher, owner: User
    ) -> None:
        assert services.stop_server(owner, requested, StopReason.ASKED)
        lifecycle.launch(requested.pk)
        assert state_of(requested) == State.STOPPED
        assert launcher.calls == []

    def test_a_second_delivery_does_not_undo_the_first(self, requested: Server, launcher: InProcessLauncher) -> None:
        launcher.before["wait"] = lambda: lifecycle.launch(requested.pk)
        lifecycle.launch(requested.pk)
        assert state_of(requested) == State.RUNNING
        assert launcher.sandboxes == {requested.pk: "running"}


class TestEnd:
    def test_it_stops_and_deletes(
        self, running: Server, launcher: InProcessLauncher, owner: User, queue: Queue
    ) -> None:
        assert services.stop_server(owner, running, StopReason.ASKED)
        assert queue == [("lab.tasks.stop", running.pk.hex)]
        lifecycle.end(running.pk)
        row = Server.objects.get()
        assert (row.state, row.token, row.stop_sentence) == (State.STOPPED, "", "You stopped it.")
        assert launcher.sandboxes == {}
        assert launcher.calls[:2] == ["stop", "destroy"]

    def test_it_stops_once(self, running: Server, owner: User) -> None:
        assert services.stop_server(owner, running, StopReason.ASKED)
        assert not services.stop_server(owner, running, StopReason.OPERATOR)
        assert Server.objects.get().stop_reason == StopReason.ASKED

    @pytest.mark.parametrize("when", ["before", "after"])
    @pytest.mark.parametrize("call", ["stop", "destroy"])
    def test_it_goes_on_after_being_killed(
        self, server: Callable[..., Server], launcher: InProcessLauncher, call: str, when: str
    ) -> None:
        ending = server("stopping")
        getattr(launcher, when)[call] = killed
        with pytest.raises(Killed):
            lifecycle.end(ending.pk)
        assert state_of(ending) == State.STOPPING
        lease_runs_out(ending)
        lifecycle.end(ending.pk)
        assert state_of(ending) == State.STOPPED
        assert launcher.sandboxes == {}

    def test_two_do_not_work_on_it_at_once(self, server: Callable[..., Server], launcher: InProcessLauncher) -> None:
        ending = server("stopping")
        launcher.before["stop"] = lambda: lifecycle.end(ending.pk)
        lifecycle.end(ending.pk)
        assert launcher.calls.count("destroy") == 1

    def test_it_waits_for_a_launcher_that_is_away(
        self, server: Callable[..., Server], launcher: InProcessLauncher
    ) -> None:
        ending = server("stopping")
        launcher.away = True
        lifecycle.end(ending.pk)
        assert state_of(ending) == State.STOPPING
        launcher.away = False
        lifecycle.end(ending.pk)
        assert state_of(ending) == State.STOPPED

    def test_it_removes_what_has_no_row(self, running: Server, launcher: InProcessLauncher) -> None:
        Server.objects.all().delete()
        lifecycle.end(running.pk)
        assert launcher.sandboxes == {}

    def test_it_leaves_a_running_server_alone(self, running: Server, launcher: InProcessLauncher) -> None:
        lifecycle.end(running.pk)
        assert state_of(running) == State.RUNNING
        assert launcher.calls == []

    def test_a_stop_takes_back_the_wish_for_another(self, server: Callable[..., Server], owner: User) -> None:
        old = server("stopping")
        services.request_server(owner, owner)
        assert services.stop_server(owner, old, StopReason.ASKED)
        lifecycle.end(old.pk)
        assert not Server.objects.live().exists()

    def test_a_deactivated_person_gets_no_other(self, server: Callable[..., Server], owner: User) -> None:
        old = server("stopping", again=True)
        User.objects.filter(pk=owner.pk).update(is_active=False)
        lifecycle.end(old.pk)
        assert not Server.objects.live().exists()


def killed() -> None:
    raise Killed


def lease_runs_out(server: Server) -> None:
    Server.objects.filter(pk=server.pk).update(ended_by_task_until=timezone.now() - timedelta(seconds=1))
