"""The sandbox of one server: its directory, its mounts, its processes, its socket.

servers/<id>/home        the person's home, deleted with the server
servers/<id>/upper,work  what the session changes in the environment (overlayfs)
servers/<id>/env         mount point of the environment with those changes
servers/<id>/drive       mount point of the Drive view; drive.dirs has its plain directories
servers/<id>/log         what Jupyter printed, read from log.pipe (server_log.py)
servers/<id>/token       the directory of its token for the portal's API (api_token.py)
servers/<id>/portal      the directory of its socket for the portal's API
servers/<id>/facts       what it uses, and its limits, as told inside (resource_use.py)
servers/<id>/processor.json   processor time that it used (processor_time.py)
servers/<id>/disk        how much disk it may use, and did (disk_limits.py)
servers/<id>/quotas      how many files and bytes the libraries may have that it can write to (drive_limits.py)
servers/<id>/mounts      what it may see of the Drive, as the portal said last
"""

import asyncio
import contextlib
import errno
import json
import logging
import os
import shutil
import signal
import socket
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from portal.sandboxing import bwrap

from . import api_token, fork_servers, linux, network, processes, sandbox_command
from .cgroups import ENTER_TRIES, Groups, Limits
from .disk_limits import DiskMonitor
from .drive_limits import DriveQuotas
from .drive_plan import View, libraries
from .drive_space import DriveSpace, SpaceWriter
from .drive_view import DriveView, LibraryInUseError, MountsInside, OwnStore, Store, StuckLibrary, mounts
from .fork_servers import ForkServer
from .inside import limiting
from .launch import Launch
from .namespace_limits import NamespaceLimiter
from .processor_time import ProcessorTime
from .resource_use import ResourceFiles, processors
from .server_log import ServerLog
from .uids import Identity, LabUids

log = logging.getLogger("lab.supervisor")

KILL_SECONDS = 10
HOLDER_TRIES = 50
"""Of a library that is taken away, while there is always another process that uses it."""
HOLDER_SECONDS = 1.5
"""For what was stopped to be gone; then something uses it that cannot be found."""
ROOM_PATIENCE = 60
"""Seconds, of a library that is only full: then something writes there that cannot be found."""
LOG_TAIL_BYTES = 4000
DELETING = ThreadPoolExecutor(2, "delete")
"""Threads of their own: homes of very many files must not take those that launches wait for."""


class StartFailedError(Exception):
    """The sandbox could not be built, or its process ended before it answered."""


class Pipes(contextlib.ExitStack):
    """Descriptors that are closed when the block ends, or before."""

    def __init__(self) -> None:
        super().__init__()
        self._open: set[int] = set()
        self.callback(self._close_all)

    def pipe(self) -> tuple[int, int]:
        """A pipe's reading and writing end."""
        ends = os.pipe()
        self._open.update(ends)
        return ends

    def close_now(self, *fds: int) -> None:
        """Close ends of pipes, once: the number may belong to another file, such as the pidfd, right after."""
        for fd in fds:
            self._open.remove(fd)
            os.close(fd)

    def _close_all(self) -> None:
        self.close_now(*self._open.copy())


class Sandbox:
    """A server that exists on this machine: with processes, or only as a directory."""

    def __init__(
        self,
        server_id: str,
        servers: Path,
        sockets: Path,
        store: Store,
        groups: Groups,
        limiter: NamespaceLimiter,
        firewall: network.Firewall,
        uids: LabUids | None = None,
    ) -> None:
        self.id = server_id
        self.groups = groups
        self.limiter = limiter
        self.firewall = firewall
        self._protecting = asyncio.Lock()
        self.is_protected = True
        """False while it runs with other rules of the firewall than it should have, as they could not be replaced."""
        self.directory = servers / server_id
        self.socket = sockets / f"{server_id}.sock"
        self.run = sockets.parent
        self.portal = self.directory / api_token.SOCKET_DIRECTORY
        self.token = api_token.TokenFile(self.directory / "token")
        self.disk = DiskMonitor(self.directory)
        self.log = ServerLog(self.directory)
        self.quotas = DriveQuotas(self.directory)
        self.drive_space: DriveSpace | None = None
        self.wanted: View = {}
        self.unsettled_since: float | None = None
        """Since when a library is to be read-only for want of room, and what writes there is stopped in vain."""
        self.is_unsettled = False
        """While a library is to be read-only for want of room, and something still has a file open there."""
        self.resources = ResourceFiles(self.directory, server_id, groups)
        self.processor_time = ProcessorTime(self.directory, server_id, groups)
        self.store = store
        self.uids = uids
        self._be(None)
        self.init: int | None = None
        self.username = ""
        self.started_at: float | None = None
        self.answered = asyncio.Event()
        self.ended = asyncio.Event()
        self.failure = ""
        self.launch: Launch | None = None
        self.forked = False
        self.stopping = False

    def _be(self, uid: int | None) -> None:
        """Be the Lab of this uid; None: of the site's account."""
        self.identity = Identity(self.directory, self.uids, uid)
        store = OwnStore(self.store, self.uids, uid) if self.uids and uid is not None else self.store
        self.view = DriveView(self.directory, self.identity.place, store)
        self.disk.environment = self.identity.place / "env"

    # Starting

    async def start(self, launch: Launch, fork_server: ForkServer | None = None, uid: int | None = None) -> None:
        """Build the sandbox and have Jupyter in it, forked or started there; returns when its process is.

        `uid`: of its own, in the Lab's namespace; without one it is the site's account.
        """
        self.launch, self.forked = launch, fork_server is not None
        self.username = launch.username
        self._be(uid)
        self._make_directories()
        await api_token.have_socket(self.run, self.id)
        self.token.give(launch.portal_token)
        self.take_mounts(launch.mounts)
        limits = dict(launch.limits)
        self.disk.limit_to(limits.pop("disk", 0), limits.pop("files", 0))
        given = Limits(**limits)  # type: ignore[arg-type]
        self.groups.make(self.id, given)
        self.resources.make(given, self.disk.count)
        self.launch = launch = replace(launch, processors=processors(given, self.groups))
        self._mount(launch)
        listener = self._listen()
        try:
            await self._spawn(launch, listener, fork_server)
        finally:
            listener.close()
        self._first_answer = asyncio.create_task(self._ask(launch.token))

    def _make_directories(self) -> None:
        for name in ("home", "upper", "work", "env", "token"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        self.portal.mkdir(mode=0o755, exist_ok=True)
        self.directory.chmod(0o700)

    def _mount(self, launch: Launch) -> None:
        prefix = Path(launch.prefix)
        if not (prefix / "bin/python").exists() or {",", ":"} & set(launch.prefix):
            log.error("The environment at %s is missing or incomplete.", launch.prefix)
            raise StartFailedError("Its environment is missing or incomplete. An operator has to build it again.")
        interpreter = bwrap.base_of(prefix) / "bin"
        if bwrap.interpreter(prefix) and not self.identity.can_pass(interpreter):
            log.warning("%s: only the site's account can reach %s, so the Lab shares its uid", self.id, interpreter)
            self._be(None)
        self.identity.open()
        self.identity.mount_environment(prefix)
        self.view.open()

    def _listen(self) -> socket.socket:
        self.socket.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.socket))
        self.socket.chmod(0o600)
        listener.listen(256)
        listener.set_inheritable(True)
        return listener

    async def _spawn(self, launch: Launch, listener: socket.socket, fork_server: ForkServer | None) -> None:
        """Run bubblewrap with Jupyter, which serves nobody before the network is there and we say go.

        Should we die before that, the pipe closes unwritten and Jupyter ends: no sandbox is left half-made.
        """
        with Pipes() as ends:
            go_for_jupyter, go = ends.pipe()
            lifeline, lifeline_for_jupyter = ends.pipe()
            inherited = {"listening": listener.fileno(), "go": go_for_jupyter, "lifeline": lifeline_for_jupyter}
            log = ends.enter_context(self.log.open())
            if fork_server is None:
                program, stdin = sandbox_command.exec_program(Path(launch.prefix)), asyncio.subprocess.DEVNULL
                await self._build(launch, program, stdin, inherited, log, ends)
                ends.close_now(go_for_jupyter, lifeline_for_jupyter)
                await _all(self._connect(launch, lifeline, log), self._limit_namespace(), self._show_libraries(launch))
            else:
                held, alive = ends.pipe()
                holder = await self._build(launch, sandbox_command.HOLD_PROGRAM, held, {}, log, ends)
                forking = fork_server.fork(self._descriptors(launch, holder, inherited | {"alive": alive}, log, ends))
                built = (self._connect(launch, lifeline, log), self._limit_namespace(), self._show_libraries(launch))
                await _all(*built, forking)
                ends.close_now(go_for_jupyter, lifeline_for_jupyter, alive)
            await asyncio.to_thread(self._enter_group)
            os.write(go, b"1")

    def _enter_group(self) -> None:
        """Before anybody's code runs: what is started later is in the group by itself."""
        entered: set[int] = set()
        for _ in range(ENTER_TRIES):
            assert self.init
            if not (new := set(processes.inside(self.init)) - entered):
                break
            self.groups.enter(self.id, new, self.identity.uid)
            for pid in new:
                with contextlib.suppress(ProcessLookupError):
                    limiting.limit(pid)
            entered |= new
        self.disk.spare(entered)

    async def _build(
        self, launch: Launch, program: list[str], stdin: int, inherited: dict[str, int], log: BinaryIO, ends: "Pipes"
    ) -> int:
        """Run `program` in a new sandbox; its process number. `inherited`: the descriptors that it gets by name."""
        status, status_for_bwrap = ends.pipe()
        sandbox = ends.enter_context(launch.sandbox(inherited))
        place = self.identity.place
        command = sandbox_command.command(
            sandbox,
            directory=place,
            username=launch.username,
            prefix=Path(launch.prefix),
            environment=launch.environment(),
            inside=ends.enter_context(self.identity.shown(sandbox_command.INSIDE, "inside")),
            binds=[
                *api_token.binds(place / "token", place / api_token.SOCKET_DIRECTORY, sandbox_command.RUN),
                *self.resources.binds(place, sandbox_command.RUN),
            ],
            status_fd=status_for_bwrap,
            program=program,
        )
        await asyncio.create_subprocess_exec(
            *self.identity.command(command),
            stdin=stdin,
            stdout=log,
            stderr=log,
            pass_fds=[status_for_bwrap, *inherited.values(), *sandbox.descriptors],
            env=bwrap.VARIABLES,
            start_new_session=True,  # a signal to the supervisor's group is not for the sandboxes
            cwd="/",
        )
        ends.close_now(status_for_bwrap)
        self.init = await asyncio.to_thread(processes.reported_init, status)
        if self.init is None:
            raise StartFailedError("bubblewrap could not build the sandbox.")
        self._watch()
        holder = await processes.first_program(self.init)
        if holder is None:
            raise StartFailedError("bubblewrap could not build the sandbox.")
        return holder

    async def _show_libraries(self, launch: Launch) -> None:
        """Before anybody's code runs."""
        await asyncio.to_thread(self.view.apply, self._with_room(), self._mounts())

    async def _limit_namespace(self) -> None:
        assert self.init
        await self.limiter.limit(self.init)

    async def _connect(self, launch: Launch, lifeline: int, log: BinaryIO) -> None:
        if launch.network != "slirp4netns":
            return
        try:
            assert self.init
            await _all(self.protect(anew=False), network.connect(self.init, lifeline, log))
        except network.NetworkSetupError as error:
            raise StartFailedError(f"The server's network could not be set up: {error}") from error

    async def protect(self, *, anew: bool = True) -> None:
        """Put the firewall's rules of now around it; the ones that come last are the newest."""
        async with self._protecting:
            self.is_protected = self.init is None
            if self.init is not None:
                await self.firewall.protect(self.init, anew=anew)
                self.is_protected = True

    def _descriptors(
        self, launch: Launch, holder: int, inherited: dict[str, int], log: BinaryIO, ends: "Pipes"
    ) -> list[int]:
        """Descriptors for the fork server, in its order (inside/fork_server.py, Request)."""
        settings = {"environment": launch.environment(), "home": f"/home/{launch.username}"}
        by_name = inherited | {"settings": bwrap.memory_file(json.dumps(settings)), "log": log.fileno()}
        ends.callback(os.close, by_name["settings"])
        namespaces = []
        for kind in fork_servers.NAMESPACES:
            namespaces.append(os.open(f"/proc/{holder}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC))
            ends.callback(os.close, namespaces[-1])
        return [*(by_name[name] for name in fork_servers.DESCRIPTORS), *namespaces]

    # Watching

    def adopt(self, found: processes.BwrapProcess) -> None:
        """Take over a running sandbox that an earlier supervisor started."""
        self.init = found.pid
        if found.directory != self.directory:
            with contextlib.suppress(OSError):  # it has just ended
                self._be(processes.uid(found.pid))
        self.username = found.username
        self.answered.set()  # or it is dead: then whoever asks finds out at once
        self.log.resume()
        self.quotas.resume()
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # of an earlier version
            self.wanted = libraries(json.loads((self.directory / "mounts").read_text()))
        self._watch()

    def _watch(self) -> None:
        """Notice the end of the sandbox's process 1."""
        assert self.init
        self.started_at = self.started_at or _started_at(self.init)
        loop = asyncio.get_running_loop()
        try:
            pidfd = os.pidfd_open(self.init)
        except ProcessLookupError:
            self.init = None
            self.ended.set()
            return

        def gone() -> None:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            self.init = None
            self.ended.set()

        loop.add_reader(pidfd, gone)

    async def _ask(self, token: str) -> None:
        """The socket listens before Jupyter does, so one request, sent now, is answered the moment it can be."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
            writer.write(
                f"GET /api/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {token}\r\n"
                "Connection: close\r\n\r\n".encode()
            )
            if (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200"):
                self.answered.set()
            writer.close()

    async def wait(self, timeout: float) -> None:
        """Return when it has answered; StartFailedError when its processes are gone, or after `timeout` seconds."""
        waits = [asyncio.create_task(event.wait()) for event in (self.answered, self.ended)]
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for task in waits:
            task.cancel()
        if self.ended.is_set():
            raise StartFailedError("Jupyter ended while it was starting.")
        if not self.answered.is_set():
            raise StartFailedError(f"Jupyter did not answer within {timeout:.0f} seconds.")

    @property
    def state(self) -> str:
        """`starting`, `running` or `stopped`."""
        if self.init is None:
            return "stopped"
        return "running" if self.answered.is_set() else "starting"

    def log_tail(self) -> str:
        """End of Jupyter's log."""
        return self.log.tail(LOG_TAIL_BYTES)

    def report(self) -> dict[str, Any]:
        """State and resource use as JSON, for `inspect`."""
        memory, cpu_seconds = processes.usage(self.init) if self.init else (0, 0.0)
        return {
            "server_id": self.id,
            "state": self.state,
            "memory_bytes": memory,
            "cpu_seconds": self.processor_time.seconds(self.init, cpu_seconds),
            "memory_kills": self.groups.killed(self.id),
            "was_at_memory_limit": self.groups.was_at_limit(self.id),
            "disk_bytes": self.disk.count.used,
            "disk_kills": self.disk.count.kills,
            "files": self.disk.count.files,
            "file_kills": self.disk.count.file_kills,
            "drive_file_kills": self.disk.count.drive_file_kills,
            "drive_full_for": self.disk.count.drive_full_for,
            "ended_for": self.disk.count.ended_for,
            "token_age": self.token.age,
            "started_at": self.started_at,
        }

    # Changing what it may reach

    def take_mounts(self, mounts: list[dict[str, Any]]) -> None:
        """What it may see of the Drive from now on, kept for a supervisor that takes over; `remount` mounts it."""
        self.quotas.take(mounts)
        self.wanted = libraries(mounts)
        (self.directory / "mounts").write_text(json.dumps(mounts))

    def _with_room(self) -> View:
        """What it may see, read-only where there is no room; notes why."""
        if self.drive_space is None:
            return self.wanted
        quotas = self.quotas.by_library
        reasons = {self.drive_space.why(one.library, quotas) for one in self.wanted.values() if one.mode == "rw"} - {""}
        self.disk.note_drive(min(reasons, default=""))
        return self.drive_space.restricted(self.wanted, quotas)

    def writer(self, written: int) -> SpaceWriter:
        """Whose bytes it may write, with those that it has written so far."""
        drive = f"/home/{self.username}/drive"
        places = {f"{drive}/{place.path}": one.library for place, one in self.wanted.items() if one.mode == "rw"}
        return SpaceWriter(self.quotas.by_library, written, self.init or 0, places)

    async def remount(self) -> list[str]:
        """Make the Drive view equal; processes that stand in the way of a withdrawal are stopped, and named.

        What is in the way of a view that is read-only for want of room may be left: `is_unsettled` says so, call again.
        """
        notes: list[str] = []
        wanted = self._with_room()
        patient_until, withdrawn = time.monotonic() + HOLDER_SECONDS, False
        for _ in range(HOLDER_TRIES):
            try:
                await asyncio.to_thread(self.view.apply, wanted, self._mounts())
            except LibraryInUseError as error:
                now = time.monotonic()
                lost = [one for one in error.stuck if not self._may_write(one)]
                withdrawn = bool(lost)
                in_the_way = lost or [one for one in error.stuck if self._may_stop(one)]
                if not in_the_way:
                    self.is_unsettled, self.unsettled_since = True, None
                    return list(dict.fromkeys(notes))
                said = [await self._stop_users(one, now < patient_until - HOLDER_SECONDS / 2) for one in in_the_way]
                stopped = [note for found in said for note in found]
                notes += stopped
                if not stopped and now > patient_until:
                    break
                patient_until = now + HOLDER_SECONDS if stopped else patient_until
                await asyncio.sleep(0.02)
            except OSError:
                if self.ended.is_set():
                    return notes
                raise
            else:
                self.is_unsettled, self.unsettled_since = False, None
                return list(dict.fromkeys(notes))
        return [*dict.fromkeys(notes), *await self._give_up(withdrawn=withdrawn)]

    def _may_write(self, stuck: StuckLibrary) -> bool:
        """True if its person may write there, and there is only no room."""
        wanted = {one.library for one in self.wanted.values() if one.mode == "rw"}
        return stuck.writing and stuck.library in wanted

    def _may_stop(self, stuck: StuckLibrary) -> bool:
        return self.drive_space is None or self.drive_space.may_stop(stuck.library, self.quotas.by_library)

    async def _stop_users(self, stuck: StuckLibrary, only_writers: bool) -> list[str]:
        """Stop what uses a library. For want of room what writes, for lost access all, if that was not enough."""
        writing = stuck.writing and (only_writers or self._may_write(stuck))
        stopped = await self._stop_holders(self._mounts().at(stuck.place), stuck.library, writing=writing)
        return [f"{name} was stopped: it was using “{stuck.place.path}”." for name in stopped]

    async def _give_up(self, *, withdrawn: bool) -> list[str]:
        """Something that /proc does not show (a descriptor on its way through a socket) holds a library: end the Lab.

        For want of room alone not at once: on a busy disk a writer's end takes long.
        """
        self.is_unsettled, self.unsettled_since = True, self.unsettled_since or time.monotonic()
        if not withdrawn and time.monotonic() < self.unsettled_since + ROOM_PATIENCE:
            return []
        self._kill()
        await self.ended.wait()
        if withdrawn:
            return ["The Lab was stopped: it was still using a library that you lost access to."]
        return ["The Lab was stopped: something in it was still writing to a library for which there is no room."]

    def _mounts(self) -> MountsInside:
        """Its mounts; ProcessLookupError: it has ended."""
        if self.init is None:
            raise ProcessLookupError(errno.ESRCH, "The sandbox has ended.")
        return MountsInside(self.init, f"/home/{self.username}/drive")

    async def evict(self, library: str) -> list[str]:
        """Stop what still stands in a library that is not public any more."""
        return await self._stop_holders("", library)

    async def _stop_holders(self, place: str, library: str, *, writing: bool = False) -> list[str]:
        if self.init is None:
            return []
        names = []
        for pid in await asyncio.to_thread(processes.holders, self.init, place, library, writing=writing):
            with contextlib.suppress(OSError):
                name = processes.name_of(pid)
                os.kill(pid, signal.SIGKILL)
                names.append(f"Process {name}")
        return names

    # Ending

    async def stop(self, grace: float = 0) -> None:
        """Return when no process and no mount of it is left; the home stays.

        Jupyter is asked first and has `grace` seconds, in which kernels run what they registered for their exit.
        """
        self.stopping = True
        if self.init is not None and grace:
            self._ask_to_end()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self.ended.wait()
        if self.init is not None:
            self._kill()
            async with asyncio.timeout(KILL_SECONDS):
                await self.ended.wait()
        self._unmount()
        self._be(None)
        await asyncio.to_thread(self.log.close)
        self.processor_time.keep()
        await asyncio.to_thread(self.groups.remove, self.id)
        self.socket.unlink(missing_ok=True)

    def _ask_to_end(self) -> None:
        with contextlib.suppress(OSError):
            for child in Path(f"/proc/{self.init}/task/{self.init}/children").read_text().split():
                os.kill(int(child), signal.SIGTERM)

    def _kill(self) -> None:
        if self.init is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.init, signal.SIGKILL)
            self.groups.free_processor(self.id)

    def _unmount(self) -> None:
        self.view.close()
        environment = self.identity.place / "env"
        while any(mount.target == str(environment) for mount in mounts()):
            linux.unmount(environment, lazy=True)
        self.identity.close()

    async def destroy(self) -> None:
        """Stop, and delete all that is left. Never descends into a mount point: those must be empty to go."""
        await self.stop()
        await asyncio.get_running_loop().run_in_executor(DELETING, self._delete)

    def _delete(self) -> None:
        if not self.directory.exists():
            return
        for name in ("env", "drive"):
            with contextlib.suppress(FileNotFoundError):
                (self.directory / name).rmdir()
        shutil.rmtree(self.directory)


async def _all(*work: Coroutine[Any, Any, None]) -> None:
    """Do all at once; when one fails, raise its error after the others have ended."""
    for outcome in await asyncio.gather(*work, return_exceptions=True):
        if outcome is not None:
            raise outcome


def _started_at(pid: int) -> float:
    """Seconds since the epoch at which the process began (proc(5): field 22 of stat, in ticks since boot)."""
    try:
        fields = processes.stat(pid)
    except OSError:
        return time.time()
    ago = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return time.time() - ago
