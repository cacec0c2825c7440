"""The supervisor's unix socket: one JSON object per line in, one out; one request per connection.

    {"do": "start", "launch": {...}}
    {"do": "wait", "server_id": "...", "timeout": 60}
    {"do": "remount", "server_id": "...", "mounts": [{"folder", "name", "library", "mode"}]}  -> "notes": [...]
    {"do": "stop", "server_id": "...", "grace": 3}
    {"do": "destroy", "server_id": "..."}
    {"do": "give_token", "server_id": "...", "token": "..."}
    {"do": "prepare", "prefixes": ["..."]}
    {"do": "ping"}  -> "kept": ["memory", ...], the limits that are kept here
    {"do": "inspect"}  -> "servers": [...], "fork_servers": [...]

Each may carry "request_id", which the log lines then name. The answer is {"ok": true, ...}, or
{"ok": false, "error": "...", "log_tail": "..."}. Requests that change one server wait for each other.
"""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import re
import socket as sockets
import struct
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from portal.ops import logs
from portal.sandboxing.firewall import Policy

from . import cgroups, network, processes, resource_use
from .drive_limits import DriveFileMonitor, Writer
from .drive_space import DriveSpace
from .drive_view import Store
from .fork_servers import ForkFailedError, ForkServer, ForkServers
from .launch import Launch, jupyter_config
from .namespace_limits import NamespaceLimiter
from .sandbox import Sandbox, StartFailedError
from .uids import LabUids

log = logging.getLogger("lab.supervisor")

_ID = re.compile(r"[0-9a-f]{32}")
WATCH_SECONDS = 0.25
LOG_SECONDS = 0.25
RULES_SECONDS = 60
"""Between two tries at rules of the firewall that could not be put in place."""
DISK_SECONDS = 1
ROOM_SECONDS = 0.25
SETTLE_EVERY = 4
"""Looks at the room, until those Labs are tried again in which something has a file open that could not be closed."""
DISK_THREADS = 4
SAID = ("start", "remount", "stop", "destroy")
"""Requests that change something: each has a line in the log."""


class Supervisor:
    """All sandboxes of this machine."""

    def __init__(
        self,
        *,
        lab_root: Path,
        drive_root: Path,
        run: Path,
        groups: cgroups.Groups,
        limiter: NamespaceLimiter,
        policy: Policy,
        uids: LabUids | None = None,
        reserve: int = 0,
    ) -> None:
        self.servers = lab_root / "servers"
        self.sockets = run / "lab"
        self.store = Store(drive_root, lab_root / "store")
        self.drive_files = DriveFileMonitor(self.store)
        self.drive_space = DriveSpace(self.store, reserve)
        self.written: dict[str, int] = {}
        self.following: set[asyncio.Task[None]] = set()
        self.to_follow: set[str] = set()
        """Servers for which one of these waits."""
        self.groups = groups
        self.firewall = network.Firewall(policy)
        self.reading_addresses = asyncio.Lock()
        self.addresses_are_known = True
        self.limiter = limiter
        self.uids = uids
        self.known: dict[str, Sandbox] = {}
        self.locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.fork_servers = ForkServers(lab_root, jupyter_config("/", token=""), uids=uids is not None)

    async def run(self, path: Path) -> None:
        """Find what is there, then answer requests until cancelled."""
        self.servers.mkdir(parents=True, exist_ok=True)
        self.sockets.mkdir(parents=True, exist_ok=True)
        self.store.open()
        self._find()
        self.firewall.refresh()
        path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._answer, str(path), limit=2**22)
        path.chmod(0o600)
        log.info("ready; %d servers found; limits kept: %s", len(self.known), ", ".join(self.kept))
        async with server, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_public())
            tasks.create_task(self._watch_disks())
            tasks.create_task(self._watch_drive_disk())
            tasks.create_task(self._watch_drive_quotas())
            tasks.create_task(self._watch_addresses())
            tasks.create_task(self._watch_missing_rules())
            tasks.create_task(self._watch_logs())
            tasks.create_task(self._watch_resources())
            tasks.create_task(server.serve_forever())

    @property
    def kept(self) -> list[str]:
        """Names of the limits that are kept here: by the kernel, and `disk` and `files` by ourselves.

        `processor_time` is no limit: the kernel counts it for each Lab.
        `uid`: each Lab has one of its own, so that what the kernel counts per user is limited per Lab.
        """
        found = [*self.groups.kept, *(["watches"] if self.limiter.kept else []), "disk", "files"]
        found += ["processor_time"] if self.groups.accounting else []
        return [*found, *(["uid"] if self.uids else [])]

    def close(self) -> None:
        """Leave no group behind that nobody needs."""
        self.groups.close()
        if self.uids:
            self.uids.close()

    def _find(self) -> None:
        """Adopt what an earlier supervisor left: running sandboxes and directories of stopped ones."""
        inits = {found.server: found for found in processes.sandboxes(self.servers) if found.is_init}
        for name in {*inits, *(entry.name for entry in self.servers.iterdir())}:
            if _ID.fullmatch(name):
                sandbox = self._sandbox(name)
                if name in inits:
                    sandbox.adopt(inits[name])
        for name in self.groups.ids() - inits.keys():
            if name in self.known:
                self.known[name].processor_time.keep()
            self.groups.remove(name)

    def _sandbox(self, server_id: str) -> Sandbox:
        if not _ID.fullmatch(server_id):
            raise ValueError(f"not a server id: {server_id!r}")
        if server_id not in self.known:
            limits = (self.groups, self.limiter, self.firewall, self.uids)
            self.known[server_id] = Sandbox(server_id, self.servers, self.sockets, self.store, *limits)
            self.known[server_id].drive_space = self.drive_space
        return self.known[server_id]

    # Requests

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = await reader.readline()
            if line and _peer(writer) == os.geteuid():
                writer.write(json.dumps(await self._do(json.loads(line))).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError) as error:
            log.warning("request dropped: %s", error)
        finally:
            writer.close()

    async def _do(self, request: dict[str, Any]) -> dict[str, Any]:
        server_id = request.get("server_id", "")
        logs.reset_context(request_id=_number(request.get("request_id")), server_id=_of(request))
        if request.get("do") in SAID:
            log.info(request["do"])
        try:
            match request["do"]:
                case "ping":
                    return {"ok": True, "kept": self.kept}
                case "inspect":
                    servers = await asyncio.to_thread(self._reports)
                    return {"ok": True, "servers": servers, "fork_servers": self.fork_servers.report()}
                case "prepare":
                    self.fork_servers.keep({Path(prefix) for prefix in request["prefixes"]})
                    return {"ok": True}
                case "start":
                    return await self._start(Launch(**request["launch"]))
                case "wait":
                    return await self._wait(server_id, request["timeout"])
                case "remount":
                    async with self.locks[server_id]:
                        return {"ok": True, "notes": await self._remount(server_id, request["mounts"])}
                case "give_token":
                    self._sandbox(server_id).token.give(request["token"])
                    return {"ok": True}
                case "stop":
                    async with self.locks[server_id]:
                        await self._sandbox(server_id).stop(grace=request["grace"])
                    return {"ok": True}
                case "destroy":
                    return await self._destroy(server_id)
                case other:
                    return {"ok": False, "error": f"unknown request {other!r}"}
        except StartFailedError as error:
            return {"ok": False, "error": str(error), "log_tail": self._sandbox(server_id).log_tail()}
        except Exception as error:
            log.exception("%s %s", request.get("do"), server_id)
            return {"ok": False, "error": f"{type(error).__name__}: {error}"}

    async def _start(self, launch: Launch) -> dict[str, Any]:
        if launch.fork:
            await self.fork_servers.wait(Path(launch.prefix))  # without the lock: a stop does not wait
        async with self.locks[launch.server_id]:
            sandbox = self._sandbox(launch.server_id)
            if sandbox.state != "stopped":
                return {"ok": True}
            fork_server = self.fork_servers.ready(Path(launch.prefix)) if launch.fork else None
            if fork_server is not None and await self._fork(launch, fork_server):
                return {"ok": True}
            sandbox = self._fresh(launch.server_id)
            try:
                await sandbox.start(launch, uid=self._uid())
            except (StartFailedError, OSError, ValueError) as error:
                log.warning("start %s: %s", launch.server_id, error)
                tail = sandbox.log_tail()
                await sandbox.stop()
                return {"ok": False, "error": str(error), "log_tail": tail}
            return {"ok": True}

    async def _fork(self, launch: Launch, fork_server: ForkServer) -> bool:
        """Start a server by fork; False, and nothing is left of it, if that failed."""
        sandbox = self._fresh(launch.server_id)
        try:
            await sandbox.start(launch, fork_server, self._uid())
        except (ForkFailedError, StartFailedError, OSError, ValueError) as error:
            await sandbox.stop()
            self.fork_servers.failed(fork_server.prefix, str(error))
            return False
        return True

    async def _wait(self, server_id: str, timeout: float) -> dict[str, Any]:
        """Until it answers. One that was forked and ended instead gets a second chance the other way."""
        sandbox = self._sandbox(server_id)
        try:
            await sandbox.wait(timeout)
        except StartFailedError as error:
            ended_early = sandbox.ended.is_set() and not sandbox.answered.is_set() and not sandbox.stopping
            if not (sandbox.forked and sandbox.launch and ended_early):
                raise
            said = " ".join(sandbox.log_tail()[-500:].split())  # on one line: what a Lab printed may look like ours
            self.fork_servers.failed(Path(sandbox.launch.prefix), f"{error} {said}")
            async with self.locks[server_id]:
                await sandbox.stop()
            again = await self._start(replace(sandbox.launch, fork=False))
            if not again["ok"]:
                return again
            await self._sandbox(server_id).wait(timeout)
        else:
            if sandbox.forked and sandbox.launch:
                self.fork_servers.worked(Path(sandbox.launch.prefix))
        return {"ok": True}

    def _uid(self) -> int | None:
        """The uid of the next Lab."""
        taken = [sandbox.identity.uid for sandbox in self.known.values() if sandbox.identity.uid is not None]
        return self.uids.choose(taken) if self.uids else None

    def _fresh(self, server_id: str) -> Sandbox:
        """A stopped server may be started again in the same directory; events are used once."""
        if before := self.known.pop(server_id, None):
            before.log.close()
        return self._sandbox(server_id)

    async def _remount(self, server_id: str, wanted: list[dict[str, str]]) -> list[str]:
        sandbox = self._sandbox(server_id)
        if sandbox.state == "stopped":
            return []
        sandbox.take_mounts(wanted)
        return await sandbox.remount()

    async def _destroy(self, server_id: str) -> dict[str, Any]:
        async with self.locks[server_id]:
            await self._sandbox(server_id).destroy()
            self.known.pop(server_id, None)
        return {"ok": True}

    def _reports(self) -> list[dict[str, Any]]:
        return [sandbox.report() for sandbox in list(self.known.values()) if sandbox.directory.exists()]

    # Public libraries are one mount in every sandbox: withdrawing one is a rename, which this notices.

    async def _watch_public(self) -> None:
        directory = self.store.root / "public/.libraries"
        before: set[str] = set()
        changed = 0
        while True:
            with contextlib.suppress(FileNotFoundError):
                now = directory.stat().st_mtime_ns
                if now != changed:
                    names = set(await asyncio.to_thread(os.listdir, directory))
                    for library in before - names:
                        await self._evict(library)
                    before, changed = names, now
            await asyncio.sleep(WATCH_SECONDS)

    async def _evict(self, library: str) -> None:
        for sandbox in list(self.known.values()):
            for note in await sandbox.evict(library):
                log.info("%s: %s", sandbox.id, note)

    # What a sandbox must not reach are this machine's own addresses, which come and go.

    async def _watch_addresses(self) -> None:
        """Have the same rules around all sandboxes; those that an earlier supervisor started get them first."""
        await self._protect(self.known.values())
        async for _ in network.changes():
            await self._follow_addresses()

    async def _watch_missing_rules(self) -> None:
        """What failed is tried again, as for want of processes; a Lab goes on with the rules of before meanwhile."""
        while True:
            await asyncio.sleep(RULES_SECONDS)
            await self._try_rules_again()

    async def _try_rules_again(self) -> None:
        if not self.addresses_are_known:
            await self._follow_addresses()
        await self._protect(sandbox for sandbox in self.known.values() if not sandbox.is_protected)

    async def _follow_addresses(self) -> None:
        try:
            async with self.reading_addresses:
                changed = await asyncio.to_thread(self.firewall.refresh)
            self.addresses_are_known = True
        except (OSError, ValueError, subprocess.SubprocessError):
            self.addresses_are_known = False
            log.exception("This machine's addresses could not be read.")
            return
        if changed:
            log.info("This machine's addresses have changed; all Labs are kept from them.")
            await self._protect(self.known.values())

    async def _protect(self, sandboxes: Iterable[Sandbox]) -> None:
        for sandbox in list(sandboxes):
            try:
                await sandbox.protect()
            except network.NetworkSetupError as error:
                if sandbox.init is not None:
                    log.error("%s: its network is not as the settings say: %s", sandbox.id, error)  # noqa: TRY400

    # What servers print waits in pipes, and they with it when those are full.

    async def _watch_logs(self) -> None:
        while True:
            await asyncio.to_thread(self._pump_logs)
            await asyncio.sleep(LOG_SECONDS)

    def _pump_logs(self) -> None:
        for sandbox in list(self.known.values()):
            try:
                sandbox.log.pump()
            except Exception:
                log.exception("%s: its log", sandbox.id)

    # What programs inside are told of their Lab's memory.

    async def _watch_resources(self) -> None:
        while True:
            await asyncio.to_thread(self._tell_resources)
            await asyncio.to_thread(self._keep_processor_times)
            await asyncio.sleep(resource_use.SECONDS)

    def _tell_resources(self) -> None:
        for sandbox in list(self.known.values()):
            try:
                if sandbox.init is not None:
                    sandbox.resources.update(sandbox.disk.count)
            except Exception:
                log.exception("%s: what it uses", sandbox.id)

    def _keep_processor_times(self) -> None:
        """Of servers whose processes nobody counts together: the times go with the processes."""
        sandboxes = [one for one in list(self.known.values()) if not one.processor_time.is_counted_by_kernel]
        inits = {sandbox.init: sandbox for sandbox in sandboxes if sandbox.init}
        try:
            for init, seconds in processes.times(inits).items():
                inits[init].processor_time.keep(init, seconds)
        except Exception:
            log.exception("processor times")

    # Disks are looked at by threads of their own: a slow one must not hold up a launch.

    async def _watch_disks(self) -> None:
        looks: dict[str, asyncio.Future[None]] = {}
        with ThreadPoolExecutor(DISK_THREADS, "disk") as threads:
            loop = asyncio.get_running_loop()
            while True:
                inits = {sandbox.init: sandbox for sandbox in list(self.known.values()) if sandbox.init}
                written = await asyncio.to_thread(processes.written, inits)
                self._add_up(inits, written)
                looks = {server: look for server, look in looks.items() if not look.done()}
                for init, sandbox in inits.items():
                    if sandbox.id not in looks:
                        looks[sandbox.id] = loop.run_in_executor(threads, _look, sandbox, init, written.get(init, {}))
                if "" not in looks:
                    writers = [Writer(init, one.quotas.by_library, one.disk) for init, one in inits.items()]
                    looks[""] = loop.run_in_executor(threads, _look_at_drive, self.drive_files, writers)
                await asyncio.sleep(DISK_SECONDS)

    def _add_up(self, inits: dict[int, Sandbox], written: dict[int, dict[int, int]]) -> None:
        """Bytes of each server so far. Processes that have ended take theirs along: the sum never falls."""
        for init, sandbox in inits.items():
            now = sum(written.get(init, {}).values())
            self.written[sandbox.id] = max(self.written.get(sandbox.id, 0), now)

    # What Labs write into the Drive goes to the disk without asking.

    async def _watch_drive_disk(self) -> None:
        for look in itertools.count():
            try:
                self._look_at_drive_disk(settle=look % SETTLE_EVERY == 0)
            except Exception:
                log.exception("the Drive's disk")
            await asyncio.sleep(ROOM_SECONDS)

    def _look_at_drive_disk(self, *, settle: bool) -> None:
        if self.drive_space.look_at_disk():
            half = "half of the reserve is gone" if self.drive_space.is_low else "the reserve is reached"
            log.warning("the Drive's disk: %s", half if self.drive_space.is_short else "there is room again")
            self._follow_room(self.known.values())
        elif settle:
            self._follow_room(one for one in self.known.values() if one.is_unsettled)

    async def _watch_drive_quotas(self) -> None:
        while True:
            running = [one for one in list(self.known.values()) if one.init]
            writers = [one.writer(self.written.get(one.id, 0)) for one in running]
            try:
                if await asyncio.to_thread(self.drive_space.look_at_quotas, writers):
                    self._follow_room(self.known.values())
            except Exception:
                log.exception("the Drive's quotas")
            await asyncio.sleep(ROOM_SECONDS)

    def _follow_room(self, sandboxes: Iterable[Sandbox]) -> None:
        """Have Labs read, or write, what there is no room for, or is again. None waits for another, nor do we."""
        for sandbox in sandboxes:
            if sandbox.init and sandbox.id not in self.to_follow:  # what waits will see what is new, too
                self.to_follow.add(sandbox.id)
                task = asyncio.create_task(self._follow_room_in(sandbox))
                self.following.add(task)
                task.add_done_callback(self.following.discard)

    async def _follow_room_in(self, sandbox: Sandbox) -> None:
        async with self.locks[sandbox.id]:
            self.to_follow.discard(sandbox.id)
            if sandbox.init is None or not sandbox.wanted:
                return
            try:
                for note in await sandbox.remount():
                    log.info("%s: %s", sandbox.id, note)
            except OSError as error:
                log.warning("%s: its Drive for want of room: %s", sandbox.id, error)


def _look(sandbox: Sandbox, init: int, written: dict[int, int]) -> None:
    try:
        sandbox.disk.look(init, written)
    except FileNotFoundError:
        log.debug("%s went while its disk was looked at", sandbox.id)
    except Exception:
        log.exception("%s: its disk", sandbox.id)


def _look_at_drive(files: DriveFileMonitor, writers: list[Writer]) -> None:
    try:
        files.look(writers)
    except Exception:
        log.exception("the Drive's files")


def _number(given: Any) -> str | None:
    """Id of the browser's request that this is for, as nginx made it."""
    return given if isinstance(given, str) and logs.REQUEST_ID.fullmatch(given) else None


def _of(request: dict[str, Any]) -> str | None:
    """Id of the server that a request is about, if any."""
    given = request.get("server_id") or request.get("launch", {}).get("server_id")
    return given if isinstance(given, str) and _ID.fullmatch(given) else None


def _peer(writer: asyncio.StreamWriter) -> int:
    """The user id at the other end (unix(7), SO_PEERCRED), as our own namespace sees it."""
    connection = writer.get_extra_info("socket")
    credentials = connection.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])
