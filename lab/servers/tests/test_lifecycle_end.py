"""The end of a server: whoever is killed, clicks twice or comes late, the row ends up true."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.utils import timezone
from pytest_django import Settings

from collabs.models import Collab
from conftest import Queue
from lab.environments import selection
from lab.launchers import LauncherUnavailableError, LaunchFailedError
from lab.launchers.base import GRACE_SECONDS
from lab.models import Environment, Pause, Phase, Server, State, StopReason
from lab.servers import lifecycle, limits, rescue, services
from lab.tests.inprocess import InProcessLauncher, Killed
from lab.tests.support import state_of
from notices.models import Notice
from portal import audit
from portal.models import User

pytestmark = pytest.mark.django_db


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
