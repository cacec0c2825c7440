"""Databases of other versions: an older one is carried over with all its rows, a newer one is refused."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.test import Client
from pytest_django import DjangoDbBlocker

from portal.models import DatabaseVersion, User
from portal.ops import database_version, health
from portal.version import VERSION

OLDER = Path(__file__).parent / "site_ef712af.sql"
MADE_ANEW = {"django_migrations", "django_content_type", "auth_permission", "sqlite_sequence"}
"""Tables to which a migration adds rows of its own."""

MakeDatabase = Callable[[str], sqlite3.Connection]


@pytest.fixture
def make_database(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[MakeDatabase]:
    """SQLite databases beside the tests' own, each an alias of Django's connections."""
    made: dict[str, sqlite3.Connection] = {}

    def make(alias: str) -> sqlite3.Connection:
        settings = connections.settings["default"] | {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(tmp_path / alias),
            "OPTIONS": {},
            "CONN_MAX_AGE": 0,
        }
        connections.settings[alias] = settings
        made[alias] = sqlite3.connect(tmp_path / alias, isolation_level=None)
        return made[alias]

    with django_db_blocker.unblock():
        yield make
        for alias, database in made.items():
            database.close()
            connections[alias].close()
            del connections[alias]
            del connections.settings[alias]


def migrate(alias: str) -> None:
    call_command("migrate", database=alias, verbosity=0)


def rows(database: sqlite3.Connection) -> dict[str, list[Any]]:
    """Rows of every table, but for those that full-text search keeps below its own."""
    tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table' OR type = 'view'").fetchall()
    names = [name for (name,) in tables if not re.match("collabs_search_|search_words_|collabs_standing$", name)]
    found = {name: database.execute(f'SELECT * FROM "{name}"').fetchall() for name in names}
    return {name: sorted(found[name], key=repr) for name in names}


def columns(database: sqlite3.Connection, table: str) -> list[str]:
    """Names of a table's columns, in their order."""
    return [name for _, name, *_ in database.execute(f'PRAGMA table_info("{table}")')]


def schema(database: sqlite3.Connection) -> dict[str, Any]:
    """Schema: columns in order, columns and constraints in SQL for every table; SQL of indexes and views."""
    found: dict[str, Any] = {}
    for name, kind, sql in database.execute("SELECT name, type, sql FROM sqlite_master WHERE sql <> ''").fetchall():
        if kind == "table" and not sql.startswith("CREATE VIRTUAL"):
            found[name] = (database.execute(f'PRAGMA table_xinfo("{name}")').fetchall(), sorted(definitions(sql)))
        else:
            found[name] = sql
    return found


def definitions(sql: str) -> Iterator[str]:
    """Columns and constraints of a CREATE TABLE: the pieces between commas outside of parentheses."""
    depth, piece = 0, ""
    for character in sql[sql.index("(") + 1 : sql.rindex(")")]:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if character == "," and not depth:
            yield piece.strip()
            piece = ""
        else:
            piece += character
    yield piece.strip()


@pytest.mark.slow
def test_it_carries_a_site_over_with_every_row(make_database: MakeDatabase) -> None:
    older = make_database("older")
    older.executescript(OLDER.read_text())
    before = rows(older)
    had = {name: columns(older, name) for name in before}
    migrate("older")
    for name, names in had.items():
        assert columns(older, name)[: len(names)] == names
    after = {name: [row[: len(had.get(name, row))] for row in found] for name, found in rows(older).items()}
    assert {name: after[name] for name in before if name not in MADE_ANEW} == {
        name: found for name, found in before.items() if name not in MADE_ANEW
    }
    for name in MADE_ANEW - {"sqlite_sequence"}:
        assert set(before[name]) <= set(after[name])
    assert after["portal_databaseversion"][0][1] == VERSION
    assert older.execute("PRAGMA foreign_key_check").fetchall() == []
    assert older.execute("SELECT count(*) FROM collabs_standing").fetchone() == (4,)
    assert older.execute("SELECT rowid FROM collabs_search WHERE collabs_search MATCH 'grosser'").fetchall() == [(1,)]


@pytest.mark.slow
def test_it_makes_the_same_tables_for_a_new_site_as_for_one_that_is_carried_over(make_database: MakeDatabase) -> None:
    older, new = make_database("older"), make_database("new")
    older.executescript(OLDER.read_text())
    migrate("older")
    migrate("new")
    assert schema(older) == schema(new)


@pytest.mark.slow
def test_it_changes_nothing_when_it_migrates_again(make_database: MakeDatabase) -> None:
    older = make_database("older")
    older.executescript(OLDER.read_text())
    migrate("older")
    before = rows(older)
    migrate("older")
    assert rows(older) == before


def test_it_refuses_a_database_that_had_only_some_of_the_replaced_migrations(make_database: MakeDatabase) -> None:
    older = make_database("older")
    older.executescript(OLDER.read_text())
    older.execute("DELETE FROM django_migrations WHERE app = 'lab' AND name >= '0012'")
    before = rows(older)
    with pytest.raises(CommandError, match=r"lacks lab\.0012_presence, lab\.0013_environment_help\. Check out ef712af"):
        migrate("older")
    assert rows(older) == before


@pytest.mark.slow
def test_it_refuses_a_database_of_a_newer_version_and_names_that(make_database: MakeDatabase) -> None:
    newer = make_database("newer")
    newer.executescript(OLDER.read_text())
    migrate("newer")
    newer.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('rooms', '0001_rooms', '2031-01-01')")
    newer.execute("ALTER TABLE portal_databaseversion ADD COLUMN by varchar(10) NOT NULL DEFAULT 'x'")
    newer.execute("INSERT INTO portal_databaseversion (version, since) VALUES ('9.4.0', '2031-01-01')")
    before = rows(newer)
    with pytest.raises(
        CommandError, match=r"newer version, 9\.4\.0 \(this is .*does not have: rooms\.0001_rooms\. Inst"
    ):
        migrate("newer")
    assert rows(newer) == before


# The site's own database


@pytest.fixture
def of_a_newer_version(transactional_db: None) -> Iterator[None]:
    """This code's database, after a newer version has migrated it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO django_migrations (app, name, applied) VALUES ('lab', '0042_later', '2031-01-01 00:00:00')"
        )
    DatabaseVersion.objects.create(version="9.4.0")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE name = '0042_later'")


def test_bin_up_does_not_start_on_a_database_of_a_newer_version(of_a_newer_version: None) -> None:
    with pytest.raises(CommandError, match=r"newer version, 9\.4\.0"):
        call_command("first_start")
    assert not User.objects.exists()


def test_it_is_not_ready_on_a_database_of_a_newer_version(
    of_a_newer_version: None, client: Client, settings: Any
) -> None:
    settings.METRICS_TOKEN = "a-long-token-of-the-monitor"
    health.HEALTH.forget()
    answer = client.get("/readyz", headers={"Authorization": f"Bearer {settings.METRICS_TOKEN}"})
    health.HEALTH.forget()
    assert answer.status_code == 503
    assert "newer version, 9.4.0" in answer.json()["parts"]["migrations"]["why"]


def test_it_notes_each_version_once(db: None) -> None:
    DatabaseVersion.objects.all().delete()
    for _ in range(2):
        database_version.record(connection)
    assert [row.version for row in DatabaseVersion.objects.all()] == [VERSION]
    DatabaseVersion.objects.create(version="0.0.1")
    database_version.record(connection)
    assert database_version.last(connection) == VERSION
    assert DatabaseVersion.objects.count() == 3
