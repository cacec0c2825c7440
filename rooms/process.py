"""Questions of the portal to the process `rooms`, at its socket."""

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from portal.ops.health import TIMEOUT


class RoomsProcessError(Exception):
    """It does not answer, or not with what it should."""


@dataclass(frozen=True)
class OpenRoomStatus:
    """A room that is open now."""

    people: list[int]
    """Ids, one for each connection."""
    document_bytes: int
    """Of the shared document, estimated upwards."""
    unsaved_seconds: float | None
    """Since when something in it is not in the file; None: all is."""
    states: list[str]
    """What hinders saving, or happened (`rooms.room.messages`)."""


def open_rooms() -> dict[UUID, OpenRoomStatus]:
    """All that are open, by id. RoomsProcessError."""
    try:
        return {UUID(key): OpenRoomStatus(**status) for key, status in get("/rooms").items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise RoomsProcessError("The rooms' process says what is not understood.") from error


def get(path: str) -> Any:
    """JSON. RoomsProcessError."""
    connection = http.client.HTTPConnection("rooms", timeout=TIMEOUT)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(TIMEOUT)
        connection.sock.connect(str(settings.RUN_DIR / "rooms.sock"))
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RoomsProcessError(f"status {answer.status}")
        return json.loads(answer.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise RoomsProcessError(f"The rooms' process does not answer: {error}") from error
    finally:
        connection.close()
