"""What counts as use, with a real JupyterLab in a real browser and real kernels."""

import json
import time
from datetime import timedelta

import pytest
from pytest_django import Settings
from websockets.sync.client import connect

from lab.models import Server, State, StopReason
from lab.servers.clients import client_of
from lab.servers.clients.activity import Activity
from lab.servers.reaper import reap

from ..support.browser import Visitor, chromium
from ..support.people import Person
from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox

POLLED = 12
"""Seconds; JupyterLab polls every ten."""
LONG = 60.0
LIMIT = 3
"""Seconds, where no tab is open."""


@pytest.fixture
def limits(settings: Settings) -> Settings:
    """A short limit in this process, which does the reaper's work; the site's own reaper keeps to twelve hours."""
    settings.LAB_IDLE_LIMIT = LIMIT
    return settings


def stopped_because(person: Person) -> str:
    wait_for(lambda: person.server().state == State.STOPPED, 30, "it did not stop")
    return person.server().stop_reason


def test_it_reaps_a_lab_whose_tab_is_only_open(site: Site, owner: Person, limits: Settings) -> None:
    """The tab polls and pings; that is not interaction."""
    limits.LAB_IDLE_LIMIT = POLLED
    owner.launch()
    with chromium() as browser:
        visitor = Visitor(browser)
        owner.sign_in_at(visitor.context)
        visitor.page.goto(f"{owner.origin}/lab")
        visitor.page.wait_for_selector(".jp-Launcher", timeout=60_000)
        requests: list[str] = []
        visitor.page.on("request", lambda request: requests.append(request.url))
        assert not reap(owner.server().pk), "loading the page is use"
        visitor.page.wait_for_timeout((POLLED + 2) * 1000)
        assert requests, "an open tab polls"
        assert reap(owner.server().pk)
        assert stopped_because(owner) == StopReason.IDLE


def test_it_spares_a_silent_busy_kernel_up_to_the_greatest_age(site: Site, owner: Person, limits: Settings) -> None:
    owner.launch()
    owner.kernel().begin("import time; time.sleep(600)")
    time.sleep(LIMIT + 2)
    assert not reap(owner.server().pk)
    assert owner.server().state == State.RUNNING
    limits.LAB_MAX_AGE = 5
    assert reap(owner.server().pk)
    assert stopped_because(owner) == StopReason.AGE


def test_a_kernel_that_asks_is_not_busy_and_a_silent_command_is(site: Site, owner: Person) -> None:
    """Whether a page is there or not: the facts as the Lab reports them, while things begin and end."""
    owner.launch()
    kernel = owner.kernel()

    def facts() -> Activity:
        return client_of(owner.server()).activity(seconds=30)

    kernel.begin("import time; time.sleep(0.5); name = input('who? '); time.sleep(600)", asks=True)
    wait_for(lambda: facts().busy_kernels == 1, LONG, "it is not busy before it asks")
    kernel.until("input_request")
    wait_for(lambda: facts().busy_kernels == 0, LONG, "it is busy though it waits")
    kernel.socket.close()
    assert facts().busy_kernels == 0
    kernel.socket = kernel.connect()
    kernel.send("input_reply", {"value": "me"}, channel="stdin")
    wait_for(lambda: facts().busy_kernels == 1, LONG, "it is not busy after the answer")

    name = owner.lab("POST", "/api/terminals").json()["name"]
    with connect(  # type: ignore[call-overload]  # Origin is a NewType of str
        f"{owner.origin.replace('http', 'ws', 1)}/terminals/websocket/{name}",
        additional_headers={"Cookie": owner.cookies()},
        origin=owner.origin,
        open_timeout=30,
    ) as terminal:
        assert facts().running_commands == 0
        terminal.send(json.dumps(["stdin", "sleep 600\r"]))
        wait_for(lambda: facts().running_commands == 1, LONG, "the command is not seen")
    assert facts().running_commands == 1


def test_it_spares_who_saved_a_file(site: Site, owner: Person, limits: Settings) -> None:
    """Input counts from when it happened; the row remembers it."""
    owner.launch()
    time.sleep(LIMIT + 2)
    saved = owner.lab(
        "PUT",
        "/api/contents/drive/My Libraries/My Library/a.txt",
        json={"type": "file", "format": "text", "content": "x"},
    )
    assert saved.status_code == 201, saved.text
    assert not reap(owner.server().pk)
    server = Server.objects.get(pk=owner.server().pk)
    assert server.last_interaction
    assert server.started_at
    assert server.last_interaction - server.started_at > timedelta(seconds=LIMIT)
