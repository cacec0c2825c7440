"""Words of names and texts, folded and cut as the index of Collabs has them."""

import re
from collections.abc import Iterable

from collabs.search import MAX_WORDS, words_of

MOST_WORDS = 20_000
"""Different words of one text that are in the index; the rest is not found."""
MOST_BYTES = 400_000
"""UTF-8 bytes of these words together: a tsvector of PostgreSQL holds a megabyte."""
_PARTS = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
"""Places within `loadData2` where a part of a name begins."""

Alternatives = list[list[str]]
"""For each word that was typed, the beginnings of words that stand for it."""


def name_words(name: str) -> list[str]:
    """Words of a file's name, and the parts of those that are written together."""
    return unique([*words_of(name), *words_of(_PARTS.sub(" ", name))])


def text_words(text: str) -> list[str]:
    """The different words of a text, within the bounds."""
    found, room = [], MOST_BYTES
    for word in unique(words_of(text))[:MOST_WORDS]:
        room -= len(word.encode())
        if room < 0:
            break
        found.append(word)
    return found


def unique(words: Iterable[str]) -> list[str]:
    """Each once, in the same order."""
    return list(dict.fromkeys(words))


def typed_words(text: str) -> Alternatives:
    """The words of a search, each standing for itself alone."""
    return [[word] for word in unique(words_of(text))[:MAX_WORDS]]


def has(words: Iterable[str], beginnings: list[str]) -> bool:
    """True if a word begins with one of these."""
    wanted = tuple(beginnings)
    return any(word.startswith(wanted) for word in words)
