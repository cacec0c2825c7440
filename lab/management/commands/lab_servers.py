"""`manage.py lab_servers`: list live servers, or stop all of them before maintenance."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lab.formats import size
from lab.launchers import LauncherUnavailableError, get_launcher
from lab.models import Server, State, StopReason
from lab.servers import lifecycle, services

STOP_SECONDS = 180


class Command(BaseCommand):
    """Lists live servers; `--stop-all` stops them."""

    help = "List live servers, or stop all of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--stop-all", action="store_true", help="stop every live server, and wait until it is gone")

    def _stop_all(self) -> None:
        """Stop them here, without the queue: before maintenance the workers may be down already."""
        count = sum(services.stop_server(None, server, StopReason.OPERATOR) for server in Server.objects.live())
        deadline = time.monotonic() + STOP_SECONDS
        while ending := list(Server.objects.filter(state=State.STOPPING).values_list("pk", flat=True)):
            if time.monotonic() > deadline:
                raise CommandError(f"{len(ending)} servers have not ended yet.")
            for server_id in ending:
                lifecycle.end(server_id)
            time.sleep(0.5)
        self.stdout.write(f"{count} servers were stopped.")

    def handle(self, *_: Any, **options: Any) -> None:
        servers = Server.objects.live().select_related("owner").order_by("requested_at")
        if options["stop_all"]:
            self._stop_all()
            return
        try:
            seen = get_launcher().inspect()
        except LauncherUnavailableError as error:
            self.stderr.write(str(error))
            seen = {}
        for server in servers:
            status = seen.get(server.pk)
            memory = size(status.memory_bytes) if status else "-"
            used = f"{server.last_interaction:%Y-%m-%d %H:%M}" if server.last_interaction else "-"
            self.stdout.write(f"{server.pk.hex}  {server.owner.username:<32}  {server.state:<9}  {used:<16}  {memory}")
