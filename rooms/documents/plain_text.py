"""Plain text as a shared document (jupyter_ydoc.YUnicode), and the bytes of its file."""

import codecs
import re
from collections import Counter
from dataclasses import dataclass, field

from jupyter_ydoc import YUnicode
from pycrdt import Doc

from . import text_edits
from .base import Document, NotADocumentError, NotRenderableError, Parsed, share

_LINE = re.compile(r"(\r\n|\r|\n)")


@dataclass(frozen=True)
class TextNotation:
    """Line ends and byte order mark of a text file.

    The page's editor (CodeMirror) knows one line end, so the shared text has "\\n" only. A file with several kinds
    keeps its lines, to give those that nobody edited their own back.
    """

    end: str = "\n"
    mark: bool = False
    lines: tuple[str, ...] = ()
    ends: tuple[str, ...] = field(default=(), repr=False)

    def render(self, content: str) -> bytes:
        """UTF-8, with this file's line ends."""
        if self.lines:
            content = self._mixed(content)
        elif self.end != "\n":
            content = content.replace("\n", self.end)
        try:
            return (codecs.BOM_UTF8 if self.mark else b"") + content.encode()
        except UnicodeEncodeError as error:  # a lone surrogate, from a client of somebody's own making
            raise NotRenderableError("The text is no Unicode.") from error

    def _mixed(self, content: str) -> str:
        lines = content.split("\n")
        ends = [self.end] * len(lines)
        ends[-1] = ""
        for tag, a, b, c, _d in text_edits.matching_blocks(list(self.lines), lines):
            if tag == "equal":
                for step in range(b - a):
                    if a + step < len(self.ends) and c + step < len(lines) - 1:
                        ends[c + step] = self.ends[a + step]
        return "".join(line + end for line, end in zip(lines, ends, strict=True))


class PlainText(Document):
    """A text that several people edit."""

    roots = frozenset({"source", "state"})

    def __init__(self, doc: Doc) -> None:
        self.doc = doc
        self._shared = YUnicode(doc)
        self.state = self._shared.ystate
        self._text = self._shared._ysource

    @staticmethod
    def parse(data: bytes) -> Parsed:
        """UTF-8 with any line ends. NotADocumentError for other encodings and for binary files."""
        mark = data.startswith(codecs.BOM_UTF8)
        try:
            text = data.removeprefix(codecs.BOM_UTF8).decode()
        except UnicodeDecodeError as error:
            raise NotADocumentError("The file is not UTF-8.") from error
        if "\0" in text:
            raise NotADocumentError("The file is binary.")
        parts = _LINE.split(text)
        lines, ends = parts[::2], parts[1::2]
        kinds = Counter(ends)
        end = kinds.most_common(1)[0][0] if kinds else "\n"
        mixed = len(kinds) > 1
        notation = TextNotation(end, mark, tuple(lines) if mixed else (), tuple(ends) if mixed else ())
        return Parsed("\n".join(lines), notation)

    @staticmethod
    def plain_notation() -> TextNotation:
        """Lines that end with a line feed."""
        return TextNotation()

    def fill(self, content: str) -> None:
        """Put a text into this empty document."""
        if content:
            self._text += content

    def content(self) -> str:
        """The text."""
        return str(self._text)

    def adopt(self, parsed: Parsed, old: str) -> None:
        """Nothing: a text has no parts that would have to be found again."""

    def merge(self, old: str, new: str, live: Document) -> None:
        """Edit `old` into `new`; what people have typed since merges by itself, character by character."""
        with self.doc.transaction():
            text_edits.change(self._text, old, new)
        share(self, live)
