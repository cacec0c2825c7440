"""Two texts, line by line."""

import difflib
from dataclasses import dataclass
from typing import BinaryIO

MOST_BYTES = 512 * 1024
"""Larger texts are not compared on a page."""
MOST_LINES = 20_000
CONTEXT_LINES = 3


@dataclass(frozen=True)
class Text:
    """What could be read as text; `is_text` is False for other bytes, and for what is too large."""

    lines: list[str]
    is_text: bool
    why_not: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a comparison: `kind` is `same`, `added` or `removed`; the numbers are the lines' in either text."""

    kind: str
    older: int | None
    newer: int | None
    text: str


def read_text(source: BinaryIO) -> Text:
    """Read UTF-8 text, up to a bound."""
    content = source.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        return Text([], False, "It is too large to be shown here.")
    if b"\0" in content:
        return Text([], False, "It is not text.")
    try:
        lines = content.decode().splitlines()
    except UnicodeDecodeError:
        return Text([], False, "It is not text in UTF-8.")
    if len(lines) > MOST_LINES:
        return Text([], False, "It has too many lines to be shown here.")
    return Text(lines, True)


def compare_texts(older: Text, newer: Text) -> list[list[Line]]:
    """What differs, in blocks with a few lines around each; empty where nothing does."""
    matcher = difflib.SequenceMatcher(None, older.lines, newer.lines, autojunk=True)
    return [
        [line for operation in group for line in _lines(older, newer, operation)]
        for group in matcher.get_grouped_opcodes(CONTEXT_LINES)
    ]


def _lines(older: Text, newer: Text, operation: tuple[str, int, int, int, int]) -> list[Line]:
    what, old_from, old_to, new_from, new_to = operation
    if what == "equal":
        pairs = zip(range(old_from, old_to), range(new_from, new_to), strict=True)
        return [Line("same", old + 1, new + 1, older.lines[old]) for old, new in pairs]
    removed = [Line("removed", number + 1, None, older.lines[number]) for number in range(old_from, old_to)]
    return removed + [Line("added", None, number + 1, newer.lines[number]) for number in range(new_from, new_to)]
