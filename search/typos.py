"""Words that somebody may have meant who typed another: those of the index that differ by a letter or two.

A word with one wrong, missing, additional or exchanged letter still has its beginning or its end, so the words to
compare are found by two ranges of an index, of the words and of the words backwards, and not by a look at all of them.

The words are those of everybody's files. None of them is ever shown: they only widen a search over what one may see.
"""

from collections.abc import Collection, Iterable
from itertools import islice

from django.db import connection
from django.db.models import Q

from .models import Word
from .words import Alternatives

SHORTEST, LONGEST = 4, 30
"""Letters of words that are compared."""
TWO_ERRORS = 8
"""Letters of the words of which two may be wrong."""
CANDIDATES = 4000
"""So many words with the same beginning or end are compared, at most."""
MOST = 12
"""Words that stand for one that was typed, at most."""
WORDS_COMPARED = 4
"""Of a search; the others stand for themselves."""
MOST_LEARNED = 2000
"""Words of one text that are learned."""
MOST_KNOWN = 500_000
"""Words that are known, about: nobody can fill the database with them."""
BATCH = 400


def learn(words: Iterable[str]) -> int:
    """Add words to those that typing errors are compared with; returns how many are new."""
    wanted = sorted({word for word in words if _is_compared(word)})
    new: list[str] = []
    for first in range(0, len(wanted), BATCH):
        batch = wanted[first : first + BATCH]
        known = set(Word.objects.filter(word__in=batch).values_list("word", flat=True))
        new += [word for word in batch if word not in known]
    if new and Word.objects.count() > MOST_KNOWN:
        return 0
    rows = [Word(word=word, backwards=word[::-1]) for word in new]
    Word.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)
    return len(rows)


def of_text(words: Iterable[str]) -> list[str]:
    """Those of a text's words that are to be learned."""
    return list(islice((word for word in words if _is_compared(word)), MOST_LEARNED))


def _is_compared(word: str) -> bool:
    return SHORTEST <= len(word) <= LONGEST and word.isalpha()


def widened(groups: Alternatives) -> Alternatives:
    """The same words, each with those that are close to it."""
    return [
        [*group, *(word for word in close_to(group[0]) if word not in group)] if place < WORDS_COMPARED else group
        for place, group in enumerate(groups)
    ]


def close_to(typed: str) -> list[str]:
    """Words of the index whose beginning is nearly `typed`, the closest first."""
    if not SHORTEST <= len(typed) <= LONGEST:
        return []
    parts = (2, 3) if len(typed) >= TWO_ERRORS else (2,)
    return next((found for part in parts if (found := closest(typed, _candidates(typed, len(typed) // part)))), [])


def _candidates(typed: str, letters: int) -> set[str]:
    """Words that begin or end with so many letters as `typed` does: with one error, half of them; with two, a third."""
    half = len(typed) // 2
    exchanged = typed[: half - 1] + typed[half] + typed[half - 1] + typed[half + 1 :]  # the one error that is in both
    begins, ends = _range("word", typed[:letters]), _range("backwards", typed[: -letters - 1 : -1])
    found: set[str] = set()
    for condition in (begins, ends, Q(word=exchanged)):
        found.update(Word.objects.filter(condition).values_list("word", flat=True)[:CANDIDATES])
    return found


def _range(column: str, beginning: str) -> Q:
    """Words that begin so, by the index: SQLite's LIKE takes none, and PostgreSQL's order depends on its locale."""
    if connection.vendor == "postgresql":
        return Q(**{f"{column}__startswith": beginning})
    return Q(**{f"{column}__gte": beginning, f"{column}__lt": f"{beginning}\U0010ffff"})


def closest(typed: str, candidates: Collection[str]) -> list[str]:
    """Those with few enough errors, the closest first."""
    most = 2 if len(typed) >= TWO_ERRORS else 1
    letters = set(typed)
    found = []
    for word in candidates:
        if len(letters - set(word)) <= most and len(word) >= len(typed) - most:
            errors = distance(typed, word, most)
            if errors <= most:
                found.append((errors, len(word), word))
    return [word for _errors, _length, word in sorted(found)[:MOST]]


def distance(typed: str, word: str, most: int) -> int:
    """Errors between `typed` and the beginning of a word that is most like it; `most` + 1 for more than `most`.

    Optimal string alignment: a wrong, a missing, an additional letter, or two exchanged ones next to each other.
    """
    word = word[: len(typed) + most]
    before: list[int] = []
    row = list(range(len(word) + 1))
    for place, letter in enumerate(typed, 1):
        earlier, before, row = before, row, [place]
        for at, other in enumerate(word, 1):
            errors = min(before[at] + 1, row[at - 1] + 1, before[at - 1] + (letter != other))
            if place > 1 and at > 1 and letter == word[at - 2] and typed[place - 2] == other:
                errors = min(errors, earlier[at - 2] + 1)
            row.append(errors)
        if min(row) > most:
            return most + 1
    return min(row)
