"""The usual people and their two Collabs: made once per test process by the services, then inserted as recorded rows.

Most tests want them, and making them asks some hundred queries. So the rows, folders and tasks that each of them
adds are recorded once; a test that asks for one gets the same in its own transaction, Drive and queue, and no test has
rows that it did not ask for. Keys are those of the recording, times are those of the test.
"""

import copy
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction
from django.test import TestCase, override_settings
from django.utils import timezone

from collabs import search_index
from collabs import services as collab_services
from collabs.models import Collab, Role
from portal.models import User

PASSWORD = "correct-horse-battery"
PEOPLE: dict[str, dict[str, Any]] = {
    "owner": {"first_name": "Olga", "last_name": "Owner"},
    "editor": {"first_name": "Emil", "last_name": "Editor"},
    "viewer": {"first_name": "Vera", "last_name": "Viewer"},
    "stranger": {},
    "operator": {"is_staff": True, "is_superuser": True},
}
COLLABS: dict[str, dict[str, Any]] = {
    "collab": {"title": "Cortex"},
    "public_collab": {"title": "Open Cortex", "description": "For everybody.", "is_public": True},
}
MICROSECOND = timedelta(microseconds=1)


def make_person(username: str, **fields: Any) -> User:
    """A person with the password of all of them."""
    fields.setdefault("email", f"{username}@example.org")
    return User.objects.create_user(username, password=PASSWORD, **fields)


def make_collab(owner: User, editor: User, viewer: User, **fields: Any) -> Collab:
    """A Collab of the owner's, with an editor and a viewer in it."""
    collab = collab_services.create_collab(owner, **fields)
    collab_services.add_member(owner, collab, editor, Role.EDITOR)
    collab_services.add_member(owner, collab, viewer, Role.VIEWER)
    return collab


@dataclass
class Rows:
    """Rows of one table as the database takes them; `times` says which of their values are moments."""

    sql: str
    values: list[list[Any]] = field(default_factory=list)
    times: list[tuple[int, int, "models.Field[Any, Any]", datetime]] = field(default_factory=list)

    def insert(self, moments: dict[datetime, datetime]) -> None:
        """Put them into the database."""
        rows = [list(row) for row in self.values]
        for row, column, kind, moment in self.times:
            rows[row][column] = kind.get_db_prep_save(moments[moment], connection)
        with connection.cursor() as cursor:
            cursor.executemany(self.sql, rows)


@dataclass
class Made:
    """What making one person or Collab left behind."""

    instance: models.Model
    tables: list[Rows]
    moments: list[datetime]
    files: list[tuple[str, str | None]]
    queued: list[tuple[Any, ...]]

    def insert(self, drive: Path, queue: list[tuple[Any, ...]]) -> Any:
        """Insert it, and return it."""
        now = timezone.now()
        moments = {moment: now - place * MICROSECOND for place, moment in enumerate(reversed(self.moments))}
        for rows in self.tables:
            rows.insert(moments)
        for path, target in self.files:
            if target is None:
                Path(drive, path).mkdir(exist_ok=True)
            else:
                Path(drive, path).symlink_to(target)
        queue.extend(self.queued)
        instance = copy.deepcopy(self.instance)
        for name, value in list(vars(instance).items()):
            if isinstance(value, datetime):
                setattr(instance, name, moments[value])
        if isinstance(instance, Collab):
            search_index.index(instance, ())
        return instance


class Recording:
    """What was recorded, by the name of the fixture. `forget` after a test that emptied the tables."""

    def __init__(self) -> None:
        self._made: dict[str, Made] = {}

    def forget(self) -> None:
        """From here on there is nothing recorded."""
        self._made.clear()

    def __bool__(self) -> bool:
        return bool(self._made)

    def insert(self, name: str, drive: Path, queue: list[tuple[Any, ...]]) -> Any:
        """The person or Collab of this name, in the test's transaction. A Collab needs its people to be there."""
        return self._made[name].insert(drive, queue)

    def record(self, directory: Path, queue: list[tuple[Any, ...]]) -> None:
        """Make everybody, record what that leaves in the database, on disk and in `queue`, and take it back."""
        people: list[User] = []
        with transaction.atomic():
            for name in [*PEOPLE, *COLLABS]:
                self._made[name] = _record(name, people, directory / name, queue)
            numbers = _sequences()
            transaction.set_rollback(True)
        _go_on_from(numbers)


def _record(name: str, people: list[User], drive: Path, queue: list[tuple[Any, ...]]) -> Made:
    """Make one, with a Drive of its own. A person joins `people`; the first three are a Collab's."""
    before = _all_rows()
    (drive / "staging").mkdir(parents=True)
    del queue[:]
    with override_settings(DRIVE_ROOT=drive), TestCase.captureOnCommitCallbacks(execute=True):
        made = make_person(name, **PEOPLE[name]) if name in PEOPLE else make_collab(*people[:3], **COLLABS[name])
    if isinstance(made, User):
        people.append(made)
    after = _all_rows()
    if any(after[model][key] != row for model, found in before.items() for key, row in found.items()):
        raise RuntimeError(f"making “{name}” changes rows of those before it, which is not recorded")
    added = {model: [row for key, row in found.items() if key not in before[model]] for model, found in after.items()}
    tables = [_rows(model, found) for model, found in added.items() if found]
    moments = sorted({moment for rows in tables for _row, _column, _kind, moment in rows.times})
    instance = type(made)._base_manager.get(pk=made.pk)
    return Made(instance, tables, moments, list(_all_files(drive)), list(queue))


def _all_rows() -> dict[type[models.Model], dict[Any, list[Any]]]:
    """Values of every row, by model and key."""
    found = {}
    for model in apps.get_models(include_auto_created=True):
        if model._meta.managed and not model._meta.proxy:
            names = [column.attname for column in model._meta.local_concrete_fields]
            rows = model._base_manager.values_list("pk", *names)
            found[model] = {key: list(values) for key, *values in rows}
    return found


def _rows(model: type[models.Model], rows: list[list[Any]]) -> Rows:
    columns, quote = model._meta.local_concrete_fields, connection.ops.quote_name
    names = ", ".join(quote(str(column.column)) for column in columns)
    places = ", ".join(["%s"] * len(columns))
    recorded = Rows(f"INSERT INTO {quote(model._meta.db_table)} ({names}) VALUES ({places})")
    for number, row in enumerate(rows):
        pairs = zip(columns, row, strict=True)
        recorded.values.append([column.get_db_prep_save(value, connection) for column, value in pairs])
        for place, (column, value) in enumerate(zip(columns, row, strict=True)):
            if isinstance(value, datetime):
                recorded.times.append((number, place, column, value))
    return recorded


def _all_files(drive: Path) -> Iterator[tuple[str, str | None]]:
    """Folders, and links with what they hold, each after the one that it is in. Files are locks, made when missing."""
    for here, folders, files in os.walk(drive):
        for name in sorted([*folders, *files]):
            path = Path(here, name)
            if path.is_symlink():
                yield str(path.relative_to(drive)), str(path.readlink())
            elif path.is_dir():
                yield str(path.relative_to(drive)), None


def _sequences() -> list[tuple[str, int]]:
    """How far SQLite has counted. PostgreSQL's sequences are not set back with the transaction."""
    if connection.vendor != "sqlite":
        return []
    with connection.cursor() as cursor:
        return cursor.execute("SELECT name, seq FROM sqlite_sequence").fetchall()


def _go_on_from(numbers: list[tuple[str, int]]) -> None:
    """Rows that tests make have higher numbers than the recorded ones."""
    with connection.cursor() as cursor:
        for name, number in numbers:
            cursor.execute("UPDATE sqlite_sequence SET seq = max(seq, %s) WHERE name = %s", [number, name])
            cursor.execute(
                "INSERT INTO sqlite_sequence SELECT %s, %s WHERE NOT EXISTS "
                "(SELECT 1 FROM sqlite_sequence WHERE name = %s)",
                [name, number, name],
            )
