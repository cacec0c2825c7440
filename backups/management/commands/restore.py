"""`manage.py restore /srv/backups`; see docs/how-to/backup.md."""

from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backups import restore, restore_library
from backups.backup_store import BackupError, BackupStore, whole_path
from backups.manifest import SavedLibrary
from backups.restic import ResticRepository
from portal.models import User

from .backup import add_repository_arguments, repository_of


class Command(BaseCommand):
    """Into an empty site; as plain files into a directory (`--into`); or one library for a person (`--for`)."""

    help = "Restore a backup into this site, which must be empty; or only files, or one library of a person."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help="where the backups are, or are to be fetched to")
        parser.add_argument("--name", help="which backup; the last one otherwise")
        add_repository_arguments(parser, default=None)
        parser.add_argument("--into", type=Path, metavar="DIRECTORY", help="write plain files here, and touch no site")
        parser.add_argument("--only", default="", metavar="PATH", help="with --into: such as libraries/<id>/folder")
        parser.add_argument("--library", metavar="ID", help="one library, by id or name; with --into or --for")
        parser.add_argument(
            "--for", dest="owner", metavar="USERNAME", help="restore the library as a new one of this person"
        )
        parser.add_argument(
            "--no-look", action="store_true", help="do not compare every library with its rows afterwards"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        _check(options)
        try:
            with self._opened(options) as store:
                report = self._restore(store, options)
        except (BackupError, OSError) as error:
            raise CommandError(str(error)) from error
        for line in report.differs:
            self.stderr.write(line)
        if report.damaged:
            raise CommandError(f"{report.damaged} files were damaged in the backup. All others are there.")

    # Where the backup is

    @contextmanager
    def _opened(self, options: dict[str, Any]) -> Iterator[BackupStore]:
        """The directory with the backups; with a repository, what was fetched from it."""
        store = BackupStore(whole_path(options["directory"]))
        if options["repository"] is None:
            store.check()
            with store.alone(shared=True):
                yield store
            return
        repository = repository_of(options)
        if repository is None:
            raise BackupError("--repository needs a location, here or in RESTIC_REPOSITORY.")
        store.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with store.alone(), store.part() as part:
            yield self._fetch(store, part, repository, options)

    def _fetch(
        self, store: BackupStore, part: BackupStore, repository: ResticRepository, options: dict[str, Any]
    ) -> BackupStore:
        """A part of a backup, for as long as it is needed; or all of a snapshot, which stays in the directory."""
        snapshot = repository.snapshot_of(options["name"])
        self.stdout.write(f"Fetching snapshot {snapshot} from {repository}")
        if not (options["only"] or options["library"]):
            repository.fetch(snapshot, part.path)
            store.take_over(part)
            return store
        repository.fetch_backup(snapshot, part.path, options["name"])
        part.check()
        backup = part.find(options["name"])
        below = _library(part, options).path if options["library"] else restore.path_of(options["only"])
        with backup.manifest() as manifest:
            contents = manifest.contents_below(below)
        repository.fetch_contents(snapshot, part.path, contents)
        return part

    # Where it goes

    def _restore(self, store: BackupStore, options: dict[str, Any]) -> restore.Report:
        backup = store.find(options["name"])
        if options["owner"]:
            owner = User.objects.filter(username=options["owner"]).first()
            if owner is None:
                raise BackupError(f"There is no person with the username {options['owner']}.")
            return restore_library.into_new_library(store, backup, _library(store, options), owner, self.stdout.write)
        if options["into"]:
            only = f"libraries/{_library(store, options).id}" if options["library"] else options["only"]
            return restore.into_directory(store, backup, whole_path(options["into"]), only, self.stdout.write)
        report = restore.into_site(store, backup, look=not options["no_look"], progress=self.stdout.write)
        self.stdout.write(f"{report.files} files are restored from {backup.name}. Start the site.")
        return report


def _library(store: BackupStore, options: dict[str, Any]) -> SavedLibrary:
    return restore_library.find_library(store.find(options["name"]), options["library"])


def _check(options: dict[str, Any]) -> None:
    """CommandError for options that do not go together."""
    if options["only"] and not options["into"]:
        raise CommandError("--only goes with --into: a site is restored as a whole.")
    if options["library"] and not (options["into"] or options["owner"]):
        raise CommandError("--library goes with --into DIRECTORY or --for USERNAME.")
    if options["owner"] and (options["into"] or options["only"] or not options["library"]):
        raise CommandError("--for goes with --library, and not with --into or --only.")
