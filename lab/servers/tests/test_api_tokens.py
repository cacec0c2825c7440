"""The token for the portal's API in a running Lab is never too old."""

import time

import pytest
from django.utils import timezone

from lab.launchers import ServerStatus
from lab.models import Environment, Server, State
from lab.servers import api_tokens, lifecycle, reconciler
from lab.servers.services import request_server
from lab.tests.inprocess import InProcessLauncher
from portal.models import User

pytestmark = pytest.mark.django_db


def test_it_is_there_from_the_start(owner: User, environment: Environment, launcher: InProcessLauncher) -> None:
    server = request_server(owner, owner)
    lifecycle.launch(server.pk)
    assert api_tokens.server_of(launcher.specs[server.pk].portal_token) == server


@pytest.mark.parametrize(("age", "renewed"), [(None, False), (60.0, False), (api_tokens.RENEW_AFTER + 1, True)])
def test_it_is_renewed_in_time(
    owner: User, environment: Environment, launcher: InProcessLauncher, age: float | None, renewed: bool
) -> None:
    server = Server.objects.create(owner=owner, environment=environment, state=State.RUNNING, started_at=timezone.now())
    reconciler.check(server, ServerStatus(server.pk, "running", token_age=age))
    assert (server.pk in launcher.tokens) is renewed
    if renewed:
        assert api_tokens.server_of(launcher.tokens[server.pk]) == server


def test_one_from_before_the_clock_was_set_back_is_good_for_nothing(
    owner: User, environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would be good for an hour, and for as long as the clock was set back."""
    server = Server.objects.create(owner=owner, environment=environment, state=State.RUNNING, started_at=timezone.now())
    token, now = api_tokens.make(server.pk), time.time()
    assert api_tokens.server_of(token) == server
    for passed, good in ((-30, True), (-600, False), (-86400, False), (3000, True), (86400, False)):
        monkeypatch.setattr(time, "time", lambda at=now + passed: at)
        assert (api_tokens.server_of(token) is not None) is good, passed
