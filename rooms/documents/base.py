"""What every kind of shared document can do; notebooks and plain text are the two kinds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pycrdt import Doc, Map, Text

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


@dataclass(frozen=True)
class Merge:
    """An outside write as one update of the shared document, and what is to be done once it is applied.

    `update` was made on a fork of what was last saved; `base` is the whole fork, which is what the next merge starts
    from. `finish` carries what people had typed into cells that the outside write replaced (moved, or made another
    type) over to their new place; it runs on the live document, in the transaction that applies the update.
    """

    update: bytes
    base: bytes
    finish: Callable[["Document"], None]


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

    def merge(self, old: Content, new: Content, live: Content) -> Callable[["Document"], None]:
        """Change this fork, which holds `old`, into `new`, in the smallest steps; returns `Merge.finish`.

        Where `live`, what people have in the room by now, differs from `old` too, nothing of theirs is lost: text is
        merged, a cell that somebody edits is not deleted, and of outputs and other whole values theirs stay.
        """


def replace_text(text: Text, value: str) -> None:
    """Set a shared text as a whole: for texts that nobody edits."""
    del text[:]
    text += value
