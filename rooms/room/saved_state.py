"""Which state of a room's document is in its file, and who typed it: as the journal's records say, one by one."""

from collections.abc import Iterable, Set
from dataclasses import dataclass

from .journal import NUMBER_BYTES, Record, RecordKind, read_number

DIGEST_BYTES = 32
"""SHA-256."""


@dataclass
class Saved:
    """What is in the file: the document at a mark, or a document of its own."""

    digest: bytes = b""
    at: int = 0
    """Index of the record that marks it."""
    whole: bytes | None = None
    """The document as one update, where it is no state that the room ever had."""
    ours: bool = False
    """Written by the room."""
    kept: bool = False
    """In the file's versions."""


class SavedState:
    """Marks are states of the document that are written, or were: each has a number, and its place in the journal."""

    def __init__(self) -> None:
        self.last_mark = 0
        self._begin()

    def _begin(self) -> None:
        self.records = 0
        """In the journal."""
        self.saved = Saved()
        self.file_authors: set[int] = set()
        """Who typed what is in the file and in no version yet."""
        self.unsaved_authors: set[int] = set()
        """Who typed what is not in the file yet."""
        self.marks: dict[int, int] = {}
        """Of each mark, how many records there were."""
        self.writing: list[tuple[int, bytes]] = []
        """Marks whose bytes may have reached the file, with the bytes' digests."""
        self._marked_authors: set[int] = set()
        self._authors_since_mark: set[int] = set()
        self._earlier: dict[bytes, int] = {}  # what was in the file before, and how many records there were then
        self._is_restored = False

    def read(self, records: Iterable[Record]) -> None:
        """Begin anew with a whole journal."""
        self._begin()
        for record in records:
            self._read_one(record)
            self.records += 1

    def _read_one(self, record: Record) -> None:
        payload = record.payload
        match record.kind:
            case RecordKind.UPDATE:
                self.note_authors(users_in(payload[:NUMBER_BYTES]))
            case RecordKind.AUTHORS:
                self.note_authors(users_in(payload))
                self.file_authors |= users_in(payload)
            case RecordKind.MARK:
                self._mark(read_number(payload), self.records + 1)
            case RecordKind.WRITING:
                self.note_writing(read_number(payload), payload[NUMBER_BYTES:])
            case RecordKind.RESTORED:
                self._is_restored = True
            case RecordKind.UNWRITTEN:
                self.note_unwritten(read_number(payload))
            case RecordKind.SAVED | RecordKind.READ:
                self._read_saved(read_number(payload), payload[NUMBER_BYTES:], ours=record.kind == RecordKind.SAVED)
            case RecordKind.BASE:
                self.saved = Saved(payload[:DIGEST_BYTES], whole=payload[DIGEST_BYTES:])
            case RecordKind.MERGED:
                size = read_number(payload[DIGEST_BYTES:])
                start = DIGEST_BYTES + NUMBER_BYTES
                self.saved = Saved(payload[:DIGEST_BYTES], whole=payload[start : start + size])
            case RecordKind.VERSION:
                self.note_version()

    def _read_saved(self, mark: int, digest: bytes, *, ours: bool) -> None:
        if ours:
            self._move_authors()
        self.writing, self._is_restored = [], False
        if mark in self.marks:
            self._earlier[digest] = self.marks[mark]
            self.saved = Saved(digest, self.marks[mark], ours=ours)
        else:  # after a compaction the BASE says what was saved
            self.saved.ours = ours

    # What happens while the room is open; History has written the record, or will

    def note_authors(self, users: Set[int]) -> None:
        """They have typed."""
        self.unsaved_authors |= users
        self._authors_since_mark |= users

    def note_mark(self) -> None:
        """The last record marks the document as it is now, with the number `last_mark`."""
        self._mark(self.last_mark, self.records)

    def _mark(self, number: int, records: int) -> None:
        self.last_mark = max(self.last_mark, number)
        self.marks[number] = records
        self._marked_authors, self._authors_since_mark = set(self.unsaved_authors), set()

    def note_writing(self, mark: int, digest: bytes) -> None:
        """The bytes of a mark are about to be written."""
        self.writing.append((mark, digest))

    def note_unwritten(self, mark: int) -> None:
        """They did not get into the file."""
        self.writing = [one for one in self.writing if one[0] != mark]

    def note_saved(self, mark: int, digest: bytes) -> None:
        """They are in the file; what was marked before counts no more."""
        self.saved = Saved(digest, self.marks[mark], ours=True)
        self.marks = {mark: self.marks[mark]}
        self.writing, self._is_restored = [], False
        self._move_authors()

    def note_version(self) -> None:
        """What is in the file is in its versions."""
        self.saved.kept = True
        self.file_authors = set()

    def _move_authors(self) -> None:
        self.file_authors |= self._marked_authors
        self.unsaved_authors = set(self._authors_since_mark)

    def mark_written(self, digest: bytes) -> int | None:
        """The mark whose bytes these are, of those that were being written; the latest."""
        found = (mark for mark, written in reversed(self.writing) if written == digest and mark in self.marks)
        return next(found, None)

    def restore(self, digest: bytes) -> bool:
        """After a backup was put back: count what was in the file at some time before as saved; whether it was."""
        if not (self._is_restored and digest in self._earlier):
            return False
        self.saved = Saved(digest, self._earlier[digest], ours=True)
        return True


def users_in(payload: bytes) -> Set[int]:
    """Ids of people, without 0, the room itself."""
    return {read_number(payload[at:]) for at in range(0, len(payload), NUMBER_BYTES)} - {0}
