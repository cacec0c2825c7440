"""Search index of Collabs: its table, and the writing of its entries.

The services write an entry in the transaction of the change; `manage.py rebuild_search` writes all of them again.
"""

from collections.abc import Iterable
from typing import Any

from django.db import connections

from .models import Collab
from .search import TABLE, WEIGHTS, words_of


def index(collab: Collab, tags: Iterable[str] | None = None) -> None:
    """Write a Collab's entry; within the transaction that changed the Collab."""
    names = collab.tags.values_list("name", flat=True) if tags is None else tags
    write(connections[collab._state.db or "default"], collab, names)


def write(connection: Any, collab: Any, tags: Iterable[str]) -> None:
    """As `index`, for migrations and for callers that have the tags."""
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
    """Text of a tsvector, `'word':position+weight …`; PostgreSQL merges equal words. Positions end at 16383."""
    places = [(word, weight) for weight, words in zip(WEIGHTS, columns, strict=True) for word in words]
    return " ".join(f"'{word}':{min(number, 16383)}{weight}" for number, (word, weight) in enumerate(places, 1))


def create(connection: Any) -> None:
    """Create the empty table: FTS5 on SQLite, a tsvector with a GIN index on PostgreSQL."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"CREATE TABLE {TABLE} (rowid bigint PRIMARY KEY, {TABLE} tsvector NOT NULL)")
            cursor.execute(f"CREATE INDEX {TABLE}_words ON {TABLE} USING gin ({TABLE})")
        else:
            tokens = "tokenize = \"unicode61 remove_diacritics 0 categories 'L* N* M* Co'\", prefix = '1 2 3'"
            cursor.execute(f"CREATE VIRTUAL TABLE {TABLE} USING fts5(title, tags, description, {tokens})")


def drop(connection: Any) -> None:
    """Drop the table."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def clear(connection: Any) -> None:
    """Delete all entries; `write` every Collab afterwards."""
    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {TABLE}")  # noqa: S608
