"""HTTP client of a person's Jupyter server, over its unix socket.

Whoever owns the server can make it answer anything, slowly, for ever, or not at all: every call has one deadline for
the whole of it and a limit on its size, follows no redirect, and believes nothing but shapes and types.
"""

import http.client
import json
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings

from lab.models import Server

from .activity import Activity, is_ahead

ANSWER_BYTES = 2**20
NOTEBOOK_BYTES = 16 * 2**20
STARTER_NAMES = 20
FACTS_LIMIT = 1000
"""Kernels or terminals of one server beyond this number are not looked at."""


class JupyterError(Exception):
    """The server did not answer, or not what a Jupyter server answers."""


def socket_path(server: Server) -> Path:
    """Unix socket of the server; only the proxy and the portal see it."""
    return settings.RUN_DIR / "lab" / f"{server.pk.hex}.sock"


class _DeadlineSocket(socket.socket):
    """Every receive and send gets what is left of one deadline, so that a drip of bytes cannot prolong a call."""

    deadline = 0.0

    def _spend(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("deadline passed")
        self.settimeout(left)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self._spend()
        return super().recv_into(buffer, nbytes, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        self._spend()
        super().sendall(data, flags)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("localhost")
        self._path = path
        self._deadline = time.monotonic() + seconds

    def connect(self) -> None:
        connection = _DeadlineSocket(socket.AF_UNIX)
        connection.deadline = self._deadline
        connection._spend()
        try:
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        self.sock = connection


class JupyterClient:
    """The API of one server.

    Every method raises JupyterError, and nothing else, when the server does not play along.
    """

    def __init__(self, server: Server) -> None:
        self._path = socket_path(server)
        self._token = server.token
        self._base = ""

    def _connect(self, seconds: float) -> http.client.HTTPConnection:
        return _Connection(self._path, seconds)

    def activity(self, seconds: float = 5) -> Activity:
        """The facts from which idleness is decided."""
        answer = self._call("GET", "/api/collaboratory/activity", seconds=seconds)
        if not isinstance(answer, dict):
            raise JupyterError("The server's activity is not an object.")
        kernels, terminals = rows_of(answer.get("kernels")), rows_of(answer.get("terminals"))
        now = moment(answer.get("now"))
        return Activity(
            now=now,
            last_input=moment(answer.get("last_input")),
            last_save=moment(answer.get("last_save")),
            last_kernel_message=latest(kernels, now),
            last_terminal_output=latest(terminals, now),
            busy_kernels=sum(kernel.get("busy") is True for kernel in kernels),
            kernels=len(kernels),
            terminals=len(terminals),
            running_commands=sum(terminal.get("running") is True for terminal in terminals),
        )

    def start_session(self, path: str, seconds: float = 15) -> None:
        """Start the kernel of a notebook, as JupyterLab would on opening it; `path` is relative to `~/drive`.

        JupyterLab then finds the session by its path and connects to a kernel that is up already.
        """
        path = f"drive/{path}"
        deadline = time.monotonic() + seconds
        body: dict[str, Any] = {"path": path, "name": path.rpartition("/")[2], "type": "notebook"}
        name = self._kernel_of(path, seconds, deadline)
        if name:
            body["kernel"] = {"name": name}
        self._call("POST", "/api/sessions", body, seconds=max(0.1, deadline - time.monotonic()))

    def starter(self, name: str, content: dict[str, Any], known_by: dict[str, Any], seconds: float = 5) -> str:
        """Path of a notebook `<name>.ipynb` in the server's root with the metadata `known_by`; makes one if need be.

        A file of that name that is another's stays as it is: the next free name is taken.
        """
        deadline = time.monotonic() + seconds
        folder = self._call("GET", "/api/contents/?content=1", seconds=seconds, limit=NOTEBOOK_BYTES)
        listed = folder.get("content") if isinstance(folder, dict) else None
        if not isinstance(listed, list):
            raise JupyterError("The server's folder is not a list.")
        names = {entry.get("name") for entry in listed if isinstance(entry, dict)}
        for number in range(1, STARTER_NAMES + 1):
            path = f"{name}.ipynb" if number == 1 else f"{name} {number}.ipynb"
            if path not in names:
                return self._make_starter(path, content, deadline)
            if known_by.items() <= self._metadata_of(path, deadline).items():
                return path
        raise JupyterError("There are too many notebooks of that name.")

    def _metadata_of(self, path: str, deadline: float) -> dict[str, Any]:
        """Metadata of a notebook, none of any other file."""
        address = f"/api/contents/{quote(path)}?type=notebook"
        try:
            notebook = self._call("GET", address, seconds=_left(deadline), limit=NOTEBOOK_BYTES)
            metadata = notebook["content"]["metadata"]
        except (JupyterError, TypeError, KeyError):
            return {}
        return metadata if isinstance(metadata, dict) else {}

    def _make_starter(self, path: str, content: dict[str, Any], deadline: float) -> str:
        """Under a name of its own first: renaming replaces nothing (409), saving would."""
        made = self._call("POST", "/api/contents/", {"type": "notebook"}, seconds=_left(deadline))
        new = _text_at(made, "path")
        if not new:
            raise JupyterError("The server made no notebook.")
        body = {"type": "notebook", "format": "json", "content": content}
        self._call("PUT", f"/api/contents/{quote(new)}", body, seconds=_left(deadline))
        self._call("PATCH", f"/api/contents/{quote(new)}", {"path": path}, seconds=_left(deadline))
        return path

    def pull(self, request: dict[str, Any], seconds: float = 5) -> dict[str, Any]:
        """Have a repository fetched; returns how far that is (lab/supervisor/inside/pulling.py)."""
        answer = self._call("POST", "/api/collaboratory/git-pull", request, seconds=seconds)
        if not isinstance(answer, dict):
            raise JupyterError("The server's answer is not an object.")
        return answer

    def install(self, packages: dict[str, Any], seconds: float = 5) -> None:
        """Have a list of packages installed, unless it was (lab/supervisor/inside/kept_packages.py)."""
        self._call("POST", "/api/collaboratory/packages", packages, seconds=seconds)

    def _kernel_of(self, path: str, seconds: float, deadline: float) -> str:
        """The notebook's kernel as JupyterLab would choose it here; "" is the environment's own."""
        address = f"/api/contents/{quote(path)}?type=notebook&content=1"
        notebook = self._call("GET", address, seconds=seconds, limit=NOTEBOOK_BYTES)
        name = _text_at(notebook, "content", "metadata", "kernelspec", "name")
        language = _text_at(notebook, "content", "metadata", "language_info", "name")
        if not name and not language:
            return ""
        found = self._call("GET", "/api/kernelspecs", seconds=max(0.1, deadline - time.monotonic()))
        specs = found.get("kernelspecs") if isinstance(found, dict) else None
        if not isinstance(specs, dict):
            raise JupyterError("The server's kernels are not an object.")
        same = [other for other, spec in specs.items() if language and _text_at(spec, "spec", "language") == language]
        return name if name in specs else same[0] if len(same) == 1 else ""

    def _call(self, method: str, address: str, body: Any = None, *, seconds: float, limit: int = ANSWER_BYTES) -> Any:
        connection = self._connect(seconds)
        headers = {"Authorization": f"token {self._token}", "Connection": "close"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, f"{self._base}{address}", data, headers)
            response = connection.getresponse()
            content = response.read(limit + 1)
            status = response.status
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise JupyterError(f"The server does not answer: {error or type(error).__name__}") from error
        finally:
            connection.close()
        if status not in (200, 201):
            raise JupyterError(f"The server answered {status}.")
        if len(content) > limit:
            raise JupyterError("The server's answer is too long.")
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise JupyterError("The server's answer is not JSON.") from error


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())


def _text_at(value: Any, *keys: str) -> str:
    """The text at that place of nested objects; "" where there is none, or a long one."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) and len(value) < 200 else ""


def rows_of(rows: object) -> list[dict[str, Any]]:
    """The objects of a list; nothing of what is no list."""
    return [row for row in rows[:FACTS_LIMIT] if isinstance(row, dict)] if isinstance(rows, list) else []


def latest(rows: list[dict[str, Any]], now: datetime | None = None) -> datetime | None:
    """Time of the latest activity among kernels or terminals; None: never.

    What is ahead of `now`, the clock by which they were noted, would hide the others.
    """
    moments = filter(None, (moment(row.get("last_activity")) for row in rows))
    return max((one for one in moments if now is None or not is_ahead(one, now)), default=None)


def moment(text: object) -> datetime | None:
    """Time from ISO 8601, UTC if no zone is given; None for anything else."""
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
