"""Full-text index of files: its table, the writing of its entries, and the conditions that search it.

FTS5 on SQLite; on PostgreSQL a tsvector for each column, with one GIN index. Both hold folded words (words.py), each
once, in three columns: the file's name, the folders that it is in, its text. Neither knows who may see what.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models.expressions import RawSQL

from .words import Alternatives

TABLE = "search_words"


@dataclass(frozen=True)
class Entry:
    """What the index holds of one file. Without `text`, the words of its text stay as they are."""

    file: int
    name: list[str]
    folder: list[str]
    text: list[str] | None


def write(connection: Any, entries: Iterable[Entry]) -> None:
    """Write these entries over those that there are. Call it in a transaction."""
    entries = list(entries)
    whole = [(entry.file, entry.name, entry.folder, entry.text) for entry in entries if entry.text is not None]
    renamed = [(entry.name, entry.folder, entry.file) for entry in entries if entry.text is None]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            _write_vectors(cursor, whole, renamed)
            return
        cursor.executemany(f"DELETE FROM {TABLE} WHERE rowid = %s", [(file,) for file, *_ in whole])  # noqa: S608
        insert = f"INSERT INTO {TABLE} (rowid, name, folder, text) VALUES (%s, %s, %s, %s)"  # noqa: S608
        cursor.executemany(insert, [(file, *map(" ".join, columns)) for file, *columns in whole])
        update = f"UPDATE {TABLE} SET name = %s, folder = %s WHERE rowid = %s"  # noqa: S608
        cursor.executemany(update, [(" ".join(name), " ".join(folder), file) for name, folder, file in renamed])


def _write_vectors(cursor: Any, whole: list[Any], renamed: list[Any]) -> None:
    vector = "array_to_tsvector(%s::text[])"
    columns = ("name", "folder", "text")
    setting = ", ".join(f"{column} = EXCLUDED.{column}" for column in columns)
    values = f"(%s, {vector}, {vector}, {vector})"
    insert = f"INSERT INTO {TABLE} (rowid, name, folder, text) VALUES {values} "  # noqa: S608
    cursor.executemany(f"{insert} ON CONFLICT (rowid) DO UPDATE SET {setting}", whole)
    cursor.executemany(f"UPDATE {TABLE} SET name = {vector}, folder = {vector} WHERE rowid = %s", renamed)  # noqa: S608


def remove(connection: Any, files: Iterable[int]) -> None:
    """Remove the entries of these files."""
    with connection.cursor() as cursor:
        cursor.executemany(f"DELETE FROM {TABLE} WHERE rowid = %s", [(file,) for file in files])  # noqa: S608


def in_names(groups: Alternatives, vendor: str) -> RawSQL:
    """Ids of the files with all words in their name and folders, and at least one of them in the name."""
    return _found(groups, ("name", "folder"), "name", vendor)


def in_texts(groups: Alternatives, vendor: str) -> RawSQL:
    """Ids of the files with all words in name, folders and text, and at least one of them in the text."""
    return _found(groups, ("name", "folder", "text"), "text", vendor)


def _found(groups: Alternatives, columns: tuple[str, ...], needed: str, vendor: str) -> RawSQL:
    """Words are letters and numbers only, so nothing in them is an operator."""
    every = [word for group in groups for word in group]
    if vendor == "postgresql":
        conditions, values = [], []
        for group in groups:
            conditions.append(f"({' OR '.join(f'{column} @@ %s::tsquery' for column in columns)})")
            values += [_tsquery(group)] * len(columns)
        conditions.append(f"{needed} @@ %s::tsquery")
        sql = f"SELECT rowid FROM {TABLE} WHERE {' AND '.join(conditions)}"  # noqa: S608
        return RawSQL(sql, [*values, _tsquery(every)])  # noqa: S611
    all_of = " AND ".join(f"({_any_of(group)})" for group in groups)
    query = f"{{{' '.join(columns)}}} : ({all_of})"
    if len(groups) > 1 or len(columns) > 1:
        query += f" AND {needed} : ({_any_of(every)})"
    return RawSQL(f"SELECT rowid FROM {TABLE} WHERE {TABLE} MATCH %s", [query])  # noqa: S608, S611


def _tsquery(words: list[str]) -> str:
    return " | ".join(f"'{word}':*" for word in words)


def _any_of(words: list[str]) -> str:
    return " OR ".join(f'"{word}"*' for word in words)


def used(connection: Any, words: Iterable[str]) -> set[str]:
    """Those of these words that a file has."""
    is_postgres = connection.vendor == "postgresql"
    anywhere = " OR ".join(f"{column} @@ %(word)s::tsquery" for column in ("name", "folder", "text"))
    condition = anywhere if is_postgres else f"{TABLE} MATCH %(word)s"
    found = set()
    with connection.cursor() as cursor:
        for word in words:
            quoted = f"'{word}'" if is_postgres else f'"{word}"'
            cursor.execute(f"SELECT 1 FROM {TABLE} WHERE {condition} LIMIT 1", {"word": quoted})  # noqa: S608
            if cursor.fetchone():
                found.add(word)
    return found


def create(connection: Any) -> None:
    """Create the empty table."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = "name tsvector NOT NULL, folder tsvector NOT NULL, text tsvector NOT NULL"
            cursor.execute(f"CREATE TABLE {TABLE} (rowid bigint PRIMARY KEY, {columns})")
            cursor.execute(f"CREATE INDEX {TABLE}_gin ON {TABLE} USING gin (name, folder, text)")
        else:
            tokens = "tokenize = \"unicode61 remove_diacritics 0 categories 'L* N* M* Co'\", prefix = '1 2 3'"
            cursor.execute(f"CREATE VIRTUAL TABLE {TABLE} USING fts5(name, folder, text, {tokens}, detail = column)")


def drop(connection: Any) -> None:
    """Drop the table."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def clear(connection: Any) -> None:
    """Delete all entries at once: FTS5 would take minutes for them, one by one."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {TABLE}")
        return
    drop(connection)
    create(connection)
