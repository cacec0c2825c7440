"""One room: everybody who edits one file, the document they share, its journal, and its saves.

The caller (`rooms.server`) runs everything in one event loop: `connect`, `receive` and `disconnect` as it happens,
`tick` about four times a second, never two ticks of one room at once.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from .client import Client
from .file import RoomFile


class Kind(StrEnum):
    """Kinds of documents; the values are `format:type` of jupyter-docprovider."""

    NOTEBOOK = "json:notebook"
    TEXT = "text:file"


class NotADocumentError(Exception):
    """The file is no document of this kind (not UTF-8, no notebook of version 4); open it as without rooms."""


@dataclass(frozen=True)
class RoomSettings:
    """Times in seconds, sizes in bytes."""

    quiet: float = 1.0  # saved so long after the last change
    latest: float = 5.0  # and at least as often while people type
    look: float = 1.0  # how often the file is looked at for changes from outside
    version_every: float = 600.0
    keep_journal: float = 14 * 86400.0  # after the last client
    max_file: int = 50 << 20
    max_queue: int = 64 << 20  # a client that is further behind is closed (4429)


@dataclass
class RoomStatistics:
    """Counted since the room was opened."""

    updates: int = 0
    update_bytes: int = 0
    saves: int = 0
    merges: int = 0
    refused: int = 0  # messages of clients that may not write
    untrusted: int = 0  # how often `trusted` was taken out


class Room(Protocol):
    """The room's interface, until it is here."""

    epoch: str
    statistics: RoomStatistics
    clients: set[Client]

    @classmethod
    async def open(
        cls, *, kind: Kind, file: RoomFile, journal: Path, place: str, settings: RoomSettings = RoomSettings()
    ) -> "Room":
        """Open the room of `file` from its journal, if there is one, and merge what was written since.

        `place` is the caller's own word about where the file is; it is kept in the journal (`journal.place_of`).
        NotADocumentError, RoomFileError.
        """

    def session_id(self, *, may_write: bool) -> str:
        """The session id to hand to a page: the journal's epoch and the mode, `.w` or `.r`."""

    def connect(self, client: Client, session_id: str) -> None:
        """Take a client in and send it the first messages; one with another epoch is closed with 1003."""

    def receive(self, client: Client, message: bytes) -> None:
        """One binary message of a client. Never raises; a client that sends nonsense is closed."""

    def disconnect(self, client: Client) -> None:
        """Forget a client, and tell the others. May be called twice."""

    async def tick(self) -> None:
        """Sync the journal, look for changes from outside, save when due. Never raises RoomFileError."""

    async def save(self) -> bool:
        """Save now what is unsaved. False when it could not be; then people have been told why."""

    async def close(self) -> None:
        """Save, close the clients, sync and close the journal."""

    @property
    def idle(self) -> bool:
        """No clients and nothing unsaved: it may be closed. Its journal stays."""
