"""Tables that the renderer has read from a spreadsheet or a Parquet file: JSON, of which nothing is believed."""

import json
from dataclasses import dataclass
from typing import Any

from .reading import CELL, TABLE_COLUMNS, TABLE_ROWS, Extent, Table, head_of

MOST_SHEETS = 50


@dataclass(frozen=True)
class Sheet:
    """A sheet of a workbook."""

    name: str
    table: Table


def read(content: bytes) -> list[Sheet]:
    """The sheets that inside/science/tables.py wrote; none if it is not that."""
    try:
        return [_sheet(item) for item in json.loads(content)[:MOST_SHEETS]]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []


def choose(sheets: list[Sheet], number: str) -> Sheet | None:
    """The sheet with this number, from 1 on; the first one for anything else."""
    index = int(number) - 1 if number.isascii() and number.isdigit() and len(number) < 4 else 0
    return sheets[index] if 0 <= index < len(sheets) else sheets[0] if sheets else None


def _sheet(item: dict[str, Any]) -> Sheet:
    rows = [[str(cell) for cell in row[:TABLE_COLUMNS]] for row in item["rows"][: TABLE_ROWS + 1]]
    head = [str(cell) for cell in item["head"][:TABLE_COLUMNS]]
    total = None if item["height"] is None else int(item["height"])
    if not head and (head := head_of(rows)):
        rows, total = rows[1:], None if total is None else total - 1
    body = rows[:TABLE_ROWS]
    has_long = any(len(cell) > CELL for row in rows for cell in row)
    extent = Extent(total, int(item["width"]), len(body), has_long)
    notes = [str(note) for note in item["notes"]]
    cut = [[cell[:CELL] for cell in row] for row in body]
    return Sheet(str(item["name"])[:100], Table([cell[:CELL] for cell in head], cut, [*notes, *extent.notes()]))
