"""Return to a restore point: the database is replaced by the point's, the files stay.

May be killed at any step: until the database is replaced, in one step, nothing has changed, and all of it can be done
once more. No model is asked: the tables may be those of any version, or of half an upgrade.
"""

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import connection

from backups import database
from backups.backup_store import BackupError
from backups.restore import runs
from drive.storage import disk_space, layout
from portal.file_lock import file_lock
from portal.models import AuditEntry
from portal.ops import code_version, database_version

from . import kept_files, restore_points
from .restore_points import Point

LEAVE_SECONDS = 5
"""For connections to PostgreSQL of processes that have just ended."""
_NOW = "UPDATE {} SET deleted_at = CURRENT_TIMESTAMP WHERE deleted_at IS NOT NULL AND removed_at IS NULL"
DELETED_NOW = {table: _NOW.format(table) for table in ("collabs_collab", "drive_library")}
"""What the point has as deleted may have been restored since, and used: it is not removed for good before its days are
over once more."""


@contextmanager
def alone() -> Iterator[None]:
    """BackupError while the site runs; it does not start meanwhile."""
    with file_lock(Path(settings.RUN_DIR) / "up.lock", wait=False) as locked:
        if not locked or runs():
            raise BackupError("The site is running. Stop it first.")
        deadline = time.monotonic() + LEAVE_SECONDS
        while others := database.other_connections():
            if time.monotonic() > deadline:
                raise BackupError(f"The database is in use, by {', '.join(others)}. End that first.")
            time.sleep(0.1)
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


def require_possible(point: Point) -> None:
    """BackupError where it cannot be returned to now."""
    point.check()
    _require_labs_ended(point)
    _require_room(point)


def _require_labs_ended(point: Point) -> None:
    """The site removes a Lab without a row, and its home with it."""
    if unknown := restore_points.labs_on_disk() - point.labs:
        raise BackupError(
            f"Labs in {settings.LAB_ROOT}/servers that were started after the restore point: {len(unknown)}. It does"
            " not know them, and their homes would be removed. Stop them first, which rescues files into the Drive:"
            " bin/up --stop-labs. Nothing was changed."
        )


def _require_room(point: Point) -> None:
    """BackupError where SQLite's database does not fit beside the present one and its log, the reserve included."""
    if connection.vendor != "sqlite":
        return
    disk, needed = database.sqlite_path().parent, point.database.stat().st_size + database.log_size()
    if needed > disk_space.free(disk):
        raise BackupError(f"{disk} has not enough room: {needed / 2**20:.1f} MB are needed. Nothing was changed.")


def go_back(point: Point, warn: Callable[[str], None]) -> Point:
    """Replace the database; returns the point that holds what was replaced. Call it within `alone`.

    What can fail comes before. After it the database is another: what fails then is no reason to say it is not.
    """
    require_possible(point)
    kept = restore_points.keep_replaced(code_version.present())
    _keep_files(kept, warn)
    kept_files.give_back(point.name)
    for library_id in layout.ids(layout.root() / "private"):
        layout.note_unsettled(library_id)
    for library_id in layout.public_on_disk() | layout.named_on_disk():
        layout.withdraw(library_id)
    _forget_queue(warn)
    database.load(point.database, DELETED_NOW)
    _warning(warn, "the old version was not noted", lambda: code_version.note(point.code))
    _warning(warn, "older restore points were not removed", restore_points.finish)
    return kept


def _keep_files(kept: Point, warn: Callable[[str], None]) -> None:
    try:
        kept_files.keep(kept.name)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        warn(
            "The Drive's file system has no hard links: versions that were stored since are removed in the first night."
        )


def _forget_queue(warn: Callable[[str], None]) -> None:
    """Messages and cached values name rows by numbers, which are given anew. The site's own Redis does not run."""
    if f"unix://{Path(settings.RUN_DIR) / 'redis.sock'}" != settings.REDIS_URL:
        warn(
            "Empty the Redis that REDIS_URL names (FLUSHDB) before you start the site: its messages are about rows"
            " that are gone."
        )
        return
    for path in (Path(settings.VAR_DIR) / "redis").glob("*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _warning(warn: Callable[[str], None], what: str, do: Callable[[], object]) -> None:
    try:
        do()
    except (OSError, ValueError, KeyError, BackupError) as error:
        warn(f"The database was replaced, but {what}: {error}")


def next_step(point: Point) -> str:
    """What the operator does now."""
    applied = database_version.applied(connection)
    if not database_version.difference(applied).missing:
        return "Start the site: bin/up"
    version = point.code.version or "the version from before the upgrade"
    how = f"git checkout {point.code.commit}" if point.code.commit else f"install {version}"
    return f"This version would upgrade it again. To serve as before: {how}, then bin/up."
