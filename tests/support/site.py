"""The whole site, run as `bin/up` runs it: every process of the Procfile, on a port and in a directory of its own.

The test process has the same settings (`bin/test` sees to that), so tests change things through the services and see
what happens in the real proxy, the real workers and the real sandboxes.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from django.conf import settings

from lab.launchers import get_launcher
from lab.launchers.base import ForkServerStatus
from lab.models import Build, Environment, Server, StopReason
from lab.servers.services import stop_server
from lab.supervisor import processes
from portal.file_lock import file_lock

CODE = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CODE / "bin/lib"))

import nginx  # noqa: E402
from installation import Installation  # noqa: E402

SHORTEST_PAUSE, LONGEST_PAUSE = 0.03, 0.5
"""Seconds between two looks at what is waited for."""
PAUSE_PER_LOOK = 10
"""How much longer than a look the pause after it is: looking takes a tenth of one processor at most."""
KEEPER = (sys.executable, "-S", "bin/keep")
METRICS_TOKEN = "sent-by-the-monitor-of-the-tests"
DATABASE = "portal.sqlite3"
FIRST_DATA = ("drive", "static", "lab/static", "signing-keys", DATABASE, "first-password")

forked_only = pytest.mark.parametrize("way_of_all", ["fork"], indirect=True)
"""For a test whose outcome the kernel, the supervisor or a page decides, whichever way the Lab began; where that could
make a difference, another test looks at both. A Lab from nothing takes five times as much."""


class Site:
    """Start with `start`, end with `stop`; processes are found by what `bin/keep` notes."""

    def __init__(self) -> None:
        self.place = Installation(CODE)
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1", "METRICS_TOKEN": METRICS_TOKEN}
        self.log = settings.VAR_DIR / "site.log"
        self.keeper: subprocess.Popen | None = None
        self.code = CODE

    @property
    def port(self) -> int:
        return int(settings.PORTAL_URL.rpartition(":")[2])

    def prepare(self) -> None:
        """Directories, database, static files, first data, the proxy's configuration.

        The first site of a run starts as any new one, in five seconds of a processor; the others begin with a copy.
        """
        self.place.make_directories()
        self.place.venv = Path(sys.prefix)
        sites = json.loads(os.environ.get("TEST_SITES", "[]"))
        if not sites or (settings.VAR_DIR / DATABASE).exists():
            self.place.prepare(self.environment)
            return
        begun = Path(sites[0]["COLLABORATORY_VAR"]) / "first-start"
        with file_lock(begun.with_suffix(".lock")):
            if not begun.exists():
                self.place.prepare(self.environment)
                _copy_first_data(settings.VAR_DIR, begun)
                return
        _copy_first_data(begun, settings.VAR_DIR)
        nginx.write(CODE, settings.VAR_DIR, settings.RUN_DIR, self.environment)

    def start(self, code: Path = CODE, keeper: Sequence[str] = KEEPER) -> None:
        """Start everything, from a directory with the code, and wait until it answers."""
        self.code = code
        with self.log.open("ab") as log:
            # A process of pytest-xdist that is killed, as when its run is interrupted, leaves no running site behind:
            # bin/keep ends with its parent.
            process = subprocess.Popen(keeper, cwd=code, env=self.environment, stdout=log, stderr=log)
        self.keeper = process
        wait_for(lambda: self.answers() or process.poll() is not None, 120, "the site did not start")
        assert process.poll() is None, "the site did not start"

    def answers(self) -> bool:
        """Whether all that listens does: the file of a socket is there also when nobody does."""
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            for name in ("redis", *self._listening()):
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(str(settings.RUN_DIR / f"{name}.sock"))
        except OSError:
            return False
        return True

    def _listening(self) -> set[str]:
        """Processes with a socket of their own; an earlier version of the code has fewer."""
        names = {line.partition(":")[0] for line in (self.code / "Procfile").read_text().splitlines()}
        return names & {"web", "supervisor", "relay", "api-relay", "rooms", "webdav"}

    def end(self) -> None:
        """End the processes of the Procfile, as for an update: Labs go on."""
        if self.keeper:
            self.keeper.terminate()
            self.keeper.wait(30)

    def stop(self) -> None:
        """End the Labs, the processes, and the Lab's namespace."""
        if settings.LAB_LAUNCHER != "sandbox" or self.sandboxes():  # to ask without need takes a second or two
            command = [sys.executable, "manage.py", "servers", "stop", "--all"]
            subprocess.run(command, cwd=CODE, env=self.environment, check=False)
        self.end()
        pause = settings.LAB_ROOT / "namespace.pid"
        if pause.exists():
            os.kill(int(pause.read_text()), signal.SIGKILL)

    def pid(self, name: str) -> int:
        """The process that this line of the Procfile is now."""
        return int((settings.RUN_DIR / f"{name}.keep").read_text().split()[0])

    def kill(self, name: str) -> None:
        """kill -9, and wait until there is another."""
        old = self.pid(name)
        os.kill(old, signal.SIGKILL)
        wait_for(lambda: self.has_another(name, old), 20, f"{name} was not started again")

    @contextlib.contextmanager
    def without(self, name: str) -> Iterator[None]:
        """While one process is away: the keeper sleeps, and starts it again afterwards."""
        assert self.keeper
        old = self.pid(name)
        self.keeper.send_signal(signal.SIGSTOP)
        try:
            with contextlib.suppress(ProcessLookupError):
                os.kill(old, signal.SIGKILL)
            yield
        finally:
            self.keeper.send_signal(signal.SIGCONT)
        wait_for(lambda: self.has_another(name, old), 20, f"{name} was not started again")

    @contextlib.contextmanager
    def paused(self, name: str) -> Iterator[None]:
        """While one process stands still: its connections stay open, and nothing answers."""
        process = self.pid(name)
        os.kill(process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(process, signal.SIGCONT)

    def has_another(self, name: str, old: int) -> bool:
        """True once it is another process than that."""
        try:
            return self.pid(name) != old
        except (IndexError, OSError):
            return False

    def sandboxes(self) -> set[str]:
        """Hex ids of the servers that have processes, as /proc shows them."""
        pattern = re.compile(re.escape(f"{settings.LAB_ROOT}/servers/") + r"([0-9a-f]{32})/home")
        found = set()
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                found |= set(pattern.findall(path.read_text(errors="replace")))
            except OSError:
                continue
        return found

    def have_fork_server(self, prefix: str = "") -> ForkServerStatus:
        """Wait until servers can be forked in the environment there; the base one unless it is named."""
        launcher, prefix = get_launcher(), prefix or base_environment().prefix
        found: list[ForkServerStatus] = []

        def ready() -> bool:
            launcher.prepare([prefix])
            found[:] = [status for status in launcher.fork_servers() if status.prefix == prefix]
            return [status.state for status in found] == ["ready"]

        wait_for(ready, 60, "no fork server was ready")
        return found[0]

    def fork_server(self) -> int:
        """Its process: the one that forks, not bubblewrap around it."""
        found = [pid for pid in processes.pids() if _script(pid) == "fork_server.py" and _is_ours(pid)]
        [pid] = [pid for pid in found if _program(pid) == f"{base_environment().prefix}/bin/python"]
        return pid

    def is_forked(self, server: Server) -> bool:
        """Whether a fork server started it."""
        found = processes.sandboxes(settings.LAB_ROOT / "servers")
        [init] = [one.pid for one in found if one.server == server.pk.hex and one.is_init]
        return any(_script(pid) == "fork_server.py" for pid in processes.inside(init))

    def leftovers(self) -> list[str]:
        """Directories and sockets of servers that exist now."""
        servers, sockets = settings.LAB_ROOT / "servers", settings.RUN_DIR / "lab"
        return sorted(path.name for path in [*servers.glob("*"), *sockets.glob("*.sock")])


def _copy_first_data(source: Path, target: Path) -> None:
    """What a site has after its first start, and no process of it has changed yet. All of it or nothing is there."""
    made = target if target.exists() else target.with_suffix(".part")
    made.mkdir(exist_ok=True)
    for name in FIRST_DATA:
        if (source / name).is_dir():
            shutil.copytree(source / name, made / name, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(source / name, made / name)
    if made != target:
        made.rename(target)


def base_environment() -> Environment:
    """What servers of people who did not choose run in."""
    environment = Environment.objects.default()
    assert environment
    return environment


def forget(environment: Environment) -> None:
    """Leave nothing of an environment that a test had built."""
    servers = Server.objects.filter(environment=environment)
    for server in servers.live():
        stop_server(None, server, StopReason.OPERATOR)
    wait_for(lambda: not servers.live().exists(), 60, "its servers did not stop")
    servers.delete()
    for build in Build.objects.filter(environment=environment).exclude(prefix=""):
        shutil.rmtree(build.prefix, ignore_errors=True)
    environment.delete()


@contextlib.contextmanager
def launched_by(site: Site, way: str) -> Iterator[None]:
    """In this block, servers are forked (`fork`) or started from nothing (`exec`).

    The fork server goes on meanwhile, for an environment that nobody can choose: another takes seconds to start.
    """
    environments, unchosen = Environment.objects.exclude(slug="unchosen"), Environment.objects.filter(slug="unchosen")
    if way == "exec":
        values = {"name": "Unchosen", "prefix": base_environment().prefix, "is_retired": True}
        unchosen.update_or_create(slug="unchosen", defaults=values)
    try:
        environments.update(by_fork=way == "fork")
        if way == "fork":
            site.have_fork_server()
        yield
    finally:
        environments.update(by_fork=True)
        unchosen.delete()


def wait_for(condition: Callable[[], object], seconds: float, otherwise: str) -> float:
    """Wait until the condition holds; returns the seconds it took. AssertionError with `otherwise` when it does not.

    A look that takes long, as one at all processes does, is taken less often: what is waited for needs the processor.
    """
    began = looked = time.monotonic()
    while not condition():
        now = time.monotonic()
        if now - began > seconds:
            raise AssertionError(f"{otherwise} within {seconds} s")
        time.sleep(min(max(SHORTEST_PAUSE, PAUSE_PER_LOOK * (now - looked)), LONGEST_PAUSE))
        looked = time.monotonic()
    return time.monotonic() - began


def eventually(read: Callable[[], str], *parts: str, seconds: float = 10) -> str:
    """What another process writes, such as a log, as soon as all these parts are in it: it writes after it answers."""

    def is_there() -> bool:
        found[:] = [read()]
        return all(part in found[0] for part in parts)

    found: list[str] = []
    wait_for(is_there, seconds, f"not written: {parts}")
    return found[0]


def _script(pid: int) -> str:
    """The name of the Python file that a process runs."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return words[1].decode().rpartition("/")[2] if len(words) > 1 and b"python" in words[0] else ""


def _program(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]


def _is_ours(pid: int) -> bool:
    """Whether the supervisor of this site started it, through bubblewrap, and it is in no sandbox."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return parent > 0 and int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1]) == _supervisor()


def _supervisor() -> int:
    return int((settings.RUN_DIR / "supervisor.keep").read_text().split()[0])
