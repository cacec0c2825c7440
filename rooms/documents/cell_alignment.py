"""Which cells of a notebook that was written elsewhere are which of the room's: by id, else by what they hold."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from .text_edits import matching_blocks

Json = dict[str, Any]

SIMILAR = 0.4  # share of common words from which two cells are taken for one that was edited
MAX_COMPARED = 10_000  # pairs of cells in one stretch of unknown ones

_WORDS = re.compile(r"\w+|[^\w\s]")


def same_cells(old: Sequence[Json], new: Sequence[Json]) -> dict[str, str]:
    """Ids of cells of `new` that `old` does not know, with the id of the cell of `old` that they are.

    Tools that know no ids (nbformat before 4.5), or make up new ones each time, would otherwise double every cell that
    somebody edits: the room's own would be kept beside the other's.
    """
    known, there = {cell["id"] for cell in old}, {cell["id"] for cell in new}
    found: dict[str, str] = {}
    for old_cells, new_cells in _between_anchors(old, new, known & there):
        missing = [cell for cell in old_cells if cell["id"] not in there]
        unknown = [cell for cell in new_cells if cell["id"] not in known]
        for tag, a, b, c, d in matching_blocks([*map(_key, missing)], [*map(_key, unknown)]):
            pairs: Iterable[tuple[Json, Json]] = ()
            if tag == "equal":
                pairs = zip(missing[a:b], unknown[c:d], strict=True)
            elif tag == "replace":
                pairs = _similar(missing[a:b], unknown[c:d])
            found.update((cell["id"], earlier["id"]) for earlier, cell in pairs)
    return found


def _between_anchors(
    old: Sequence[Json], new: Sequence[Json], common: set[str]
) -> list[tuple[Sequence[Json], Sequence[Json]]]:
    """Stretches of both between cells that have the same id, as far as these stand in the same order."""
    stretches = []
    at_old = at_new = 0
    for tag, a, b, c, _d in matching_blocks(_ids(old, common), _ids(new, common)):
        if tag == "equal":
            for step in range(b - a):
                stretches.append((old[at_old : a + step], new[at_new : c + step]))
                at_old, at_new = a + step + 1, c + step + 1
    return [*stretches, (old[at_old:], new[at_new:])]


def _ids(cells: Sequence[Json], common: set[str]) -> list[object]:
    """Their ids; a cell that only one side has equals nothing."""
    return [cell["id"] if cell["id"] in common else (at, id(cells)) for at, cell in enumerate(cells)]


def _key(cell: Json) -> tuple[str, str]:
    return cell["cell_type"], cell["source"]


def _similar(old: Sequence[Json], new: Sequence[Json]) -> list[tuple[Json, Json]]:
    """Pairs in order, of the greatest similarity altogether (alignment of sequences)."""
    if len(old) * len(new) > MAX_COMPARED:
        return [pair for pair in zip(old, new, strict=False) if pair[0]["cell_type"] == pair[1]["cell_type"]]
    words = [Counter(_WORDS.findall(cell["source"])) for cell in (*old, *new)]
    words_old, words_new = words[: len(old)], words[len(old) :]
    alike = [[_likeness(one, other, len(old) == len(new)) for other in words_new] for one in words_old]
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            best[i][j] = max(best[i + 1][j], best[i][j + 1], best[i + 1][j + 1] + alike[i][j])
    pairs = []
    i = j = 0
    while i < len(old) and j < len(new):
        if alike[i][j] and best[i][j] == best[i + 1][j + 1] + alike[i][j]:
            pairs.append((old[i], new[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


def _likeness(one: Counter[str], other: Counter[str], as_many: bool) -> float:
    """Share of common words; 0 below SIMILAR. A lone cell between known ones is the same however it was rewritten."""
    total = one.total() + other.total()
    share = 2 * (one & other).total() / total if total else 1.0
    return share if share >= SIMILAR else 0.01 if as_many else 0.0
