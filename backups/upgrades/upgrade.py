"""Before and after the database is migrated (PORTAL_HOOKS), by whatever migrates it: bin/up, bin/manage migrate."""

from collections.abc import Callable

from django.conf import settings
from django.core.management.base import CommandError
from django.db import connection

from backups.backup_store import BackupError
from drive.storage import layout
from portal.ops import code_version, database_version, release_notes
from portal.ops.code_version import CodeVersion

from . import restore_points


def before(tell: Callable[[str], None]) -> None:
    """Say what an upgrade will do, and make a restore point. CommandError, with nothing changed, where that fails."""
    if layout.restoring().exists():
        return  # a backup is being restored
    for line in plan():
        tell(line)
    if not settings.RESTORE_POINT_DAYS:
        return
    try:
        if point := restore_points.of_interrupted_upgrade():
            tell(f"It was begun before and stopped half way: the restore point {point.name} from before it is kept.")
        else:
            point = restore_points.make(restore_points.UPGRADE, before_this())
            tell(f"Made the restore point {point.name}: bin/rollback returns to it.")
    except (BackupError, OSError) as error:
        raise CommandError(str(error)) from error


def after() -> None:
    """All migrations are applied."""
    restore_points.finish()


def plan() -> list[str]:
    """What an upgrade of this database will do."""
    missing = len(database_version.difference(database_version.applied(connection)).missing)
    migrations = "1 migration" if missing == 1 else f"{missing} migrations"
    return [
        f"Upgrade of the database from {before_this()} to {code_version.present()}: {migrations}.",
        *(f"  {line}" for line in release_notes.since(database_version.last(connection))),
    ]


def before_this() -> CodeVersion:
    """The code that the database belongs to."""
    version, noted = database_version.last(connection), code_version.noted()
    return noted if version and noted.version == version else CodeVersion(version)
