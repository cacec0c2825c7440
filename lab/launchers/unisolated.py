"""The unisolated launcher: Jupyter as a plain process of the portal's account, for a developer alone on a laptop.

For machines that cannot isolate. A notebook can read all that the portal can read, so this is chosen by hand
(`LAB_LAUNCHER=unisolated`) and refuses to start anything with DEBUG off. The Drive view is made of symbolic links:
nothing in it is read-only, and `pip install` changes the shared environment.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings

from drive.folders import MOUNTED, Folder
from drive.storage import StorageError, layout
from lab.supervisor import api_token
from lab.supervisor.launch import Launch
from lab.supervisor.sandbox_command import INSIDE

from .base import GRACE_SECONDS, ForkServerStatus, LaunchFailedError, LaunchSpec, Mount, ServerStatus

LOG_TAIL_BYTES = 4000


class UnisolatedLauncher:
    """Servers are sessions of the portal's account (setsid(2)); a file in each directory holds the process number."""

    isolated = False
    keeps_home = False

    def start(self, spec: LaunchSpec) -> None:
        if not settings.DEBUG:
            raise LaunchFailedError("LAB_LAUNCHER=unisolated works only with DEBUG on.")
        if self._pid(spec.server_id):
            return
        directory = self._directory(spec.server_id)
        for name in ("home", "run", "token"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        self.give_token(spec.server_id, spec.portal_token)
        self._link(spec.server_id, spec.mounts)
        try:
            self._spawn(spec, directory)
        except OSError as error:
            raise LaunchFailedError(f"Jupyter could not be started: {error}") from error

    def _spawn(self, spec: LaunchSpec, directory: Path) -> None:
        launch = Launch(**spec.as_json())
        config = launch.jupyter_config()
        config["ServerApp"]["root_dir"] = str(directory / "home")
        go_for_jupyter, go = os.pipe()
        with self._listener(spec.server_id) as listener, (directory / "log").open("ab") as log:
            fds = {"listening": listener.fileno(), "go": go_for_jupyter}
            (directory / "run/launch.json").write_text(json.dumps({"fds": fds}))
            (directory / "run/jupyter_config.json").write_text(json.dumps(config))
            process = subprocess.Popen(
                [f"{spec.prefix}/bin/python", str(INSIDE / "start_jupyter.py"), str(directory / "run")],
                cwd=directory / "home",
                env=launch.environment() | self._places(directory),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=list(fds.values()),
                start_new_session=True,
            )
        os.close(go_for_jupyter)
        (directory / "pid").write_text(f"{process.pid} {_birth(process.pid)}")
        os.write(go, b"1")
        os.close(go)

    def _places(self, directory: Path) -> dict[str, str]:
        """Variables that name what is elsewhere in a sandbox."""
        portal = api_token.variables(directory / "token", Path(settings.RUN_DIR) / "portal", INSIDE)
        return portal | {"HOME": str(directory / "home"), "JUPYTER_CONFIG_PATH": ""}

    def _listener(self, server_id: UUID) -> socket.socket:
        path = self._socket(server_id)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen(256)
        return listener

    def wait(self, server_id: UUID, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if not self._pid(server_id):
                raise LaunchFailedError("Jupyter ended while it was starting.", self._log_tail(server_id))
            if self._answers(server_id):
                return
            time.sleep(0.1)
        raise LaunchFailedError(f"Jupyter did not answer within {timeout:.0f} seconds.", self._log_tail(server_id))

    def _answers(self, server_id: UUID) -> bool:
        """True if it answers HTTP; the socket listens before Jupyter does, so this may wait a second."""
        connection = http.client.HTTPConnection("localhost", timeout=1)
        with suppress(OSError, http.client.HTTPException), socket.socket(socket.AF_UNIX) as connected:
            connected.settimeout(1)
            connected.connect(str(self._socket(server_id)))
            connection.sock = connected
            connection.request("GET", "/api")
            return connection.getresponse().status < 500
        return False

    def stop(self, server_id: UUID, *, grace: float = GRACE_SECONDS) -> None:
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            pid = self._pid(server_id)
            if pid and seconds:
                with suppress(ProcessLookupError):
                    os.killpg(pid, number)
            deadline = time.monotonic() + seconds
            while self._pid(server_id) and time.monotonic() < deadline:
                time.sleep(0.05)
        (self._directory(server_id) / "pid").unlink(missing_ok=True)
        self._socket(server_id).unlink(missing_ok=True)

    def destroy(self, server_id: UUID) -> None:
        self.stop(server_id, grace=0)
        with suppress(FileNotFoundError):
            shutil.rmtree(self._directory(server_id))  # removes the links to libraries, and follows none

    def remount(self, server_id: UUID, mounts: list[Mount]) -> list[str]:
        if self._pid(server_id):
            self._link(server_id, mounts)
        return []

    def give_token(self, server_id: UUID, token: str) -> None:
        api_token.TokenFile(self._directory(server_id) / "token").give(token)

    def prepare(self, prefixes: list[str]) -> None:
        """Nothing can be prepared."""

    def fork_servers(self) -> list[ForkServerStatus]:
        return []

    def ping(self, timeout: float) -> None:
        """There is nobody to ask."""

    def enforced_limits(self) -> list[str]:
        return []

    def processor_time(self, server_id: UUID) -> float:
        """Not counted: a notebook may leave processes that are in nobody's group."""
        return 0

    def inspect(self) -> dict[UUID, ServerStatus]:
        return {UUID(path.name): self._status(UUID(path.name)) for path in self._servers().glob("[0-9a-f]" * 32)}

    def home(self, server_id: UUID) -> Path:
        return self._directory(server_id) / "home"

    def changes(self, server_id: UUID) -> Path:
        """There is none: a session changes the environment itself, for everybody."""
        return self._directory(server_id) / "upper"

    def _status(self, server_id: UUID) -> ServerStatus:
        pid = self._pid(server_id)
        if not pid:
            return ServerStatus(server_id, "stopped")
        began = datetime.fromtimestamp((self._directory(server_id) / "pid").stat().st_mtime, UTC)
        age = api_token.TokenFile(self._directory(server_id) / "token").age
        return ServerStatus(server_id, "running", token_age=age, started_at=began)

    def _servers(self) -> Path:
        return Path(settings.LAB_ROOT) / "servers"

    def _directory(self, server_id: UUID) -> Path:
        return self._servers() / server_id.hex

    def _socket(self, server_id: UUID) -> Path:
        return Path(settings.RUN_DIR) / "lab" / f"{server_id.hex}.sock"

    def _pid(self, server_id: UUID) -> int | None:
        """The server's process, if it lives and is the one that was started."""
        try:
            pid, birth = (int(word) for word in (self._directory(server_id) / "pid").read_text().split())
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # a zombie of ours is gone for good
            return pid if _birth(pid) == birth else None
        except (OSError, ValueError):
            return None

    def _log_tail(self, server_id: UUID) -> str:
        with suppress(OSError):
            return (self._directory(server_id) / "log").read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
        return ""

    def _link(self, server_id: UUID, mounts: list[Mount]) -> None:
        """~/drive anew, as links."""
        drive = self.home(server_id) / "drive"
        with suppress(FileNotFoundError):
            shutil.rmtree(drive)
        for folder in MOUNTED:
            (drive / folder).mkdir(parents=True)
        (drive / Folder.ALL).symlink_to(layout.root() / "public")
        for mount in mounts:
            with suppress(StorageError):
                (drive / mount.folder / mount.name).symlink_to(layout.find(mount.library_id))


def _birth(pid: int) -> int:
    """When the process began, in ticks since boot (proc(5), field 22 of stat): a pid alone may be given to another."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
