"""What is true of a site when all is well, and how long it takes to be so again after something died."""

from lab.models import LIVE, Server, State

from ..support.site import Site

HEALED = 45
"""Seconds for a restart and one round of the reconciler."""


PROCESSES = "web worker launcher loader supervisor relay api-relay rooms proxy broker".split()


def is_true(site: Site) -> bool:
    """Rows, processes and directories say the same (DESIGN, invariant 2), and nothing is on its way."""
    rows = {server.pk.hex: server.state for server in Server.objects.filter(state__in=LIVE)}
    running = {server for server, state in rows.items() if state == State.RUNNING}
    left = {name.removesuffix(".sock") for name in site.leftovers()}
    return set(rows.values()) <= {State.RUNNING} and running == site.sandboxes() == left
