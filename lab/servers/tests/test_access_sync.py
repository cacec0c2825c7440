"""Changes of access reach running servers, broker or not."""

from collections.abc import Callable

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
