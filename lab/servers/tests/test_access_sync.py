"""Changes of access reach running servers, broker or not."""

import threading
from collections.abc import Callable
from itertools import cycle
from types import SimpleNamespace
from unittest import mock
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings

from collabs import services as collab_services
from collabs.models import Collab, Role
from conftest import Queue
from lab.models import Server, State, StopReason
from lab.servers import lifecycle
from lab.servers.mounts import digest, mounts_of
from lab.tests.inprocess import InProcessLauncher
from lab.tests.support import state_of
from portal.accounts import services as portal_services
from portal.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def at_work(collab: Collab, server: Callable[..., Server], editor: User, queue: Queue) -> Server:
    """The editor's running server."""
    made = server("running", owner=editor)
    lifecycle.follow_access(made.pk)
    queue.clear()
    return made


def modes(launcher: InProcessLauncher, server: Server) -> dict[str, str]:
    return {mount.name: mount.mode for mount in launcher.mounted[server.pk]}


def test_it_follows_a_change_of_role(
    at_work: Server, launcher: InProcessLauncher, collab: Collab, owner: User, editor: User, queue: Queue
) -> None:
    assert modes(launcher, at_work) == {"Cortex": "rw", "My Library": "rw"}
    collab_services.change_role(owner, collab, editor, Role.VIEWER)
    assert queue == [("lab.tasks.remount", at_work.pk.hex)]
    lifecycle.follow_access(at_work.pk)
    assert modes(launcher, at_work) == {"Cortex": "ro", "My Library": "rw"}


def test_it_follows_at_once_while_the_broker_is_away(
    at_work: Server, launcher: InProcessLauncher, collab: Collab, owner: User, editor: User, queue: Queue
) -> None:
    queue.up = False
    collab_services.remove_member(owner, collab, editor)
    assert modes(launcher, at_work) == {"My Library": "rw"}


def test_it_stops_the_server_of_a_deactivated_account(
    at_work: Server, launcher: InProcessLauncher, operator: User, editor: User, queue: Queue
) -> None:
    portal_services.deactivate(operator, editor)
    row = Server.objects.get(pk=at_work.pk)
    assert (row.state, row.stop_reason) == (State.STOPPING, StopReason.DEACTIVATED)
    assert set(queue.names()) == {"lab.tasks.stop", "lab.tasks.remount"}
    lifecycle.follow_access(at_work.pk)  # does not wait behind launches, as the stop may
    assert launcher.sandboxes[at_work.pk] == "stopped"
    lifecycle.end(at_work.pk)
    assert state_of(at_work) == State.STOPPED


def test_it_kills_the_server_of_a_deactivated_account_while_the_broker_is_away(
    at_work: Server, launcher: InProcessLauncher, operator: User, editor: User, queue: Queue
) -> None:
    queue.up = False
    portal_services.deactivate(operator, editor)
    assert launcher.sandboxes[at_work.pk] == "stopped"


def test_a_supervisor_that_is_away_does_not_break_the_change(
    at_work: Server, launcher: InProcessLauncher, collab: Collab, owner: User, editor: User, queue: Queue
) -> None:
    queue.up, launcher.away = False, True
    collab_services.remove_member(owner, collab, editor)
    row = Server.objects.get(pk=at_work.pk)
    assert row.mounts_digest != digest(mounts_of(editor))  # so that the reconciler sees it


def test_the_older_view_does_not_have_the_last_word(
    at_work: Server, launcher: InProcessLauncher, collab: Collab, owner: User, editor: User
) -> None:
    """Access changes, and is followed elsewhere, while a remount with the old view is under way."""

    def change() -> None:
        collab_services.remove_member(owner, collab, editor)
        lifecycle.follow_access(at_work.pk)

    launcher.before["remount"] = change
    lifecycle.follow_access(at_work.pk)
    assert modes(launcher, at_work) == {"My Library": "rw"}


def test_an_older_view_of_another_thread_is_never_mounted_after_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the worker's threads has looked what the person may see, and is slow; access changes, and another follows.

    For a moment, what was taken away would be there again.
    """
    server = Server(owner=User())
    seen, mounted = ["before"], []
    slow = threading.Event()

    def mounts_of(user: User) -> list[str]:
        view = list(seen)
        if threading.current_thread() is first:
            seen[:] = ["after"]
            if not slow.is_set():
                slow.set()
                second.start()
                second.join(1)  # it may overtake
        return view

    launcher = SimpleNamespace(remount=lambda _, mounts: mounted.extend(mounts))
    for name, value in {
        "get_launcher": lambda: launcher,
        "mounts_of": mounts_of,
        "with_quotas": list,
        "digest": "".join,
        "Server": mock.Mock(),
    }.items():
        monkeypatch.setattr(lifecycle, name, value)
    first, second = (threading.Thread(target=lifecycle.follow_mounts, args=(server,), daemon=True) for _ in range(2))
    first.start()
    for thread in (first, second):
        slow.wait(30)
        thread.join(30)
        assert not thread.is_alive()
    assert mounted[0] == "before"
    assert set(mounted[1:]) == {"after"}


def test_a_launch_takes_over_what_changed_while_it_started(
    collab: Collab, server: Callable[..., Server], launcher: InProcessLauncher, owner: User, editor: User
) -> None:
    starting = server("requested", owner=editor)
    launcher.before["start"] = lambda: collab_services.remove_member(owner, collab, editor)
    lifecycle.launch(starting.pk)
    assert state_of(starting) == State.RUNNING
    assert modes(launcher, starting) == {"My Library": "rw"}


def test_it_tells_its_person_what_was_stopped(at_work: Server, launcher: InProcessLauncher) -> None:
    launcher.notes = ["Process python3 was stopped: it was using “Shared with groups/Cortex”."]
    lifecycle.follow_access(at_work.pk)
    assert Server.objects.get(pk=at_work.pk).notes == launcher.notes
    assert state_of(at_work) == State.RUNNING


def test_it_says_why_when_the_server_had_to_go(at_work: Server, launcher: InProcessLauncher) -> None:
    launcher.notes = ["The server was stopped."]
    launcher.after["remount"] = lambda: launcher.sandboxes.update({at_work.pk: "stopped"})
    lifecycle.follow_access(at_work.pk)
    row = Server.objects.get(pk=at_work.pk)
    assert (row.state, row.stop_reason) == (State.STOPPING, StopReason.ACCESS)


@pytest.mark.parametrize("state", [None, State.STARTING, State.STOPPING])
def test_it_stops_no_server_that_still_runs_or_is_on_its_way(
    at_work: Server, launcher: InProcessLauncher, state: State | None
) -> None:
    launcher.notes = ["A process was stopped."]
    if state:
        Server.objects.filter(pk=at_work.pk).update(state=state)
        launcher.after["remount"] = lambda: launcher.sandboxes.update({at_work.pk: "stopped"})
    lifecycle.follow_access(at_work.pk)
    assert state_of(at_work) == (state or State.RUNNING)


def test_it_says_why_when_the_launcher_knows_the_server_no_more(at_work: Server, launcher: InProcessLauncher) -> None:
    launcher.notes = ["The server was stopped."]
    launcher.after["remount"] = launcher.sandboxes.clear
    lifecycle.follow_access(at_work.pk)
    assert Server.objects.get(pk=at_work.pk).stop_reason == StopReason.ACCESS


@pytest.mark.parametrize("state", [State.REQUESTED, State.STOPPED, State.FAILED])
def test_it_mounts_nothing_where_nothing_runs(at_work: Server, launcher: InProcessLauncher, state: State) -> None:
    Server.objects.filter(pk=at_work.pk).update(state=state)
    launcher.calls.clear()
    lifecycle.follow_access(at_work.pk)
    lifecycle.follow_access(uuid4())
    assert launcher.calls == []


@pytest.mark.parametrize("state", [State.STARTING, State.RUNNING, State.STOPPING])
def test_it_follows_as_long_as_there_are_processes(at_work: Server, launcher: InProcessLauncher, state: State) -> None:
    Server.objects.filter(pk=at_work.pk).update(state=state)
    launcher.calls.clear()
    lifecycle.follow_access(at_work.pk)
    assert launcher.calls == ["remount"]


def test_it_kills_a_deactivated_persons_processes_without_grace(
    at_work: Server, launcher: InProcessLauncher, editor: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    monkeypatch.setattr(launcher, "stop", lambda server_id, *, grace: given.append(grace))
    User.objects.filter(pk=editor.pk).update(is_active=False)
    lifecycle.follow_access(at_work.pk)
    assert given == [0]
    row = Server.objects.get(pk=at_work.pk)
    assert (row.state, row.stop_reason) == (State.STOPPING, StopReason.DEACTIVATED)
    assert "remount" not in launcher.calls[1:], "nothing is mounted for who may see nothing"


def test_it_notes_what_is_mounted(at_work: Server, launcher: InProcessLauncher, server: Callable[..., Server]) -> None:
    other = server("running")
    Server.objects.update(mounts_digest="")
    lifecycle.follow_access(at_work.pk)
    assert Server.objects.get(pk=at_work.pk).mounts_digest == digest(mounts_of(at_work.owner))
    assert Server.objects.get(pk=other.pk).mounts_digest == ""


def test_it_leaves_access_that_changes_all_the_time_to_the_reconciler(
    at_work: Server, launcher: InProcessLauncher, collab: Collab, owner: User, editor: User
) -> None:
    """Each remount is overtaken by another change; eight are tried."""
    launcher.calls.clear()
    roles = cycle((Role.VIEWER, Role.EDITOR))

    def change() -> None:
        collab_services.change_role(owner, collab, editor, next(roles))
        launcher.before["remount"] = change

    launcher.before["remount"] = change
    lifecycle.follow_access(at_work.pk)
    assert launcher.calls == ["remount"] * 8


@pytest.mark.parametrize(("wanted", "stops"), [(True, True), (False, False)])
def test_it_stops_when_its_person_signed_out_everywhere(
    running: Server, owner: User, sign_in: Callable[[User], Client], settings: Settings, wanted: bool, stops: bool
) -> None:
    settings.LAB_STOP_ON_LOGOUT = wanted
    laptop, desktop = sign_in(owner), sign_in(owner)
    laptop.post("/account/logout/")
    assert state_of(running) == State.RUNNING, "another browser is signed in"
    desktop.post("/account/logout/")
    assert (state_of(running) == State.STOPPING) == stops
    if stops:
        running.refresh_from_db()
        assert running.stop_reason == "signed-out"
