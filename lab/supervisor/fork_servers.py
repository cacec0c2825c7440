"""The fork servers: one process per environment that has imported JupyterLab and forks a child per launch.

What it saves is the importing (docs/explanation/how-it-works.md). All that it can get wrong costs a launch some time
and nothing else: whoever finds none that is ready, or whose fork fails, is started the other way.
"""

import array
import asyncio
import contextlib
import json
import logging
import os
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.sandboxing import bwrap, seccomp

from .sandbox_command import RUN, fork_server_command

log = logging.getLogger("lab.supervisor.fork")

DESCRIPTORS = ("settings", "log", "listening", "go", "lifeline", "alive")
"""What a request brings, then one per namespace. The same in inside/fork_server.py, which imports nothing of ours."""
NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
START_SECONDS = 60
WAIT_SECONDS = 10
"""How long a launch waits for one that is being started already."""
FORK_SECONDS = 15
MAX_AGE = 3600
"""Seconds; a fresh one has other addresses, stack canaries and pointer guards, and another seed of Python's hashes.
What it forked has them in common: nobody can tell them from outside, but who is in one of them knows the others'."""
GRACE_SECONDS = 30
"""How long an old one goes on when another has taken its place: a launch that was given it may not have forked yet."""
REST_SECONDS = (5, 60, 600)
"""How long none is started after so many failures in a row."""
ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp"}  # noqa: S108


class ForkFailedError(Exception):
    """The fork server could not put a server into its sandbox."""


@dataclass
class ForkServer:
    """Fork server of one environment: started once, ended once."""

    prefix: Path
    stamp: tuple[Any, ...]
    """What the environment looked like when it was imported."""
    uids: bool = False
    """Whether it must become the Labs' uids."""
    started_at: float = field(default_factory=time.time)
    process: asyncio.subprocess.Process | None = None
    connection: socket.socket | None = None
    ready: bool = False
    forks: int = 0

    def __post_init__(self) -> None:
        self.turn = asyncio.Lock()

    async def start(self, config: dict[str, Any], log_file: Path) -> None:
        """Return when it can fork; ForkFailedError when it cannot."""
        self.connection, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        files: dict[str, str | bytes] = {f"{RUN}/jupyter_config.json": json.dumps(config)}
        files[f"{RUN}/system_calls.bpf"] = seccomp.program() or b""
        environment = ENVIRONMENT | {"JUPYTER_CONFIG_PATH": f"{RUN}/jupyter"}
        kind = bwrap.FORK_SERVER_OF_UIDS if self.uids else bwrap.FORK_SERVER
        with theirs, bwrap.Command(kind, files) as sandbox, log_file.open("wb") as output:
            command = fork_server_command(
                sandbox, prefix=self.prefix, environment=environment, connection=theirs.fileno()
            )
            self.process = await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[theirs.fileno(), *sandbox.descriptors],
                env=bwrap.VARIABLES,
                cwd="/",
            )
        answer = await self._receive(START_SECONDS)
        if answer != b"ready":
            raise ForkFailedError(f"It did not start; {log_file} says why.")
        if max(map(_threads, self._processes())) != 1:
            raise ForkFailedError(
                "A package of the environment starts threads when it is imported, which no fork survives."
            )
        self.ready = True

    def _processes(self) -> list[int]:
        """Those that fork: bubblewrap's only child, and the child of that."""
        assert self.process
        first = _children(self.process.pid)
        return [*first, *(child for pid in first for child in _children(pid))]

    async def fork(self, fds: list[int]) -> None:
        """Put a server into a sandbox; ForkFailedError when that did not work."""
        async with self.turn:
            if not self.ready or self.connection is None:
                raise ForkFailedError("It ended.")
            try:
                self.connection.sendmsg(
                    [b"fork"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))], socket.MSG_DONTWAIT
                )
            except OSError as error:
                raise ForkFailedError(f"It does not listen: {error}") from error
            answer = await self._receive(FORK_SECONDS)
        if answer != b"ok":
            raise ForkFailedError(answer.decode(errors="replace") or "It ended.")
        self.forks += 1

    async def _receive(self, seconds: float) -> bytes:
        assert self.connection
        self.connection.setblocking(False)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.get_running_loop().sock_recv(self.connection, 4096)
        except TimeoutError as error:
            raise ForkFailedError(f"It did not answer within {seconds} seconds.") from error
        except OSError as error:
            raise ForkFailedError(f"It ended: {error}") from error

    @property
    def is_usable(self) -> bool:
        """True while it runs and what it imported is still what is installed."""
        alive = self.process is not None and self.process.returncode is None
        return self.ready and alive and stamp(self.prefix) == self.stamp

    @property
    def is_old(self) -> bool:
        """True when another should take its place, as soon as that is ready."""
        return time.time() - self.started_at >= MAX_AGE

    async def stop(self) -> None:
        """End it; what it forked goes on."""
        self.ready = False
        if self.connection is not None:
            self.connection.close()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _threads(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def stamp(prefix: Path) -> tuple[Any, ...]:
    """Changes when a package is installed in an environment, removed or replaced, or the environment is made anew."""
    places = [prefix / name for name in ("bin/python", "pyvenv.cfg", "conda-meta")]
    found = []
    for place in [*places, *prefix.glob("lib/python3*/site-packages")]:
        with contextlib.suppress(OSError):
            status = place.stat()
            found.append((str(place), status.st_ino, status.st_mtime_ns))
    return tuple(found)


class ForkServers:
    """The fork servers of this machine, by prefix of the environment."""

    def __init__(self, logs: Path, config: dict[str, Any], *, uids: bool = False) -> None:
        self.logs = logs
        self.config = config
        self.uids = uids
        self.servers: dict[Path, ForkServer] = {}
        self.starting: dict[Path, asyncio.Task[None]] = {}
        self.failures: dict[Path, list[str]] = {}
        self.rest_until: dict[Path, float] = {}
        self.ending: set[asyncio.Task[None]] = set()

    def ready(self, prefix: Path) -> ForkServer | None:
        """Fork server to use now. None: start the server by exec; a fork server is started for the next."""
        server = self.servers.get(prefix)
        self.prepare(prefix)
        return server if server is not None and server.is_usable else None

    async def wait(self, prefix: Path) -> None:
        """Until the fork server that is on its way is ready, if there is any, and for WAIT_SECONDS at most.

        Where a site has just started, the first launches would import everything beside it, which takes
        longer than to wait, and who comes after them would overtake them. One that has failed before is not waited
        for: it may hang.
        """
        underway = self.starting.get(prefix)
        if underway is not None and prefix not in self.servers and prefix not in self.failures:
            await asyncio.wait({underway}, timeout=WAIT_SECONDS)

    def keep(self, prefixes: set[Path]) -> None:
        """Have one for each of these, and for no other."""
        for prefix in self.servers.keys() - prefixes:
            self._end(self.servers.pop(prefix))
        for prefix in prefixes:
            self.prepare(prefix)

    def prepare(self, prefix: Path) -> None:
        """Have one started, unless one is ready and not old, on its way, or failed lately."""
        server = self.servers.get(prefix)
        resting = time.monotonic() < self.rest_until.get(prefix, 0)
        ready = server is not None and server.is_usable and not server.is_old
        if resting or ready or prefix in self.starting:
            return
        self.starting[prefix] = asyncio.create_task(self._replace(prefix))

    async def _replace(self, prefix: Path) -> None:
        old = self.servers.get(prefix)
        new = ForkServer(prefix, stamp(prefix), self.uids)
        try:
            await new.start(self.config, self.logs / f"fork-server-{prefix.name}.log")
        except (ForkFailedError, OSError) as error:
            await new.stop()
            self.failed(prefix, str(error))
        else:
            self.servers[prefix] = new
            log.info("%s: ready", prefix)
            if old is not None:
                self._end(old, GRACE_SECONDS if old.is_usable else 0)
        finally:
            self.starting.pop(prefix, None)

    def failed(self, prefix: Path, why: str) -> None:
        """Do without it for a while: it did not start, or what it forked did not answer."""
        reasons = self.failures.setdefault(prefix, [])
        reasons.append(why)
        rest = REST_SECONDS[min(len(reasons), len(REST_SECONDS)) - 1]
        self.rest_until[prefix] = time.monotonic() + rest
        log.warning("%s: %s Servers are started without it for %d s.", prefix, why, rest)
        if prefix in self.servers:
            self._end(self.servers.pop(prefix))

    def _end(self, server: ForkServer, grace: float = 0) -> None:
        """End it, after `grace` seconds in which it still forks."""

        async def end() -> None:
            await asyncio.sleep(grace)
            await server.stop()

        server.ready = server.ready and grace > 0
        self.ending.add(task := asyncio.create_task(end()))
        task.add_done_callback(self.ending.discard)

    def worked(self, prefix: Path) -> None:
        """A server that was forked has answered."""
        self.failures.pop(prefix, None)

    def report(self) -> list[dict[str, Any]]:
        """State of all fork servers, as JSON for `inspect`."""
        return [
            {
                "prefix": str(prefix),
                "state": self._state(prefix),
                "forks": self.servers[prefix].forks if prefix in self.servers else 0,
                "started_at": self.servers[prefix].started_at if prefix in self.servers else None,
                "failures": self.failures.get(prefix, [])[-3:],
            }
            for prefix in sorted({*self.servers, *self.starting, *self.failures})
        ]

    def _state(self, prefix: Path) -> str:
        if prefix in self.servers and self.servers[prefix].is_usable:
            return "ready"
        return "starting" if prefix in self.starting else "resting"
