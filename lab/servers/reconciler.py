"""The reconciler: rows are compared with what the launcher sees, and both are repaired.

Whatever was killed in between (a worker, the supervisor, the broker, the machine), the next pass puts right. A pass
decides only from what it reads itself, queues the same idempotent tasks as everybody else, and one failing part does
not end it.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from lab.environments import builds
from lab.launchers import LauncherUnavailableError, ServerStatus, get_launcher
from lab.models import WITH_SANDBOX, Environment, Lease, Pass, Phase, Server, State, Ticket
from lab.models.git_pulls import KEPT, Pull
from lab.models.leases import AHEAD

from . import api_tokens, lifecycle, limits, queue
from .mounts import digest, mounts_of

log = logging.getLogger(__name__)

LEASE = "lab.reconcile"
LEASE_SECONDS = 60
LOST_AFTER = timedelta(seconds=10)
"""What a living task would have done by then."""
START_EXTRA = timedelta(seconds=60)
"""A start may take LAB_START_TIMEOUT and this; what takes longer has nobody working on it."""
NOTED_SECONDS = 5
"""Of processor time: less is not worth a write before the end."""
AWAY = timedelta(minutes=2)
"""Passes are seconds apart: after so long the machine slept, or nothing ran here."""


def reconcile() -> None:
    """One pass; nothing when another pass is under way."""
    count_anew_after_a_gap()
    if not Lease.take(LEASE, LEASE_SECONDS):
        return
    try:
        for part in PARTS:
            _safely(part)
    finally:
        Lease.release(LEASE)


def _safely(part: Callable[[], None]) -> None:
    try:
        part()
    except LauncherUnavailableError as error:
        log.warning("reconcile: %s", error)
    except Exception:
        log.exception("reconcile: %s", part.__name__)


def count_anew_after_a_gap() -> None:
    """Let launches, stops and builds begin their time again if nothing has looked for long, because they slept too, or
    if the clock was set back.

    Before the pass takes its lease: whoever is killed in here leaves the gap to be seen by the next.
    """
    now, last = timezone.now(), Lease.last_used(LEASE)
    late, late_builds = Q(starting_at__gt=now + AHEAD), Q(started_at__gt=now + AHEAD)
    if last and now - last > AWAY:
        log.info("nothing has looked after the servers since %s: what is under way has its time again", last)
        late, late_builds = Q(), Q()
        working = Server.objects.filter(state=State.STOPPING, ended_by_task_until__lte=now)
        working.update(ended_by_task_until=now + lifecycle.LEASE)
    Server.objects.filter(late, state=State.STARTING).update(starting_at=now)
    builds.count_anew(late_builds)


def prepare() -> None:
    """Fork servers of all environments that may have one; those of others end."""
    get_launcher().prepare([environment.prefix for environment in Environment.objects.ready().filter(by_fork=True)])


def give_up_late_starts() -> None:
    """Starting rows whose time is over, whatever became of their task."""
    late = timezone.now() - timedelta(seconds=settings.LAB_START_TIMEOUT) - START_EXTRA
    for server in Server.objects.filter(state=State.STARTING, starting_at__lt=late).select_related("owner"):
        if server.phase == Phase.AWAITING:
            said = gettext_noop("What starts Labs has not responded for minutes. Please try again later.")
        else:
            said = gettext_noop("It did not start in time. Please try again.")
        lifecycle.fail_start(server, said)


def compare() -> None:
    """Rows without a sandbox, and sandboxes without a live row.

    Rows are read before the sandboxes for the first, and after them for the second: a sandbox is made after its row is
    live, and removed before its row ends, so a difference seen in that order is one.
    """
    rows = list(Server.objects.filter(state__in=WITH_SANDBOX).select_related("owner"))
    seen = get_launcher().inspect()
    for server in rows:
        check(server, seen.get(server.pk))
    note_processor_time(rows, seen)
    live = set(Server.objects.live().filter(pk__in=seen).values_list("pk", flat=True))
    for server_id in seen.keys() - live:
        log.warning("sandbox %s has no live row: removing it", server_id.hex)
        queue.stop(server_id.hex)


def note_processor_time(rows: list[Server], seen: dict[UUID, ServerStatus]) -> None:
    """Of who computes, in one transaction. The end of a server writes down the rest."""
    grown = {server.pk: seen[server.pk].cpu_seconds for server in rows if server.pk in seen}
    before = {server.pk: server.cpu_seconds for server in rows}
    with transaction.atomic():
        Server.objects.note_processor_time(
            {pk: seconds for pk, seconds in grown.items() if seconds - before[pk] >= NOTED_SECONDS}
        )


def check(server: Server, status: ServerStatus | None) -> None:
    """Put one starting or running row right, given what the launcher saw after the row was read."""
    gone = status is None or status.state == "stopped"
    if server.state == State.RUNNING and gone:
        if not _is_being_followed(server):
            lifecycle.declare_dead(server)
    elif server.state == State.RUNNING and status:
        follow(server, status)
    elif server.state == State.STARTING and _is_old(server) and (gone or (status and status.state == "running")):
        # Its task was killed before the sandbox was made, or after it answered; the launch goes on from where it was.
        # While the sandbox is coming up there is nothing to do but wait: it will be seen running, or gone.
        queue.launch(server)


def follow(server: Server, status: ServerStatus) -> None:
    """Note processes that were ended in a running server, and renew its API token."""
    kills = ("memory_kills", "disk_kills", "file_kills", "drive_file_kills")
    if any(getattr(status, name) > getattr(server, name) for name in kills):
        limits.note_ended_processes(server, status)
    if status.drive_full_for or server.notes:
        limits.note_room(server, status.drive_full_for)
    if status.drive_full_for:
        queue.remount(server)  # its quota may be another by now
    if status.token_age is not None and status.token_age > api_tokens.RENEW_AFTER:
        get_launcher().give_token(server.pk, api_tokens.make(server.pk))


def _is_being_followed(server: Server) -> bool:
    """Whether its access has changed: who follows that may have ended it, and says so. If nobody does, the pass goes on
    to ask for it (`follow_missed_changes`), and the next one finds it dead.
    """
    return server.mounts_digest not in ("", digest(mounts_of(server.owner)))


def check_now(server: Server) -> None:
    """Compare one running row with the launcher right now, for somebody who waits. Raises LauncherUnavailableError."""
    lifecycle_row = lifecycle.find(server.pk)
    if lifecycle_row and lifecycle_row.state == State.RUNNING:
        check(lifecycle_row, get_launcher().inspect().get(server.pk))


def _is_old(server: Server) -> bool:
    now = timezone.now()
    return not now - LOST_AFTER <= server.changed_at <= now + AHEAD


def _old(now: datetime) -> Q:
    """`_is_old` of many."""
    return Q(changed_at__lt=now - LOST_AFTER) | Q(changed_at__gt=now + AHEAD)


def wake_lost() -> None:
    """Requested rows that no worker will take up, and stopping rows that nobody works on: the broker lost the message.

    The queue is long when many start at once, so age alone proves nothing: only when fewer messages wait than rows do
    is one missing.
    """
    now = timezone.now()
    requested = list(Server.objects.filter(_old(now), state=State.REQUESTED).order_by("requested_at"))
    stopping = list(Server.objects.filter(_old(now), lifecycle.nobody_ends_it(now), state=State.STOPPING))
    waiting = queue.length()
    if waiting is None or waiting >= len(requested) + len(stopping):
        return
    for server in stopping:
        queue.stop(server.pk.hex)
    for server in requested:
        queue.launch(server)


def follow_missed_changes() -> None:
    """Servers whose mounts are not what their person may see, because a signal was missed or a remount failed."""
    for server in Server.objects.running().select_related("owner"):
        if not server.owner.is_active or server.mounts_digest != digest(mounts_of(server.owner)):
            queue.remount(server)


def forget_expired() -> None:
    """Tickets and passes that nobody can use any more, and what was once fetched."""
    now = timezone.now()
    Pull.objects.filter(created_at__lt=now - KEPT).delete()
    Ticket.objects.filter(expires_at__lt=now).delete()
    Pass.objects.filter(expires_at__lt=now).delete()


PARTS = (
    prepare,
    builds.sweep,
    give_up_late_starts,
    compare,
    wake_lost,
    follow_missed_changes,
    forget_expired,
)
"""What one pass does, in this order."""
