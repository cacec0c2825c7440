"""Rows as JSON for the portal's own page, which shows them as text (drive/preview/tables/rendered.py)."""

import datetime
import json
from collections.abc import Iterable, Sequence
from typing import Any

ROWS, COLUMNS, CELL = 1001, 100, 1001
"""So much is handed on, a row and a character more than are shown."""
MOST_SHEETS = 50


def sheet(
    name: str,
    rows: Iterable[Sequence[object]],
    *,
    head: Sequence[str] = (),
    height: int | None = None,
    width: int = 0,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """A sheet. `height`: how many rows it has, None if nobody counted; `head`: where the names of columns are known."""
    cut = [[cell_text(cell) for cell in row[:COLUMNS]] for row in rows]
    return {
        "name": name,
        "head": list(head[:COLUMNS]),
        "rows": cut[:ROWS],
        "height": height,
        "width": max([width, len(head), *map(len, cut)]),
        "notes": list(notes),
    }


def dump(sheets: Sequence[dict[str, Any]]) -> str:
    """The result of the renderer."""
    return json.dumps(list(sheets[:MOST_SHEETS]))


def cell_text(value: object) -> str:
    """A cell as a person would write it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return (value.date().isoformat() if midnight else value.isoformat(" "))[:CELL]
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value):,} bytes"
    return str(value)[:CELL]
