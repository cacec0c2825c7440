"""When the supervisor has a fork server, and when it does without. The real ones: tests/sandbox/test_fork_server.py."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.supervisor import fork_servers
from lab.supervisor.fork_servers import ForkFailedError, ForkServer, ForkServers


class FakeServer(ForkServer):
    """Starts at once, or fails with `problem`."""

    problem = ""
    started: list["FakeServer"] = []
    ended = False

    async def start(self, config: dict[str, Any], log_file: Path) -> None:
        FakeServer.started.append(self)
        if FakeServer.problem:
            raise ForkFailedError(FakeServer.problem)
        self.ready = True

    @property
    def is_usable(self) -> bool:
        return self.ready and fork_servers.stamp(self.prefix) == self.stamp

    async def stop(self) -> None:
        self.ready, self.ended = False, True


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    (tmp_path / "env/lib/python3.11/site-packages").mkdir(parents=True)
    return tmp_path / "env"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass."""
    now = [1000.0]
    monkeypatch.setattr(fork_servers.time, "monotonic", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_servers, "ForkServer", FakeServer)
    monkeypatch.setattr(FakeServer, "problem", "")
    monkeypatch.setattr(FakeServer, "started", [])


async def settled(servers: ForkServers) -> None:
    while servers.starting or servers.ending:
        await asyncio.sleep(0)


def test_it_is_started_for_the_next_when_there_is_none(prefix: Path, tmp_path: Path) -> None:
    async def story() -> None:
        servers = ForkServers(tmp_path, {})
        assert servers.ready(prefix) is None
        assert servers.ready(prefix) is None
        await settled(servers)
        assert servers.ready(prefix) is FakeServer.started[0]
        assert len(FakeServer.started) == 1, "asked twice, started once"

    asyncio.run(story())


def test_a_launch_waits_for_one_that_is_on_its_way(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = asyncio.Event()

    async def start(self: FakeServer, config: dict[str, Any], log_file: Path) -> None:
        FakeServer.started.append(self)
        await go.wait()
        self.ready = True

    async def story() -> None:
        servers = ForkServers(tmp_path, {})
        await servers.wait(prefix)
        assert not servers.starting, "waiting starts none"
        servers.prepare(prefix)
        launches = [asyncio.create_task(servers.wait(prefix)) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(launch.done() for launch in launches)
        go.set()
        await asyncio.gather(*launches)
        assert servers.ready(prefix) is FakeServer.started[0]

    monkeypatch.setattr(FakeServer, "start", start)
    asyncio.run(story())


def test_a_launch_waits_for_none_that_hangs_or_has_failed_before(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(self: FakeServer, config: dict[str, Any], log_file: Path) -> None:
        await asyncio.Event().wait()

    async def story() -> None:
        servers = ForkServers(tmp_path, {})
        servers.prepare(prefix)
        monkeypatch.setattr(fork_servers, "WAIT_SECONDS", 0.01)
        await servers.wait(prefix)
        assert servers.ready(prefix) is None
        assert prefix in servers.starting, "which goes on"
        monkeypatch.setattr(fork_servers, "WAIT_SECONDS", 600)
        servers.failed(prefix, "for a reason")
        await servers.wait(prefix)
        for task in servers.starting.values():
            task.cancel()

    monkeypatch.setattr(FakeServer, "start", hang)
    asyncio.run(story())


def test_it_is_replaced_when_a_package_came(prefix: Path, tmp_path: Path) -> None:
    async def story() -> None:
        servers = ForkServers(tmp_path, {})
        servers.prepare(prefix)
        await settled(servers)
        (prefix / "lib/python3.11/site-packages/new.dist-info").mkdir()
        assert servers.ready(prefix) is None
        await settled(servers)
        old, new = FakeServer.started
        assert servers.ready(prefix) is new
        assert old.ended

    asyncio.run(story())


def test_an_old_one_serves_until_another_is_ready(
    prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it forks have their addresses and stack canaries in common, so it does not fork for long."""

    async def story() -> None:
        servers = ForkServers(tmp_path, {})
        servers.keep({prefix})
        await settled(servers)
        [old] = FakeServer.started
        old.started_at -= fork_servers.MAX_AGE
        monkeypatch.setattr(fork_servers, "GRACE_SECONDS", 0.01)
        servers.keep({prefix})
        assert servers.ready(prefix) is old, "no launch is slow because of it"
        assert servers.report()[0]["state"] == "ready"
        while servers.starting:
            await asyncio.sleep(0)
        _, new = FakeServer.started
        assert old.is_usable, "for a launch that was given it before"
        await settled(servers)
        assert servers.ready(prefix) is new
        assert old.ended

    asyncio.run(story())


def test_it_rests_longer_after_each_failure(
    prefix: Path, tmp_path: Path, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        servers = ForkServers(tmp_path, {})
        monkeypatch.setattr(FakeServer, "problem", "A package starts threads.")
        for tries, rest in ((1, 5), (2, 60), (3, 600), (4, 600)):
            servers.prepare(prefix)
            await settled(servers)
            clock(rest - 1)
            servers.prepare(prefix)
            await settled(servers)
            assert len(FakeServer.started) == tries
            clock(1)
        [report] = servers.report()
        assert report["state"] == "resting"
        assert report["failures"] == ["A package starts threads."] * 3
        monkeypatch.setattr(FakeServer, "problem", "")
        servers.prepare(prefix)
        await settled(servers)
        servers.worked(prefix)
        assert servers.report()[0]["failures"] == []

    asyncio.run(story())


def test_it_is_not_used_again_after_a_bad_fork(prefix: Path, tmp_path: Path, clock: Callable[[float], None]) -> None:
    async def story() -> None:
        servers = ForkServers(tmp_path, {})
        servers.prepare(prefix)
        await settled(servers)
        servers.failed(prefix, "The forked process ended with 1.")
        assert servers.ready(prefix) is None
        await settled(servers)
        assert FakeServer.started[0].ended
        assert len(FakeServer.started) == 1
        clock(5)
        servers.ready(prefix)
        await settled(servers)
        assert servers.ready(prefix) is FakeServer.started[1]

    asyncio.run(story())


def test_it_ends_with_its_environment(prefix: Path, tmp_path: Path) -> None:
    async def story() -> None:
        servers = ForkServers(tmp_path, {})
        servers.keep({prefix})
        await settled(servers)
        servers.keep(set())
        await settled(servers)
        assert FakeServer.started[0].ended
        assert servers.report() == []

    asyncio.run(story())
