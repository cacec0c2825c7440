"""The relay of API requests alone: the real program, with a small server in nginx's place."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.gateway.api_relay import MOST_OF_A_LAB

from ..support.proxy_backends import CODE, Answer, Backend
from ..support.site import wait_for

pytestmark = pytest.mark.sandbox
ONE, TWO = "1" * 32, "2" * 32
REQUEST = b"GET /api/v1/me HTTP/1.1\r\nHost: portal\r\nConnection: close\r\n\r\n"


class Relay:
    """A relay in directories of its own."""

    def __init__(self, directory: Path) -> None:
        self.run, self.servers = directory / "run", directory / "servers"
        for place in (self.run, self.servers / ONE / "portal", self.servers / TWO / "portal"):
            place.mkdir(parents=True)
        self.environment = os.environ | {"COLLABORATORY_RUN": str(self.run), "LAB_ROOT": str(directory)}
        self.start()

    def start(self) -> None:
        """Run it and wait until it listens."""
        command = [sys.executable, "-m", "lab.gateway.api_relay"]
        self.process = subprocess.Popen(command, cwd=CODE, env=self.environment)
        wait_for(self._listens, 20, "the relay did not start")

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.run / "api-relay.sock")) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def socket_of(self, server: str) -> Path:
        return self.servers / server / "portal/portal.sock"

    def connect(self, server: str) -> socket.socket:
        """A connection of this Lab's; OSError at once if there is no room in its queue."""
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        connection.connect(str(self.socket_of(server)))
        connection.settimeout(10)
        return connection

    def ask(self, server: str) -> bytes:
        """The answer to one request."""
        with self.connect(server) as connection:
            connection.sendall(REQUEST)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def tell(self, line: str) -> bytes:
        """What the supervisor says."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(str(self.run / "api-relay.sock"))
            connection.sendall(f"{line}\n".encode())
            return connection.recv(99)


@pytest.fixture
def relay() -> Iterator[Relay]:
    directory = Path(tempfile.mkdtemp(prefix="relay-", dir="/tmp"))
    made = Relay(directory)
    yield made
    made.kill()
    shutil.rmtree(directory)


@pytest.fixture
def nginx(relay: Relay) -> Backend:
    """Answers each request with what it was asked."""
    return Backend(relay.run / "api.sock", lambda request: Answer(body=request.target.encode()))


def full(relay: Relay, server: str) -> list[socket.socket]:
    """All connections that a Lab can get."""
    held = []
    with contextlib.suppress(BlockingIOError):
        while True:
            held.append(relay.connect(server))
    return held


@pytest.mark.usefixtures("nginx")
def test_it_passes_requests_on(relay: Relay) -> None:
    assert relay.ask(ONE).endswith(b"/api/v1/me")
    assert relay.socket_of(ONE).stat().st_mode & 0o777 == 0o666  # a Lab may have another uid


def _is_answered(relay: Relay) -> bool:
    try:
        return relay.ask(ONE).endswith(b"/api/v1/me")
    except OSError:  # its queue is still full
        return False


@pytest.mark.usefixtures("nginx")
def test_one_lab_has_few_connections_and_another_has_its_own(relay: Relay) -> None:
    held = full(relay, ONE)
    assert MOST_OF_A_LAB < len(held) < 200
    assert relay.ask(TWO).endswith(b"/api/v1/me")
    for one in held:
        one.close()
    wait_for(lambda: _is_answered(relay), 20, "its places were not free again")


def test_a_connection_on_which_nothing_is_sent_does_not_reach_nginx_and_is_closed(relay: Relay) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(relay.run / "api.sock"))
        listener.listen()
        listener.setblocking(False)
        with relay.connect(ONE) as connection:
            assert connection.recv(1) == b""
        with pytest.raises(BlockingIOError):
            listener.accept()
        with relay.connect(ONE) as connection:
            connection.sendall(b"G")
            listener.settimeout(10)
            accepted, _ = listener.accept()
            with accepted:
                accepted.settimeout(10)
                assert accepted.recv(9) == b"G"
                connection.close()
                assert accepted.recv(9) == b""


def test_it_says_that_the_portal_is_away(relay: Relay) -> None:
    answer = relay.ask(ONE)
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"error": "service_unavailable"' in answer


@pytest.mark.usefixtures("nginx")
def test_it_opens_the_socket_of_a_server_that_begins_and_of_no_other_place(relay: Relay) -> None:
    new = "3" * 32
    (relay.servers / new / "portal").mkdir(parents=True)
    assert relay.tell(new) == f"{new}\n".encode()
    assert relay.ask(new).endswith(b"/api/v1/me")
    (relay.run.parent / "elsewhere/portal").mkdir(parents=True)
    for wrong in ("../elsewhere", "4" * 32, "", "x" * 32, "3" * 31):
        assert relay.tell(wrong) == f"{wrong}\n".encode()
    assert not (relay.run.parent / "elsewhere/portal/portal.sock").exists()
    (relay.servers / ("5" * 32)).mkdir()
    (relay.servers / ("5" * 32) / "portal").symlink_to(relay.run)
    relay.tell("5" * 32)
    assert not (relay.run / "portal.sock").exists()
    assert relay.ask(ONE).endswith(b"/api/v1/me")


@pytest.mark.usefixtures("nginx")
def test_it_finds_all_servers_again_when_it_was_killed(relay: Relay) -> None:
    relay.kill()
    with pytest.raises(ConnectionRefusedError):
        relay.connect(ONE)
    relay.start()
    assert relay.ask(ONE).endswith(b"/api/v1/me")
    assert relay.ask(TWO).endswith(b"/api/v1/me")
