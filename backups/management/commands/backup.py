"""`manage.py backup /srv/backups --keep-daily 14 --repository sftp:host:/backups`; see docs/how-to/backup.md."""

import errno
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from backups import create, verify
from backups.backup_store import Backup, BackupError, BackupStore, whole_path
from backups.restic import ResticRepository
from backups.retention import Retention

RULES = {"keep": "last", "keep_daily": "daily", "keep_weekly": "weekly", "keep_monthly": "monthly"}
"""Option: the rule of the retention policy."""


class Command(BaseCommand):
    """Makes one backup and copies it to a restic repository; or verifies, or lists, those that are there."""

    help = "Back up the database and the Drive while the site runs, into a directory that holds many backups."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path, help="where the backups are; made when it is missing")
        for period in ("", "daily", "weekly", "monthly"):
            parser.add_argument(
                f"--keep-{period}" if period else "--keep",
                type=int,
                metavar="N",
                help=f"afterwards, remove all but the last N {period} backups" + " (rules add up)" * bool(period),
            )
        add_repository_arguments(parser, default=os.environ.get("RESTIC_REPOSITORY", ""))
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
            help="read a backup again: the last, one by name, or all; and check the repository (all: read it, too)",
        )
        parser.add_argument("--list", action="store_true", help="list the complete backups, and the snapshots of them")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            store = BackupStore(whole_path(options["directory"]))
            repository = repository_of(options)
            if options["list"]:
                store.check()
                self._list(store, repository)
            elif options["verify"]:
                self._verify(store, repository, options["verify"])
            else:
                self._make(store, repository, options)
        except BackupError as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise CommandError(
                    f"The disk of {options['directory']} is full as far as its reserve (DISK_RESERVE_BYTES). No backup "
                    "was made; earlier ones are intact."
                ) from error
            raise CommandError(f"No backup was made: {error}") from error

    # Making one

    def _make(self, store: BackupStore, repository: ResticRepository | None, options: dict[str, Any]) -> None:
        retention = self._retention(options)
        store.prepare()
        chosen = create.Options(not options["no_secrets"], options["homes"], options["wait"])
        with store.alone():
            backup = create.create(store, chosen, self._progress(options))
            self._tell(backup)
            for name in store.retain(retention) if retention else []:
                self.stdout.write(f"Removed {name}")
        if repository:
            with store.alone(shared=True):
                self._copy(store, repository, backup, retention)

    def _retention(self, options: dict[str, Any]) -> Retention:
        for option in RULES:
            if options[option] is not None and options[option] < 1:
                raise CommandError(f"--{option.replace('_', '-')} takes a number from 1.")
        return Retention(**{rule: options[option] or 0 for option, rule in RULES.items()})

    def _copy(self, store: BackupStore, repository: ResticRepository, backup: Backup, retention: Retention) -> None:
        try:
            if repository.prepare():
                self.stderr.write(
                    f"The password of the new repository is in {repository.password_file}. Keep a copy of it on another"
                    " machine: without it, nobody can read the repository."
                )
            grown = repository.copy(store, backup.name)
            self.stdout.write(f"Copied to {repository}: {_size(grown)} are new there")
            if retention:
                repository.apply(retention)
        except BackupError as error:
            raise CommandError(
                f"The backup {backup.name} is complete in {store.path}, but not in the repository: {error}"
            ) from error

    def _progress(self, options: dict[str, Any]) -> create.Progress:
        return self.stdout.write if options["verbosity"] > 1 else lambda _text: None

    def _tell(self, backup: Backup) -> None:
        about = backup.about
        self.stdout.write(
            f"{backup.path}: {about['files']} files, {_size(about['bytes'])},"
            f" of which {_size(about['new_bytes'])} are new; {about['seconds']} s"
        )
        if about["stored_anew"]:
            self.stdout.write(f"Damaged contents of earlier backups, stored anew: {about['stored_anew']}")
        for title, found in (
            ("Rows refer to what is missing on this site", about["missing"]),
            ("Damaged in earlier backups, and not on this site any more", about["damaged"]),
            ("Written while they were read, and perhaps inconsistent", about["torn"]),
            ("Left out", [f"{path} ({why})" for path, why in about["left_out"].items()]),
        ):
            if found:
                self.stderr.write(f"{title}:\n" + "\n".join(f"  {line}" for line in found[:20]))
                if len(found) > 20:
                    self.stderr.write(f"  and {len(found) - 20} more, in {backup.path / 'backup.json'}")

    # Looking at them

    def _verify(self, store: BackupStore, repository: ResticRepository | None, name: str) -> None:
        store.check()
        with store.alone(shared=True):
            backups = store.backups() if name == "all" else [store.find(None if name == "last" else name)]
            findings = verify.verify(store, backups)
        if findings.damage:
            if findings.contents:
                self._note(store, findings.contents)
            raise CommandError("\n".join(["Damaged:", *findings.damage]))
        self.stdout.write(f"Intact: {', '.join(backup.name for backup in backups) or 'there is no backup'}")
        if repository:
            repository.check(read_data=name == "all")
            self.stdout.write(f"Intact: the repository {repository}")

    def _note(self, store: BackupStore, contents: list[str]) -> None:
        """Let the next backup store these anew. Only the one that has the directory to itself writes there."""
        try:
            with store.alone():
                store.note_damaged(contents)
        except (BackupError, OSError) as error:
            self.stderr.write(f"It could not be noted for the next backup ({error}); verify again before that.")

    def _list(self, store: BackupStore, repository: ResticRepository | None) -> None:
        for backup in store.backups():
            about = backup.about
            sizes = f"{_size(about['bytes']):>10}  {_size(about['new_bytes']):>10} new"
            self.stdout.write(f"{backup.name}  {about['libraries']:>6} libraries  {about['files']:>9} files  {sizes}")
        for snapshot in repository.snapshots() if repository else []:
            name = " ".join(snapshot.get("tags") or [])
            self.stdout.write(f"{name}  snapshot {snapshot['short_id']} in {repository}")


def add_repository_arguments(parser: ArgumentParser, default: str | None) -> None:
    """Options of both commands: which restic repository, and its password."""
    parser.add_argument(
        "--repository",
        nargs="?",
        const=os.environ.get("RESTIC_REPOSITORY", ""),
        default=default,
        metavar="LOCATION",
        help="a restic repository for encrypted copies, such as /mnt/disk/site, sftp:host:/site or s3:https://…;"
        " otherwise RESTIC_REPOSITORY",
    )
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="the repository's password; else var/backup-password"
    )


def repository_of(options: dict[str, Any]) -> ResticRepository | None:
    """The repository that the options name, if any."""
    password_file = options["password_file"] and whole_path(options["password_file"])
    return ResticRepository(options["repository"], password_file) if options["repository"] else None


def _size(count: int) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024  # type: ignore[assignment]
    return f"{count:.1f} TiB"
