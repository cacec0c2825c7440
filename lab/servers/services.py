"""Starting and stopping servers, for people, operators and the site itself."""

import random
import time
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext

from lab.environments import selection
from lab.locations.paths import Location
from lab.metrics import STOPS
from lab.models import Environment, Pause, Phase, Server, State, StopReason
from portal import audit
from portal.access import ForbiddenError
from portal.models import User
from portal.ops.task_queue import broker_is_up

from . import limits, queue

TRIES = 100
TRY_AGAIN_SECONDS = 0.02
"""At most so long does one wait between two tries; by chance, so that those who ask at once do not go on in step."""
DRIVE = Location()
BRIEF_SECONDS = 0.7
"""How long a click waits for a launch that is about to be done, so that nobody sees a page about it."""
BRIEF_EVERY = 0.025


class CannotLaunchError(Exception):
    """No server can be started at this moment, and nothing was begun. `str(error)` is for the person."""

    def __init__(self, message: str, until: datetime | None = None) -> None:
        """`until`: when to try again, where that is known."""
        super().__init__(message)
        self.until = until


class LabFullError(CannotLaunchError):
    """All places are taken; who asks again may find one free at any moment."""


def request_server(
    actor: User | None, user: User, location: Location = DRIVE, environment: Environment | None = None
) -> Server:
    """The person's server: the live one, or a new one that is about to be started, to be opened at `location`.

    `environment` is for a new one; a live one keeps its own. None: see `selection.for_location`.

    However many ask at once, the database lets one row in and all get it. One that is stopping is returned as it is,
    and a new one follows it. Raises CannotLaunchError, or ForbiddenError for
    a deactivated account, or an environment that is not for the person.
    """
    if not user.is_active:
        raise ForbiddenError(gettext("This account is deactivated: it cannot use the Lab."))
    selection.check_may_use(user, environment)
    for _ in range(TRIES):
        server = Server.objects.live().filter(owner=user).select_related("owner", "environment").first()
        if server is None:
            if not broker_is_up():
                raise CannotLaunchError(gettext("The site's task queue is not responding, so no Lab can be started."))
            server = create(actor, user, location, environment)
        if server and (
            server.state != State.STOPPING or _follow_with_another(actor, server, location.path, environment)
        ):
            return server
        time.sleep(random.uniform(0, TRY_AGAIN_SECONDS))  # noqa: S311 - no secret: others start or end it meanwhile
    raise CannotLaunchError(gettext("Your Lab keeps changing state. Please try again."))


def wait_briefly(server: Server) -> Server:
    """Wait a moment for a launch to finish. Does not wait behind others: a crowd would stop all pages."""
    until = time.monotonic() + BRIEF_SECONDS
    if server.state != State.REQUESTED or Server.objects.queue_position(server) > 1:
        return server
    while server.state in (State.REQUESTED, State.STARTING) and time.monotonic() < until:
        time.sleep(BRIEF_EVERY)
        server.refresh_from_db(fields=["state", "phase"])
    return server


@transaction.atomic
def create(
    actor: User | None,
    user: User,
    location: Location = DRIVE,
    environment: Environment | None = None,
    *,
    keeps_place: bool = False,
) -> Server | None:
    """A new requested server, its launch queued on commit; None when the person has a live one by now.

    `keeps_place`: it follows one that has just ended. Raises CannotLaunchError, of which LabFullError is a kind, or
    ForbiddenError for an environment that is not for the person, or an account that was deactivated meanwhile.
    """
    if pause := Pause.objects.current():
        raise CannotLaunchError(pause.sentence, pause.ends_at)
    if not keeps_place and limits.is_full():
        raise LabFullError(limits.full_sentence())
    if not is_active_and_held(user):
        raise ForbiddenError(gettext("This account is deactivated: it cannot use the Lab."))
    selection.check_may_use(user, environment)
    environment = environment or selection.for_location(user, location)
    if environment is None:
        raise CannotLaunchError(gettext("No environment is installed yet. Ask an operator of this site to add one."))
    try:
        with transaction.atomic():
            server = Server.objects.create(owner=user, environment=environment, place=location.path)
    except IntegrityError:
        return None
    audit.record(actor, "lab.server.requested", server, place=location.path, environment=environment.slug)
    queue.launch(server)
    return server


def is_active_and_held(user: User) -> bool:
    """True if the account is active, which it stays until the transaction ends: merging and deactivating wait.

    Ask before the transaction changes a server: they hold the account first, then the person's servers.
    """
    held = User.objects.select_for_update(no_key=True).filter(pk=user.pk).first()
    return held is not None and held.is_active


@transaction.atomic
def _follow_with_another(actor: User | None, server: Server, place: str, environment: Environment | None) -> bool:
    """Have a new server started when this one, which is stopping, is gone; False when it is gone already."""
    asked_before = server.again
    if asked_before and environment is None:
        environment = server.again_environment
    stopping = Server.objects.filter(pk=server.pk, state=State.STOPPING)
    if not stopping.update(again=True, again_place=place, again_environment=environment):
        return False
    server.again, server.again_place, server.again_environment = True, place, environment
    if not asked_before:
        audit.record(actor, "lab.server.requested", server, place=place, after="this one is gone")
    return True


@transaction.atomic
def stop_server(actor: User | None, server: Server, reason: StopReason, *, error: str = "", log_tail: str = "") -> bool:
    """End a server; False when there was nothing to end. It shows as stopped when it is gone, which takes a moment."""
    now = timezone.now()
    ending: dict[str, Any] = {"stop_reason": reason, "error": error, "log_tail": log_tail, "due_at": None}
    if Server.objects.move(server, State.REQUESTED, to=State.STOPPED, phase=Phase.GONE, ended_at=now, **ending):
        pass  # no task has taken it up, so nothing of it exists
    elif Server.objects.move(
        server, State.STARTING, State.RUNNING, to=State.STOPPING, phase=Phase.CLOSING, stopping_at=now, **ending
    ):
        queue.stop(server.pk.hex)
    elif not Server.objects.filter(pk=server.pk, state=State.STOPPING, again=True).update(again=False):
        return False
    transaction.on_commit(lambda: STOPS.add(reason=str(reason)), robust=True)
    audit.record(actor, "lab.server.stopped", server, reason=str(reason), **({"error": error} if error else {}))
    return True


def stop_when_signed_out(user: User) -> None:
    """Stop the person's Lab if LAB_STOP_ON_LOGOUT says so, busy kernels too; files outside the Drive are rescued."""
    server = Server.objects.live().filter(owner=user).first() if settings.LAB_STOP_ON_LOGOUT else None
    if server:
        stop_server(user, server, StopReason.SIGNED_OUT)
