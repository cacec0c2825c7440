"""What a Hub is told of the server that it starts, and what a running one lacks when access changes."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import Settings

from lab import checks
from lab.launchers import Mount
from lab.launchers.jupyterhub import JupyterHubLauncher, _remember
from lab.locations import paths
from lab.models import Server, State
from portal.models import User

SECRET = "s" * 40


@pytest.fixture
def starting(server: Callable[..., Server], settings: Settings) -> Server:
    settings.LAB_LAUNCHER = "jupyterhub"
    settings.LAB_HUB_SECRET = SECRET
    return server("starting")


def ask(server: Server, *, username: str = "", secret: str = SECRET) -> Any:
    address = f"/lab/hub/{username or server.owner.username}/{server.pk}"
    return Client().get(address, headers={"authorization": f"Bearer {secret}"})


@pytest.mark.django_db
class TestGiven:
    def test_it_tells_the_hub_what_to_mount(self, starting: Server) -> None:
        library = starting.owner.libraries.get(is_default=True)
        gone = uuid4()
        mounts = [Mount("My Libraries", library.name, library.pk, "rw"), Mount("My Libraries", "Gone", gone, "rw")]
        _remember(starting.pk, {"username": "owner", "mounts": [mount.as_json() for mount in mounts]})
        answer = ask(starting).json()
        assert [(one["path"], one["mode"]) for one in answer["mounts"]] == [(f"private/{library.pk}", "rw")]
        assert (answer["username"], answer["environment"]) == (starting.owner.username, "base")
        assert answer["public"] == {"folder": "Shared with all", "path": "public"}

    @pytest.mark.parametrize("secret", ["", "wrong", "é", SECRET + "s"])
    def test_a_wrong_secret_learns_nothing(self, starting: Server, secret: str) -> None:
        assert ask(starting, secret=secret.encode().decode("latin-1")).status_code == 403

    def test_without_a_secret_of_the_site_nobody_knows_it(self, starting: Server, settings: Settings) -> None:
        settings.LAB_HUB_SECRET = ""
        assert ask(starting, secret="").status_code == 403

    @pytest.mark.parametrize("state", [State.REQUESTED, State.RUNNING, State.STOPPING, State.STOPPED, State.FAILED])
    def test_it_knows_only_of_servers_that_are_starting(self, starting: Server, state: State) -> None:
        Server.objects.filter(pk=starting.pk).update(state=state)
        assert ask(starting).status_code == 404

    def test_it_knows_only_of_the_persons_own_server(self, starting: Server) -> None:
        assert ask(starting, username="somebody").status_code == 404

    def test_a_deactivated_person_gets_none(self, starting: Server) -> None:
        User.objects.filter(pk=starting.owner_id).update(is_active=False)
        assert ask(starting).status_code == 404

    def test_other_launchers_have_no_such_page(self, starting: Server, settings: Settings) -> None:
        settings.LAB_LAUNCHER = "sandbox"
        assert ask(starting).status_code == 404


def test_what_is_given_is_said_once(settings: Settings, tmp_path: Any) -> None:
    settings.LAB_ROOT = tmp_path
    launcher, server, notes, data = JupyterHubLauncher(), uuid4(), uuid4(), uuid4()
    reading = Mount("Shared with me", "Notes", notes, "ro")
    _remember(server, {"username": "ada", "mounts": [reading.as_json()]})
    assert launcher.remount(server, [reading]) == []
    [said] = launcher.remount(server, [reading, Mount("Shared with me", "Data", data, "ro")])
    assert "“Shared with me/Data”" in said
    assert launcher.remount(server, [reading, Mount("Shared with me", "Data", data, "ro")]) == []
    [said] = launcher.remount(server, [Mount("Shared with me", "Notes", notes, "rw")])
    assert "“Shared with me/Notes”" in said
    assert json.loads((tmp_path / "hub" / f"{server.hex}.json").read_text())["username"] == "ada"


def test_it_needs_an_address_and_secrets(settings: Settings) -> None:
    settings.LAB_LAUNCHER = "jupyterhub"
    settings.LAB_HUB_URL, settings.LAB_HUB_TOKEN, settings.LAB_HUB_SECRET = "https://hub.example.org", "t", "short"
    [found] = checks.launcher()
    assert (found.id, "LAB_HUB_SECRET" in found.msg, "LAB_HUB_URL" in found.msg) == ("lab.E007", True, False)
    settings.LAB_HUB_SECRET = SECRET
    assert checks.launcher() == []


def test_a_lab_is_where_the_hub_is(settings: Settings) -> None:
    settings.LAB_LAUNCHER, settings.LAB_HUB_URL = "jupyterhub", "https://hub.example.org/base"
    assert paths.origin("ada") + paths.address_of("a b") == "https://hub.example.org/base/user/ada/lab/tree/drive/a%20b"
