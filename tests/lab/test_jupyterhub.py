"""A real JupyterHub as the engine: the same pages, the same life of a server, and nobody sees more than elsewhere."""

import json
import re
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from django.conf import settings
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.plugin import DjangoDbBlocker

from collabs import services
from collabs.models import Collab, Role
from drive.files import operations
from lab.launchers.jupyterhub import JupyterHubLauncher
from lab.models import Server, State, StopReason
from lab.servers import reaper
from lab.servers.clients import client_of

from ..support.browser import Visitor
from ..support.hub import DEPLOY, LAUNCH_SECONDS, Engine, engine, launch, running
from ..support.people import Person
from ..support.site import CODE, Site, wait_for

pytestmark = pytest.mark.browser

NOTEBOOK = {
    "cells": [{"cell_type": "markdown", "metadata": {}, "source": "From the Hub", "id": "one"}],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.fixture(scope="module")
def hub(site: Site, tmp_path_factory: pytest.TempPathFactory, django_db_blocker: DjangoDbBlocker) -> Iterator[Engine]:
    with django_db_blocker.unblock(), engine(site, Engine(tmp_path_factory.mktemp("hub"))) as running:
        yield running
        print(running.log.read_text(errors="replace")[-6000:])


@pytest.fixture(scope="module")
def owner(hub: Engine, lasting_person: Callable[..., Person]) -> Person:
    """The same in all tests: a server for each takes many seconds."""
    return lasting_person("owner")


@pytest.fixture(scope="module")
def collab(owner: Person) -> Collab:
    collab = services.create_collab(owner.user, title=f"With {owner.user.username}")
    operations.write(owner.user, collab.library, "first.ipynb", json.dumps(NOTEBOOK).encode())
    return collab


def open_notebook(browser: Browser, someone: Person, collab: Collab) -> Page:
    visitor = Visitor(browser)
    someone.sign_in_at(visitor.context)
    place = quote(f"Shared with groups/{collab.title}/first.ipynb")
    visitor.page.goto(f"{settings.PORTAL_URL}/lab/open?path={place}")
    visitor.page.wait_for_url(re.compile(r"/user/[^/]+/lab/tree/drive/"), timeout=LAUNCH_SECONDS * 1000)
    return visitor.page


def inside(hub: Engine, someone: Person, path: str) -> requests.Response:
    """What a server's own files are, asked as the portal asks."""
    return hub.ask(someone, "GET", f"api/contents/{quote(path)}")


def test_it_opens_a_notebook_in_a_browser(
    site: Site, hub: Engine, browser: Browser, owner: Person, collab: Collab
) -> None:
    page = open_notebook(browser, owner, collab)
    expect(page.locator(".jp-Notebook .jp-Cell")).to_contain_text("From the Hub", timeout=60_000)
    server = owner.server()
    assert (server.state, server.started_at is not None) == (State.RUNNING, True)
    assert "Kept, but not in the Drive" in owner.get("/lab/").text
    wait_for(lambda: client_of(server).activity().kernels == 1, 30, "its kernel was not started")
    assert "Failed to notify Hub of activity" not in hub.log.read_text(errors="replace")
    assert "[users:activity]" not in hub.log.read_text(errors="replace"), "it may say that it is used"


def test_it_mounts_what_the_person_may_see_and_nothing_else(
    site: Site, hub: Engine, owner: Person, collab: Collab, person: Callable[..., Person]
) -> None:
    viewer, stranger = person("viewer"), person("stranger")
    services.add_member(owner.user, collab, viewer.user, Role.VIEWER)
    place = f"drive/Shared with groups/{collab.title}"
    running(owner)
    for someone in (viewer, stranger):
        launch(someone)
    assert [inside(hub, one, f"{place}/first.ipynb").status_code for one in (owner, viewer, stranger)] == [
        200,
        200,
        404,
    ]
    written = []
    for someone in (owner, viewer):
        body = {"type": "file", "format": "text", "content": someone.user.username}
        written.append(hub.ask(someone, "PUT", f"api/contents/{quote(place)}/new.txt", body).status_code)
    assert written[0] == 201
    assert written[1] >= 400
    root = Path(settings.DRIVE_ROOT) / "private" / str(collab.library.pk)
    assert (root / "new.txt").read_text() == owner.user.username
    seen = hub.ask(owner, "GET", "api/contents/drive?content=1").json()
    assert {entry["name"] for entry in seen["content"]} == {
        "My Libraries",
        "Shared with me",
        "Shared with groups",
        "Shared with all",
    }


def test_a_notebook_reads_nothing_of_the_hubs_but_packages_and_its_own_home(
    site: Site, hub: Engine, owner: Person, stranger: Person
) -> None:
    running(owner)
    launch(stranger)
    homes = hub.directory / "homes"
    theirs = homes / stranger.user.username / "theirs.txt"
    theirs.write_text("theirs")
    names = ("portal.env", "hub.env", "jupyterhub_cookie_secret", "jupyterhub.sqlite", "hub.log", "env/node_modules")
    hidden = [*(hub.directory / name for name in names), theirs, theirs.parent, Path(settings.DRIVE_ROOT)]
    assert [path for path in hidden if not path.exists()] == []
    code = f"""
import glob, os
from pathlib import Path
print([path for path in {[str(path) for path in hidden]} if os.path.exists(path)])
print(sorted(os.listdir({str(hub.directory)!r})), os.listdir({str(homes)!r}))
said = "".join(Path(path).read_text(errors="replace") for path in glob.glob("/proc/[0-9]*/environ"))
print(any(secret in said for secret in {[hub.token, hub.secret]}))
"""
    done = hub.kernel(owner).run(code)
    assert not done.error
    assert done.text.splitlines() == ["[]", f"['env', 'homes'] ['{owner.user.username}']", "False"]


def test_what_is_taken_away_ends_the_server_and_what_is_given_is_said(
    site: Site, hub: Engine, owner: Person, collab: Collab, person: Callable[..., Person]
) -> None:
    editor = person("editor")
    server = launch(editor)
    services.add_member(owner.user, collab, editor.user, Role.EDITOR)
    wait_for(lambda: editor.server().notes, 20, "they were not told")
    assert f"“Shared with groups/{collab.title}” is available as you may use it now once" in editor.server().notes[0]
    assert editor.server().state == State.RUNNING
    assert "Restart my Lab" in editor.get("/lab/").text
    editor.submit("/lab/", "/lab/start", {"restart": server.pk.hex})
    again = 2 * LAUNCH_SECONDS  # what was started before has to end first
    wait_for(lambda: editor.server().pk != server.pk and editor.server().is_running, again, "it was not restarted")
    assert inside(hub, editor, f"drive/Shared with groups/{collab.title}/first.ipynb").status_code == 200
    services.remove_member(owner.user, collab, editor.user)
    wait_for(lambda: not hub.server_of(editor), 20, "the Hub still runs it")
    wait_for(lambda: editor.server().state == State.STOPPED, 120, "its row lives")
    assert editor.server().stop_reason == StopReason.ACCESS
    assert "was stopped because your permissions in" in " ".join(editor.server().notes)


def test_nobody_starts_a_server_past_the_portal(site: Site, hub: Engine, owner: Person, stranger: Person) -> None:
    """The Hub's own way to start, with made-up options or somebody else's: the portal did not order it."""
    launcher = JupyterHubLauncher()
    server = running(owner)
    name = stranger.user.username
    launcher._ask("PUT", f"/collaboratory/users/{name}")
    for options in ({}, {"server_id": "0" * 32}, {"server_id": server.pk.hex}, {"server_id": "../../x"}):
        answer = launcher._ask("POST", f"/users/{name}/server", options, fails=True)
        assert answer.status_code >= 400 or not hub.server_of(stranger).get("ready")
        wait_for(lambda: not hub.server_of(stranger), 30, "something was started")
    address = f"{settings.PORTAL_URL}/lab/hub/{owner.user.username}/{server.pk}"
    right = {"Authorization": f"Bearer {hub.secret}"}
    assert requests.get(address, timeout=30).status_code == 403
    assert requests.get(address, headers={"Authorization": "Bearer "}, timeout=30).status_code == 403
    assert requests.get(address, headers=right, timeout=30).status_code == 404  # it runs: there is nothing to ask now


def test_somebody_else_does_not_come_in(
    site: Site, hub: Engine, browser: Browser, owner: Person, stranger: Person
) -> None:
    running(owner)
    visitor = Visitor(browser)
    stranger.sign_in_at(visitor.context)
    visitor.page.goto(f"{hub.url}/user/{owner.user.username}/lab")
    expect(visitor.page.locator("body")).to_contain_text("403", timeout=30_000)
    assert requests.get(f"{hub.url}/user/{owner.user.username}/api/status", timeout=30).status_code == 403


def test_without_the_hub_rows_stay_as_they_are(site: Site, hub: Engine, owner: Person) -> None:
    server = running(owner)
    hub.send(signal.SIGSTOP)
    try:
        assert not reaper.reap(server.pk)
    finally:
        hub.send(signal.SIGCONT)
    assert owner.server().state == State.RUNNING


def test_it_is_reaped_when_idle_and_kept_while_it_computes(site: Site, hub: Engine, owner: Person) -> None:
    server = running(owner)
    assert not reaper.reap(server.pk)
    limit, settings.LAB_IDLE_LIMIT = settings.LAB_IDLE_LIMIT, 1
    try:
        long_ago = timezone.now() - timedelta(hours=1)
        Server.objects.filter(pk=server.pk).update(started_at=long_ago, last_interaction=long_ago)
        wait_for(lambda: reaper.reap(server.pk), 20, "it was not reaped")
    finally:
        settings.LAB_IDLE_LIMIT = limit
    assert owner.server().stop_reason == StopReason.IDLE
    wait_for(lambda: not hub.server_of(owner), 30, "the Hub still runs it")


def test_a_server_that_dies_or_is_stopped_in_the_hub_is_told_truthfully(site: Site, hub: Engine, owner: Person) -> None:
    running(owner)
    JupyterHubLauncher()._delete(owner.user.username)
    wait_for(lambda: owner.server().state in (State.STOPPED, State.FAILED), 90, "its row lives")
    assert owner.server().stop_reason == StopReason.DIED
    assert launch(owner).state == State.RUNNING


def test_while_the_hub_does_not_respond_the_page_says_so_and_goes_on_trying(
    site: Site, hub: Engine, person: Callable[..., Person]
) -> None:
    someone = person("waiting")
    hub.stop()
    try:
        someone.get("/lab/open?path=")
        wait_for(lambda: "does not respond" in someone.get("/lab/").text, 15, "nothing is said")
        assert someone.server().state == State.STARTING
    finally:
        hub.start()
    wait_for(lambda: someone.server().is_running, LAUNCH_SECONDS, "it was not tried again")


def test_a_person_reads_that_the_two_do_not_know_each_other(
    site: Site, hub: Engine, person: Callable[..., Person]
) -> None:
    someone, environment = person("refused"), hub.directory / "hub.env"
    right = environment.read_text()
    hub.stop()
    try:
        environment.write_text(right.replace(hub.secret, "0" * 64))
        hub.start()
        someone.get("/lab/open?path=")
        wait_for(lambda: someone.server().state == State.FAILED, LAUNCH_SECONDS, "it is not told")
        assert "The portal does not know the Hub" in someone.server().error
    finally:
        hub.stop()
        environment.write_text(right)
        hub.start()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"COLLABORATORY_URL": ""}, "Not set in the Hub's environment: COLLABORATORY_URL."),
        ({"COLLABORATORY_DRIVE": "/nowhere"}, "/nowhere is not the portal's Drive"),
        ({"PATH": "/nowhere"}, "apt-get install bubblewrap"),
        ({"COLLABORATORY_VISIBLE": "/opt/none:{directory}/.."}, "which every server may read"),
        ({"COLLABORATORY_VISIBLE": "{directory}/hub.env"}, "every server could read it"),
        ({"COLLABORATORY_VISIBLE": "{drive}/private"}, "every server could read it"),
    ],
)
def test_a_hub_that_lacks_something_says_so_before_it_starts(hub: Engine, changed: dict[str, str], said: str) -> None:
    lines = (hub.directory / "hub.env").read_text().splitlines()
    given = {name: shlex.split(value)[0] for name, _, value in (line.partition("=") for line in lines)}
    places = {"directory": hub.directory, "drive": settings.DRIVE_ROOT}
    changed = {name: value.format(**places) for name, value in changed.items()}
    command = [str(hub.place / "bin/jupyterhub"), "-f", str(DEPLOY / "jupyterhub_config.py")]
    environment = {"PATH": "/usr/bin:/bin", **given, **changed}
    done = subprocess.run(command, cwd=hub.directory, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert said in done.stderr


def test_servers_have_the_jupyterlab_of_the_sites_own_labs() -> None:
    pins = [CODE / "lab/environments/pins/base.txt", DEPLOY / "requirements-servers.txt"]
    versions = [re.search(r"^jupyterlab==(\S+)", path.read_text(), re.MULTILINE) for path in pins]
    assert versions[0]
    assert versions[1]
    assert versions[0][1] == versions[1][1]
