"""The shared document of a room with its journal: every change goes through here, and only what is in the journal
leaves it.
"""

import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from pycrdt import Doc, Subscription, merge_updates

from rooms.documents.base import Content, Document, NotRenderableError, Parsed

from .journal import NUMBER_BYTES, Journal, JournalError, Record, RecordKind, number, read_number
from .saved_state import DIGEST_BYTES, Saved, SavedState
from .trust import guard
from .updates import BadUpdateError, UpdateChecker

NOTHING = b"\0\0"  # an update that says nothing
COMPACT_FROM = 1 << 20


class JournalFullError(Exception):
    """The journal could not be written, so nothing was changed."""


class TooLargeError(Exception):
    """The document has become larger than the room takes."""


class History:
    """One document and its journal. In one thread, but for `sync` and `compact`."""

    def __init__(self, kind: type[Document], path: Path, *, max_size: int) -> None:
        self.kind = kind
        self.max_size = max_size
        self.epoch = ""
        self.untrusted = 0  # how often trust was taken out
        self.changes = 0  # counts what changed the file's content
        self.size = 0  # of the document as one update, estimated upwards
        self.saved_state = SavedState()
        self._held: list[bytes] | None = None
        self._compacted = 0  # size of the document when the journal was last written as a whole
        self._owed: list[Record] = []
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
        if self.size and not self.saved_state.saved.digest:  # it ended while it was begun: nobody was in the room yet
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
        self._append(RecordKind.UPDATE, number(0) + update)
        self.size = self._compacted = len(update)
        self._append(RecordKind.READ, number(self.mark()) + digest)
        self.saved_state.saved = Saved(digest, self.saved_state.marks[self.saved_state.last_mark])

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
            return digest + number(len(whole)) + whole

        changed = self._change(lambda: fork.merge(old, parsed.content, self.document), 0, record)
        whole = fork.doc.get_update()
        self.saved_state.saved = Saved(digest, whole=whole)
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
                    self._append(RecordKind.UPDATE, number(user) + update)
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
                self.saved_state.note_authors({user})
        assert doc is self.document.doc  # nothing was rebuilt meanwhile
        return (update, len(held) > came) if held else None

    # What is in the file

    def base(self) -> Document:
        """What was last in the file, as a document of its own with this history."""
        if self.saved_state.saved.whole is None:
            return self._state_at(self.saved_state.saved.at)
        base = self.kind(Doc())
        base.doc.apply_update(self.saved_state.saved.whole)
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
        self.saved_state.last_mark += 1
        self._append(RecordKind.MARK, number(self.saved_state.last_mark))
        self.saved_state.note_mark()
        return self.saved_state.last_mark

    def note_writing(self, mark: int, digest: bytes) -> None:
        """The bytes of a mark are about to be written. `sync` before it is done."""
        self._append(RecordKind.WRITING, number(mark) + digest)
        self.saved_state.note_writing(mark, digest)

    def note_saved(self, mark: int, digest: bytes) -> None:
        """The bytes of a mark are in the file."""
        self.saved_state.note_saved(mark, digest)
        self._owed.append(Record(RecordKind.SAVED, number(mark) + digest))
        self._pay()

    def note_unwritten(self, mark: int) -> None:
        """The bytes of a mark did not get into the file."""
        self.saved_state.note_unwritten(mark)
        with suppress(JournalFullError):  # known here all the same
            self._append(RecordKind.UNWRITTEN, number(mark))

    def recognise(self, digest: bytes) -> bool:
        """True when the file has what the room was writing when it ended; then that counts as saved."""
        mark = self.saved_state.mark_written(digest)
        if mark is None:
            return self.saved_state.restore(digest)
        self.note_saved(mark, digest)
        return True

    def written(self) -> list[tuple[int, bytes, Content]]:
        """Marks whose bytes may have reached the file before the room ended, with what they held."""
        marks = self.saved_state.marks
        known = [(mark, digest) for mark, digest in self.saved_state.writing if mark in marks]
        return [(mark, digest, self._state_at(marks[mark]).content()) for mark, digest in known]

    def note_version(self) -> None:
        """What is in the file is in its versions."""
        self._append(RecordKind.VERSION, b"")
        self.saved_state.note_version()

    def note_left(self, seconds: int) -> None:
        """The last client left."""
        self._append(RecordKind.LEFT, number(seconds))

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
            Record(RecordKind.UPDATE, number(0) + update),
            Record(RecordKind.BASE, self.saved_state.saved.digest + whole),
        ]
        if self.saved_state.saved.ours:
            records.append(Record(RecordKind.SAVED, number(0) + self.saved_state.saved.digest))
        if self.saved_state.saved.kept:
            records.append(Record(RecordKind.VERSION, b""))
        authors = sorted(self.saved_state.file_authors | self.saved_state.unsaved_authors)
        records.append(Record(RecordKind.AUTHORS, b"".join(map(number, authors))))
        self._journal.begin_replacement()
        self.size = self._compacted = len(update)
        return records

    def write_compacted(self, records: list[Record]) -> None:
        """Write them, in a thread. OSError."""
        self._journal.write_replacement(records)

    def end_compaction(self) -> None:
        """Put what was written in place. OSError; then the journal is as it was."""
        self._journal.replace()
        in_file, unsaved = self.saved_state.file_authors, self.saved_state.unsaved_authors
        self._read(self._journal.read())  # the document is the same, the marks are elsewhere
        self.saved_state.file_authors, self.saved_state.unsaved_authors = in_file, unsaved

    def drop_compaction(self) -> None:
        """Give up."""
        self._journal.drop_replacement()

    def roll_back(self, place: str) -> None:
        """Begin anew, with another epoch, from what was last saved. The journal so far is set aside."""
        content, saved = self.base().content(), self.saved_state.saved
        self._set_aside()
        self._replay(self._journal.open())
        self.start(content, place, saved.digest)
        self.saved_state.saved.ours, self.saved_state.saved.kept = saved.ours, saved.kept
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
                self.saved_state.records += 1
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
        self._read(records)
        if self.size:
            try:
                self.document.content()
            except NotRenderableError as error:
                raise BadUpdateError(str(error)) from error
            self._compacted = len(self.document.doc.get_update())
            self._begin()

    def _read(self, records: list[Record]) -> None:
        self.saved_state.read(records)
        for record in records:
            if record.kind == RecordKind.EPOCH:
                self.epoch = record.payload.decode()


def digest_of(data: bytes) -> bytes:
    """SHA-256."""
    return sha256(data).digest()


def _updates(records: Iterable[Record]) -> list[bytes]:
    found = []
    for kind, payload in records:
        if kind == RecordKind.UPDATE:
            found.append(payload[NUMBER_BYTES:])
        elif kind == RecordKind.MERGED:
            found.append(payload[DIGEST_BYTES + NUMBER_BYTES + read_number(payload[DIGEST_BYTES:]) :])
    return found
