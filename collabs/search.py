"""Full-text search of Collabs: one interface over FTS5 on SQLite and the text search of PostgreSQL.

Words are found by their beginnings, all of them, anywhere in title, tags or description; what is in the title counts
most. Both databases find the same, because texts are cut into words here: folded (case, accents, ligatures), and split
at whatever is no letter or number. Scripts that put no spaces between words are split into their characters.

The index (search_index.py) holds private and deleted Collabs as well: who may see what is for the query around it.
Among 10,000 Collabs it takes a tenth of the time of a scan with LIKE for a rare word, half of it for a frequent one, as
long for a single letter (bench/search.py).
"""

import unicodedata
from typing import Any, TypeVar

from django.db import connections, models
from django.db.models import F, Func, Lookup, Q, QuerySet, Value

TABLE = "collabs_search"
MAX_WORDS = 10
"""Of a search; the rest is ignored."""
MAX_WORD_LENGTH = 60
"""Characters of a word that count, after folding."""
WEIGHTS = {"A": 10.0, "B": 5.0, "C": 1.0}
"""Of title, tags and description. PostgreSQL weighs alike, in its own measure."""
_UNSPACED = ((0x0E00, 0x0EFF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""Thai and Lao, Kana, Han."""
_ACCENTS = range(0x0300, 0x0370)

Rows = TypeVar("Rows", bound=QuerySet[Any])


def words_of(text: str) -> list[str]:
    """A text cut into folded words, as the index and a query have them."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return [word[:MAX_WORD_LENGTH] for word in folded.translate(_LETTERS).split()]


class _Letters(dict[int, str]):
    """What stands for a character, for `str.translate`: looked up once for each, as texts of files are long."""

    def __missing__(self, code: int) -> str:
        found = _letter(chr(code))
        if code < _REMEMBERED:
            self[code] = found
        return found


_REMEMBERED = 0x10000
_LETTERS = _Letters()


def _letter(character: str) -> str:
    code = ord(character)
    if code in _ACCENTS:
        return ""
    if any(first <= code <= last for first, last in _UNSPACED):
        return f" {character} "
    return character if unicodedata.category(character)[0] in "LNM" else " "


class DocumentField(models.Field):
    """Type of the index's column for queries, which has the name of its table: FTS5 wants it so."""

    def db_type(self, connection: Any) -> str:
        return "tsvector" if connection.vendor == "postgresql" else "text"


@DocumentField.register_lookup
class Matches(Lookup):
    """Condition: a document has all words of a query (`_query`)."""

    lookup_name = "matches"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        document, before = self.process_lhs(compiler, connection)
        query, after = self.process_rhs(compiler, connection)
        is_postgres = connection.vendor == "postgresql"
        return (f"{document} @@ {query}::tsquery" if is_postgres else f"{document} MATCH {query}"), (*before, *after)


class Distance(Func):
    """Rank of a matching document, for ascending order: the best match has the least."""

    output_field = models.FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:
        document, _query = self.get_source_expressions()
        column, parameters = compiler.compile(document)
        return f"bm25({column}, {', '.join(map(str, WEIGHTS.values()))})", tuple(parameters)

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:
        document, query = (compiler.compile(part) for part in self.get_source_expressions())
        return f"-ts_rank({document[0]}, {query[0]}::tsquery)", (*document[1], *query[1])


def narrow(collabs: Rows, text: str) -> Rows:
    """The Collabs that a search finds, annotated with `distance` to order them by; all of them for an empty search."""
    words = words_of(text)[:MAX_WORDS]
    if not words:
        near = collabs.annotate(distance=Value(0.0))
        return near.filter(Q(pk__in=[])) if text.replace("\0", " ").strip() else near
    return having(collabs, [[word] for word in words])


def having(collabs: Rows, groups: list[list[str]]) -> Rows:
    """The Collabs that have a word of each group, as words begin; annotated with `distance`. At least one group."""
    query = _query(groups, connections[collabs.db].vendor)
    found = collabs.filter(search_entry__document__matches=query)
    return found.annotate(distance=Distance(F("search_entry__document"), Value(query)))


def _query(groups: list[list[str]], vendor: str) -> str:
    """The query in the database's own syntax. Words are letters and numbers only, so nothing in them is an operator."""
    if vendor == "postgresql":
        each = [" | ".join(f"'{word}':*" for word in group) for group in groups]
        return " & ".join(f"({words})" for words in each)
    each = [" OR ".join(f'"{word}"*' for word in group) for group in groups]
    return " AND ".join(f"({words})" for words in each)
