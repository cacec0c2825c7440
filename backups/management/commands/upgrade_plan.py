"""`manage.py upgrade_plan`: what an upgrade of the database would do, as JSON for `bin/up --check`."""

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import connection

from backups.backup_store import BackupError
from backups.upgrades import restore_points, upgrade
from portal.ops import database_version


class Command(BaseCommand):
    """Prints one object: `plan` (lines, none where there is nothing to do) and `trouble` (what would stop it)."""

    help = "Print what an upgrade of the database would do."
    requires_system_checks = []

    def handle(self, *_: Any, **__: Any) -> None:
        plan: list[str] = []
        trouble = database_version.refusal(connection)
        if not trouble and database_version.is_behind(connection):
            plan = upgrade.plan()
            trouble = _trouble()
            plan += (
                []
                if trouble or not settings.RESTORE_POINT_DAYS
                else [f"A restore point of it: {restore_points.place()}"]
            )
        self.stdout.write(json.dumps({"plan": plan, "trouble": trouble}))


def _trouble() -> str:
    try:
        if settings.RESTORE_POINT_DAYS:
            restore_points.check_possible()
    except BackupError as error:
        return str(error)
    return ""
