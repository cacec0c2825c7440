"""What every kind of shared document can do; notebooks and plain text are the two kinds."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pycrdt import Doc, Map

# What a file holds, without how it is written: a notebook's JSON with every multi-line string joined, or a text with
# "\n" as the only line end.
Content = Any


class NotADocumentError(Exception):
    """These bytes are no document of this kind; the text says why, for people."""


class NotRenderableError(Exception):
    """The shared document does not have the shape that a file can hold: a client sent something of its own making."""


class Notation(Protocol):
    """How a file writes its content: indentation, line ends, escapes, order of keys. It holds no content."""

    def render(self, content: Content) -> bytes:
        """The bytes of `content` as this file would have them. NotRenderableError."""


@dataclass(frozen=True)
class Parsed:
    """A file's bytes, understood."""

    content: Content
    notation: Notation


class Document(Protocol):
    """A shared document. One thread only: pycrdt's documents belong to the thread that made them."""

    roots: ClassVar[frozenset[str]]  # names of the shared types that it consists of
    doc: Doc
    state: Map

    def __init__(self, doc: Doc) -> None: ...

    @staticmethod
    def parse(data: bytes) -> Parsed:
        """Read a file. NotADocumentError."""

    @staticmethod
    def plain_notation() -> Notation:
        """How a new file is written."""

    def fill(self, content: Content) -> None:
        """Put content into this empty document."""

    def content(self) -> Content:
        """What the document holds now. NotRenderableError."""

    def adopt(self, parsed: Parsed, old: Content) -> None:
        """Make the parts of a file that was read anew known by the names that they have in `old`, what was saved."""

    def merge(self, old: Content, new: Content, live: "Document") -> None:
        """Change this fork, which holds `old`, into `new`, in the smallest steps, and `live` likewise.

        `live` has all that the fork has, and what people did since. Of that nothing is lost: text is merged, a cell
        that somebody edits is not deleted, and of outputs and other whole values theirs stay.
        """


def share(fork: Document, live: Document) -> None:
    """Bring what was changed in a fork into the live document."""
    live.doc.apply_update(fork.doc.get_update(live.doc.get_state()))
