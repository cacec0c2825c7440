"""`manage.py rollback`, which is bin/rollback; see docs/how-to/deploy.md."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from backups.backup_store import BackupError
from backups.upgrades import restore_points, rollback
from backups.upgrades.restore_points import ROLLBACK, Point


class Command(BaseCommand):
    """Asks before it replaces anything. The site does not run."""

    help = "Return to the database as it was before the last upgrade, or at another restore point."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--list", action="store_true", help="list the restore points")
        what.add_argument("--to", metavar="NAME", help="another restore point than that of the last upgrade")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["list"]:
            for point in restore_points.points():
                self.stdout.write(f"{point.name}  {described(point)}")
            return
        try:
            with rollback.alone():
                self._go_back(restore_points.find(options["to"]), options["yes"])
        except (BackupError, OSError, DatabaseError) as error:
            raise CommandError(str(error)) from error

    def _go_back(self, point: Point, is_sure: bool) -> None:
        rollback.require_possible(point)
        for line in [
            f"Restore point {point.name}: {described(point)}.",
            "The database becomes what it was then. What was done since is lost in it, and what was withdrawn since",
            "(roles, shares, tokens, passwords) counts again. Files of the Drive stay as they are.",
            *rollback.lost(point),
        ]:
            self.stdout.write(line)
        if not is_sure and not self._agrees():
            raise CommandError("Nothing was changed.")
        kept = rollback.go_back(point, self.stderr.write)
        self.stdout.write(f"Done. What was replaced is the restore point {kept.name} (bin/rollback --to {kept.name}).")
        self.stdout.write(rollback.next_step(point))

    def _agrees(self) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Nothing was changed. Say --yes to go back without being asked.")
        return input("Go back? [y/N] ").strip().lower() in ("y", "yes")


def described(point: Point) -> str:
    """What a point is, in words."""
    why = "replaced by a return" if point.about["kind"] == ROLLBACK else "before an upgrade"
    state = "" if point.is_finished else ", which did not end"
    return f"the database of {point.code}, {point.time:%-d %b %Y %H:%M} UTC, {why}{state}"
