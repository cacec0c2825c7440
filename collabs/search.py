"""Full-text search of Collabs: one interface over FTS5 on SQLite and the text search of PostgreSQL.

Words are found by their beginnings, all of them, anywhere in title, tags or description; what is in the title counts
most. Both databases find the same, because texts are cut into words here: folded (case, accents, ligatures), and split
at whatever is no letter or number. Scripts that put no spaces between words are split into their characters.

The services keep the index true, in the transaction of the change; `manage.py rebuild_search` writes it anew.
It holds private and deleted Collabs as well: who may see what is for the query around it.
"""

import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import connections, models
from django.db.models import F, Func, Lookup, Q, QuerySet, Value

if TYPE_CHECKING:
    from .models import Collab

TABLE = "collabs_search"
MOST_WORDS = 10
"""Of a search; further ones are left out."""
LONGEST_WORD = 60
"""Characters of a word that count, after folding."""
WEIGHTS = {"A": 10.0, "B": 5.0, "C": 1.0}
"""Of title, tags and description. PostgreSQL weighs alike, in its own measure."""
_UNSPACED = ((0x0E00, 0x0EFF), (0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""Thai and Lao, Kana, Han."""
_ACCENTS = range(0x0300, 0x0370)

Rows = TypeVar("Rows", bound=QuerySet[Any])


def words_of(text: str) -> list[str]:
    """The words of a text, as they are kept and looked for."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return [word[:LONGEST_WORD] for word in "".join(map(_letter, folded)).split()]


def _letter(character: str) -> str:
    code = ord(character)
    if code in _ACCENTS:
        return ""
    if any(first <= code <= last for first, last in _UNSPACED):
        return f" {character} "
    return character if unicodedata.category(character)[0] in "LNM" else " "


# Asking


class DocumentField(models.Field):
    """The column of the index that is asked; it is named like its table, as FTS5 has it."""

    def db_type(self, connection: Any) -> str:
        return "tsvector" if connection.vendor == "postgresql" else "text"


@DocumentField.register_lookup
class Matches(Lookup):
    """Whether a document has all words of a query (`_query`)."""

    lookup_name = "matches"

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        document, before = self.process_lhs(compiler, connection)
        query, after = self.process_rhs(compiler, connection)
        is_postgres = connection.vendor == "postgresql"
        return (f"{document} @@ {query}::tsquery" if is_postgres else f"{document} MATCH {query}"), (*before, *after)


class Distance(Func):
    """How far a document that matches is from a query: the nearest is the least."""

    output_field = models.FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:
        document, _query = self.get_source_expressions()
        column, parameters = compiler.compile(document)
        return f"bm25({column}, {', '.join(map(str, WEIGHTS.values()))})", tuple(parameters)

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:
        document, query = (compiler.compile(part) for part in self.get_source_expressions())
        return f"-ts_rank({document[0]}, {query[0]}::tsquery)", (*document[1], *query[1])


def narrow(collabs: Rows, text: str) -> Rows:
    """Those of the Collabs that a search finds, with `distance` to order them by; all of them for an empty search."""
    words = words_of(text)[:MOST_WORDS]
    if not words:
        near = collabs.annotate(distance=Value(0.0))
        return near.filter(Q(pk__in=[])) if text.replace("\0", " ").strip() else near
    query = _query(words, connections[collabs.db].vendor)
    found = collabs.filter(search_entry__document__matches=query)
    return found.annotate(distance=Distance(F("search_entry__document"), Value(query)))


def _query(words: list[str], vendor: str) -> str:
    """In the database's own language. Words are letters and numbers only, so nothing in them means anything else."""
    if vendor == "postgresql":
        return " & ".join(f"'{word}':*" for word in words)
    return " ".join(f'"{word}"*' for word in words)


# Keeping


def index(collab: "Collab", tags: Iterable[str] | None = None) -> None:
    """Write what can be found of a Collab; within the transaction that changed it."""
    names = collab.tags.values_list("name", flat=True) if tags is None else tags
    write(connections[collab._state.db or "default"], collab, names)


def write(connection: Any, collab: Any, tags: Iterable[str]) -> None:
    """As `index`, for migrations and whoever has the tags already."""
    columns = [words_of(text) for text in (collab.title, " ".join(tags), collab.description)]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            update = f"ON CONFLICT (rowid) DO UPDATE SET {TABLE} = EXCLUDED.{TABLE}"
            insert = f"INSERT INTO {TABLE} (rowid, {TABLE}) VALUES (%s, %s::tsvector) {update}"  # noqa: S608
            cursor.execute(insert, [collab.pk, _vector(columns)])
        else:
            cursor.execute(f"DELETE FROM {TABLE} WHERE rowid = %s", [collab.pk])  # noqa: S608
            insert = f"INSERT INTO {TABLE} (rowid, title, tags, description) VALUES (%s, %s, %s, %s)"  # noqa: S608
            cursor.execute(insert, [collab.pk, *map(" ".join, columns)])


def _vector(columns: list[list[str]]) -> str:
    """A tsvector as text; a word stands in it once per place and weight, and PostgreSQL puts equal ones together."""
    places = [(word, weight) for weight, words in zip(WEIGHTS, columns, strict=True) for word in words]
    return " ".join(f"'{word}':{min(number, 16383)}{weight}" for number, (word, weight) in enumerate(places, 1))


def create(connection: Any) -> None:
    """Make the empty index: for the migration."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"CREATE TABLE {TABLE} (rowid bigint PRIMARY KEY, {TABLE} tsvector NOT NULL)")
            cursor.execute(f"CREATE INDEX {TABLE}_words ON {TABLE} USING gin ({TABLE})")
        else:
            tokens = "tokenize = \"unicode61 remove_diacritics 0 categories 'L* N* M* Co'\", prefix = '1 2 3'"
            cursor.execute(f"CREATE VIRTUAL TABLE {TABLE} USING fts5(title, tags, description, {tokens})")


def drop(connection: Any) -> None:
    """Undo `create`."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def clear(connection: Any) -> None:
    """Forget everything; `write` every Collab afterwards."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")  # noqa: S608
