"""A launcher without sandboxes, an environment, and servers in any state."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from conftest import Sleep
from lab.launchers import LauncherUnavailable
from lab.models import Environment, Server, State
from portal.models import User

from .servers import lifecycle, services
from .tests.inprocess import InProcessLauncher, register


@pytest.fixture(autouse=True)
def launcher(tmp_path: Path, sleep_in: Sleep) -> Iterator[InProcessLauncher]:
    made = InProcessLauncher(tmp_path / "servers")
    sleep_in(lifecycle, lambda seconds: None)
    with register(made):
        yield made


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a launch that no worker takes up here."""
    monkeypatch.setattr(services, "GLANCE_SECONDS", 0)


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


def state_of(server: Server) -> str:
    return Server.objects.get(pk=server.pk).state


@pytest.fixture
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Jupyter"]:
    """An HTTP server on a unix socket in the place of every server's Jupyter, answering what the test says."""
    with Jupyter(tmp_path / "jupyter.sock") as serving:
        monkeypatch.setattr("lab.servers.clients.jupyter.socket_path", lambda server: serving.path)
        yield serving


class Jupyter:
    """`answers["GET /api/…"] = (status, body)`, or a function that gets the handler and writes what it likes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str, bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def address_string(self) -> str:
                return "unix"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                token = self.headers.get("Authorization", "")
                outer.asked.append((f"{self.command} {self.path}", token, body))
                answer = outer.answers.get(f"{self.command} {self.path.partition('?')[0]}", (404, b"{}"))
                if callable(answer):
                    answer(self)
                    return
                self.send_response(answer[0])
                self.end_headers()
                self.wfile.write(answer[1])

            do_POST = do_GET

        class Serving(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_: Any) -> None:
                pass  # the client hangs up, which is what is tested

        self._server = Serving(str(path), Handler)

    def __enter__(self) -> "Jupyter":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


__all__ = ["InProcessLauncher", "Jupyter", "LauncherUnavailable", "State", "state_of"]
