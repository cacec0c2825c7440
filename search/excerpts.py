"""The place in a text where the words of a search are, with what is to be marked in it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from collabs.search import words_of

from .words import Alternatives

BEFORE, AROUND = 40, 160
"""Characters shown before the first word that was found, and in all."""
LOOKED_AT = 200_000
"""Words of a text in which the place is looked for."""
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Piece:
    """Part of an excerpt, as it stands in the file: pages escape it."""

    text: str
    is_found: bool


def excerpt(text: str, groups: Alternatives) -> list[Piece]:
    """The first line with one of the words, shortened; empty where there is none."""
    beginnings = tuple(word for group in groups for word in group)
    for number, found in enumerate(_WORD.finditer(text)):
        if number > LOOKED_AT:
            break
        if _is_found(found[0], beginnings):
            return _marked(*_line_around(text, found.start()), beginnings)
    return []


def marked(text: str, groups: Alternatives) -> list[Piece]:
    """A short text as a whole, such as a name."""
    return _marked(text, "", "", tuple(word for group in groups for word in group))


def _is_found(token: str, beginnings: tuple[str, ...]) -> bool:
    if token.isascii():
        return token.lower().startswith(beginnings)
    return any(word.startswith(beginnings) for word in words_of(token))


def _line_around(text: str, at: int) -> tuple[str, str, str]:
    """A part of the line in which a place is, and what stands for the rest on its left and right."""
    begins = text.rfind("\n", 0, at) + 1
    ends = text.find("\n", at)
    ends = len(text) if ends < 0 else ends
    first = max(begins, at - BEFORE)
    last = min(ends, first + AROUND)
    return text[first:last].strip(), "…" if first > begins else "", "…" if last < ends else ""


def _marked(line: str, left: str, right: str, beginnings: tuple[str, ...]) -> list[Piece]:
    pieces, done = [Piece(left, False)], 0
    for begins, ends in _places(line, beginnings):
        pieces += [Piece(line[done:begins], False), Piece(line[begins:ends], True)]
        done = ends
    return [piece for piece in [*pieces, Piece(line[done:], False), Piece(right, False)] if piece.text]


def _places(line: str, beginnings: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Of whole words; of single characters, in scripts that put no spaces between words."""
    for found in _WORD.finditer(line):
        if not _is_found(found[0], beginnings):
            continue
        if len(words_of(found[0])) == 1:
            yield found.span()
            continue
        for at in range(*found.span()):
            if any(word.startswith(beginnings) for word in words_of(line[at])):
                yield at, at + 1
