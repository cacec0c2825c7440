"""The shared document of a room with its journal: every change goes through here, and only what is in the journal
leaves it.
"""

import secrets
from collections.abc import Callable, Iterable, Set
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from pycrdt import Doc, Subscription, merge_updates

from rooms.documents.base import Content, Document, NotRenderableError, Parsed

from .journal import Journal, JournalError, Record, RecordKind
from .trust import guard
from .updates import BadUpdateError, UpdateChecker

NOTHING = b"\0\0"  # an update that says nothing
_NUMBER = 8  # bytes of users, mark numbers and lengths
_DIGEST = 32
COMPACT_FROM = 1 << 20


class JournalFullError(Exception):
    """The journal could not be written, so nothing was changed."""


class TooLargeError(Exception):
    """The document has become larger than the room takes."""


@dataclass
class _Saved:
    """What is in the file, as the journal knows it: the document at a mark, or a document of its own."""

    digest: bytes = b""
    at: int = 0  # index of the record that marks it
    whole: bytes | None = None  # where it is no state that the room ever had
    ours: bool = False  # written by the room
    kept: bool = False  # in the file's versions


class History:
    """One document and its journal. In one thread, but for `sync` and `compact`."""

    def __init__(self, kind: type[Document], path: Path, *, max_size: int) -> None:
        self.kind = kind
        self.max_size = max_size
        self.epoch = ""
        self.untrusted = 0  # how often trust was taken out
        self.changes = 0  # counts what changed the file's content
        self.size = 0  # of the document as one update, estimated upwards
        self.file_authors: set[int] = set()  # who typed what is in the file and in no version yet
        self.unsaved_authors: set[int] = set()  # who typed what is not in the file yet
        self._marked_authors: set[int] = set()
        self._since_mark: set[int] = set()
        self.saved = _Saved()
        self._numbers = 0
        self._writing: list[tuple[int, bytes]] = []  # marks whose bytes may have reached the file
        self._held: list[bytes] | None = None
        self._marked: dict[int, int] = {}  # of each mark, how many records there were
        self._count = 0  # records
        self._compacted = 0  # size of the document when the journal was last written as a whole
        self._owed: list[Record] = []
        self._earlier: dict[bytes, int] = {}  # what was in the file before, and how many records there were then
        self._restored = False
        self._journal = Journal(path)
        self.document = kind(Doc())
        self._checker = UpdateChecker(kind.roots)
        self._guard = guard(self.document)
        self._subscription: Subscription | None = None

    # Opening

    def open(self) -> bool:
        """Read the journal; False when it has no document (yet): then `start`. A journal that is none, or whose
        document cannot be made out, is set aside, and the history begins anew, with another epoch.
        """
        try:
            self._replay(self._journal.open())
        except (JournalError, BadUpdateError, ValueError):
            self._set_aside()
            self._replay(self._journal.open())
        if self.size and not self.saved.digest:  # it ended while it was begun: nobody was in the room yet
            self._set_aside()
            self._replay(self._journal.open())
        return bool(self.size)

    def start(self, content: Content, place: str, digest: bytes) -> None:
        """Begin with what the file holds; `digest` is of its bytes. Call `sync` before anybody is let in."""
        self.epoch = self.epoch or secrets.token_hex(8)
        self._append(RecordKind.EPOCH, self.epoch.encode())
        self.note_place(place)
        self.document.fill(content)
        self._begin()
        update = self.document.doc.get_update()
        self._checker.check(update, b"\0")  # what comes from a file has bounds, too
        self._append(RecordKind.UPDATE, _number(0) + update)
        self.size = self._compacted = len(update)
        self._append(RecordKind.READ, _number(self.mark()) + digest)
        self.saved = _Saved(digest, self._marked[self._numbers])

    def note_place(self, place: str) -> None:
        """Remember where the file is."""
        self._append(RecordKind.PLACE, place.encode())

    # Changing

    def apply(self, update: bytes, user: int) -> tuple[bytes, bool] | None:
        """Apply a page's update: what to relay, and whether the room added something to it; None for no change.

        IncompleteUpdateError, TooLargeError: nothing was done. BadUpdateError, JournalFullError: what was done has
        been undone.
        """
        if self.size + len(update) > self.max_size:
            self.measure()
        if self.size + len(update) > self.max_size:
            raise TooLargeError
        self._checker.check(update, self.document.doc.get_state())
        self.size += len(update)
        return self._change(lambda: self.document.doc.apply_update(update), user)

    def measure(self) -> None:
        """Find the document's size anew: what was deleted since counts no more. A quarter of a second for 50 MB."""
        self.size = len(self.document.doc.get_update())

    def change(self, edit: Callable[[], None]) -> bytes | None:
        """Make a change of the room's own: what to relay. JournalFullError."""
        changed = self._change(edit, 0)
        return changed[0] if changed else None

    def merge(self, parsed: Parsed, digest: bytes) -> bytes | None:
        """Merge what somebody else wrote to the file: what to relay. It is in the journal, and synced, with what
        the file holds now, before it is relayed: after a crash it would otherwise be merged anew, as another change.
        """
        fork = self.base()
        old = fork.content()
        fork.adopt(parsed, old)

        def record() -> bytes:
            whole = fork.doc.get_update()
            return digest + _number(len(whole)) + whole

        changed = self._change(lambda: fork.merge(old, parsed.content, self.document), 0, record)
        whole = fork.doc.get_update()
        self.saved = _Saved(digest, whole=whole)
        if changed is None:
            self._append(RecordKind.BASE, digest + whole)
        self.sync()
        return changed[0] if changed else None

    def _change(
        self, edit: Callable[[], None], user: int, merge: Callable[[], bytes] | None = None
    ) -> tuple[bytes, bool] | None:
        doc = self.document.doc
        self._held = []
        try:
            edit()
            came = len(self._held)
            self.untrusted += self._guard.mend()
            held = self._held
            update = held[0] if len(held) == 1 else merge_updates(*held) if held else NOTHING
            if held:
                if user == 0 or len(held) > came:
                    self._checker.learn(update)
                if merge:
                    self._append(RecordKind.MERGED, merge() + update)
                else:
                    self._append(RecordKind.UPDATE, _number(user) + update)
        except JournalFullError:
            self._rebuild()
            raise
        except (KeyboardInterrupt, SystemExit, GeneratorExit):
            raise
        except BaseException as error:  # pycrdt's PanicException is no Exception
            self._rebuild()
            raise BadUpdateError(f"The update does not fit this document: {type(error).__name__}.") from error
        finally:
            self._held = None
        if self._guard.take_changed():
            self.changes += 1
            if user:
                self._note_authors({user})
        assert doc is self.document.doc  # nothing was rebuilt meanwhile
        return (update, len(held) > came) if held else None

    # What is in the file

    def base(self) -> Document:
        """What was last in the file, as a document of its own with this history."""
        if self.saved.whole is None:
            return self._state_at(self.saved.at)
        base = self.kind(Doc())
        base.doc.apply_update(self.saved.whole)
        return base

    def _state_at(self, count: int) -> Document:
        """The document after the first so many records."""
        document = self.kind(Doc())
        for update in _updates(self._journal.read()[:count]):
            document.doc.apply_update(update)
        return document

    def adopt(self, parsed: Parsed) -> None:
        """Give the parts of what was read anew, which is what was saved, the names that they have here."""
        base = self.base()
        base.adopt(parsed, base.content())

    def set_state(self, values: dict[str, object]) -> bytes | None:
        """Set keys of the document's `state`, which pages read: what to relay."""
        state = self.document.state

        def edit() -> None:
            with self.document.doc.transaction():
                for key, value in values.items():
                    if state.get(key) != value:
                        state[key] = value

        return self.change(edit)

    def mark(self) -> int:
        """Mark the document as it is now, to be saved; the mark's number."""
        self._numbers += 1
        self._append(RecordKind.MARK, _number(self._numbers))
        self._marked[self._numbers] = self._count
        self._note_mark()
        return self._numbers

    def note_writing(self, mark: int, digest: bytes) -> None:
        """The bytes of a mark are about to be written. `sync` before it is done."""
        self._append(RecordKind.WRITING, _number(mark) + digest)
        self._writing.append((mark, digest))

    def note_saved(self, mark: int, digest: bytes) -> None:
        """The bytes of a mark are in the file."""
        self.saved = _Saved(digest, self._marked[mark], ours=True)
        self._marked = {mark: self._marked[mark]}
        self._writing, self._restored = [], False
        self._note_saved_authors()
        self._owed.append(Record(RecordKind.SAVED, _number(mark) + digest))
        self._pay()

    def note_unwritten(self, mark: int) -> None:
        """The bytes of a mark did not get into the file."""
        self._writing = [one for one in self._writing if one[0] != mark]
        with suppress(JournalFullError):  # known here all the same
            self._append(RecordKind.UNWRITTEN, _number(mark))

    def recognise(self, digest: bytes) -> bool:
        """True when the file has what the room was writing when it ended; then that counts as saved."""
        for mark, written in reversed(self._writing):
            if written == digest and mark in self._marked:
                self.note_saved(mark, digest)
                return True
        if self._restored and digest in self._earlier:
            self.saved = _Saved(digest, self._earlier[digest], ours=True)
            return True
        return False

    def written(self) -> list[tuple[int, bytes, Content]]:
        """Marks whose bytes may have reached the file before the room ended, with what they held."""
        found = []
        for mark, digest in self._writing:
            if mark in self._marked:
                found.append((mark, digest, self._state_at(self._marked[mark]).content()))
        return found

    def note_version(self) -> None:
        """What is in the file is in its versions."""
        self._append(RecordKind.VERSION, b"")
        self.saved.kept = True
        self.file_authors = set()

    def note_left(self, seconds: int) -> None:
        """The last client left."""
        self._append(RecordKind.LEFT, _number(seconds))

    # The journal

    def sync(self) -> None:
        """Make the journal survive a loss of power. Blocks. OSError."""
        self._journal.sync()

    @property
    def wants_compaction(self) -> bool:
        """Is the journal much larger than the document?"""
        return self._journal.size > max(COMPACT_FROM, 4 * self._compacted)

    def begin_compaction(self, place: str) -> list[Record]:
        """The records that say all that the journal does; give them to `write_compacted` in a thread."""
        update = self.document.doc.get_update()
        records = [Record(RecordKind.EPOCH, self.epoch.encode()), Record(RecordKind.PLACE, place.encode())]
        whole = self.base().doc.get_update()
        records += [
            Record(RecordKind.UPDATE, _number(0) + update),
            Record(RecordKind.BASE, self.saved.digest + whole),
        ]
        if self.saved.ours:
            records.append(Record(RecordKind.SAVED, _number(0) + self.saved.digest))
        if self.saved.kept:
            records.append(Record(RecordKind.VERSION, b""))
        records.append(
            Record(RecordKind.AUTHORS, b"".join(map(_number, sorted(self.file_authors | self.unsaved_authors))))
        )
        self._journal.begin_replacement()
        self.size = self._compacted = len(update)
        return records

    def write_compacted(self, records: list[Record]) -> None:
        """Write them, in a thread. OSError."""
        self._journal.write_replacement(records)

    def end_compaction(self) -> None:
        """Put what was written in place. OSError; then the journal is as it was."""
        self._journal.replace()
        in_file, unsaved = self.file_authors, self.unsaved_authors
        self._scan(self._journal.read())  # the document is the same, the marks are elsewhere
        self.file_authors, self.unsaved_authors = in_file, unsaved

    def drop_compaction(self) -> None:
        """Give up."""
        self._journal.drop_replacement()

    def roll_back(self, place: str) -> None:
        """Begin anew, with another epoch, from what was last saved. The journal so far is set aside."""
        content, saved = self.base().content(), self.saved
        self._set_aside()
        self._replay(self._journal.open())
        self.start(content, place, saved.digest)
        self.saved.ours, self.saved.kept = saved.ours, saved.kept
        self.sync()

    def close(self) -> None:
        """Close the journal; `sync` before. The document is let go."""
        self._stop_watching()
        self._journal.close()

    # Within

    def _begin(self) -> None:
        """From now on, changes are watched."""
        self._stop_watching()
        self._guard = guard(self.document)
        self._subscription = self.document.doc.observe(lambda event: self._collect(event.update))

    def _stop_watching(self) -> None:
        self._guard.stop()
        if self._subscription is not None:
            self._subscription.drop()
            self._subscription = None

    def _collect(self, update: bytes) -> None:
        assert self._held is not None  # every change goes through `_change`
        self._held.append(update)

    def _note_authors(self, users: Set[int]) -> None:
        self.unsaved_authors |= users
        self._since_mark |= users

    def _note_mark(self) -> None:
        self._marked_authors, self._since_mark = set(self.unsaved_authors), set()

    def _note_saved_authors(self) -> None:
        self.file_authors |= self._marked_authors
        self.unsaved_authors = set(self._since_mark)

    def _append(self, kind: RecordKind, payload: bytes) -> None:
        self._owed.append(Record(kind, payload))
        try:
            self._pay()
        except JournalFullError:
            self._owed.pop()
            raise

    def _pay(self) -> None:
        """Write the records that are to be written. What is in the file stays owed where the disk is full."""
        try:
            while self._owed:
                self._journal.append(RecordKind(self._owed[0].kind), self._owed[0].payload)
                del self._owed[0]
                self._count += 1
        except OSError as error:
            raise JournalFullError(str(error)) from error

    def _rebuild(self) -> None:
        """Forget what is not in the journal."""
        self._held = None
        changes, untrusted = self.changes, self.untrusted
        self._replay(self._journal.read())
        self.changes, self.untrusted = changes, untrusted

    def _set_aside(self) -> None:
        self._journal.close()
        number = 0
        while (aside := self._journal.path.with_suffix(f".damaged{number or ''}")).exists():
            number += 1
        self._journal.path.rename(aside)
        self.epoch = ""

    def _replay(self, records: list[Record]) -> None:
        """The document of a journal. BadUpdateError when it cannot be made out."""
        self._stop_watching()
        self.document = self.kind(Doc())
        self._checker = UpdateChecker(self.kind.roots)
        self.changes = self.size = self._compacted = 0
        for update in _updates(records):
            self._checker.learn(update)
            self.document.doc.apply_update(update)
            self.size += len(update)
        self._scan(records)
        if self.size:
            try:
                self.document.content()
            except NotRenderableError as error:
                raise BadUpdateError(str(error)) from error
            self._compacted = len(self.document.doc.get_update())
            self._begin()

    def _scan(self, records: Iterable[Record]) -> None:
        self._marked, self._writing, self.saved = {}, [], _Saved()
        self.file_authors, self.unsaved_authors = set(), set()
        self._marked_authors, self._since_mark = set(), set()
        self._earlier, self._restored = {}, False
        self._count = 0
        for record in records:
            self._scan_one(record)
            self._count += 1

    def _scan_one(self, record: Record) -> None:
        payload = record.payload
        match record.kind:
            case RecordKind.EPOCH:
                self.epoch = payload.decode()
            case RecordKind.UPDATE:
                self._note_authors(_users(payload[:_NUMBER]))
            case RecordKind.AUTHORS:
                self._note_authors(_users(payload))
                self.file_authors |= _users(payload)
            case RecordKind.MARK:
                self._numbers = max(self._numbers, _read_number(payload))
                self._marked[_read_number(payload)] = self._count + 1
                self._note_mark()
            case RecordKind.WRITING:
                self._writing.append((_read_number(payload), payload[_NUMBER:]))
            case RecordKind.RESTORED:
                self._restored = True
            case RecordKind.UNWRITTEN:
                self._writing = [one for one in self._writing if one[0] != _read_number(payload)]
            case RecordKind.SAVED | RecordKind.READ:
                self._scan_saved(_read_number(payload), payload[_NUMBER:], ours=record.kind == RecordKind.SAVED)
            case RecordKind.BASE:
                self.saved = _Saved(payload[:_DIGEST], whole=payload[_DIGEST:])
            case RecordKind.MERGED:
                size = _read_number(payload[_DIGEST:])
                start = _DIGEST + _NUMBER
                self.saved = _Saved(payload[:_DIGEST], whole=payload[start : start + size])
            case RecordKind.VERSION:
                self.saved.kept = True
                self.file_authors = set()

    def _scan_saved(self, mark: int, digest: bytes, *, ours: bool) -> None:
        if ours:
            self._note_saved_authors()
        self._writing, self._restored = [], False
        if mark in self._marked:
            self._earlier[digest] = self._marked[mark]
            self.saved = _Saved(digest, self._marked[mark], ours=ours)
        else:  # after a compaction the BASE says what was saved
            self.saved.ours = ours


def digest_of(data: bytes) -> bytes:
    """SHA-256."""
    return sha256(data).digest()


def _updates(records: Iterable[Record]) -> list[bytes]:
    found = []
    for kind, payload in records:
        if kind == RecordKind.UPDATE:
            found.append(payload[_NUMBER:])
        elif kind == RecordKind.MERGED:
            found.append(payload[_DIGEST + _NUMBER + _read_number(payload[_DIGEST:]) :])
    return found


def _number(value: int) -> bytes:
    return value.to_bytes(_NUMBER, "little")


def _read_number(payload: bytes) -> int:
    return int.from_bytes(payload[:_NUMBER], "little")


def _users(payload: bytes) -> Set[int]:
    return {_read_number(payload[at:]) for at in range(0, len(payload), _NUMBER)} - {0}
