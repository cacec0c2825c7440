"""Life cycle of a server: launch, end, and following changes of access.

Each function is called by a task with an id, may be called twice or again after it was killed at any line, and leaves
the truth in the row. Two rules make that so: a state changes by `Server.objects.move`, which one caller wins; and
every call to the launcher may be repeated.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID
from weakref import WeakValueDictionary

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_noop

from collabs.models import Collab
from lab import group_limits
from lab.environments import kept_packages, static_files
from lab.launchers import LauncherUnavailableError, LaunchFailedError, LaunchSpec, Mount, get_launcher
from lab.launchers.base import GRACE_SECONDS
from lab.locations import paths
from lab.metrics import LAUNCH_SECONDS, LAUNCHES
from lab.models import FAILURES, Phase, Server, State, StopReason
from lab.models.leases import AHEAD
from portal.access import ForbiddenError
from portal.ops import logs

from . import api_tokens, drive_scans, idle_culling, limits, queue, rescue, services
from .clients import client_of
from .clients.jupyter import JupyterError
from .mounts import digest, mounts_of, with_quotas
from .notifications import tell_of_end

log = logging.getLogger(__name__)

RETRIES = 6
"""Tries, a second apart, for a launcher that is just being restarted."""
LEASE = timedelta(seconds=30)
"""A stop task that has not said for so long that it is at work was killed."""
RESCUE_TRIES = 3
FOLLOW_TRIES = 8

_turns: WeakValueDictionary[UUID, threading.RLock] = WeakValueDictionary()
_turns_lock = threading.Lock()


def find(server_id: UUID) -> Server | None:
    """The row as it is now. What is logged from here on names it."""
    logs.add_context(server_id=server_id.hex)
    return Server.objects.select_related("owner", "environment").filter(pk=server_id).first()


# Launch


def launch(server_id: UUID) -> None:
    """Take a requested server to running, or go on with a launch that was cut off.

    1. requested -> starting. Lost: somebody else has it, or it was stopped. (Killed before: the row is still requested
       and the reconciler queues it again. Killed after: the row is starting, and the launch that the reconciler queues
       goes on here.)
    2. `launcher.start`: does nothing when the sandbox is there already.
    3. The row must still be starting, otherwise a stop came between 1 and 2 and found nothing to stop: undo 2.
    4. `launcher.wait`: ends at once when the process dies, also when a stop kills it.
    5. Mount again if what the person may see has changed since 2; a change after this finds the sandbox by itself.
    6. starting -> running. Lost: as in 3.
    7. Start the kernel of the notebook being opened. Nothing depends on it.
    """
    server = find(server_id)
    if server is None:
        return
    taken = Server.objects.move(
        server, State.REQUESTED, to=State.STARTING, phase=Phase.PREPARING, starting_at=timezone.now()
    )
    if not taken and server.state != State.STARTING:
        return
    try:
        running = _bring_up(server)
    except LauncherUnavailableError as error:
        log.warning("%s: %s; the reconciler will try again", server, error)
        return
    except LaunchFailedError as error:
        fail_start(server, str(error), error.log_tail)
        return
    except Exception:
        log.exception("launch of %s", server)
        fail_start(
            server, gettext_noop("An internal error occurred; an operator of this site finds the details in the log.")
        )
        return
    if running:
        start_kernel(server, server.place)


def _bring_up(server: Server) -> bool:
    """Steps 2 to 6; False when the server was stopped meanwhile."""
    launcher = get_launcher()
    mounts = mounts_of(server.owner)
    applying = group_limits.applying(server.owner, server.environment)
    spec = _spec(server, mounts, applying.limits)
    _retry(lambda: launcher.start(spec), away=lambda: _say_it_is_awaited(server))
    still = Server.objects.filter(pk=server.pk, state=State.STARTING)
    kept = launcher.enforced_limits()
    noted = {"memory": "memory_limit", "disk": "disk_limit", "files": "file_limit"}
    begun: dict[str, float] = {field: spec.limits[what] if what in kept else 0 for what, field in noted.items()}
    # Those of the settings are asked for at each look: a site that is started with others means its running Labs, too.
    times = {"idle": ("idle_seconds", applying.idle_seconds), "life": ("life_seconds", applying.life_seconds)}
    begun |= {field: seconds for what, (field, seconds) in times.items() if what in applying.groups}
    if not still.update(phase=Phase.JUPYTER, mounts_digest=digest(mounts), **begun):
        _undo_start(server)
        return False
    _retry(lambda: launcher.wait(server.pk, settings.LAB_START_TIMEOUT), away=lambda: _say_it_is_awaited(server))
    if digest(mounts_of(server.owner)) != digest(mounts):
        follow_mounts(server)
    now = timezone.now()
    first_look = now + min(idle_culling.LOOK_EVERY, timedelta(seconds=applying.idle_seconds))
    running = {"phase": Phase.READY, "started_at": now, "last_interaction": now}
    running |= {"due_at": first_look, "looked_at": now, "unseen": timedelta(0)}
    if not Server.objects.move(server, State.STARTING, to=State.RUNNING, **running):
        _undo_start(server)
        return False
    LAUNCHES.add(outcome="running")
    LAUNCH_SECONDS.observe((now - server.requested_at).total_seconds())
    return True


def _spec(server: Server, mounts: list[Mount], limited_to: dict[str, float]) -> LaunchSpec:
    return LaunchSpec(
        server_id=server.pk,
        username=server.owner.username,
        display_name=server.owner.display_name,
        email=server.owner.email,
        token=server.token,
        prefix=server.environment.prefix,
        mounts=with_quotas(mounts),
        network=settings.LAB_NETWORK,
        fork=server.environment.by_fork,
        limits=limited_to,
        portal_token=api_tokens.make(server.pk),
        coediting=settings.COEDITING,
        page_options=static_files.page_options(server.environment.prefix),
        packages=[kept.as_json() for kept in _packages(server, server.place)],
    )


def _packages(server: Server, place: str) -> list[kept_packages.KeptPackages]:
    """None without walls: there pip changes the environment itself, for everybody."""
    return kept_packages.for_place(server.owner, place) if get_launcher().isolated else []


def _retry(call: Callable[[], None], *, away: Callable[[], None]) -> None:
    """`away` is called after each try that found nobody."""
    for attempt in range(1, RETRIES + 1):
        try:
            return call()
        except LauncherUnavailableError:
            away()
            if attempt == RETRIES:
                raise
            time.sleep(1)
    return None


def _say_it_is_awaited(server: Server) -> None:
    """On the page of the waiting person, until the next phase."""
    Server.objects.filter(pk=server.pk, state=State.STARTING).update(phase=Phase.AWAITING)


def _undo_start(server: Server) -> None:
    """Remove the sandbox of a row that has ended. A row that another delivery of the launch took further keeps it."""
    now = find(server.pk)
    if now is None or not now.is_live:
        get_launcher().destroy(server.pk)
    elif now.state == State.STOPPING:
        queue.stop(server.pk.hex)


def fail_start(server: Server, message: str, log_tail: str = "") -> None:
    """A start that did not succeed: say why, and remove what there is of it."""
    if Server.objects.filter(pk=server.pk, state=State.STARTING).exists() and services.stop_server(
        None, server, StopReason.START_FAILED, error=message, log_tail=log_tail
    ):
        LAUNCHES.add(outcome="failed")
        end(server.pk)


def start_kernel(server: Server, place: str) -> None:
    """Start the kernel of the notebook at `place`, so that it is up before the browser asks for it. Best effort."""
    if not place.endswith(".ipynb"):
        return
    try:
        client_of(server).start_session(place)
    except JupyterError as error:
        log.info("%s: kernel for %s not started ahead: %s", server, place, error)


def install_packages_of(server: Server, place: str) -> None:
    """Have a running Lab that is opened at `place` install what is kept for it and not there yet. Best effort."""
    _install(server, _packages(server, place))


def install_packages(server: Server, collab: Collab) -> None:
    """Have a running Lab install a Collab's packages, if its person may see it and agreed to them. Best effort."""
    kept = kept_packages.for_collab(server.owner, collab) if get_launcher().isolated else None
    _install(server, [kept] if kept else [])


def _install(server: Server, lists: list[kept_packages.KeptPackages]) -> None:
    try:
        for kept in lists:
            client_of(server).install(kept.as_json())
    except JupyterError as error:
        log.info("%s: packages not installed: %s", server, error)


# End


def end(server_id: UUID) -> None:
    """Take a stopping server to its end, or remove a sandbox whose row has ended or was deleted.

    1. Take the lease, so that one task works on it; it runs out by itself.
    2. `launcher.stop`: returns when every process is gone. The home is still there. Its processor time is written down.
    3. Rescue; what was rescued is written to the row. (Killed before: done again, to the same place.)
    4. `launcher.destroy`. (Killed before: the row is still stopping, with `rescued` set: this step is repeated.)
    5. stopping -> stopped or failed, and in the same transaction the next server, if one was asked for meanwhile.
    """
    server = find(server_id)
    try:
        if server is None:
            get_launcher().destroy(server_id)
        elif not server.is_live:
            _remove(server)
        elif server.state == State.STOPPING and _take_lease(server):
            if _remove(server):
                _finish(server)
            else:
                _drop_lease(server)
    except (LauncherUnavailableError, LaunchFailedError) as error:
        log.warning("end of %s: %s; the reconciler will try again", server or server_id, error)
        if server:
            _drop_lease(server)


def _remove(server: Server) -> bool:
    """Steps 2 to 4; False when the rescue failed and is to be tried again before anything is deleted."""
    launcher = get_launcher()
    at_once = server.stop_reason in (StopReason.DEACTIVATED, StopReason.ACCESS)
    launcher.stop(server.pk, grace=0 if at_once else GRACE_SECONDS)
    Server.objects.note_processor_time({server.pk: launcher.processor_time(server.pk)})
    if not _rescue(server):
        return False
    _set_phase(server, Phase.DELETING)
    launcher.destroy(server.pk)
    return True


def _rescue(server: Server) -> bool:
    if server.rescued is not None or server.started_at is None:
        return True
    _set_phase(server, Phase.RESCUING)
    home, changes = get_launcher().home(server.pk), get_launcher().changes(server.pk)
    result = rescue.rescue(server, home, changes, heartbeat=lambda: _set_phase(server, Phase.RESCUING))
    if result.error and server.rescue_failures + 1 < RESCUE_TRIES:
        log.warning("rescue from %s: %s", server, result.error)
        Server.objects.filter(pk=server.pk).update(rescue_failures=server.rescue_failures + 1)
        return False
    server.rescued = result.as_json()
    Server.objects.filter(pk=server.pk, rescued__isnull=True).update(rescued=server.rescued)
    return True


def _finish(server: Server) -> None:
    final = State.FAILED if server.stop_reason in FAILURES else State.STOPPED
    gone = {"phase": Phase.GONE, "ended_at": timezone.now(), "token": "", "ended_by_task_until": None}
    with transaction.atomic():
        is_active = services.is_active_and_held(server.owner)
        if not Server.objects.move(server, State.STOPPING, to=final, **gone):
            return
        drive_scans.scan_of(server)
        server.refresh_from_db()  # `again` cannot be set any more now, but may have been since we read it
        tell_of_end(server)
        if server.again and is_active:
            owner, wanted = server.owner, server.again_environment
            with suppress(services.CannotLaunchError, ForbiddenError):  # a pause began meanwhile, say; My Lab says so
                services.create(owner, owner, paths.locate(owner, server.again_place), wanted, keeps_place=True)


def _take_lease(server: Server) -> bool:
    now = timezone.now()
    stopping = Server.objects.filter(nobody_ends_it(now), pk=server.pk, state=State.STOPPING)
    return bool(stopping.update(ended_by_task_until=now + LEASE))


def nobody_ends_it(now: datetime) -> Q:
    """Stopping servers that no living task works on."""
    over, not_ours = Q(ended_by_task_until__lte=now), Q(ended_by_task_until__gt=now + LEASE + AHEAD)
    return Q(ended_by_task_until=None) | over | not_ours


def _drop_lease(server: Server) -> None:
    Server.objects.filter(pk=server.pk, state=State.STOPPING).update(ended_by_task_until=None)


def _set_phase(server: Server, phase: Phase) -> None:
    """Tell the waiting person how far it is, and other tasks that this one lives."""
    stopping = Server.objects.filter(pk=server.pk, state=State.STOPPING)
    stopping.update(phase=phase, ended_by_task_until=timezone.now() + LEASE)


def declare_dead(server: Server) -> None:
    """A running server without processes: say so, rescue what it left, remove it."""
    tail, message = "", limits.why_it_died(server, None)
    try:
        message = limits.why_it_died(server, get_launcher().inspect().get(server.pk))
        get_launcher().wait(server.pk, 0)  # the way to the log of what has ended
    except LaunchFailedError as error:
        tail = error.log_tail
    except LauncherUnavailableError:
        pass
    services.stop_server(None, server, StopReason.DIED, error=message, log_tail=tail)


# Access


def follow_access(server_id: UUID) -> None:
    """Make a running server show what its person may see now: nothing at all once the account is deactivated."""
    server = find(server_id)
    if server is None or server.state not in (State.STARTING, State.RUNNING, State.STOPPING):
        return
    if server.owner.is_active:
        follow_mounts(server)
    else:
        services.stop_server(None, server, StopReason.DEACTIVATED)
        get_launcher().stop(server.pk, grace=0)


def follow_mounts(server: Server) -> None:
    """Mount, and look again: of two that do this at once, the one with the older view must not have the last word.

    Of two threads of one worker it has no word at all: for a moment, what was taken away would be there again, and
    JupyterLab would be told of a folder that is not where it was.
    """
    launcher = get_launcher()
    for _ in range(FOLLOW_TRIES):
        with _turn_of(server.pk):
            mounts = mounts_of(server.owner)
            notes = launcher.remount(server.pk, with_quotas(mounts))
            if notes:
                limits.add_notes(server, notes)
                _stop_if_gone(server)
            Server.objects.filter(pk=server.pk).update(mounts_digest=digest(mounts))
        if digest(mounts_of(server.owner)) == digest(mounts):
            return


def _turn_of(server_id: UUID) -> threading.RLock:
    """Held in this process from the look at what a server's person may see until that is mounted."""
    with _turns_lock:
        return _turns.setdefault(server_id, threading.RLock())


def _stop_if_gone(server: Server) -> None:
    status = get_launcher().inspect().get(server.pk)
    if server.state == State.RUNNING and (status is None or status.state == "stopped"):
        services.stop_server(None, server, StopReason.ACCESS)
