"""Comparison of two texts, line by line."""

import difflib
from dataclasses import dataclass
from typing import BinaryIO, Literal

from django.utils.translation import gettext

from drive.preview.texts import read_text

MOST_BYTES = 512 * 1024
"""Larger texts are not compared on a page."""
MOST_LINES = 20_000
MOST_COMPARED = 2000
"""Lines between the first and the last difference that are compared one by one: 0.1 s for the worst."""
CONTEXT_LINES = 3


@dataclass(frozen=True)
class TextLines:
    """Lines of a file; `is_text` is False, and `why_not` says why, for bytes that are not UTF-8 and large files."""

    lines: list[str]
    is_text: bool = True
    why_not: str = ""


@dataclass(frozen=True)
class Line:
    """One line of a comparison: `kind` is `same`, `added` or `removed`; the numbers are the lines' in either text."""

    kind: str
    older: int | None
    newer: int | None
    text: str


def read_lines(source: BinaryIO) -> TextLines:
    """Read a text in UTF-8 of at most MOST_BYTES and MOST_LINES."""
    content = source.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        return TextLines([], False, gettext("This file is too large to show here."))
    text = read_text(content, is_cut=False)
    if text is None or text.encoding != "UTF-8":
        return TextLines([], False, gettext("This file is not a text file in UTF-8."))
    lines = text.text.splitlines()
    if len(lines) > MOST_LINES:
        return TextLines([], False, gettext("This file has too many lines to show here."))
    return TextLines(lines)


def compare_texts(older: TextLines, newer: TextLines) -> list[list[Line]]:
    """Differences in blocks, each with a few lines around it; empty if there are none."""
    return [
        [line for operation in group for line in _lines(older, newer, operation)]
        for group in _Found(_operations(older.lines, newer.lines)).get_grouped_opcodes(CONTEXT_LINES)
    ]


Operation = tuple[Literal["replace", "delete", "insert", "equal"], int, int, int, int]


class _Found(difflib.SequenceMatcher):
    """Operations that were found already, for the way in which difflib groups them."""

    def __init__(self, operations: list[Operation]) -> None:
        super().__init__(None, "", "")
        self._operations = operations

    def get_opcodes(self) -> list[Operation]:
        return self._operations


def _operations(older: list[str], newer: list[str]) -> list[Operation]:
    """Edit operations that lead from one text to the other.

    What lies between the lines that both begin and end with is not looked into where it is long: for lines that repeat,
    the time grows with the third power of their number.
    """
    begin, shorter = 0, min(len(older), len(newer))
    while begin < shorter and older[begin] == newer[begin]:
        begin += 1
    end = 0
    while end < shorter - begin and older[-1 - end] == newer[-1 - end]:
        end += 1
    old, new = older[begin : len(older) - end], newer[begin : len(newer) - end]
    found: list[Operation] = [("equal", 0, begin, 0, begin)] if begin else []
    if len(old) > MOST_COMPARED or len(new) > MOST_COMPARED:
        found.append(("replace", begin, begin + len(old), begin, begin + len(new)))
    elif old or new:
        inside = difflib.SequenceMatcher(None, old, new).get_opcodes()
        found += [(what, a + begin, b + begin, c + begin, d + begin) for what, a, b, c, d in inside]
    if end:
        found.append(("equal", len(older) - end, len(older), len(newer) - end, len(newer)))
    return found


def _lines(older: TextLines, newer: TextLines, operation: tuple[str, int, int, int, int]) -> list[Line]:
    what, old_from, old_to, new_from, new_to = operation
    if what == "equal":
        pairs = zip(range(old_from, old_to), range(new_from, new_to), strict=True)
        return [Line("same", old + 1, new + 1, older.lines[old]) for old, new in pairs]
    removed = [Line("removed", number + 1, None, older.lines[number]) for number in range(old_from, old_to)]
    return removed + [Line("added", None, number + 1, newer.lines[number]) for number in range(new_from, new_to)]
