"""Bytes as text, and text as a table."""

import codecs
import csv
import io
import re
from dataclasses import dataclass

TABLE_ROWS, TABLE_COLUMNS, CELL = 1000, 100, 1000
"""Limits of what is shown of a table; a cell in characters."""
_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_NUMBER = re.compile(r"[-+]?[\d.,]+(?:[eE][-+]?\d+)?%?")


@dataclass(frozen=True)
class Text:
    """Decoded text, with its encoding."""

    text: str
    encoding: str
    """`UTF-8`, `UTF-16`, or `Latin-1` as a guess."""
    is_cut: bool


def read_text(content: bytes, *, is_cut: bool) -> Text | None:
    """Bytes as text, or None where they are none; `is_cut`: whether there are more, so that the last may be half."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Text(_plain(codecs.getincrementaldecoder("utf-16")("replace").decode(content)), "UTF-16", is_cut)
    if b"\0" in content:
        return None
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(content, not is_cut)
    except UnicodeDecodeError:
        if len(_CONTROLS.findall(content)) * 50 > len(content):
            return None
        return Text(_plain(content.decode("latin-1")), "Latin-1", is_cut)
    return Text(_plain(text), "UTF-8", is_cut)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


@dataclass(frozen=True)
class Table:
    """The first rows of a table."""

    head: list[str]
    """Empty where the first row is like the others."""
    rows: list[list[str]]
    is_cut: bool


def read_table(text: Text, name: str) -> Table | None:
    """Rows of a CSV or TSV text; None where it has none."""
    delimiter = "\t" if name.lower().endswith((".tsv", ".tab")) else _delimiter(text.text)
    lines = list(io.StringIO(text.text))
    if text.is_cut and len(lines) > 1:
        lines.pop()
    rows: list[list[str]] = []
    is_cut = text.is_cut
    try:
        for row in csv.reader(lines, delimiter=delimiter):
            if len(rows) > TABLE_ROWS:
                is_cut = True
                break
            if row:
                is_cut |= len(row) > TABLE_COLUMNS
                rows.append([cell[:CELL] for cell in row[:TABLE_COLUMNS]])
    except csv.Error:
        return None
    if not rows:
        return None
    has_head = len(rows) > 1 and all(rows[0]) and not any(_NUMBER.fullmatch(cell.strip()) for cell in rows[0])
    return Table(rows[0] if has_head else [], rows[1:] if has_head else rows[:TABLE_ROWS], is_cut)


def _delimiter(text: str) -> str:
    """The one of the usual delimiters that is there most often in the first lines, outside quotes."""
    sample = re.sub(r'"[^"]*"', "", "\n".join(text[: 2**16].split("\n", 20)[:20]))
    return max(",;\t|", key=sample.count)
