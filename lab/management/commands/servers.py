"""`manage.py servers`: people's Labs at the command line."""

import time
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from lab.launchers import LauncherUnavailableError, get_launcher
from lab.models import Server, State, StopReason
from lab.servers import lifecycle, services
from portal.command_line import Options, SubcommandsCommand, acting, counted, find_people

STOP_SECONDS = 180


class Command(SubcommandsCommand):
    """Live servers: list, and stop; with `--all` before maintenance."""

    help = "People's Labs: list those that are live, and stop some or all."

    def define(self) -> None:
        self.listing("list", self.list, "Labs that are requested, starting, running or stopping.")
        parser = self.subcommand("stop", self.stop, "Stop Labs, and wait until they are gone.")
        parser.add_argument("usernames", nargs="*", metavar="NAME", help="of their people")
        parser.add_argument("--all", action="store_true", help="every live Lab")

    def list(self, options: Options) -> Iterable[dict[str, Any]]:
        """Rows of the list."""
        try:
            seen = get_launcher().inspect()
        except LauncherUnavailableError as error:
            self.stderr.write(str(error))
            seen = {}
        for server in Server.objects.live().select_related("owner", "environment").order_by("requested_at"):
            status = seen.get(server.pk)
            yield {
                "id": server.pk.hex,
                "person": server.owner.username,
                "state": str(server.state),
                "environment": server.environment.slug,
                "requested": server.requested_at,
                "last_interaction": server.last_interaction,
                "memory_bytes": status.memory_bytes if status else None,
            }

    def stop(self, options: Options) -> None:
        """Stop them here, without the queue: before maintenance the workers may be down already."""
        if bool(options["usernames"]) == options["all"]:
            raise CommandError("Name people, or say --all.")
        servers = Server.objects.all()
        if options["usernames"]:
            servers = servers.filter(owner__in=find_people(options["usernames"]))
        with acting():
            count = sum(services.stop_server(None, server, StopReason.OPERATOR) for server in servers.live())
            _wait_until_gone(servers)
        self.say(f"{counted(count, 'Lab')} stopped.")


def _wait_until_gone(servers: QuerySet[Server]) -> None:
    """End what is stopping. CommandError if some takes too long."""
    deadline = time.monotonic() + STOP_SECONDS
    while ending := list(servers.filter(state=State.STOPPING).values_list("pk", flat=True)):
        if time.monotonic() > deadline:
            raise CommandError(f"{counted(len(ending), 'Lab')} not ended yet.")
        for server_id in ending:
            lifecycle.end(server_id)
        time.sleep(0.5)
