"""The first rows of a table, and in words what is not shown of it."""

import re
from dataclasses import dataclass, field

from django.utils.translation import gettext, ngettext

from drive.preview.texts import Text
from portal.text.numbers import grouped

from .dialect import COMMENT, Dialect, Row, comment_lines, find_dialect, separator_line, split_rows

TABLE_ROWS, TABLE_COLUMNS, CELL = 1000, 100, 1000
"""Limits of what is shown of a table; a cell in characters."""
COMMENTS = 50
_NUMBER = re.compile(r"[-+]?(?:[\d.,]+(?:[eE][-+]?\d+)?%?|nan|inf)", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """The first rows of a table."""

    head: list[str]
    """Empty where the first row is like the others."""
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    """Sentences: what is not shown, and what may be wrong with the file."""
    comments: list[str] = field(default_factory=list)
    """Lines above the table."""


@dataclass
class Extent:
    """Size of a table, and how much of it stands in a `Table`. `rows`: None where nobody has counted them all."""

    rows: int | None
    columns: int
    shown: int
    has_long_cells: bool = False

    def notes(self) -> list[str]:
        """What is not shown, as sentences."""
        said = []
        if self.rows is None:
            first = ngettext("The first %(shown)s row is shown.", "The first %(shown)s rows are shown.", self.shown)
            said.append(first % {"shown": grouped(self.shown)})
        elif self.rows > self.shown:
            first = ngettext(
                "The first %(shown)s of %(rows)s rows is shown.",
                "The first %(shown)s of %(rows)s rows are shown.",
                self.shown,
            )
            said.append(first % {"shown": grouped(self.shown), "rows": grouped(self.rows)})
        if self.columns > TABLE_COLUMNS:
            columns = gettext("The first %(shown)s of %(columns)s columns are shown.")
            said.append(columns % {"shown": TABLE_COLUMNS, "columns": grouped(self.columns)})
        if self.has_long_cells:
            said.append(gettext("Of long cells the first %(number)s characters are shown.") % {"number": grouped(CELL)})
        return said


def read_table(text: Text, name: str) -> Table | None:
    """Rows of a CSV or TSV text; None where it has none, or is one line or lines of any length without a delimiter."""
    content = _whole_lines(text)
    delimiter, start = separator_line(content)
    comments, start = comment_lines(content, start)
    prefer = "\t" if name.lower().endswith((".tsv", ".tab")) else ""
    dialect = Dialect(delimiter) if delimiter else find_dialect(content, start, prefer=prefer)
    rows, end = _first_rows(content, dialect, start)
    if not rows:
        return None
    head = _head(rows, comments, dialect)
    is_first_row = bool(head) and head is rows[0].fields
    body = rows[is_first_row:][:TABLE_ROWS]
    more = len(rows) - is_first_row - len(body) + _count(content, dialect, end)
    widths = {len(row.fields) for row in rows}
    shown = [head, *(row.fields for row in body)]
    has_long = any(len(cell) > CELL for fields in shown for cell in fields[:TABLE_COLUMNS])
    if max(widths) == 1 and (len(rows) == 1 or has_long):
        return None
    extent = Extent(None if text.is_cut else len(body) + more, max(widths), len(body), has_long)
    notes = [*extent.notes(), *_doubts(rows[is_first_row:], widths, is_first_row)]
    return Table(_cut(head), [_cut(row.fields) for row in body], notes, [line[:CELL] for line in comments[:COMMENTS]])


def _whole_lines(text: Text) -> str:
    """Without the last line of a text that goes on: nobody knows the rest of its fields."""
    if not text.is_cut or "\n" not in text.text:
        return text.text
    return text.text[: text.text.rindex("\n") + 1]


def _first_rows(text: str, dialect: Dialect, start: int) -> tuple[list[Row], int]:
    """Rows that may be shown, a head among them, and where they end."""
    rows: list[Row] = []
    for row, end in split_rows(text, dialect, start):
        rows.append(row)
        start = end
        if len(rows) > TABLE_ROWS:
            break
    return rows, start


def _count(text: str, dialect: Dialect, start: int) -> int:
    """Rows from a place on."""
    if text.find('"', start) < 0 or not dialect.quotes_span_lines:
        return sum(not line.isspace() and line != "" for line in text[start:].split("\n"))
    return sum(1 for _ in split_rows(text, dialect, start))


def _head(rows: list[Row], comments: list[str], dialect: Dialect) -> list[str]:
    """Names of the columns: the first row if no number is in it, or the last comment if it has as many fields."""
    first = rows[0].fields
    if names := head_of([row.fields for row in rows[:2]]):
        return names
    if comments and len(first) > 1 and any(map(_is_number, first)):
        names = next(split_rows(comments[-1].lstrip(f"{COMMENT} "), dialect), (Row([]), 0))[0].fields
        if len(names) == len(first):
            comments.pop()
            return names
    return []


def head_of(rows: list[list[str]]) -> list[str]:
    """The first of several rows, if no number is in it and no name is missing but that of an index; else nothing."""
    if len(rows) < 2 or not any(rows[0]) or not all(rows[0][1:]):
        return []
    return [] if any(map(_is_number, rows[0])) else rows[0]


def _is_number(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip()))


def _doubts(rows: list[Row], widths: set[int], has_head: bool) -> list[str]:
    """What may be wrong with the file."""
    said = []
    unpaired = next((number for number, row in enumerate(rows, 1) if row.unpaired), 0)
    if unpaired:
        quote = gettext("In row %(number)s a quote is not closed. It is shown as a character.")
        said.append(quote % {"number": grouped(unpaired)})
    if len(widths) > 1:
        if has_head:
            differ = gettext("The rows and the head do not all have the same number of fields: %(least)s to %(most)s.")
        else:
            differ = gettext("The rows do not all have the same number of fields: %(least)s to %(most)s.")
        said.append(differ % {"least": grouped(min(widths)), "most": grouped(max(widths))})
    return said


def _cut(fields: list[str]) -> list[str]:
    return [cell[:CELL] for cell in fields[:TABLE_COLUMNS]]
