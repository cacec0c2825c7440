"""Two versions of a notebook beside each other, cell by cell, as one HTML document.

Cells belong together by their id, or by what they hold; between those that do, by likeness. Outputs are compared by
hash and shown beside each other as the notebook's page shows them, so that nobody sees the bytes of a picture.
"""

import hashlib
import html
import json
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from difflib import SequenceMatcher

from .notebook import Page
from .notebook_repair import Cell, Notebook, read_notebook
from .page import document, notes

MOST_PAIRS = 2500
"""Pairs of cells whose likeness is looked at in one place of the notebook."""
ALIKE = 0.5
"""Least part of lines that two cells have in common to be the same one, changed."""
MOST_LINES = 2000
"""Lines of a cell or an output that are compared one by one."""
MOST_WORDS = 400
"""Characters of a line whose words are compared."""
CONTEXT = 3
"""Equal lines that are shown around those that differ."""

Pair = tuple[Cell | None, Cell | None]


def difference(content: bytes) -> str:
    """Of both notebooks, the length of the first in a line before them, what differs, as a page."""
    return document(_Comparison(*_both(content)).html())


def differing_cells(content: bytes) -> str:
    """Of both notebooks, as `difference` takes them, the cells that differ, as JSON: a list of objects.

    `change`: `changed`, `added` or `removed`; `kind`; `older` and `newer`: number from 1, or null; `also`: what differs
    beside the source; `sources`: the older one and the newer one.
    """
    found, numbers = [], [0, 0]
    for pair in paired(*(notebook.cells for notebook in _both(content))):
        for side, cell in enumerate(pair):
            numbers[side] += cell is not None
        older, newer = pair
        also = _differing(older, newer) if older and newer else []
        if older and newer and _key(older) == _key(newer) and not also:
            continue
        found.append(
            {
                "change": "changed" if older and newer else "added" if newer else "removed",
                "kind": (newer or older).kind,  # type: ignore[union-attr]  # a pair has one at least
                "older": numbers[0] if older else None,
                "newer": numbers[1] if newer else None,
                "also": also,
                "sources": [cell.source if cell else "" for cell in pair],
            }
        )
    return json.dumps(found)


def _both(content: bytes) -> tuple[Notebook, Notebook]:
    length, _, both = content.partition(b"\n")
    return read_notebook(both[: int(length)]), read_notebook(both[int(length) :])


class _Comparison:
    def __init__(self, older: Notebook, newer: Notebook) -> None:
        self._notebooks = older, newer
        self._pages = Page(older), Page(newer)
        self._changed = 0

    def html(self) -> str:
        """All cells in order; those that are equal are counted only."""
        parts, equal = [], 0
        for older, newer in paired(self._notebooks[0].cells, self._notebooks[1].cells):
            if older and newer and _key(older) == _key(newer) and not _differing(older, newer):
                equal += 1
                continue
            parts.append(_unchanged(equal) + self._pair(older, newer))
            equal = 0
        if not parts:
            return '<p class="still">No differences: the cells and their outputs are the same.</p>'
        said = notes(
            [note for page in self._notebooks for note in page.repaired and ["A notebook was repaired to be shown."]][
                :1
            ]
        )
        return f'{said}<div class="comparison">{"".join(parts)}{_unchanged(equal)}</div>'

    def _pair(self, older: Cell | None, newer: Cell | None) -> str:
        if not older or not newer:
            return self._alone(older, newer)
        said = [f"{older.kind} → {newer.kind}"] * (older.kind != newer.kind)
        same = older.source == newer.source
        said.append(f"{'' if same else 'Changed '}{newer.kind} cell")
        parts = [f"<h2>{html.escape(' '.join(said).capitalize())}</h2>"]
        parts.append(_folded("Source unchanged", newer.source) if same else lines_beside(older.source, newer.source))
        names = _differing(older, newer)
        if "outputs" in names:
            parts.append("<h3>Output changed</h3>" + self._outputs(older, newer))
        if others := [name for name in names if name != "outputs"]:
            parts.append(f'<p class="still">Also changed: {html.escape(", ".join(others))}.</p>')
        return f'<section class="cell changed">{"".join(parts)}</section>'

    def _alone(self, older: Cell | None, newer: Cell | None) -> str:
        cell, kind, side = (newer, "added", 1) if newer else (older, "removed", 0)
        assert cell
        shown = self._pages[side].cell(cell)
        return f'<section class="{kind}"><h2>{kind.capitalize()} {cell.kind} cell</h2>{shown}</section>'

    def _outputs(self, older: Cell, newer: Cell) -> str:
        texts = [_as_text(cell) for cell in (older, newer)]
        if texts[0] is not None and texts[1] is not None:
            return lines_beside(texts[0], texts[1])
        sides = [page.outputs.html(cell.outputs) for page, cell in zip(self._pages, (older, newer), strict=True)]
        shown = (side or '<p class="still">No output</p>' for side in sides)
        old, new = shown
        return f'<div class="beside"><div class="side old">{old}</div><div class="side new">{new}</div></div>'


def paired(older: Sequence[Cell], newer: Sequence[Cell]) -> list[Pair]:
    """The cells of both in order, each with its other version, or None where there is none."""
    names = [Counter(cell.id for cell in cells if cell.id) for cells in (older, newer)]
    common = {name for name, count in names[0].items() if count == names[1].get(name) == 1}

    def keys(cells: Sequence[Cell]) -> list[Hashable]:
        return [cell.id if cell.id in common else _key(cell) for cell in cells]

    found: list[Pair] = []
    matcher = SequenceMatcher(None, keys(older), keys(newer), autojunk=len(older) * len(newer) > 10**6)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            found += zip(older[start:end], newer[new_start:new_end], strict=True)
        else:
            found += _by_likeness(older[start:end], newer[new_start:new_end])
    return found


def _by_likeness(older: Sequence[Cell], newer: Sequence[Cell]) -> Iterator[Pair]:
    """Each older cell with the next newer one of its kind that is like it."""
    looked, start = 0, 0
    for cell in older:
        partner = None
        for place in range(start, len(newer)):
            looked += 1
            if looked > MOST_PAIRS:
                break
            if newer[place].kind == cell.kind and _alike(cell.source, newer[place].source):
                partner = place
                break
        if partner is None:
            yield cell, None
            continue
        yield from ((None, added) for added in newer[start:partner])
        yield cell, newer[partner]
        start = partner + 1
    yield from ((None, added) for added in newer[start:])


def _alike(older: str, newer: str) -> bool:
    """True where most lines are the same, or the words of a short text."""
    parts = [text.split("\n") if text.count("\n") > 3 else text.split() for text in (older, newer)]
    counts = [Counter(part) for part in parts]
    common = sum((counts[0] & counts[1]).values())
    return not any(parts) or 2 * common >= ALIKE * sum(map(len, parts))


def _key(cell: Cell) -> tuple[str, str]:
    return cell.kind, cell.source


def _hash(value: object) -> bytes:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=vars).encode()).digest()


def _differing(older: Cell, newer: Cell) -> list[str]:
    """Names of what differs beside the source."""
    pairs = {
        "outputs": (older.outputs, newer.outputs),
        "metadata": (older.metadata, newer.metadata),
        "attachments": (older.attachments, newer.attachments),
    }
    return [name for name, (old, new) in pairs.items() if _hash(old) != _hash(new)]


def _as_text(cell: Cell) -> str | None:
    """The outputs of a cell as text, if all of them are nothing else."""
    parts = []
    for output in cell.outputs:
        if output.kind in ("stream", "error"):
            parts.append(output.text)
        elif set(output.data) == {"text/plain"}:
            parts.append(output.data["text/plain"])
        else:
            return None
    return "\n".join(part.rstrip("\n") for part in parts)


def _unchanged(count: int) -> str:
    return f'<p class="still gap">{count} unchanged cell{"s" * (count > 1)}</p>' if count else ""


def _folded(words: str, text: str) -> str:
    shown = html.escape(text, quote=False)
    return f'<details><summary>{words}</summary><pre class="input"><code>{shown}</code></pre></details>'


def lines_beside(older: str, newer: str) -> str:
    """Two texts as a table: equal lines beside each other, what differs marked."""
    old, new = older.split("\n"), newer.split("\n")
    if max(len(old), len(new)) > MOST_LINES:
        sides = (f'<pre class="input side">{html.escape(text, quote=False)}</pre>' for text in (older, newer))
        return f'<div class="beside">{"".join(sides)}</div>'
    rows = []
    groups = SequenceMatcher(None, old, new, autojunk=len(old) > 200).get_grouped_opcodes(CONTEXT)
    for number, group in enumerate(groups):
        if number or group[0][1]:
            rows.append('<tr class="gap"><td colspan="2">…</td></tr>')
        for kind, start, end, new_start, new_end in group:
            rows += _rows(kind, old[start:end], new[new_start:new_end])
    return f'<div class="beside-lines"><table class="lines"><tbody>{"".join(rows)}</tbody></table></div>'


def _rows(kind: str, old: list[str], new: list[str]) -> list[str]:
    rows = []
    for place in range(max(len(old), len(new))):
        left = old[place] if place < len(old) else None
        right = new[place] if place < len(new) else None
        if kind == "equal" or left is None or right is None:
            shown = [html.escape(line or "", quote=False) for line in (left, right)]
        else:
            shown = _words(left, right)
        cells = zip(("old", "new"), (left, right), shown, strict=True)
        marks = (f' class="{side}"' if kind != "equal" and line is not None else "" for side, line, _ in cells)
        rows.append(
            "<tr>" + "".join(f"<td{mark}>{text}</td>" for mark, text in zip(marks, shown, strict=True)) + "</tr>"
        )
    return rows


def _words(left: str, right: str) -> list[str]:
    """Both lines with the characters marked that the other has not."""
    if max(len(left), len(right)) > MOST_WORDS:
        return [html.escape(line, quote=False) for line in (left, right)]
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    if matcher.ratio() < ALIKE:
        return [html.escape(line, quote=False) for line in (left, right)]
    shown = ["", ""]
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        for side, part in enumerate((left[start:end], right[new_start:new_end])):
            escaped = html.escape(part, quote=False)
            shown[side] += f"<mark>{escaped}</mark>" if kind != "equal" and part else escaped
    return shown
