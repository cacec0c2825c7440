"""Version of the database against that of the code: migrations that are missing, and databases that are refused.

Refused is a database that is *ahead*: it has had migrations of a newer version, and rows and columns that this code
would misread. And one that is *halfway*: it has had some of the migrations that a later one replaces (`replaces`), but
not all, so neither the old ones nor the new one can be applied. `manage.py migrate`, and so `bin/up`, asks before it
changes anything; `/readyz` asks all the time, because somebody may check out an older version and restart one process.
"""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from portal.models import DatabaseVersion
from portal.version import VERSION

Key = tuple[str, str]
"""App and name of a migration."""
LAST_BEFORE_SQUASHED = "ef712af"
"""The commit whose migrations 0001_squashed of each app replaces; a halfway database is migrated with it first."""
NAMED = 3
"""Migrations that a message names."""


@dataclass(frozen=True)
class Difference:
    """Migrations of a database, compared with those of the code; each list is sorted."""

    missing: list[Key]
    """Migrations of the code that are not applied."""
    unknown: list[Key]
    """Migrations that are applied, not of the code and replaced by none of it: the database is ahead."""
    halfway: list[Key]
    """Migrations that are not applied, and replaced by one of the code that has replaced others which are."""


def difference(applied: Collection[Key]) -> Difference:
    """Compare these applied migrations with the code's, whose names are read from disk anew: cheap, and always true."""
    code = MigrationLoader(None).disk_migrations or {}
    known, halfway = set(code), set[Key]()
    for key, migration in code.items():
        replaced = set(migration.replaces)
        known |= replaced
        if key not in applied and not replaced.isdisjoint(applied):
            halfway |= replaced.difference(applied)
    return Difference(sorted(set(code).difference(applied)), sorted(set(applied) - known), sorted(halfway))


def applied(connection: BaseDatabaseWrapper) -> set[Key]:
    """Migrations that a database has had; none where it is empty."""
    return set(MigrationRecorder(connection).applied_migrations())


def is_behind(connection: BaseDatabaseWrapper) -> bool:
    """True for a database that has had migrations, but not all of the code's."""
    found = applied(connection)
    return bool(found) and bool(difference(found).missing)


def refusal(connection: BaseDatabaseWrapper) -> str:
    """Reason, in a sentence for the operator, why this code must not touch a database; empty if it may."""
    found = difference(applied(connection))
    if found.unknown:
        return (
            f"The database was made by a newer version, {last(connection) or 'unknown'} (this is {VERSION}), with "
            f"migrations that this one does not have: {names(found.unknown)}. Install that version again, or restore "
            "the backup from before the update."
        )
    if found.halfway:
        return (
            f"The database was not brought up to date before this update: it lacks {names(found.halfway)}. Check out "
            f"{LAST_BEFORE_SQUASHED}, run bin/up --prepare there, and then this version."
        )
    return ""


def names(keys: list[Key]) -> str:
    """The first of them, as `app.name`."""
    return ", ".join(".".join(key) for key in keys[:NAMED]) + (", …" if len(keys) > NAMED else "")


def last(connection: BaseDatabaseWrapper) -> str:
    """Version that last brought a database up to date; empty if it was none that says so."""
    table = DatabaseVersion._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return ""
        # Not by the model: a newer version may have given it more columns.
        cursor.execute(f"SELECT version FROM {table} ORDER BY id DESC LIMIT 1")  # noqa: S608
        row = cursor.fetchone()
    return row[0] if row else ""


def record(connection: BaseDatabaseWrapper) -> None:
    """Note the code's version in a database that has had all its migrations, unless it was the last one noted."""
    if not difference(applied(connection)).missing and last(connection) != VERSION:
        DatabaseVersion.objects.using(connection.alias).create(version=VERSION)
