"""Restore points: the database as it was before an upgrade, to which bin/rollback returns.

    VAR_DIR/restore-points/<time>/               a whole one: the database, and point.json
    VAR_DIR/restore-points/unfinished-<time>/    one that is being made, or was cut off; the next one removes it

Files of the Drive are in none: they stay where they are, and no migration touches them (a test reads each one). So a
point costs what the database does, and what people store after it was made outlives a return to it.
"""

import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection

from backups import database
from backups.backup_store import BackupError, checksum, sync
from drive.storage import disk_space
from portal.models import AuditEntry
from portal.ops import database_version
from portal.ops.code_version import CodeVersion

from . import kept_files

FORMAT = 1
UNFINISHED = "unfinished-"
KEPT = 3
"""Points of each kind that are kept, if they are not too old (RESTORE_POINT_DAYS)."""
UPGRADE, ROLLBACK = "upgrade", "rollback"
"""Kinds: made before an upgrade; what a return to another point has replaced."""
NOT_COUNTED = re.compile(r"django_|auth_|search_|collabs_search|collabs_standing|collabs_word")
"""Tables without rows that somebody would miss: sessions, permissions, indexes that fill themselves."""


@dataclass(frozen=True)
class Point:
    """One restore point."""

    path: Path
    about: dict[str, Any]
    """point.json."""

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def time(self) -> datetime:
        return _time_of(self.name)

    @property
    def database(self) -> Path:
        return self.path / database.FILES[self.about["vendor"]]

    @property
    def code(self) -> CodeVersion:
        """The code that the database belongs to."""
        return CodeVersion(**self.about["code"])

    @property
    def is_finished(self) -> bool:
        """Whether what it was made for has been done."""
        return bool(self.about["finished"])

    @property
    def labs(self) -> set[str]:
        """Labs that there were, whose rows it has."""
        return set(self.about.get("labs", []))

    @cached_property
    def migrations(self) -> set[database_version.Key]:
        return {(app, name) for app, names in self.about["migrations"].items() for name in names}

    def check(self) -> None:
        """BackupError where it cannot be returned to."""
        if self.about["format"] != FORMAT:
            raise BackupError(f"{self.path} is of format {self.about['format']}; this version knows {FORMAT}.")
        if self.about["vendor"] != connection.vendor:
            raise BackupError(f"{self.path} is of {self.about['vendor']}, this site has {connection.vendor}.")
        if checksum(self.database) != self.about["sha256"]:
            raise BackupError(f"{self.database} is damaged.")


def place() -> Path:
    return Path(settings.VAR_DIR) / "restore-points"


def _time_of(name: str) -> datetime:
    """ValueError where it is no point's name."""
    return datetime.strptime(name, "%Y%m%dT%H%M%S%z")


def _is_name(name: str) -> bool:
    with suppress(ValueError):
        return f"{_time_of(name):%Y%m%dT%H%M%SZ}" == name
    return False


def points() -> list[Point]:
    """All whole ones, oldest first. What an operator put beside them is none."""
    found = []
    for path in sorted(place().glob("2*")) if place().exists() else []:
        if _is_name(path.name) and (path / "point.json").is_file():
            found.append(Point(path, json.loads((path / "point.json").read_text())))
    return found


def find(name: str | None) -> Point:
    """One by its name, or the last one before an upgrade. BackupError where there is none."""
    found = [point for point in points() if point.name == name or (not name and point.about["kind"] == UPGRADE)]
    if not found:
        raise BackupError(f"There is no restore point{f' {name}' if name else ''} in {place()}.")
    return found[-1]


def of_interrupted_upgrade() -> Point | None:
    """The point of an upgrade that stopped half way: the database has had some of its migrations since, not all."""
    upgrades = [point for point in points() if point.about["kind"] == UPGRADE]
    if not upgrades or upgrades[-1].is_finished:
        return None
    now = database_version.applied(connection)
    return upgrades[-1] if upgrades[-1].migrations < now else None


# Making


def make(kind: str, code: CodeVersion) -> Point:
    """Copy the database, which belongs to this code. BackupError where that fails; then nothing of it is left."""
    with _unfinished() as draft:
        check_possible()
        try:
            point = _finish(draft, kind, code, lambda: database.snapshot(draft, most=disk_space.left(draft)))
        except (OSError, sqlite3.Error, DatabaseError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise BackupError(f"The database could not be copied to {place()}: {why}.") from error
    if kind == UPGRADE:
        _remove_earlier_tries(point)
    return point


def _remove_earlier_tries(made: Point) -> None:
    """Of an upgrade that failed before it changed anything each try makes a point: the last one is enough."""
    for point in points():
        is_upgrade = point.about["kind"] == UPGRADE and not point.is_finished
        if is_upgrade and point.name < made.name and point.migrations == made.migrations:
            _remove(point)


def keep_replaced(code: CodeVersion) -> Point:
    """A point of what is about to be replaced. SQLite's costs no room where it is on the same disk.

    PostgreSQL's leaves as much room as its database has: it needs that to load another, and may be on this disk.
    """
    with _unfinished() as draft:
        if connection.vendor == "sqlite":
            return _finish(draft, ROLLBACK, code, lambda: database.link(draft))
        most = disk_space.free(draft) - database.postgres_size()
        return _finish(draft, ROLLBACK, code, lambda: database.snapshot(draft, most=most))


@contextmanager
def _unfinished() -> Iterator[Path]:
    place().mkdir(mode=0o700, exist_ok=True)
    for left in place().glob(f"{UNFINISHED}*"):
        shutil.rmtree(left)
    for point in points():  # of a return that was cut off before it replaced the database
        if point.about["kind"] == ROLLBACK and _is_present_database(point.database):
            shutil.rmtree(point.path)
    while (place() / (name := f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}")).exists():
        time.sleep(0.1)  # they are named by the second
    draft = place() / f"{UNFINISHED}{name}"
    draft.mkdir(mode=0o700)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # of a whole one nothing is there any more


def _is_present_database(path: Path) -> bool:
    """True for a second name of SQLite's database. What has more names otherwise, such as a copy's, is a point."""
    present = database.sqlite_path()
    return connection.vendor == "sqlite" and present.exists() and path.samefile(present)


def _finish(draft: Path, kind: str, code: CodeVersion, copy: Callable[[], Path]) -> Point:
    """Rows are counted before: to open SQLite's database writes to it, and `copy` may give the very file."""
    about: dict[str, Any] = {
        "format": FORMAT,
        "kind": kind,
        "vendor": connection.vendor,
        "code": code.as_json(),
        "migrations": database.applied(),
        "rows": count_rows(),
        "last_audit_entry": last_audit_entry(),
        "labs": sorted(labs_on_disk()),
        "finished": None,
    }
    about["sha256"] = checksum(copy())
    _write(draft, about)
    sync(draft)
    final = draft.with_name(draft.name.removeprefix(UNFINISHED))
    draft.rename(final)
    sync(final)
    return Point(final, about)


def finish() -> None:
    """What the points were made for has been done. Older ones are removed."""
    for point in points():
        if not point.is_finished:
            _write(point.path, point.about | {"finished": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"})
    remove_old()


def _write(directory: Path, about: dict[str, Any]) -> None:
    draft = directory / "point.json.draft"
    draft.touch(mode=0o600)
    with draft.open("w") as file:
        file.write(json.dumps(about, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(directory / "point.json")


def remove_old() -> int:
    """Remove points that are too many or too old, but none of an upgrade that is under way; returns how many.

    Where none is made any more (RESTORE_POINT_DAYS is 0), those that are there stay.
    """
    found, removed, days = points(), 0, settings.RESTORE_POINT_DAYS
    for kind in (UPGRADE, ROLLBACK):
        ours = [point for point in found if point.about["kind"] == kind]
        for number, point in enumerate(reversed(ours)):
            is_old = bool(days) and datetime.now(UTC) - point.time > timedelta(days=days)
            if point.is_finished and (number >= KEPT or is_old):
                _remove(point)
                removed += 1
    kept_files.remove_all_but([point.name for point in points()])
    return removed


def _remove(point: Point) -> None:
    shutil.rmtree(point.path.rename(place() / f"{UNFINISHED}{point.name}"))


# Room, and rows


def check_possible() -> None:
    """BackupError where no point can be made: PostgreSQL's programs are missing, or SQLite's database has no room."""
    if connection.vendor == "sqlite":
        _require_room()
        return
    for program in ("pg_dump", "pg_restore", "psql"):
        database.find_program(program)


def _require_room() -> None:
    """BackupError where SQLite's database does not fit a second time, and once more while it is migrated."""
    size = database.size()
    here, there = Path(settings.VAR_DIR), database.sqlite_path().parent
    is_one_disk = here.stat().st_dev == there.stat().st_dev
    for path, needed in ((here, 2 * size if is_one_disk else size), (there, size)):
        if needed > disk_space.left(path):
            raise BackupError(
                f"There is not enough room in {path}: the restore point of the database, and the upgrade, need"
                f" {_megabytes(needed)}, and {_megabytes(max(0, disk_space.left(path)))} are free beyond the reserve"
                " (DISK_RESERVE_BYTES). Nothing was changed. Make room, or upgrade without a restore point, if there"
                " is a backup: RESTORE_POINT_DAYS=0."
            )


def _megabytes(count: int) -> str:
    return f"{count / 2**20:.1f} MB"


def labs_on_disk() -> set[str]:
    """Labs of this machine that run, or whose homes are still there (lab.supervisor)."""
    return {path.name for path in (Path(settings.LAB_ROOT) / "servers").glob("[0-9a-f]" * 32)}


def count_rows() -> dict[str, int]:
    """Rows of each table that people would miss."""
    with connection.cursor() as cursor:
        names = [name for name in connection.introspection.table_names(cursor) if not NOT_COUNTED.match(name)]
        found = {}
        for name in names:
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(name)}")  # noqa: S608
            found[name] = cursor.fetchone()[0]
    return found


def last_audit_entry() -> int:
    """Number of the last entry of the audit trail; 0 where there is none."""
    table = AuditEntry._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return 0
        cursor.execute(f"SELECT coalesce(max(id), 0) FROM {table}")  # noqa: S608
        return int(cursor.fetchone()[0])
