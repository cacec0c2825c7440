"""`manage.py migrate` that refuses a database of a newer version, and notes the version that migrated it.

Before it changes one that has had migrations, and once that is up to date, it runs hooks (portal/hooks.py).
"""

from typing import Any

from django.core.management.base import CommandError
from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS, connections

from portal import hooks
from portal.ops import database_version


class Command(migrate.Command):
    """Django's, between two questions."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Nothing is changed in a database that is refused."""
        connection = connections[options["database"]]
        if reason := database_version.refusal(connection):
            raise CommandError(reason)
        looks = options["plan"] or options["check_unapplied"]
        is_upgrade = not looks and connection.alias == DEFAULT_DB_ALIAS and database_version.is_behind(connection)
        if is_upgrade:
            hooks.run("before_upgrade", tell=self.stdout.write)
        super().handle(*args, **options)
        if not looks:
            database_version.record(connection)
        if is_upgrade and not database_version.is_behind(connection):
            hooks.run("after_upgrade")
