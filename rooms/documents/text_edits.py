"""Smallest edits between two texts."""

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from pycrdt import Text

# Pairs of equal elements that a comparison may have to look at (some 0.1 s). Beyond it, what differs is replaced as a
# whole: a file of a million equal lines must not stop the process.
MAX_PAIRS = 400_000
MAX_SLIDE = 200  # characters

_TOKENS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Edit:
    """Replace the characters `start:end` of the old text by `text`."""

    start: int
    end: int
    text: str


def edits(old: str, new: str) -> list[Edit]:
    """Edits that turn `old` into `new`, ascending and apart: by lines, within those by words, trimmed to characters."""
    rough = list(_edits(old, new, 0, (_lines, _words)))
    found: list[Edit] = []
    for number, edit in enumerate(rough):
        first = found[-1].end if found else 0
        last = rough[number + 1].start if number + 1 < len(rough) else len(old)
        found.append(_slid(old, edit, first, last))
    return found


def change(text: Text, old: str, new: str) -> None:
    """Edit a shared text, which reads `old`, into `new`. Its offsets are UTF-8 bytes."""
    at, done = 0, 0  # bytes into the shared text, characters into `old`
    for edit in edits(old, new):
        at += _size(old[done : edit.start])
        if removed := _size(old[edit.start : edit.end]):
            del text[at : at + removed]
        if edit.text:
            text.insert(at, edit.text)
            at += _size(edit.text)
        done = edit.end


def matching_blocks(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[str, int, int, int, int]]:
    """`difflib`'s opcodes, of bounded cost: coarse where there is too much to compare."""
    head = _common(old, new)
    tail = _common(old[head:][::-1], new[head:][::-1])
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    found: list[tuple[str, int, int, int, int]] = [("equal", 0, head, 0, head)] if head else []
    if _pairs(middle_old, middle_new) <= MAX_PAIRS:
        codes: list[tuple[str, int, int, int, int]] = list(
            SequenceMatcher(None, middle_old, middle_new, autojunk=False).get_opcodes()
        )
        found += [(tag, a + head, b + head, c + head, d + head) for tag, a, b, c, d in codes]
    elif middle_old or middle_new:
        tag = "replace" if middle_old and middle_new else "delete" if middle_old else "insert"
        found.append((tag, head, len(old) - tail, head, len(new) - tail))
    if tail:
        found.append(("equal", len(old) - tail, len(old), len(new) - tail, len(new)))
    return found


def _edits(old: str, new: str, offset: int, levels: Sequence[Callable[[str], list[str]]]) -> Iterator[Edit]:
    if old == new:
        return
    if not old or not new or not levels:
        head = _common(old, new)
        tail = _common(old[head:][::-1], new[head:][::-1])
        yield Edit(offset + head, offset + len(old) - tail, new[head : len(new) - tail])
        return
    parts_old, parts_new = levels[0](old), levels[0](new)
    ends = _ends(parts_old)
    for tag, a, b, c, d in matching_blocks(parts_old, parts_new):
        if tag != "equal":
            yield from _edits("".join(parts_old[a:b]), "".join(parts_new[c:d]), offset + ends[a], levels[1:])


def _slid(old: str, edit: Edit, first: int, last: int) -> Edit:
    """The edit at its clearest place, where it only inserts or only removes; not before `first`, nor beyond `last`."""
    if edit.text and edit.end > edit.start:
        return edit
    first, last = max(first, edit.start - MAX_SLIDE), min(last, edit.end + MAX_SLIDE)
    piece = edit.text or old[edit.start : edit.end]
    lead = max(first - 1, 0)
    around = old[lead : edit.start] + piece + old[edit.end : last + 1]
    start = edit.start - lead
    by = _slide(around, start, start + len(piece), edit.start - first, last - edit.end)
    moved = around[start + by : start + by + len(piece)]
    return Edit(edit.start + by, edit.end + by, moved if edit.text else "")


def _slide(longer: str, start: int, end: int, back: int, forward: int) -> int:
    """How far a piece that was put in or taken out had better begin later, or earlier where it is negative: "bc" in
    "abcb" may as well be "cb".

    The choice with the clearest edges is what a person did, and keeps words whole when another edit comes beside it.
    """
    best, score = 0, _clarity(longer, start) + _clarity(longer, end)
    for step, most in ((-1, back), (1, forward)):
        for far in range(1, most + 1):
            passed = -far if step < 0 else far - 1  # what comes in at one edge has to be what goes out at the other
            if longer[start + passed] != longer[end + passed]:
                break
            clearer = _clarity(longer, start + step * far) + _clarity(longer, end + step * far)
            if clearer > score:
                best, score = step * far, clearer
    return best


def _clarity(text: str, at: int) -> int:
    """How clear an edge is: the end of the text, of a line, of a word, between other characters, within a word."""
    if at in (0, len(text)):
        return 5
    before, after = text[at - 1], text[at]
    if before == "\n":
        return 4
    if before.isspace() or after.isspace():
        return 3
    if not before.isalnum() and not after.isalnum():
        return 2
    return 0 if before.isalnum() and after.isalnum() else 1


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _words(text: str) -> list[str]:
    return _TOKENS.findall(text)


def _ends(parts: list[str]) -> list[int]:
    ends = [0]
    for part in parts:
        ends.append(ends[-1] + len(part))
    return ends


def _common(one: Sequence[Hashable], other: Sequence[Hashable]) -> int:
    """Length of the common beginning."""
    shorter = min(len(one), len(other))
    if one[:shorter] == other[:shorter]:
        return shorter
    return next(at for at in range(shorter) if one[at] != other[at])


def _pairs(old: Sequence[Hashable], new: Sequence[Hashable]) -> int:
    counted = Counter(old)
    return sum(counted[element] for element in new)


def _size(text: str) -> int:
    return len(text.encode())
