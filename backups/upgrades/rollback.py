"""Return to a restore point: the database is replaced by the point's, the files stay.

May be killed at any step: until the database is replaced, in one step, nothing has changed, and all of it can be done
once more. No model is asked: the tables may be those of any version, or of half an upgrade.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection

from backups import database
from backups.backup_store import BackupError
from backups.restore import runs
from drive.storage import layout, room
from portal.file_lock import file_lock
from portal.models import AuditEntry
from portal.ops import code_version, database_version

from . import restore_points
from .restore_points import Point


@contextmanager
def alone() -> Iterator[None]:
    """BackupError while the site runs; it does not start meanwhile."""
    with file_lock(Path(settings.RUN_DIR) / "up.lock", wait=False) as locked:
        if not locked or runs():
            raise BackupError("The site is running. Stop it first.")
        yield


def lost(point: Point) -> list[str]:
    """What a return to the point undoes, in words: the audit trail's entries since, and rows by table."""
    if connection.vendor == "sqlite" and not database.sqlite_path().exists():
        return ["There is no database now."]
    verbs = _verbs_since(point.about["last_audit_entry"])
    lines = [f"Entries of the audit trail since then: {sum(verbs.values())}"]
    lines += [f"  {count:>7}  {verb}" for verb, count in verbs.items()]
    now, then = restore_points.count_rows(), point.about["rows"]
    models = [model._meta for model in apps.get_models() if not model._meta.proxy]
    names = {meta.db_table: str(meta.verbose_name_plural) for meta in models}
    changes = {name: now.get(name, 0) - then.get(name, 0) for name in sorted({*now, *then})}
    lines += ["Rows more (+) or fewer (-) than then:"] if any(changes.values()) else []
    return lines + [f"  {count:>+7}  {names.get(name, name)}" for name, count in changes.items() if count]


def _verbs_since(number: int) -> dict[str, int]:
    """Audit entries after this one, by what was done."""
    table = AuditEntry._meta.db_table
    with connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor):
            return {}
        query = f"SELECT verb, count(*) FROM {table} WHERE id > %s GROUP BY verb ORDER BY count(*) DESC, verb"  # noqa: S608
        cursor.execute(query, [number])
        return dict(cursor.fetchall())


def require_room(point: Point) -> None:
    """BackupError where the database does not fit beside the present one, the reserve included."""
    if connection.vendor != "sqlite":
        return
    disk, needed = database.sqlite_path().parent, point.database.stat().st_size
    if needed > room.free(disk):
        raise BackupError(f"{disk} has not enough room: {needed / 2**20:.1f} MB are needed. Nothing was changed.")


def go_back(point: Point) -> Point:
    """Replace the database; returns the point that holds what was replaced. Call it within `alone`."""
    point.check()
    require_room(point)
    kept = restore_points.keep_replaced(code_version.present())
    database.load(point.database)
    code_version.note(point.code)
    _let_disk_follow()
    restore_points.finish()
    return kept


def _let_disk_follow() -> None:
    """Which libraries are public, the rows of the point say: whoever serves next looks at each (layout.unsettled)."""
    for directory in (layout.root() / "private", layout.root() / "public/.libraries"):
        for library_id in layout.ids(directory):
            layout.note_unsettled(library_id)


def next_step(point: Point) -> str:
    """What the operator does now."""
    applied = database_version.applied(connection)
    if not database_version.difference(applied).missing:
        return "Start the site: bin/up"
    version = point.code.version or "the version from before the upgrade"
    how = f"git checkout {point.code.commit}" if point.code.commit else f"install {version}"
    return f"This version would upgrade it again. To serve as before: {how}, then bin/up."
