"""kill -9 of each process, at rest and amid a launch or a stop: notebooks go on, and the rows are true again."""

import threading
from collections.abc import Callable

import pytest
from django.conf import settings
from django.db import connection

from lab.models import State, StopReason
from lab.servers.services import request_server, stop_server

from ..support.people import Person
from ..support.site import Site, wait_for
from ..support.truth import HEALED, PROCESSES, is_true

pytestmark = pytest.mark.sandbox


@pytest.mark.parametrize("name", PROCESSES)
def test_it_keeps_notebooks_running_when_a_process_is_killed(site: Site, owner: Person, name: str) -> None:
    server = owner.launch()
    kernel = owner.kernel()
    kernel.run("import time; began = time.time()")
    site.kill(name)
    wait_for(site.answers, 30, "the site did not come back")
    if name in ("proxy", "relay"):
        kernel.socket = kernel.connect()
    assert not kernel.run("print(time.time() - began)").error
    assert owner.server().pk == server.pk
    wait_for(lambda: is_true(site), HEALED, "rows and sandboxes differ")


@pytest.mark.parametrize("delay", [0.02, 0.2, 0.6, 1.2])
@pytest.mark.parametrize("name", ["launcher", "supervisor"])
def test_it_ends_clean_when_killed_in_a_launch(site: Site, owner: Person, name: str, delay: float) -> None:
    """It runs or it failed; there is no half of it."""
    request_server(owner.user, owner.user)
    threading.Event().wait(delay)
    site.kill(name)
    wait_for(lambda: is_true(site), 2 * HEALED, "it did not end in a clean state")
    assert owner.server().state in (State.RUNNING, State.FAILED, State.STOPPED)


@pytest.mark.parametrize("delay", [0.02, 0.2, 0.6])
@pytest.mark.parametrize("name", ["launcher", "supervisor"])
def test_it_ends_clean_when_killed_in_a_stop(site: Site, owner: Person, name: str, delay: float) -> None:
    """It is stopped in the end, and what was to be rescued was."""
    server = owner.launch()
    owner.kernel().run("open('kept.md', 'w').write('# kept')")
    stop_server(owner.user, server, StopReason.ASKED)
    threading.Event().wait(delay)
    site.kill(name)
    wait_for(lambda: owner.server().state == State.STOPPED, 2 * HEALED, "it did not stop")
    wait_for(lambda: is_true(site), HEALED, "something was left")
    from drive.models import Library

    library = Library.objects.get(owner_user=owner.user, is_default=True)
    rescued = list((settings.DRIVE_ROOT / "private" / str(library.pk)).rglob("kept.md"))
    assert [path.read_text() for path in rescued] == ["# kept"]


def test_it_says_why_a_server_does_not_start(site: Site, owner: Person, person: Callable[..., Person]) -> None:
    """A broken environment: the row says failed, with the log's end."""
    from lab.models import Environment

    broken = Environment.objects.create(slug="broken", name="Broken", prefix="/usr")
    good = Environment.objects.get(slug="base")
    Environment.objects.filter(pk=good.pk).update(is_default=False)
    Environment.objects.filter(pk=broken.pk).update(is_default=True)
    try:
        request_server(owner.user, owner.user)
        wait_for(lambda: owner.server().state == State.FAILED, 30, "it did not fail")
    finally:
        Environment.objects.filter(pk=broken.pk).update(is_default=False)
        Environment.objects.filter(pk=good.pk).update(is_default=True)
    server = owner.server()
    assert server.error
    connection.close()
