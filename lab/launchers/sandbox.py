"""The sandbox launcher: asks the supervisor, over its unix socket."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings

from lab.supervisor import processor_time
from portal.ops import logs

from .base import (
    GRACE_SECONDS,
    ForkServerStatus,
    LauncherUnavailableError,
    LaunchFailedError,
    LaunchSpec,
    Mount,
    ServerStatus,
)

CALL_SECONDS = 30


class SandboxLauncher:
    """Servers in bubblewrap sandboxes on this machine."""

    isolated = True
    keeps_home = False

    def start(self, spec: LaunchSpec) -> None:
        self._call("start", launch=spec.as_json())

    def wait(self, server_id: UUID, timeout: float) -> None:
        self._call("wait", seconds=timeout + CALL_SECONDS, server_id=server_id.hex, timeout=timeout)

    def stop(self, server_id: UUID, *, grace: float = GRACE_SECONDS) -> None:
        self._call("stop", server_id=server_id.hex, grace=grace)

    def destroy(self, server_id: UUID) -> None:
        self._call("destroy", seconds=240, server_id=server_id.hex)

    def remount(self, server_id: UUID, mounts: list[Mount]) -> list[str]:
        answer = self._call("remount", server_id=server_id.hex, mounts=[mount.as_json() for mount in mounts])
        return answer["notes"]

    def give_token(self, server_id: UUID, token: str) -> None:
        self._call("give_token", server_id=server_id.hex, token=token)

    def prepare(self, prefixes: list[str]) -> None:
        self._call("prepare", prefixes=prefixes)

    def fork_servers(self) -> list[ForkServerStatus]:
        return [ForkServerStatus(**report) for report in self._call("inspect")["fork_servers"]]

    def ping(self, timeout: float) -> None:
        self._call("ping", seconds=timeout)

    def enforced_limits(self) -> list[str]:
        return self._call("ping")["kept"]

    def processor_time(self, server_id: UUID) -> float:
        return sum(processor_time.read(settings.LAB_ROOT / "servers" / server_id.hex / processor_time.FILE).values())

    def inspect(self) -> dict[UUID, ServerStatus]:
        found = (_status(report) for report in self._call("inspect")["servers"])
        return {status.server_id: status for status in found}

    def home(self, server_id: UUID) -> Path:
        return settings.LAB_ROOT / "servers" / server_id.hex / "home"

    def changes(self, server_id: UUID) -> Path:
        return settings.LAB_ROOT / "servers" / server_id.hex / "upper"

    def _call(self, do: str, *, seconds: float = CALL_SECONDS, **arguments: Any) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(seconds)
                connection.connect(str(settings.RUN_DIR / "supervisor.sock"))
                connection.sendall(
                    json.dumps({"do": do, "request_id": logs.request_id(), **arguments}).encode() + b"\n"
                )
                with connection.makefile("rb") as lines:
                    answer = json.loads(lines.readline() or b"null")
        except (OSError, ValueError) as error:
            raise LauncherUnavailableError(f"The Lab's supervisor is not responding: {error}") from error
        if answer is None:
            raise LauncherUnavailableError("The Lab's supervisor ended during the request.")
        if not answer["ok"]:
            raise LaunchFailedError(answer["error"], answer.get("log_tail", ""))
        return answer


def _status(report: dict[str, Any]) -> ServerStatus:
    started = report["started_at"]
    return ServerStatus(
        server_id=UUID(report["server_id"]),
        state=report["state"],
        memory_bytes=report["memory_bytes"],
        cpu_seconds=report["cpu_seconds"],
        memory_kills=report["memory_kills"],
        was_at_memory_limit=report["was_at_memory_limit"],
        disk_bytes=report["disk_bytes"],
        disk_kills=report["disk_kills"],
        files=report["files"],
        file_kills=report["file_kills"],
        drive_file_kills=report["drive_file_kills"],
        drive_full_for=report.get("drive_full_for", ""),
        ended_for=report["ended_for"],
        token_age=report["token_age"],
        started_at=datetime.fromtimestamp(started, UTC) if started else None,
    )
