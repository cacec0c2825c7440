"""Export the audit trail as lines of JSON."""

import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.contrib.admin.models import LogEntry
from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet

from console.retention import archive
from portal.models import AuditEntry

CHUNK = 1000


class Command(BaseCommand):
    help = "Write the audit trail to standard output, or into a new file, as lines of JSON, oldest first."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--since", metavar="DATE", help="From this time on, such as 2026-01-31 (UTC).")
        parser.add_argument("--before", metavar="DATE", help="Before this time.")
        parser.add_argument("--administration", action="store_true", help="What Django's administration noted instead.")
        parser.add_argument("--output", metavar="FILE", help="A file that does not exist yet.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read in pages, so that a long export keeps no transaction open."""
        model, at = (LogEntry, "action_time") if options["administration"] else (AuditEntry, "at")
        bounds = {f"{at}__gte": options["since"], f"{at}__lt": options["before"]}
        rows = model._default_manager.filter(**{key: _time(value) for key, value in bounds.items() if value})
        if options["output"]:
            self._write_file(Path(options["output"]), rows)
        else:
            _write(rows, self.stdout)
            self.stdout.flush()

    def _write_file(self, path: Path, rows: QuerySet[Any]) -> None:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        with os.fdopen(fd, "w") as file:
            count = _write(rows, file)
            file.flush()
            os.fsync(file.fileno())
        print(f"{count} entries are in {path}.", file=sys.stderr)


def _write(rows: QuerySet[Any], file: Any) -> int:
    count = 0
    for row in _in_pages(rows):
        file.write(f"{archive.line(row)}\n")
        count += 1
    return count


def _in_pages(rows: QuerySet[Any]) -> Iterator[Any]:
    last = 0
    while page := list(rows.filter(pk__gt=last).order_by("pk")[:CHUNK]):
        yield from page
        last = page[-1].pk


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(f"{text!r} is no date, such as 2026-01-31 or 2026-01-31T12:00+01:00.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
