"""What a room asks of the file that it edits. The room calls all of it in a thread: it may block."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Protocol


class RoomFileError(Exception):
    """Base of what can go wrong with the file of a room; the text is for the people in the room."""


class FileGoneError(RoomFileError):
    """The file is not there any more, nor anywhere else in its library. `by`: who deleted it, "" when unknown."""

    def __init__(self, message: str, *, by: str = "") -> None:
        super().__init__(message)
        self.by = by


class FileChangedError(RoomFileError):
    """Somebody else wrote the file: it does not have the ETag that was asked for."""


class NoSpaceError(RoomFileError):
    """The disk is full."""


class QuotaError(RoomFileError):
    """The library, or its owner, has no more room by its quota."""


class NotWritableError(RoomFileError):
    """The library is archived or read-only, or the file's mode forbids it."""


@dataclass(frozen=True)
class Content:
    """The bytes of a file and the ETag that they had."""

    data: bytes
    etag: str


class RoomFile(Protocol):
    """One file of a library, wherever it is moved to. Every method may raise RoomFileError."""

    def read(self) -> Content:
        """The whole file. FileGoneError; RoomFileError when it is larger than rooms take."""

    def etag(self) -> str:
        """The file's ETag now, by one `stat`: asked every second. FileGoneError. Follows a rename."""

    def path(self) -> str:
        """Path within the library, as it is now. Known without looking: what `etag` found last."""

    def write(self, data: bytes, *, if_match: str, authors: Set[int]) -> str:
        """Replace the content in one step and return the new ETag. `authors`: ids of the users who changed it since
        the last write. FileChangedError, FileGoneError, NoSpaceError, QuotaError, NotWritableError; then nothing was
        written. It makes no version of what it replaces: the room says by `keep_version` what is one."""

    def keep_version(self, data: bytes, *, authors: Set[int], reason: str) -> None:
        """Add `data` to the file's versions. `authors`: who made it; empty when the room does not know (it was
        written by notebook code, another page, or an upload). `reason`: "before" (what the first save of this room
        replaces), "typing" (10 minutes of typing), "end" (the last client left), "outside" (written by somebody
        outside the room, to be merged), "merged" (what that replaced), "unreadable" (from outside, and no document)."""
