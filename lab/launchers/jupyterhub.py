"""The JupyterHub launcher: servers are those of a Hub elsewhere; the portal orders, watches and stops them.

The Hub starts what it is told to where its spawner starts things (Kubernetes, Docker, this machine), and asks back
for what to mount (`lab.gateway.views_hub`, deploy/jupyterhub/). A Hub cannot change what a running server mounts: what
was given comes with the next start, and what was taken away ends the server. Homes are the Hub's and stay there, so
there is nothing to rescue. The REST API: jupyterhub.readthedocs.io, "JupyterHub REST API".
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from http.client import responses
from pathlib import Path
from typing import Any
from uuid import UUID

import requests
from django.conf import settings

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
GET_SECONDS = 10
STOP_SECONDS = 120
LOOK_SECONDS = 0.2
PAGE = "application/jupyterhub-pagination+json"
CREATED, ACCEPTED, NOT_FOUND, TOO_MANY, SERVER_ERROR = 201, 202, 404, 429, 500
NO_REASON = "The Hub could not start it. An operator finds the reason in the Hub's log."


class JupyterHubLauncher:
    """One default server per person in the Hub; `user_options` of each names the row that it belongs to."""

    isolated = True
    keeps_home = True

    def start(self, spec: LaunchSpec) -> None:
        known = self._server(spec.username)
        if known and _id_of(known) == spec.server_id:
            return
        if known:  # of a row that has ended
            self._end(spec.username, lambda server: _id_of(server) != spec.server_id)
        _remember(spec.server_id, {"username": spec.username, "mounts": [mount.as_json() for mount in spec.mounts]})
        self._ask("PUT", f"/collaboratory/users/{spec.username}")
        answer = self._ask("POST", f"/users/{spec.username}/server", {"server_id": spec.server_id.hex}, fails=True)
        if answer.status_code == TOO_MANY:
            raise LauncherUnavailableError("The Hub is starting as many servers as it can; the launch is tried again.")
        if answer.status_code not in (CREATED, ACCEPTED):
            raise LaunchFailedError(_message(answer))

    def wait(self, server_id: UUID, timeout: float) -> None:
        username = self._username(server_id)
        deadline = time.monotonic() + timeout
        while True:
            server = self._server(username) if username else None
            if server is None or _id_of(server) != server_id:
                raise LaunchFailedError(self._why(username))
            if server["ready"]:
                return
            if time.monotonic() >= deadline:
                raise LaunchFailedError(f"Jupyter did not answer within {timeout:.0f} seconds.")
            time.sleep(LOOK_SECONDS)

    def stop(self, server_id: UUID, *, grace: float = GRACE_SECONDS) -> None:
        """The Hub's spawner decides how long processes have to end; `grace` is not for us to give."""
        username = self._username(server_id)
        if username:
            self._end(username, lambda server: _id_of(server) == server_id)

    def _end(self, username: str, meant: Callable[[dict[str, Any]], bool]) -> None:
        """Until the server that is meant is gone; the Hub takes no such order while it is starting one."""
        deadline = time.monotonic() + STOP_SECONDS
        while (server := self._server(username)) and meant(server):
            if time.monotonic() >= deadline:
                raise LauncherUnavailableError("The Hub did not end the server in time.")
            if not server["pending"]:
                self._delete(username)
            time.sleep(LOOK_SECONDS)

    def destroy(self, server_id: UUID) -> None:
        """Stop it; the home is the Hub's to keep."""
        self.stop(server_id)
        _file(server_id).unlink(missing_ok=True)

    def remount(self, server_id: UUID, mounts: list[Mount]) -> list[str]:
        """Lost access ends the server at once; new access is announced to its person."""
        known = _recall(server_id)
        if known is None:
            return []
        had, have = _modes(known["mounts"]), _modes([mount.as_json() for mount in mounts])
        lost = [place for place, library in had.items() if not _contains(have.get(place), library)]
        if lost:
            self.stop(server_id, grace=0)
            return [f"Your Lab was stopped because your permissions in “{place}” changed." for place in lost]
        new = [place for place, library in have.items() if had.get(place) != library and place not in known["told"]]
        _remember(server_id, known | {"told": known["told"] + new})
        return [f"“{place}” is available as you may use it now once you stop and reopen your Lab." for place in new]

    def give_token(self, server_id: UUID, token: str) -> None:
        """Servers of a Hub have no token for the portal's API."""

    def prepare(self, prefixes: list[str]) -> None:
        """Nothing can be prepared."""

    def fork_servers(self) -> list[ForkServerStatus]:
        return []

    def ping(self, timeout: float) -> None:
        """With what a launch needs: a token that the Hub takes."""
        self._ask("GET", "/users?limit=1", seconds=timeout)

    def enforced_limits(self) -> list[str]:
        return []

    def processor_time(self, server_id: UUID) -> float:
        """Not known here: a Hub does not say."""
        return 0

    def inspect(self) -> dict[UUID, ServerStatus]:
        known = {UUID(path.stem): ServerStatus(UUID(path.stem), "stopped") for path in _directory().glob("*.json")}
        return known | {status.server_id: status for status in map(_status, self._active()) if status}

    def home(self, server_id: UUID) -> Path:
        """Not on this machine."""
        return _directory() / server_id.hex / "home"

    def changes(self, server_id: UUID) -> Path:
        """Not on this machine."""
        return _directory() / server_id.hex / "upper"

    def mounts_for_start(self, server_id: UUID) -> list[dict[str, str]]:
        """Mounts of the server that is being started (`Mount.as_json`)."""
        known = _recall(server_id)
        return known["mounts"] if known else []

    def _username(self, server_id: UUID) -> str:
        """Whose server it is; "" when neither we nor the Hub know."""
        known = _recall(server_id)
        return known["username"] if known else self._usernames().get(server_id, "")

    def _usernames(self) -> dict[UUID, str]:
        return {found: server["full_name"].partition("/")[0] for server in self._active() if (found := _id_of(server))}

    def _server(self, username: str) -> dict[str, Any] | None:
        """The person's default server, if it is active."""
        answer = self._ask("GET", f"/users/{username}", fails=True)
        if answer.status_code == NOT_FOUND:
            return None
        _require_ok(answer)
        return answer.json().get("servers", {}).get("")

    def _active(self) -> Iterator[dict[str, Any]]:
        """All default servers that have processes, page by page."""
        offset: int | None = 0
        while offset is not None:
            page = self._ask("GET", f"/users?state=active&offset={offset}&limit=200").json()
            yield from (user["servers"][""] for user in page["items"] if "" in user.get("servers", {}))
            following = page["_pagination"]["next"]
            offset = following["offset"] if following else None

    def _delete(self, username: str) -> None:
        """400: something is on its way there already, and is waited for."""
        answer = self._ask("DELETE", f"/users/{username}/server", fails=True)
        if answer.status_code not in (400, NOT_FOUND):
            _require_ok(answer)

    def _why(self, username: str) -> str:
        """The Hub's reason of a failed start, from the last of its progress events."""
        with suppress(LauncherUnavailableError, ValueError):
            for line in self._ask("GET", f"/users/{username}/server/progress").text.splitlines():
                event = json.loads(line.partition(":")[2]) if line.startswith("data:") else {}
                if event.get("failed"):
                    said = str(event["message"])[:500].rstrip(": ")
                    return NO_REASON if said == "Spawn failed" else said  # it ran out of time, which has no words
        return "The Hub no longer runs it."

    def _ask(
        self, method: str, path: str, body: object = None, *, seconds: float | None = None, fails: bool = False
    ) -> requests.Response:
        """`fails`: the caller looks at the status itself."""
        headers = {"Authorization": f"token {settings.LAB_HUB_TOKEN}", "Accept": PAGE}
        try:
            answer = requests.request(
                method,
                f"{settings.LAB_HUB_API}{path}",
                json=body,
                headers=headers,
                timeout=seconds or (GET_SECONDS if method == "GET" else CALL_SECONDS),
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise LauncherUnavailableError(f"The Hub is not responding: {type(error).__name__}") from error
        if not fails:
            _require_ok(answer)
        return answer


def _require_ok(answer: requests.Response) -> None:
    if not 200 <= answer.status_code < 300:
        raise LauncherUnavailableError(f"The Hub answers {answer.status_code}: {_message(answer)}")


def _message(answer: requests.Response) -> str:
    with suppress(ValueError, AttributeError):
        message = answer.json().get("message")
        if message and message != responses.get(answer.status_code):
            return str(message)[:500]
    if answer.status_code >= SERVER_ERROR:
        return NO_REASON
    return f"The Hub answered {answer.status_code}."


def _id_of(server: dict[str, Any]) -> UUID | None:
    """The row that a server of the Hub belongs to; None: it was started without the portal."""
    with suppress(ValueError, TypeError):
        return UUID(hex=(server.get("user_options") or {}).get("server_id"))
    return None


def _status(server: dict[str, Any]) -> ServerStatus | None:
    server_id = _id_of(server)
    if server_id is None:
        return None
    started = server.get("started")
    return ServerStatus(
        server_id,
        "running" if server["ready"] else "starting",
        started_at=datetime.fromisoformat(started) if started else None,
    )


def _modes(mounts: list[dict[str, str]]) -> dict[str, tuple[str, str]]:
    return {f"{mount['folder']}/{mount['name']}": (mount["library"], mount["mode"]) for mount in mounts}


def _contains(now: tuple[str, str] | None, then: tuple[str, str]) -> bool:
    """True if the access of now includes that of the mount."""
    return now is not None and now[0] == then[0] and (now[1] == "rw" or then[1] == "ro")


def _directory() -> Path:
    path = Path(settings.LAB_ROOT) / "hub"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _file(server_id: UUID) -> Path:
    """File that remembers the mounts a server was started with."""
    return _directory() / f"{server_id.hex}.json"


def _remember(server_id: UUID, known: dict[str, Any]) -> None:
    draft = _file(server_id).with_suffix(".draft")
    draft.write_text(json.dumps({"told": []} | known))
    draft.replace(_file(server_id))


def _recall(server_id: UUID) -> dict[str, Any] | None:
    with suppress(FileNotFoundError):
        known: dict[str, Any] = json.loads(_file(server_id).read_text())
        return known
    return None
