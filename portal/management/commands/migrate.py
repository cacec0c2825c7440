"""`manage.py migrate` that refuses a database of a newer version, and notes the version that migrated it."""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import connections

from portal.ops import database_version


class Command(migrate.Command):
    """Django's, between two questions."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Nothing is changed in a database that is refused."""
        connection = connections[options["database"]]
        if reason := database_version.refusal(connection):
            raise CommandError(reason)
        super().handle(*args, **options)
        if not options["plan"] and not options["check_unapplied"]:
            database_version.record(connection)
