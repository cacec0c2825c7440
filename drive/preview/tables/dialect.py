"""The dialect of a CSV text, found from its content: RFC 4180 is what few programs write.

A delimiter is right when all rows have equally many fields by it; that it occurs often says nothing, since a decimal
comma does, too.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice

DELIMITERS = "\t;,|"
SAMPLE_ROWS, SAMPLE = 200, 2**16
"""Rows and characters from which the dialect is found."""
COMMENT = "#"
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ \t]*(?:\n|\Z)', re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_BLANK = re.compile(r"[ \t]*(?:\n|\Z)")


@dataclass(frozen=True)
class Dialect:
    """How the rows of a text are written."""

    delimiter: str
    quotes_span_lines: bool = True
    """False where a quoted field would swallow the rows below it."""


@dataclass
class Row:
    """Fields of a row; `unpaired`: whether one of them begins with a quote that nothing closes."""

    fields: list[str]
    unpaired: bool = False


def separator_line(text: str) -> tuple[str, int]:
    """The delimiter that a first line `sep=;` names (Excel), and where the rows begin; "" and 0 without one."""
    match = _SEPARATOR_LINE.match(text)
    return (match[1], match.end()) if match else ("", 0)


def comment_lines(text: str, start: int) -> tuple[list[str], int]:
    """Lines above the table that begin with `#`, and where the rows begin."""
    lines = []
    while text.startswith(COMMENT, start):
        end = text.find("\n", start)
        end = end if end >= 0 else len(text)
        lines.append(text[start:end])
        start = end + 1
    return lines, min(start, len(text))


def split_rows(text: str, dialect: Dialect, start: int = 0) -> Iterator[tuple[Row, int]]:
    """Rows of a text, each with where it ends; blank lines are none. A quote without a partner is a character."""
    quoted, plain = _patterns(dialect)
    while start < len(text):
        if blank := _BLANK.match(text, start):
            start = blank.end()
            continue
        row = Row([])
        while True:
            match = quoted.match(text, start)
            if match:
                row.fields.append(match[1].replace('""', '"'))
            else:
                row.unpaired |= text.startswith('"', start)
                match = plain.match(text, start)
                assert match  # of anything, nothing included
                row.fields.append(match[0])
            start = match.end()
            if not text.startswith(dialect.delimiter, start):
                break
            start += 1
        start += 1
        yield row, start


@cache
def _patterns(dialect: Dialect) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Of a field in quotes, and of any other. Possessive: no text makes them look at a character twice."""
    end = re.escape(dialect.delimiter)
    inner = r'[^"]' if dialect.quotes_span_lines else r'[^"\n]'
    return re.compile(rf'"((?:{inner}++|"")*+)"(?={end}|\n|\Z)'), re.compile(rf"[^{end}\n]*+")


def find_dialect(text: str, start: int, *, prefer: str = "") -> Dialect:
    """The dialect by which most rows have the same number of fields, and more than one; `prefer`: if that is one."""
    sample = text[start : start + SAMPLE]
    is_cut = len(text) > start + SAMPLE
    best, best_rank = Dialect(prefer or ","), (0.0, False, False, 0)
    has_decimal_comma = _all_commas_are_decimal(sample)
    for delimiter in DELIMITERS:
        for spans in (True, False):
            if not spans and '"' not in sample:
                continue
            dialect = Dialect(delimiter, spans)
            share, fields = _agreement(sample, dialect, is_cut)
            likely = delimiter == prefer or not (delimiter == "," and has_decimal_comma)
            rank = (share, delimiter == prefer, likely, fields)
            if fields > 1 and rank > best_rank:
                best, best_rank = dialect, rank
    return best


def _agreement(sample: str, dialect: Dialect, is_cut: bool) -> tuple[float, int]:
    """The commonest number of fields, and the share of the rows that have it."""
    counts = [len(row.fields) for row, _ in islice(split_rows(sample, dialect), SAMPLE_ROWS)]
    if is_cut and len(counts) > 1:
        counts.pop()
    if not counts:
        return 0, 0
    # Of two numbers that are equally frequent, the larger one: a title above the table has one field.
    fields, rows = max(Counter(counts).items(), key=lambda item: (item[1], item[0]))
    return rows / len(counts), fields


def _all_commas_are_decimal(sample: str) -> bool:
    return sample.count(",") == len(_DECIMAL_COMMA.findall(sample)) and "," in sample
