"""The reaper: the pass over due servers that stops those which nobody uses (idle_culling.py has the rule)."""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from lab.models import Server, State, StopReason

from . import idle_culling, keep_alive, lifecycle, queue, services
from .clients import client_of
from .clients.jupyter import JupyterError
from .idle_culling import Facts, Verdict, Why

log = logging.getLogger(__name__)

BATCH = 500
"""Due servers that one pass takes up; the rest is due in the next."""
CLAIM = timedelta(minutes=2)
"""A server that was taken up is due again after this: a lost task is made good."""

REASONS = {Why.IDLE: StopReason.IDLE, Why.AGE: StopReason.AGE, Why.UNREACHABLE: StopReason.UNREACHABLE}


def take_up_due() -> int:
    """Queue one task per due server, so that a slow one holds up nobody; returns how many."""
    now = timezone.now()
    taken = 0
    for server in [*Server.objects.due(now)[:BATCH], *Server.objects.due_too_late(now)[:BATCH]]:
        same = Server.objects.filter(pk=server.pk, state=State.RUNNING, due_at=server.due_at)
        if same.update(due_at=now + CLAIM):
            queue.reap(server)
            taken += 1
    return taken


def reap(server_id: UUID) -> bool:
    """Read one server's activity now and stop it if it is idle; otherwise remember what was read. True: stopped.

    1. Ask, decide. 2. Not idle: write what was read. 3. Idle: running -> stopping, at once, so nothing lies between the
    reading and the stop. 4. End it here and now. (Killed after 3: the queued stop task, or the reconciler, does 4.)
    """
    server = lifecycle.find(server_id)
    if server is None or server.state != State.RUNNING:
        return False
    verdict = check(server)
    if not verdict.idle:
        record(server, verdict)
        return False
    log.info("%s: %s", server, verdict.why.value)
    if not services.stop_server(None, server, REASONS[verdict.why]):
        return False
    lifecycle.end(server.pk)
    return True


def check(server: Server) -> Verdict:
    """Ask the server and decide."""
    try:
        answer = client_of(server).activity()
    except JupyterError as error:
        log.info("%s: %s", server, error)
        answer = None
    started = server.ages_from or server.requested_at
    facts = Facts(
        started_at=started,
        last_known=server.last_interaction or started,
        activity=answer,
        unreachable_since=server.unreachable_since,
        last_by_hand=server.last_by_hand,
        keep_until=server.keep_until,
        looked_at=server.looked_at,
    )
    grace = keep_alive.warn_before(server)
    return idle_culling.is_idle(facts, timezone.now(), server.idle_limit, server.max_age, grace=grace)


def record(server: Server, verdict: Verdict) -> None:
    """Write what was read to the row; warn its person when the end is near."""
    noted: dict[str, Any] = {
        "last_interaction": verdict.last_interaction,
        "last_by_hand": verdict.last_by_hand,
        "unreachable_since": verdict.unreachable_since,
        "looked_at": verdict.looked_at,
    }
    row = Server.objects.filter(pk=server.pk, state=State.RUNNING)
    with transaction.atomic():
        if verdict.unseen:
            log.info("%s: nobody looked, or the clock was set: %s are not counted", server, verdict.unseen)
            row = row.filter(looked_at=server.looked_at)  # of two looks at once, one moves it
            noted |= {"unseen": server.unseen + verdict.unseen, "warned_for": None}
            _keep_as_long(server, verdict.unseen)
        for field, value in noted.items():
            setattr(server, field, value)
        row.update(**noted, due_at=keep_alive.look_before_warning(server, verdict.look_again_at))
    keep_alive.warn(server)


def _keep_as_long(server: Server, unseen: timedelta) -> None:
    """What its person asked for moves with the rest, unless they ask for something else in this moment."""
    if server.keep_until and Server.objects.filter(
        pk=server.pk, looked_at=server.looked_at, keep_until=server.keep_until
    ).update(keep_until=server.keep_until + unseen):
        server.keep_until += unseen
