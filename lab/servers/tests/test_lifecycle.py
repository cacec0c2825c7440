"""Launch and end: whoever is killed, clicks twice or comes late, the row ends up true."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import Settings

from collabs.models import Collab
from conftest import Queue, Sleep
from lab.environments import selection
from lab.launchers import LauncherUnavailableError, LaunchFailedError
from lab.launchers.base import GRACE_SECONDS
from lab.locations.paths import Location
from lab.metrics import LAUNCH_SECONDS, LAUNCHES
from lab.models import Environment, Pause, Phase, Server, State, StopReason
from lab.servers import api_tokens, lifecycle, limits, rescue, services
from lab.servers.mounts import digest, mounts_of
from lab.tests.inprocess import InProcessLauncher, Killed
from lab.tests.support import Jupyter, state_of
from notices.models import Notice
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
        settings.LAB_NETWORK = "none"
        Environment.objects.update(by_fork=True, memory_mib=300)
        lifecycle.launch(requested.pk)
        row, spec = Server.objects.select_related("environment").get(), launcher.specs[requested.pk]
        assert (spec.server_id, spec.token, spec.network, spec.fork) == (row.pk, row.token, "none", True)
        assert (spec.username, spec.display_name, spec.email) == ("owner", "Olga Owner", "owner@example.org")
        assert spec.limits == limits.limits_of(row.environment)
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


class TestEnd:
    def test_it_says_how_far_it_is_and_that_it_is_at_work(
        self, server: Callable[..., Server], launcher: InProcessLauncher
    ) -> None:
        ending = server("stopping", phase=Phase.CLOSING)
        seen = []

        def look() -> None:
            row = Server.objects.get()
            seen.append(row.phase)
            assert row.ended_by_task_until
            left = row.ended_by_task_until - timezone.now()
            assert timedelta(seconds=20) < left <= timedelta(seconds=30)
            Server.objects.update(ended_by_task_until=timezone.now() - timedelta(seconds=1))

        launcher.before["stop"] = launcher.before["destroy"] = look
        lifecycle.end(ending.pk)
        assert seen == [Phase.CLOSING, Phase.DELETING]
        row = Server.objects.get()
        assert (row.state, row.phase, row.ended_by_task_until) == (State.STOPPED, Phase.GONE, None)
        assert row.ended_at

    def test_it_says_during_a_rescue_that_it_is_at_work(
        self, server: Callable[..., Server], launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ending, do = server("stopping"), rescue.rescue
        places: list[Path] = []

        def watch(row: Server, home: Path, changes: Path, *, heartbeat: Callable[[], None]) -> rescue.Rescued:
            places.extend((home, changes))
            for _ in range(2):
                now = Server.objects.get()
                assert (now.phase, bool(now.ended_by_task_until)) == (Phase.RESCUING, True)
                Server.objects.update(phase=Phase.CLOSING, ended_by_task_until=None)
                heartbeat()
            assert launcher.sandboxes == {row.pk: "stopped"}
            return do(row, home, changes, heartbeat=heartbeat)

        monkeypatch.setattr(rescue, "rescue", watch)
        lifecycle.end(ending.pk)
        assert state_of(ending) == State.STOPPED
        assert places == [launcher.home(ending.pk), launcher.changes(ending.pk)]

    def test_what_was_rescued_is_not_rescued_again(
        self, server: Callable[..., Server], launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ending = server("stopping", rescued={"files": 3})
        monkeypatch.delattr(rescue, "rescue")
        lifecycle.end(ending.pk)
        assert Server.objects.get().rescued == {"files": 3}
        assert state_of(ending) == State.STOPPED

    @pytest.mark.parametrize("outcome", ["it ends", "launcher away", "rescue fails"])
    def test_it_leaves_others_that_end_at_the_same_time_alone(
        self,
        server: Callable[..., Server],
        launcher: InProcessLauncher,
        editor: User,
        viewer: User,
        monkeypatch: pytest.MonkeyPatch,
        outcome: str,
    ) -> None:
        ending = server("stopping")
        server("stopping", owner=editor, ended_by_task_until=timezone.now() + timedelta(seconds=20))
        server("stopping", owner=viewer)
        launcher.away = outcome == "launcher away"
        if outcome == "rescue fails":
            monkeypatch.setattr(rescue, "rescue", lambda *_, **__: rescue.Rescued(error="The disk is full."))
        others = list(Server.objects.exclude(pk=ending.pk).order_by("pk").values())
        lifecycle.end(ending.pk)
        assert list(Server.objects.exclude(pk=ending.pk).order_by("pk").values()) == others

    def test_a_task_that_was_overtaken_changes_nothing_of_the_row(
        self, server: Callable[..., Server], launcher: InProcessLauncher
    ) -> None:
        """It was held up for longer than its lease, and another has ended the server."""
        ending = server("stopping", again=True)
        ended = {"state": State.STOPPED, "phase": Phase.GONE, "rescued": {"files": 1}, "again": False}
        launcher.before["stop"] = lambda: Server.objects.update(ended_by_task_until=None, **ended)
        lifecycle.end(ending.pk)
        assert {**Server.objects.values().get(), **ended} == Server.objects.values().get()
        assert Server.objects.get().ended_by_task_until is None

    def test_who_comes_late_has_nothing_to_do(
        self, server: Callable[..., Server], launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ending = lifecycle.find(server("stopping").pk)
        Server.objects.update(state=State.STOPPED)
        monkeypatch.setattr(lifecycle, "find", lambda server_id: ending)
        assert ending
        lifecycle.end(ending.pk)
        assert launcher.calls == []

    def test_it_follows_a_wish_for_another_that_came_while_it_was_at_work(
        self, server: Callable[..., Server], launcher: InProcessLauncher, owner: User
    ) -> None:
        ending = server("stopping")
        launcher.before["destroy"] = lambda: services.request_server(owner, owner)
        lifecycle.end(ending.pk)
        new = Server.objects.live().get()
        assert new.state == State.REQUESTED
        assert audit.trail(new).get().actor == owner

    def test_who_is_deactivated_while_it_is_at_work_gets_no_other(
        self, server: Callable[..., Server], launcher: InProcessLauncher
    ) -> None:
        ending = server("stopping", again=True)
        launcher.before["destroy"] = lambda: User.objects.update(is_active=False)
        lifecycle.end(ending.pk)
        assert state_of(ending) == State.STOPPED
        assert not Server.objects.live().exists()

    def test_the_next_one_has_the_environment_of_its_collab(
        self, server: Callable[..., Server], owner: User, collab: Collab
    ) -> None:
        other = Environment.objects.create(slug="brain", name="Brain", prefix="/srv/brain")
        selection.choose_for_collab(owner, collab, other)
        old = server("stopping", again=True, again_place="Shared with groups/Cortex/a.ipynb")
        lifecycle.end(old.pk)
        assert Server.objects.live().get().environment == other

    @pytest.mark.parametrize(
        ("reason", "grace"),
        [
            (StopReason.ASKED, GRACE_SECONDS),
            (StopReason.IDLE, GRACE_SECONDS),
            (StopReason.DEACTIVATED, 0),
            (StopReason.ACCESS, 0),
        ],
    )
    def test_it_waits_for_nobody_who_may_not_go_on(
        self,
        server: Callable[..., Server],
        launcher: InProcessLauncher,
        monkeypatch: pytest.MonkeyPatch,
        reason: StopReason,
        grace: float,
    ) -> None:
        given: list[float] = []
        monkeypatch.setattr(launcher, "stop", lambda server_id, *, grace: given.append(grace))
        lifecycle.end(server("stopping", stop_reason=reason).pk)
        assert given == [grace]

    @pytest.mark.parametrize("error", [LauncherUnavailableError("away"), LaunchFailedError("No disk.")])
    @pytest.mark.parametrize("call", ["stop", "destroy"])
    def test_it_gives_its_turn_back_when_it_cannot_go_on(
        self, server: Callable[..., Server], launcher: InProcessLauncher, call: str, error: Exception
    ) -> None:
        ending = server("stopping")

        def fail() -> None:
            raise error

        launcher.before[call] = fail
        lifecycle.end(ending.pk)
        row = Server.objects.get()
        assert (row.state, row.ended_by_task_until) == (State.STOPPING, None)
        lifecycle.end(ending.pk)
        assert state_of(ending) == State.STOPPED

    def test_a_launcher_that_is_away_does_not_matter_to_what_has_no_row(
        self, running: Server, launcher: InProcessLauncher
    ) -> None:
        Server.objects.all().delete()
        launcher.away = True
        lifecycle.end(running.pk)
        assert launcher.sandboxes == {running.pk: "running"}

    def test_it_removes_again_what_has_ended(self, server: Callable[..., Server], launcher: InProcessLauncher) -> None:
        ended = server("stopped", sandbox=True)
        changed = Server.objects.get().changed_at
        lifecycle.end(ended.pk)
        assert launcher.sandboxes == {}
        assert (Server.objects.get().state, Server.objects.get().changed_at) == (State.STOPPED, changed)

    def test_it_tells_the_drive_and_its_person(self, server: Callable[..., Server], owner: User, queue: Queue) -> None:
        ending = server("stopping", stop_reason=StopReason.IDLE)
        lifecycle.end(ending.pk)
        library = owner.libraries.get(is_default=True)
        assert queue == [("drive.tasks.scan", str(library.pk), owner.pk)]
        assert Notice.objects.get(user=owner).subject == "Your Lab was stopped"

    @pytest.mark.parametrize(
        ("reason", "state"), [(StopReason.ASKED, State.STOPPED), (StopReason.START_FAILED, State.FAILED)]
    )
    def test_it_ends_as_failed_only_what_did_not_start(
        self, server: Callable[..., Server], reason: StopReason, state: State
    ) -> None:
        ending = server("stopping", stop_reason=reason)
        lifecycle.end(ending.pk)
        assert state_of(ending) == state

    def test_the_next_one_has_the_environment_that_was_asked_for(
        self, server: Callable[..., Server], environment: Environment, owner: User
    ) -> None:
        other = Environment.objects.create(slug="brain", name="Brain", prefix="/srv/brain")
        old = server("stopping", again=True, again_place="My Libraries/My Library", again_environment=other)
        lifecycle.end(old.pk)
        new = Server.objects.live().get()
        assert (new.environment, new.place, new.owner) == (other, "My Libraries/My Library", owner)

    def test_the_next_one_has_its_place_where_the_lab_is_full(
        self, server: Callable[..., Server], editor: User, settings: Settings
    ) -> None:
        settings.LAB_MAX_SERVERS = 1
        server("running", owner=editor)
        old = server("stopping", again=True)
        lifecycle.end(old.pk)
        assert Server.objects.live().filter(owner=old.owner).exists()

    def test_it_ends_while_a_pause_lets_no_other_begin(self, server: Callable[..., Server]) -> None:
        Pause.objects.create(text="New disks.", ends_at=timezone.now() + timedelta(hours=1))
        old = server("stopping", again=True)
        lifecycle.end(old.pk)
        assert state_of(old) == State.STOPPED
        assert not Server.objects.live().exists()

    def test_it_says_with_its_last_lines_that_it_died(
        self, running: Server, launcher: InProcessLauncher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wait(server_id: UUID, timeout: float) -> None:
            assert (server_id, timeout) == (running.pk, 0), "nobody waits for what has ended"
            raise LaunchFailedError("Jupyter ended.", "the log's last line")

        monkeypatch.setattr(launcher, "wait", wait)
        lifecycle.declare_dead(running)
        row = Server.objects.get()
        assert (row.state, row.stop_reason) == (State.STOPPING, StopReason.DIED)
        assert (row.log_tail, row.error) == ("the log's last line", limits.why_it_died(running, None))

    def test_it_says_that_it_died_while_the_launcher_is_away(
        self, running: Server, launcher: InProcessLauncher
    ) -> None:
        launcher.away = True
        lifecycle.declare_dead(running)
        row = Server.objects.get()
        assert (row.stop_reason, row.log_tail, row.error) == (StopReason.DIED, "", limits.why_it_died(running, None))

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
