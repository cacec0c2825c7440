"""Request and launch: whoever is killed, clicks twice or comes late, the row ends up true."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import Settings

from conftest import Queue, Sleep
from lab.group_limits import applying
from lab.launchers import LauncherUnavailableError, LaunchFailedError
from lab.locations.paths import Location
from lab.metrics import LAUNCH_SECONDS, LAUNCHES
from lab.models import Environment, Phase, Server, State, StopReason
from lab.servers import api_tokens, lifecycle, services
from lab.servers.mounts import digest, mounts_of
from lab.tests.inprocess import InProcessLauncher, Killed
from lab.tests.support import Jupyter, state_of
from portal import audit
from portal.access import ForbiddenError
from portal.models import User
from portal.ops import logs

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
        assert launcher.calls == ["start", "wait"], "nothing is mounted again that has not changed"

    def test_it_says_what_went_wrong_and_leaves_nothing(self, requested: Server, launcher: InProcessLauncher) -> None:
        launcher.fails = LaunchFailedError("The disk is full.", "line 1\nline 2")
        lifecycle.launch(requested.pk)
        row = Server.objects.get()
        assert (row.state, row.error, row.log_tail) == (State.FAILED, "The disk is full.", "line 1\nline 2")
        assert row.stop_sentence == "It did not start: The disk is full."
        assert launcher.sandboxes == {}
        assert [entry.verb for entry in audit.trail(row)] == ["lab.server.stopped", "lab.server.requested"]

    def test_it_reports_an_error_of_our_own(
        self, requested: Server, launcher: InProcessLauncher, caplog: pytest.LogCaptureFixture
    ) -> None:
        launcher.before["start"] = lambda: 1 / 0
        lifecycle.launch(requested.pk)
        assert state_of(requested) == State.FAILED
        assert Server.objects.get().error.startswith("An internal error occurred")
        assert "ZeroDivisionError" in caplog.text, "its person is told that the log has it"
        assert logs.context()["server_id"] == requested.pk.hex

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

    def test_it_says_that_a_launcher_is_awaited(
        self, requested: Server, launcher: InProcessLauncher, sleep_in: Sleep
    ) -> None:
        seen = []
        sleep_in(lifecycle, lambda seconds: seen.append(Server.objects.get().phase))

        def away() -> None:
            raise LauncherUnavailableError("away")

        launcher.before["start"] = away
        lifecycle.launch(requested.pk)
        assert seen == [Phase.AWAITING]
        row = Server.objects.get()
        assert (row.state, row.phase) == (State.RUNNING, Phase.READY)

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

    def test_a_second_delivery_does_not_undo_the_first(
        self, requested: Server, launcher: InProcessLauncher, queue: Queue
    ) -> None:
        launcher.before["wait"] = lambda: lifecycle.launch(requested.pk)
        lifecycle.launch(requested.pk)
        assert state_of(requested) == State.RUNNING
        assert "lab.tasks.stop" not in queue.names()
        assert launcher.sandboxes == {requested.pk: "running"}

    def test_it_tells_the_launcher_all_that_the_server_is_to_be(
        self, requested: Server, launcher: InProcessLauncher, owner: User, settings: Settings
    ) -> None:
        settings.LAB_NETWORK, settings.COEDITING = "none", True
        Environment.objects.update(by_fork=True, memory_mib=300)
        lifecycle.launch(requested.pk)
        row, spec = Server.objects.select_related("environment").get(), launcher.specs[requested.pk]
        assert (spec.server_id, spec.token, spec.network, spec.fork) == (row.pk, row.token, "none", True)
        assert spec.coediting
        assert (spec.username, spec.display_name, spec.email) == ("owner", "Olga Owner", "owner@example.org")
        assert spec.limits == applying(owner, row.environment).limits
        assert api_tokens.server_of(spec.portal_token) == row
        assert (row.memory_limit, row.disk_limit) == (300 * 2**20, settings.LAB_DISK_LIMIT)

    def test_it_notes_no_limit_that_the_launcher_does_not_enforce(
        self, requested: Server, launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(launcher, "enforced_limits", lambda: ["disk"])
        Environment.objects.update(memory_mib=300, disk_mib=400)
        lifecycle.launch(requested.pk)
        row = Server.objects.get()
        assert (row.memory_limit, row.disk_limit) == (0, 400 * 2**20)

    def test_it_says_how_far_it_is(self, requested: Server, launcher: InProcessLauncher, owner: User) -> None:
        seen = []

        def look() -> None:
            row = Server.objects.get()
            seen.append((row.state, row.phase, row.mounts_digest))

        launcher.before["start"] = launcher.before["wait"] = look
        began = timezone.now()
        lifecycle.launch(requested.pk)
        look()
        view = digest(mounts_of(owner))
        assert seen == [
            (State.STARTING, Phase.PREPARING, ""),
            (State.STARTING, Phase.JUPYTER, view),
            (State.RUNNING, Phase.READY, view),
        ]
        row = Server.objects.get()
        assert row.starting_at
        assert row.started_at
        assert began <= row.starting_at <= row.started_at == row.last_interaction

    @pytest.mark.parametrize(("limit", "first_look"), [(60, 60), (12 * 3600, 600)])
    def test_it_is_looked_at_after_ten_minutes_or_when_it_may_be_idle(
        self, requested: Server, settings: Settings, limit: int, first_look: int
    ) -> None:
        settings.LAB_IDLE_LIMIT = limit
        lifecycle.launch(requested.pk)
        row = Server.objects.get()
        assert row.started_at
        assert row.due_at == row.started_at + timedelta(seconds=first_look)

    def test_it_counts_launches_and_their_time(
        self, requested: Server, launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        counted: list[dict[str, str]] = []
        took: list[float] = []
        monkeypatch.setattr(LAUNCHES, "add", lambda **labels: counted.append(labels))
        monkeypatch.setattr(LAUNCH_SECONDS, "observe", took.append)
        Server.objects.update(requested_at=timezone.now() - timedelta(seconds=30))
        lifecycle.launch(requested.pk)
        assert counted == [{"outcome": "running"}]
        assert 30 <= took[0] < 90
        Server.objects.update(state=State.REQUESTED)
        launcher.fails = LaunchFailedError("The disk is full.")
        lifecycle.launch(requested.pk)
        assert counted == [{"outcome": "running"}, {"outcome": "failed"}]
        assert len(took) == 1

    @pytest.mark.parametrize(("failures", "state"), [(5, State.RUNNING), (6, State.STARTING)])
    @pytest.mark.parametrize("call", ["start", "wait"])
    def test_it_asks_a_launcher_that_is_away_six_times_a_second_apart(
        self,
        requested: Server,
        launcher: InProcessLauncher,
        sleep_in: Sleep,
        call: str,
        failures: int,
        state: State,
    ) -> None:
        slept: list[float] = []
        sleep_in(lifecycle, slept.append)
        left = [None] * failures

        def away() -> None:
            if left:
                left.pop()
                launcher.before[call] = away
                raise LauncherUnavailableError("away")

        launcher.before[call] = away
        lifecycle.launch(requested.pk)
        assert slept == [1] * 5
        assert launcher.calls.count(call) == 6
        assert state_of(requested) == state

    @pytest.mark.parametrize("call", ["start", "wait"])
    def test_a_stop_meanwhile_is_left_to_its_own_task(
        self, requested: Server, launcher: InProcessLauncher, owner: User, queue: Queue, call: str
    ) -> None:
        queue.clear()
        launcher.after[call] = lambda: services.stop_server(owner, Server.objects.get(), StopReason.ASKED)
        lifecycle.launch(requested.pk)
        assert queue == [("lab.tasks.stop", requested.pk.hex)] * 2, "of the stop, and again for what was started since"
        row = Server.objects.get()
        assert (row.state, row.phase) == (State.STOPPING, Phase.CLOSING)
        assert launcher.calls == ["start", "wait"][: 1 + (call == "wait")]

    @pytest.mark.parametrize("call", ["start", "wait"])
    def test_a_row_that_goes_meanwhile_leaves_no_sandbox(
        self, requested: Server, launcher: InProcessLauncher, call: str
    ) -> None:
        launcher.after[call] = lambda: Server.objects.all().delete()
        lifecycle.launch(requested.pk)
        assert launcher.sandboxes == {}

    @pytest.mark.parametrize("place", ["My Libraries/My Library/a.ipynb", "My Libraries/My Library/a.py", ""])
    def test_it_starts_the_kernel_of_the_notebook_that_is_opened(
        self, server: Callable[..., Server], jupyter: Jupyter, place: str
    ) -> None:
        """Jupyter answers 404 to what it is asked, which does the launch no harm."""
        row = server("requested", place=place)
        lifecycle.launch(row.pk)
        assert state_of(row) == State.RUNNING
        assert bool(jupyter.asked) == place.endswith(".ipynb")
        assert all(place.rpartition("/")[2] in asked for asked, _token, _body in jupyter.asked[:1])

    @pytest.mark.parametrize("call", ["start", "wait"])
    def test_a_server_that_is_stopped_meanwhile_starts_no_kernel(
        self, server: Callable[..., Server], launcher: InProcessLauncher, owner: User, jupyter: Jupyter, call: str
    ) -> None:
        row = server("requested", place="My Libraries/My Library/a.ipynb")
        launcher.after[call] = lambda: services.stop_server(owner, Server.objects.get(), StopReason.ASKED)
        lifecycle.launch(row.pk)
        assert jupyter.asked == []

    def test_it_waits_as_long_as_the_site_says(
        self, requested: Server, launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch, settings: Settings
    ) -> None:
        settings.LAB_START_TIMEOUT = 77
        given: list[float] = []
        monkeypatch.setattr(launcher, "wait", lambda server_id, timeout: given.append(timeout))
        lifecycle.launch(requested.pk)
        assert given == [77]

    def test_it_leaves_others_that_start_at_the_same_time_alone(
        self, requested: Server, server: Callable[..., Server], editor: User
    ) -> None:
        other = server("starting", owner=editor)
        before = Server.objects.filter(pk=other.pk).values().get()
        lifecycle.launch(requested.pk)
        assert Server.objects.filter(pk=other.pk).values().get() == before

    def test_a_start_that_left_no_log_has_none(self, server: Callable[..., Server]) -> None:
        lifecycle.fail_start(server("starting"), "It did not start in time.")
        row = Server.objects.get()
        assert (row.state, row.error, row.log_tail) == (State.FAILED, "It did not start in time.", "")

    def test_a_failed_start_ends_no_running_server(
        self, running: Server, launcher: InProcessLauncher, server: Callable[..., Server], editor: User
    ) -> None:
        server("starting", owner=editor)
        lifecycle.fail_start(running, "It did not start in time.")
        assert state_of(running) == State.RUNNING
        assert launcher.calls == []


def killed() -> None:
    raise Killed
