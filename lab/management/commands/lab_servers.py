"""For operators at a terminal: what runs, and stopping all of it before maintenance."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from lab import services
from lab.launchers import LauncherUnavailable, get_launcher
from lab.models import Server, StopReason
from lab.wording import size


class Command(BaseCommand):
    """Lists live servers; `--stop-all` stops them."""

    help = "List live servers, or stop all of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--stop-all", action="store_true", help="stop every live server, as an operator")

    def handle(self, *_: Any, **options: Any) -> None:
        servers = Server.objects.live().select_related("owner").order_by("requested_at")
        if options["stop_all"]:
            stopped = sum(services.stop_server(None, server, StopReason.OPERATOR) for server in servers)
            self.stdout.write(f"{stopped} servers are being stopped.")
            return
        try:
            seen = get_launcher().inspect()
        except LauncherUnavailable as error:
            self.stderr.write(str(error))
            seen = {}
        for server in servers:
            status = seen.get(server.pk)
            memory = size(status.memory_bytes) if status else "-"
            used = f"{server.last_interaction:%Y-%m-%d %H:%M}" if server.last_interaction else "-"
            self.stdout.write(f"{server.pk.hex}  {server.owner.username:<32}  {server.state:<9}  {used:<16}  {memory}")
