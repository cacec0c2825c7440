"""A launcher without sandboxes, an environment, and servers in any state."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from conftest import Sleep
from lab.models import Environment, Server
from portal.models import User

from .servers import lifecycle, services
from .tests.inprocess import InProcessLauncher, register
from .tests.support import Jupyter


@pytest.fixture(autouse=True)
def launcher(tmp_path: Path, sleep_in: Sleep) -> Iterator[InProcessLauncher]:
    made = InProcessLauncher(tmp_path / "servers")
    sleep_in(lifecycle, lambda seconds: None)
    with register(made):
        yield made


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a launch that no worker takes up here."""
    monkeypatch.setattr(services, "BRIEF_SECONDS", 0)


@pytest.fixture
def environment(db: None) -> Environment:
    return Environment.objects.create(slug="base", name="Base", prefix="/srv/base", is_default=True)


@pytest.fixture
def server(environment: Environment, owner: User, launcher: InProcessLauncher) -> Callable[..., Server]:
    """`server("running")`: a row in a state, with the sandbox that belongs to it. `owner=`, and any field."""

    def make(state: str = "running", *, sandbox: bool | None = None, **fields: Any) -> Server:
        now = timezone.now()
        fields = {"owner": owner, "environment": environment, "state": state, "changed_at": now} | fields
        if state in ("running", "stopping"):
            hour_ago = now - timedelta(hours=1)
            fields = {"started_at": hour_ago, "last_interaction": hour_ago, "due_at": now, "phase": "ready"} | fields
        if state == "starting":
            fields = {"starting_at": now, "phase": "preparing"} | fields
        if state in ("stopping", "stopped"):
            fields = {"stopping_at": now, "stop_reason": "asked", "due_at": None} | fields
        row = Server.objects.create(**fields)
        if sandbox if sandbox is not None else state in ("running", "stopping"):
            launcher.sandboxes[row.pk] = "running"
            launcher.home(row.pk).mkdir(parents=True)
        return row

    return make


@pytest.fixture
def running(server: Callable[..., Server]) -> Server:
    return server("running")


@pytest.fixture
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jupyter]:
    """An HTTP server on a unix socket in the place of every server's Jupyter, answering what the test says."""
    with Jupyter(tmp_path / "jupyter.sock") as serving:
        monkeypatch.setattr("lab.servers.clients.jupyter.socket_path", lambda server: serving.path)
        yield serving
