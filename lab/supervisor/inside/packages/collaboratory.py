"""The Collaboratory from a notebook: its API, as the person whose Lab this is. Needs nothing but Python.

    from collaboratory import api
    api("GET", "/collabs", mine=True)
    api("GET", "/libraries/<id>/files/data.csv")           # bytes
    api("PUT", "/libraries/<id>/files/result.csv", b"...")

The portal listens on a socket in this sandbox; a token that is good for this Lab alone, and for as long as it runs, is
in a file beside it and is renewed there. Programs in other languages find both in the environment:

    curl --unix-socket $COLLABORATORY_SOCKET -H "Authorization: Bearer $(cat $COLLABORATORY_TOKEN_FILE)" \\
        $COLLABORATORY_API/collabs
"""

import http.client
import json
import os
import socket
import urllib.parse
from pathlib import Path
from typing import Any

__all__ = ["PortalError", "api", "portal_token"]

FIRST_ERROR = 400
NOTHING = 204


class PortalError(Exception):
    """The portal said no; `status` is HTTP's number, `fields` names what was wrong in what was sent."""

    def __init__(self, status: int, message: str, fields: "dict[str, Any] | None" = None) -> None:
        super().__init__(f"{status}: {message}")
        self.status, self.message, self.fields = status, message, fields or {}


class _Connection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.environ["COLLABORATORY_SOCKET"])


def portal_token() -> str:
    """The current token. Read it anew for each request: it changes every twenty minutes or so."""
    return Path(os.environ["COLLABORATORY_TOKEN_FILE"]).read_text().strip()


def api(method: str, path: str, body: Any = None, *, timeout: float = 60, **query: Any) -> Any:
    """Ask the portal's API (its page is at /api/v1/docs). What it answers: from JSON, or bytes of a file, or None.

    `path` begins below /api/v1. `body`: bytes as they are, anything else as JSON. Raises PortalError; OSError while the
    portal is away.
    """
    root = urllib.parse.urlsplit(os.environ["COLLABORATORY_API"])
    values = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
    address = urllib.parse.quote(root.path + path) + (
        f"?{urllib.parse.urlencode(values, doseq=True)}" if values else ""
    )
    headers = {"Authorization": f"Bearer {portal_token()}", "Host": root.netloc}
    if body is not None and not isinstance(body, bytes):
        body, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    connection = _Connection(root.netloc, timeout=timeout)
    try:
        connection.request(method.upper(), address, body, headers)
        answer = connection.getresponse()
        content, is_json = answer.read(), "json" in answer.getheader("Content-Type", "")
    finally:
        connection.close()
    if answer.status >= FIRST_ERROR:
        raise _error(answer.status, answer.reason, content if is_json else b"{}")
    if answer.status == NOTHING:
        return None
    is_file = method.upper() == "GET" and "/files/" in path  # which may be JSON, and is not ours to read
    return json.loads(content) if is_json and not is_file else content


def _error(status: int, reason: str, content: bytes) -> PortalError:
    said = json.loads(content)
    return PortalError(status, said.get("message", reason), said.get("fields"))
