"""`manage.py restore /srv/backups`; see docs/how-to/backup.md."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backups import restore
from backups.repository import BackupError, Repository, whole_path


class Command(BaseCommand):
    """Into an empty site; or, with `--into`, as plain files into a directory."""

    help = "Restore a backup into this site, which must be empty; or as plain files into a directory (--into)."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help="where the backups are")
        parser.add_argument("--name", help="which backup; the last one otherwise")
        parser.add_argument("--into", type=Path, metavar="DIRECTORY", help="write plain files here, and touch no site")
        parser.add_argument("--only", default="", metavar="PATH", help="with --into: such as libraries/<id>/folder")
        parser.add_argument(
            "--no-look", action="store_true", help="do not compare every library with its rows afterwards"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        if options["only"] and not options["into"]:
            raise CommandError("--only goes with --into: a site is restored as a whole.")
        try:
            repository = Repository(whole_path(options["directory"]))
            repository.check()
            with repository.alone(shared=True):
                report = self._restore(repository, options)
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        for line in report.differs:
            self.stderr.write(line)
        if report.damaged:
            raise CommandError(f"{report.damaged} files were damaged in the backup. All others are there.")

    def _restore(self, repository: Repository, options: dict[str, Any]) -> restore.Report:
        backup = repository.find(options["name"])
        if options["into"]:
            return restore.into_directory(
                repository, backup, whole_path(options["into"]), options["only"], self.stdout.write
            )
        report = restore.into_site(repository, backup, look=not options["no_look"], say=self.stdout.write)
        self.stdout.write(f"{report.files} files are restored from {backup.name}. Start the site.")
        return report
