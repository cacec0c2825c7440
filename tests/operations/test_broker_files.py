"""Redis starts whatever its files hold: the Procfile's line, with real files that are damaged in many ways."""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from pytest_django import Settings

from console import dashboard

from ..support.site import CODE, wait_for

pytestmark = pytest.mark.sandbox


class Broker:
    """The Procfile's process, in directories of its own."""

    def __init__(self, place: Path) -> None:
        self.files = place / "redis/appendonlydir"
        self.place = place
        self.client = redis.Redis(unix_socket_path=str(place / "redis.sock"))
        self.process: subprocess.Popen | None = None
        (place / "redis").mkdir()

    def start(self) -> None:
        """Start it, and wait until it answers; AssertionError where it ends instead."""
        self.begin()
        wait_for(lambda: self._answers() or self._ended(), 30, "it did not start")
        assert not self._ended(), (self.place / "log").read_text()

    def begin(self) -> subprocess.Popen:
        """Start the process of the Procfile."""
        [line] = [one for one in (CODE / "Procfile").read_text().splitlines() if one.startswith("broker: ")]
        environment = os.environ | {"COLLABORATORY_VAR": str(self.place), "COLLABORATORY_RUN": str(self.place)}
        command = ["sh", "-c", f"exec {line.partition(': ')[2]}"]
        with (self.place / "log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=CODE, env=environment, stdout=log, stderr=log)
        return self.process

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def _ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            assert self.process.wait() in (-signal.SIGKILL, 1)
            self.client.connection_pool.disconnect()

    def damaged(self) -> list[str]:
        """Names of what was set aside."""
        return sorted(path.name for path in (self.place / "redis").iterdir() if path.name != "appendonlydir")


@pytest.fixture
def broker() -> Iterator[Broker]:
    """With something in it, and not running."""
    with tempfile.TemporaryDirectory(prefix="b-") as directory:
        made = Broker(Path(directory))
        made.start()
        made.client.set("first", "x" * 1000)
        made.client.bgrewriteaof()
        wait_for(lambda: not made.client.info("persistence")["aof_rewrite_in_progress"], 30, "not rewritten")
        for number in range(100):
            made.client.set(f"key {number}", "value")
        # While it syncs the file, Redis answers before it has written: what is killed then leaves an empty one.
        wait_for(lambda: b"key 99" in one(made, "*.incr.aof").read_bytes(), 30, "not written")
        made.kill()
        try:
            yield made
        finally:
            made.kill()


def one(broker: Broker, pattern: str) -> Path:
    [found] = broker.files.glob(pattern)
    return found


def overwrite(path: Path, at: float) -> None:
    """Zeros at this part of a file, as a power failure or a bad disk leaves them."""
    content = bytearray(path.read_bytes())
    begin = int(at * len(content))
    content[begin : begin + 40] = bytes(len(content[begin : begin + 40]))
    path.write_bytes(content)


DAMAGE: dict[str, Callable[[Broker], object]] = {
    "log": lambda broker: overwrite(one(broker, "*.incr.aof"), 0.5),
    "start of the log": lambda broker: overwrite(one(broker, "*.incr.aof"), 0),
    "base": lambda broker: overwrite(one(broker, "*.base.rdb"), 0.5),
    "no base": lambda broker: one(broker, "*.base.rdb").unlink(),
    "manifest": lambda broker: overwrite(one(broker, "*.manifest"), 0.3),
    "empty manifest": lambda broker: one(broker, "*.manifest").write_bytes(b""),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_it_sets_damaged_files_aside_and_goes_on(broker: Broker, what: str, settings: Settings) -> None:
    DAMAGE[what](broker)
    before = {path.name: path.read_bytes() for path in broker.files.iterdir()}
    broker.start()
    assert broker.client.dbsize() == 0
    broker.client.set("new", "value")
    [name] = broker.damaged()
    assert {path.name: path.read_bytes() for path in (broker.place / "redis" / name).iterdir()} == before
    broker.kill()
    broker.start()
    assert broker.client.get("new") == b"value"
    assert broker.damaged() == [name]
    settings.VAR_DIR = broker.place
    assert [line.is_bad for line in dashboard.disks().lines if "Redis" in line.name] == [True]


@pytest.mark.parametrize("cut", [1, 11])
def test_it_reads_a_file_that_was_cut_off_up_to_there(broker: Broker, cut: int, settings: Settings) -> None:
    log = one(broker, "*.incr.aof")
    os.truncate(log, log.stat().st_size - cut)
    broker.start()
    assert broker.client.dbsize() == 100  # the last one is lost
    assert broker.damaged() == []
    settings.VAR_DIR = broker.place
    assert not [line for line in dashboard.disks().lines if "Redis" in line.name]


def test_it_keeps_the_last_three(broker: Broker) -> None:
    for day in range(1, 6):
        (broker.place / f"redis/damaged-2020010{day}T000000Z").mkdir()
    DAMAGE["log"](broker)
    broker.start()
    assert [name[:16] for name in broker.damaged()][:2] == ["damaged-20200104", "damaged-20200105"]
    assert len(broker.damaged()) == 3


def test_a_trial_ends_with_whoever_began_it(broker: Broker) -> None:
    """Somebody kills it while Redis is being tried; a second trial would meet the first one's files."""
    broker.start()
    for number in range(8):
        broker.client.set(f"large {number}", "x" * 2**23)  # takes a moment to read
    broker.kill()
    log = one(broker, "*.incr.aof")
    os.truncate(log, log.stat().st_size - 1)
    process = broker.begin()
    trial: list[int] = []

    def is_tried() -> bool:
        trial[:] = [pid for pid in children(process.pid) if command_of(pid).startswith(b"redis-server")]
        for pid in trial:
            os.kill(pid, signal.SIGSTOP)
        return bool(trial)

    wait_for(is_tried, 30, "nothing was tried")
    process.kill()
    process.wait()
    wait_for(lambda: not command_of(trial[0]), 30, "the trial goes on")


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_of(pid: int) -> bytes:
    """Words of a process; none once it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
