"""A launcher whose sandboxes are entries of a dict, for tests of what is around them. Real ones: test_sandbox_*.py."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

from lab import launchers
from lab.launchers import LauncherUnavailableError, LaunchFailedError, LaunchSpec, Mount, ServerStatus
from lab.launchers.base import GRACE_SECONDS, ForkServerStatus, State

_registered: list["InProcessLauncher"] = []


def registered() -> "InProcessLauncher":
    """The launcher of the test that runs; `lab.launchers.LAUNCHERS` has this function's dotted path then."""
    return _registered[-1]


@contextlib.contextmanager
def register(launcher: "InProcessLauncher") -> Iterator[None]:
    """Have `get_launcher()` give this one, as if the settings had named it, in whichever module it is asked for."""
    before = dict(launchers.LAUNCHERS)
    launchers.LAUNCHERS["sandbox"] = f"{__name__}.{registered.__name__}"
    _registered.append(launcher)
    launchers.forget()
    try:
        yield
    finally:
        _registered.remove(launcher)
        launchers.LAUNCHERS.update(before)
        launchers.forget()


class Killed(BaseException):
    """A worker that is killed here: nothing after this line of its task happens."""


class InProcessLauncher:
    """Keeps the contract of `lab.launchers.base.Launcher`; `before` and `after` run a function around a call."""

    isolated = True
    keeps_home = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sandboxes: dict[UUID, State] = {}
        self.specs: dict[UUID, LaunchSpec] = {}
        self.mounted: dict[UUID, list[Mount]] = {}
        self.tokens: dict[UUID, str] = {}
        self.seconds: dict[UUID, float] = {}
        self.calls: list[str] = []
        self.away = False
        self.fails: LaunchFailedError | None = None
        self.notes: list[str] = []
        self.before: dict[str, Callable[[], object]] = {}
        self.after: dict[str, Callable[[], object]] = {}

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.away:
            raise LauncherUnavailableError("away")
        self.before.pop(name, lambda: None)()

    def _done(self, name: str) -> None:
        self.after.pop(name, lambda: None)()

    def start(self, spec: LaunchSpec) -> None:
        self._called("start")
        if self.sandboxes.get(spec.server_id, "stopped") == "stopped":
            self.specs[spec.server_id] = spec
            self.sandboxes[spec.server_id] = "starting"
            self.mounted[spec.server_id] = spec.mounts
            self.home(spec.server_id).mkdir(parents=True, exist_ok=True)
        self._done("start")

    def wait(self, server_id: UUID, timeout: float) -> None:
        self._called("wait")
        if self.fails:
            self.sandboxes[server_id] = "stopped"
            raise self.fails
        if self.sandboxes.get(server_id, "stopped") == "stopped":
            raise LaunchFailedError("Jupyter ended while it was starting.", "the log's last line")
        self.sandboxes[server_id] = "running"
        self._done("wait")

    def stop(self, server_id: UUID, *, grace: float = GRACE_SECONDS) -> None:
        self._called("stop")
        if server_id in self.sandboxes:
            self.sandboxes[server_id] = "stopped"
        self._done("stop")

    def destroy(self, server_id: UUID) -> None:
        self._called("destroy")
        self.sandboxes.pop(server_id, None)
        home = self.home(server_id)
        with contextlib.suppress(FileNotFoundError):  # two at once: one of them moves it
            home.rename(home.with_name("deleted"))
        self._done("destroy")

    def remount(self, server_id: UUID, mounts: list[Mount]) -> list[str]:
        self._called("remount")
        if self.sandboxes.get(server_id, "stopped") != "stopped":
            self.mounted[server_id] = mounts
        self._done("remount")
        return self.notes

    def give_token(self, server_id: UUID, token: str) -> None:
        self._called("give_token")
        self.tokens[server_id] = token

    def prepare(self, prefixes: list[str]) -> None:
        self._called("prepare")
        self.prepared = prefixes

    def fork_servers(self) -> list[ForkServerStatus]:
        return []

    def ping(self, timeout: float) -> None:
        self._called("ping")

    def enforced_limits(self) -> list[str]:
        if self.away:
            raise LauncherUnavailableError("away")
        return ["memory", "disk"]

    def processor_time(self, server_id: UUID) -> float:
        return self.seconds.get(server_id, 0)

    def inspect(self) -> dict[UUID, ServerStatus]:
        self._called("inspect")
        return {
            key: ServerStatus(key, state, memory_bytes=10**8, cpu_seconds=self.processor_time(key))
            for key, state in self.sandboxes.items()
        }

    def home(self, server_id: UUID) -> Path:
        return self.root / server_id.hex / "home"

    def changes(self, server_id: UUID) -> Path:
        return self.root / server_id.hex / "upper"
