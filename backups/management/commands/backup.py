"""`manage.py backup /srv/backups --keep 14`; see docs/how-to/backup.md."""

import errno
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backups import create, verify
from backups.repository import Backup, BackupError, Repository, whole_path


class Command(BaseCommand):
    """Makes one backup; or verifies, or lists, those that are there."""

    help = "Back up the database and the Drive while the site runs, into a directory that holds many backups."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help="where the backups are; made when it is missing")
        parser.add_argument("--keep", type=int, metavar="N", help="afterwards, remove all but the last N backups")
        parser.add_argument("--no-secrets", action="store_true", help="leave out SECRET_KEY, settings.env and keys")
        parser.add_argument("--homes", action="store_true", help="with the homes of running Labs")
        parser.add_argument(
            "--wait", type=float, default=3600, metavar="SECONDS", help="for removals that are under way"
        )
        parser.add_argument(
            "--verify",
            nargs="?",
            const="last",
            metavar="NAME",
            help="read a backup again: the last, one by name, or all",
        )
        parser.add_argument("--list", action="store_true", help="list the complete backups")

    def handle(self, *_: Any, **options: Any) -> None:
        if options["keep"] is not None and options["keep"] < 1:
            raise CommandError("--keep takes a number from 1.")
        try:
            repository = Repository(whole_path(options["directory"]))
            if options["list"]:
                repository.check()
                self._list(repository)
            elif options["verify"]:
                self._verify(repository, options["verify"])
            else:
                self._make(repository, options)
        except BackupError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise CommandError(
                    f"The disk of {options['directory']} is full. No backup was made; earlier ones are whole."
                ) from error
            raise CommandError(f"No backup was made: {error}") from error

    def _make(self, repository: Repository, options: dict[str, Any]) -> None:
        repository.prepare()
        chosen = create.Options(not options["no_secrets"], options["homes"], options["wait"])
        with repository.alone():
            backup = create.create(repository, chosen, self._say(options))
            self._tell(backup)
            if options["keep"]:
                for name in repository.retain(options["keep"]):
                    self.stdout.write(f"Removed {name}")

    def _say(self, options: dict[str, Any]) -> create.Say:
        return self.stdout.write if options["verbosity"] > 1 else lambda _text: None

    def _tell(self, backup: Backup) -> None:
        about = backup.about
        self.stdout.write(
            f"{backup.path}: {about['files']} files, {_size(about['bytes'])},"
            f" of which {_size(about['new_bytes'])} are new; {about['seconds']} s"
        )
        for title, found in (
            ("Rows refer to what is missing on this site", about["missing"]),
            ("Written while they were read, and perhaps not whole", about["torn"]),
            ("Left out", [f"{path} ({why})" for path, why in about["left_out"].items()]),
        ):
            if found:
                self.stderr.write(f"{title}:\n" + "\n".join(f"  {line}" for line in found[:20]))
                if len(found) > 20:
                    self.stderr.write(f"  and {len(found) - 20} more, in {backup.path / 'backup.json'}")

    def _verify(self, repository: Repository, name: str) -> None:
        repository.check()
        with repository.alone(shared=True):
            backups = repository.backups() if name == "all" else [repository.find(None if name == "last" else name)]
            wrong = verify.verify(repository, backups)
        if wrong:
            raise CommandError("\n".join(["This is not whole:", *wrong]))
        self.stdout.write(f"Whole: {', '.join(backup.name for backup in backups) or 'there is no backup'}")

    def _list(self, repository: Repository) -> None:
        for backup in repository.backups():
            about = backup.about
            sizes = f"{_size(about['bytes']):>10}  {_size(about['new_bytes']):>10} new"
            self.stdout.write(f"{backup.name}  {about['libraries']:>6} libraries  {about['files']:>9} files  {sizes}")


def _size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024  # type: ignore[assignment]
    return f"{count:.1f} TiB"
