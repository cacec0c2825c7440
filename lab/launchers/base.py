"""The interface of launchers. Tasks call it with the id of a row; every call may be repeated."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol
from uuid import UUID

State = Literal["starting", "running", "stopped"]
GRACE_SECONDS = 3.0
"""How long kernels have to run their exit handlers when a server is stopped."""


class LauncherUnavailableError(Exception):
    """The launcher cannot be reached now (its process is down or restarting): try again later, change no row."""


class LaunchFailedError(Exception):
    """A server did not come up. `str(error)` is a sentence for its person; `log_tail` the last lines of its log."""

    def __init__(self, message: str, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail


@dataclass(frozen=True)
class Mount:
    """One library in the Drive view of a server: at `~/drive/<folder>/<name>`."""

    folder: str
    name: str
    library_id: UUID
    mode: Literal["rw", "ro"]
    quota: str = ""
    """Whose quota it counts against: libraries with the same word share one."""
    quota_files: int = 0
    """Files, folders and links that servers may let the quota's libraries grow to; 0: any number."""

    quota_bytes: int = 0
    """Bytes that the quota's libraries may have together; 0: nobody looks."""
    quota_libraries: tuple[str, ...] = ()
    """All libraries of the quota."""
    quota_used: int = 0
    """Bytes that they had when the portal looked last."""

    def as_json(self) -> dict[str, Any]:
        view = {"folder": self.folder, "name": self.name, "library": str(self.library_id), "mode": self.mode}
        quota = {"quota": self.quota, "quota_files": self.quota_files, "quota_used": self.quota_used}
        return view | quota | {"quota_bytes": self.quota_bytes, "quota_libraries": list(self.quota_libraries)}


@dataclass(frozen=True)
class LaunchSpec:
    """Parameters of one launch."""

    server_id: UUID
    username: str
    display_name: str
    email: str
    token: str
    """What the proxy sends to the server; nobody else knows it."""
    prefix: str
    """Absolute path of the environment (`<prefix>/bin/python`)."""
    mounts: list[Mount] = field(default_factory=list)
    network: Literal["slirp4netns", "none"] = "slirp4netns"
    fork: bool = False
    """Whether it may be forked from a process that has imported Jupyter; where there is none it is started anyway."""

    portal_token: str = ""
    """With which programs inside ask the portal's API; replaced by `give_token` while it runs."""
    limits: dict[str, float] = field(default_factory=dict)
    """What all its processes may use together, where the machine can see to that: `memory` and `disk` in bytes,
    `cpu` in processors, `processes`, `files`; 0 or absent: no limit."""

    coediting: bool = False
    """Whether JupyterLab opens files of the Drive in rooms, where several people edit them at once."""
    page_options: dict[str, str] = field(default_factory=dict)
    """Options of JupyterLab's page beside those that every Lab has."""
    packages: list[dict[str, Any]] = field(default_factory=list)
    """Lists of requirements that pip installs inside before the first kernel starts, each with `whose` it is."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {
            "server_id": self.server_id.hex,
            "mounts": [mount.as_json() for mount in self.mounts],
        }


@dataclass(frozen=True)
class ServerStatus:
    """State and resource use of one server, as its launcher sees it now."""

    server_id: UUID
    state: State
    """`starting`: processes, no answer yet. `running`: it has answered. `stopped`: no process, its home still there."""
    memory_bytes: int = 0
    cpu_seconds: float = 0
    """Processor time of its processes, and of those that they waited for."""
    memory_kills: int = 0
    """How many of its processes were ended for want of memory."""
    was_at_memory_limit: bool = True
    """Whether it has reached its own limit, ever. If not, all servers together, or the machine, had no more."""
    disk_bytes: int = 0
    """Of home and changed environment, as last measured."""
    disk_kills: int = 0
    """How many of its processes were ended because those were too much."""
    files: int = 0
    """Files and folders of home and changed environment, as last counted."""
    file_kills: int = 0
    """How many of its processes were ended because those were too many."""
    drive_file_kills: int = 0
    """How many were ended because of the files that they made in the Drive."""
    drive_full_for: str = ""
    """`quota` or `disk`, while libraries of the Drive can only be read in it for want of room."""
    ended_for: str = ""
    """`disk`, `files` or `drive_files`, where the whole server was ended for one of these."""
    token_age: float | None = None
    """Seconds since it was given its token for the portal's API; None: it has none."""
    started_at: datetime | None = None


@dataclass(frozen=True)
class ForkServerStatus:
    """State of the fork server of one environment."""

    prefix: str
    state: Literal["starting", "ready", "resting"]
    """`resting`: it failed, and servers are started without it for a while."""
    forks: int
    """How many servers it started."""
    started_at: float | None
    """Seconds since the epoch."""
    failures: list[str]
    """Why it failed of late, in sentences; the last one last."""


class Launcher(Protocol):
    """Starts, watches and stops servers. Any call may raise LauncherUnavailableError; LaunchFailedError where named."""

    isolated: bool
    """False: a server can read what the portal can read; every Lab page must say so."""
    keeps_home: bool
    """Whether a home outlives its server: nothing is to be rescued. Such a launcher mounts at a start alone."""

    def start(self, spec: LaunchSpec) -> None:
        """Start the server, unless one with this id has processes already. Raises LaunchFailedError."""

    def wait(self, server_id: UUID, timeout: float) -> None:
        """Return when it answers HTTP; raise LaunchFailedError as soon as it dies, or after `timeout` seconds."""

    def stop(self, server_id: UUID, *, grace: float = GRACE_SECONDS) -> None:
        """Return when none of its processes and mounts is left. Its home stays. Unknown ids are fine.

        It is asked to end first and has `grace` seconds for that; 0 where its person must lose access at once.
        """

    def destroy(self, server_id: UUID) -> None:
        """Stop it, and delete its home, environment and log. Unknown ids are fine."""

    def remount(self, server_id: UUID, mounts: list[Mount]) -> list[str]:
        """Make the running Drive view equal to `mounts`; say, in sentences, what had to be stopped for it."""

    def give_token(self, server_id: UUID, token: str) -> None:
        """Put another token for the portal's API into a running server. Unknown ids are fine."""

    def prepare(self, prefixes: list[str]) -> None:
        """Make launches in these environments fast from now on, and forget about all others."""

    def fork_servers(self) -> list[ForkServerStatus]:
        """State of the fork servers, one per environment."""

    def ping(self, timeout: float) -> None:
        """Return when it answers, at once; LauncherUnavailableError otherwise, or after `timeout` seconds."""

    def enforced_limits(self) -> list[str]:
        """Limits of `LaunchSpec.limits` that are enforced: of `memory`, `cpu`, `processes`, `disk`, `files`.

        And `uid`, where each Lab has one of its own; `processor_time`, where the kernel counts it for each Lab.
        """

    def processor_time(self, server_id: UUID) -> float:
        """Seconds that a stopped server had of the processor, all its processes; 0: nobody counts."""

    def inspect(self) -> dict[UUID, ServerStatus]:
        """Everything that exists: servers with processes, and what is left of stopped ones."""

    def home(self, server_id: UUID) -> Path:
        """The server's home directory on this machine; it may not exist. Its content is not to be trusted."""

    def changes(self, server_id: UUID) -> Path:
        """A directory with what the session changed in its environment, at the same paths; as `home`."""
