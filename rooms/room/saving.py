"""A room and its file: what others write is merged, what people type is saved, and both are kept as versions."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from rooms.documents.base import Content as DocumentContent
from rooms.documents.base import NotADocumentError, Parsed

from .file import (
    Content,
    FileChangedError,
    FileGoneError,
    NoSpaceError,
    NotWritableError,
    QuotaError,
    RoomFile,
    RoomFileError,
)
from .history import History, JournalFullError, digest_of
from .updates import BadUpdateError

logger = logging.getLogger(__name__)

Run = Callable[..., Awaitable[Any]]

RETRY_AFTER = 10.0  # seconds after a save that failed
MERGED_SHOWN = 10.0
ATTEMPTS = 4  # of one save, each after a merge of what came in between

NO_SPACE_TEXT = "The disk is full: what you type is kept in this room, but not saved to the file."
MERGED_TEXT = "The file was changed outside this page, and merged. What it held before is in its versions."
UNREADABLE_TEXT = "Something outside wrote what is no document. Those bytes are in the file's versions."


@dataclass(frozen=True)
class RoomSettings:
    """Times in seconds, sizes in bytes."""

    quiet: float = 1.0  # saved so long after the last change
    latest: float = 5.0  # and at least as often while people type
    look: float = 1.0  # how often the file is looked at for changes from outside
    version_every: float = 600.0
    max_file: int = 50 << 20
    max_document: int = 200 << 20  # the shared document, with what was deleted
    max_queue: int = 64 << 20  # a client that is further behind is closed; one message may be larger


@dataclass(frozen=True)
class Word:
    """Something that people in a room have to know; `messages` has the states."""

    state: str
    text: str
    by: str = ""


@dataclass
class FileSync:
    """Keeps the document of a room and its file in step. One coroutine at a time is at the file."""

    history: History
    file: RoomFile
    settings: RoomSettings
    relay: Callable[[bytes | None], None]  # an update of the room's own, to everybody
    tell: Callable[[], None]  # something that `words`, `path` or `saved` say has changed
    run: Run = asyncio.to_thread
    clock: Callable[[], float] = time.monotonic
    words: dict[str, Word] = field(default_factory=dict)
    path: str = ""
    etag: str = ""
    saves: int = 0
    merges: int = 0

    def __post_init__(self) -> None:
        self.notation = self.history.kind.plain_notation()
        self._knows_notation = False
        self.lock = asyncio.Lock()
        self._as_loaded = b""  # digest of what the room would write for the content that the file has
        self._saved_changes = self._seen_changes = 0
        self._first_change = self._last_change = self.clock()
        self._last_version = self.clock()
        self._seen_etag = ""
        self._retry_at = self._forget_merged_at = 0.0

    # Opening

    async def open(self, place: str) -> None:
        """Fill the document from the file, or take up the journal and merge what was written since.

        NotADocumentError, RoomFileError, JournalFullError.
        """
        has_history = self.history.open()
        if has_history:
            self._saved_changes = -1  # the journal may have more than the file
            try:
                content: Content = await self._read()
            except FileGoneError as error:  # pages have it open, and are told
                self._say(error)
            else:
                await self._took(content)
            return
        content = await self._read()
        parsed = await self.run(self.history.kind.parse, content.data)
        self._start(parsed, place, digest_of(content.data))
        await self.run(self.history.sync)
        await self._know(parsed, content)

    async def _read(self) -> Content:
        content: Content = await self.run(self.file.read)
        self.path = self.file.path()
        if len(content.data) > self.settings.max_file:
            raise NotADocumentError("The file is too large to be edited together.")
        return content

    async def _know(self, parsed: Parsed, content: Content) -> None:
        """This is what is in the file, and how it is written."""
        self.notation, self.etag, self._knows_notation = parsed.notation, content.etag, True
        self._as_loaded = digest_of(await self.run(self.notation.render, parsed.content))

    def _start(self, parsed: Parsed, place: str, digest: bytes) -> None:
        try:
            self.history.start(parsed.content, place, digest)
        except JournalFullError:
            raise
        except (ValueError, TypeError, OverflowError, RecursionError, BadUpdateError) as error:
            raise NotADocumentError("The file holds what a shared document cannot.") from error

    def rolled_back(self) -> None:
        """The document is again what was saved last."""
        self._saved_changes = self._seen_changes = self.history.changes
        self._as_loaded = b""

    # What is due

    @property
    def saved(self) -> bool:
        """All that people typed is in the file."""
        return self.history.changes == self._saved_changes

    @property
    def unsaved_seconds(self) -> float | None:
        """Since when something is not in the file; None when all is."""
        if self.saved:
            return None
        return self.clock() - self._first_change if self._seen_changes != self._saved_changes else 0.0

    def is_due(self) -> bool:
        """True when it is time to save: people paused, or have been typing for long enough."""
        now, changes = self.clock(), self.history.changes
        if changes == self._saved_changes:
            return False
        if changes != self._seen_changes:
            if self._seen_changes == self._saved_changes:
                self._first_change = now
            self._seen_changes, self._last_change = changes, now
        late = now - self._last_change >= self.settings.quiet or now - self._first_change >= self.settings.latest
        return late and now >= self._retry_at

    # Looking

    async def look(self) -> None:
        """See whether the file is still there, and merge what somebody else wrote into it."""
        async with self.lock:
            await self._look(at_once=False)
        if "merged" in self.words and self.clock() >= self._forget_merged_at:
            self._unset("merged")

    async def _look(self, *, at_once: bool) -> bool:
        """True when the file is there and the room has what is in it.

        Unless `at_once`, a change is taken only when it is seen twice: notebook code may be writing at this moment.
        """
        try:
            etag = await self.run(self.file.etag)
            self._unset("deleted")
            self._note_path()
            if etag == self.etag:
                return True
            if not at_once and etag != self._seen_etag:
                self._seen_etag = etag
                return True
            return await self._took(await self.run(self.file.read))
        except RoomFileError as error:
            self._say(error)
            return False

    def _note_path(self) -> None:
        if (path := self.file.path()) != self.path:
            self.path = path
            self.tell()

    async def _took(self, content: Content) -> bool:
        """Take in what the file holds now. False when it could not be kept as a version, and so has to wait."""
        digest = digest_of(content.data)
        is_ours = digest == self.history.saved_state.saved.digest or self.history.recognise(digest)
        if is_ours and self._knows_notation:
            self.etag = content.etag
            return True
        try:
            parsed = await self.run(self.history.kind.parse, content.data)
        except NotADocumentError:
            return await self._took_unreadable(content)
        if is_ours:
            self.history.adopt(parsed)
            await self._know(parsed, content)
            return True
        self._find_base(parsed, content.data)
        if not (await self._keep_ours() and await self._keep(content.data, set(), "outside")):
            return False
        try:
            self.relay(self.history.merge(parsed, digest))
            self.history.note_version()
        except JournalFullError:
            self._set(Word("no-space", NO_SPACE_TEXT))
            return False
        except BadUpdateError:
            logger.exception("A file could not be merged into its room: %s", self.path)
            return await self._took_unreadable(content)
        await self._know(parsed, content)
        self._last_version = self.clock()
        self._saved_changes = -1
        self.merges += 1
        self._forget_merged_at = self.clock() + MERGED_SHOWN
        self._unset("unreadable")
        self._set(Word("merged", MERGED_TEXT))
        return True

    def _find_base(self, parsed: Parsed, data: bytes) -> None:
        """Where the room ended while it saved, and somebody else wrote the file since: was that before the save, or
        after? The likelier of both is what the other has edited; else what was saved would be there twice.
        """
        there = Counter(data.splitlines())

        def distance(content: DocumentContent) -> int:
            lines = Counter(parsed.notation.render(content).splitlines())
            return ((lines - there) + (there - lines)).total()

        if not (written := self.history.written()):
            return
        far, mark, digest = min((distance(content), -mark, digest) for mark, digest, content in written)
        if far <= distance(self.history.base().content()):
            self.history.note_saved(-mark, digest)

    async def _took_unreadable(self, content: Content) -> bool:
        """Bytes that are no document: a version, and replaced when somebody types."""
        if not await self._keep(content.data, set(), "unreadable"):
            return False
        self.etag = content.etag
        self._set(Word("unreadable", UNREADABLE_TEXT))
        return True

    # Saving

    async def save(self) -> bool:
        """Save what the room has. False when it could not be; `words` say why. NotRenderableError."""
        async with self.lock:
            for _ in range(ATTEMPTS):
                done = await self._save()
                if done is not None:
                    return done
            return False

    async def _save(self) -> bool | None:
        """None when somebody else wrote the file in between."""
        if not await self._look(at_once=True):
            self._retry_at = self.clock() + self.settings.look
            return False
        changes = self.history.changes
        try:
            content, mark = self.history.document.content(), self.history.mark()
            authors = set(self.history.saved_state.unsaved_authors)
            data = await self.run(self.notation.render, content)
            digest = digest_of(data)
            if digest in (self.history.saved_state.saved.digest, self._as_loaded):
                self._done(changes, mark, b"")
                return True
            if len(data) > self.settings.max_file:
                raise RoomFileError("The file would be larger than rooms take. Remove some output.")
            if not await self._keep_theirs():
                return False
            self.history.note_writing(mark, digest)
            await self.run(self.history.sync)
            try:
                self.etag = await self.run(partial(self.file.write, data, if_match=self.etag, authors=authors))
            except RoomFileError:
                self.history.note_unwritten(mark)
                raise
            self.history.note_saved(mark, digest)
            await self.run(self.history.sync)
        except FileChangedError:
            return None
        except RoomFileError as error:
            self._say(error)
            return False
        except (JournalFullError, OSError):
            self._set(Word("no-space", NO_SPACE_TEXT))
            self._retry_at = self.clock() + RETRY_AFTER
            return False
        self.saves += 1
        self._as_loaded = b""
        self._done(changes, mark, digest)
        if self.clock() - self._last_version >= self.settings.version_every:
            await self._keep_as(data, "typing")
        return True

    def _done(self, changes: int, mark: int, digest: bytes) -> None:
        self._saved_changes = changes
        for state in ("no-space", "quota", "read-only", "failed", "unreadable"):
            self._unset(state)
        values: dict[str, object] = {"dirty": False} if self.saved else {}
        if digest:
            values["hash"] = digest.hex()
        try:
            self.relay(self.history.set_state(values))
        except JournalFullError:
            self._set(Word("no-space", NO_SPACE_TEXT))
        self.tell()

    async def finish(self) -> None:
        """The last client left: save, and keep what was typed as a version. NotRenderableError."""
        if not self.saved:
            await self.save()
        async with self.lock:
            await self._keep_ours("end")

    # Versions

    async def _keep(self, data: bytes, authors: Set[int], reason: str) -> bool:
        try:
            await self.run(partial(self.file.keep_version, data, authors=authors, reason=reason))
        except RoomFileError as error:
            self._say(error)
            return False
        return True

    async def _keep_as(self, data: bytes, reason: str) -> bool:
        """Keep what is in the file, which the room wrote."""
        if not await self._keep(data, set(self.history.saved_state.file_authors), reason):
            return False
        self._last_version = self.clock()
        try:
            self.history.note_version()
        except JournalFullError:
            return False
        return True

    async def _keep_ours(self, reason: str = "merged") -> bool:
        """Keep what the room wrote last, unless it is a version already. What is in the file now may be another's."""
        saved = self.history.saved_state.saved
        if saved.kept or not saved.ours:
            return True
        return await self._keep_as(await self.run(self.notation.render, self.history.base().content()), reason)

    async def _keep_theirs(self) -> bool:
        """Keep what the room replaces for the first time. FileChangedError, RoomFileError."""
        saved = self.history.saved_state.saved
        if saved.kept or saved.ours:
            return True
        content: Content = await self.run(self.file.read)
        if content.etag != self.etag:
            raise FileChangedError("The file was changed.")
        if not await self._keep(content.data, set(), "before"):
            return False
        self.history.note_version()
        return True

    # Words

    def _say(self, error: RoomFileError) -> None:
        self._retry_at = self.clock() + RETRY_AFTER
        match error:
            case FileGoneError():
                self._set(Word("deleted", str(error), error.by))
            case NoSpaceError():
                self._set(Word("no-space", str(error)))
            case QuotaError():
                self._set(Word("quota", str(error)))
            case NotWritableError():
                self._set(Word("read-only", str(error)))
            case _:
                self._set(Word("failed", str(error)))

    def _set(self, word: Word) -> None:
        if self.words.get(word.state) != word:
            self.words[word.state] = word
            self.tell()

    def _unset(self, state: str) -> None:
        if self.words.pop(state, None):
            if state == "deleted":
                self._retry_at = 0.0
            self.tell()
