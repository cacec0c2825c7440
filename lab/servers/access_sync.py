"""Changes of access, followed into running servers."""

import logging
from typing import Any

from lab.launchers import LauncherUnavailableError, LaunchFailedError
from lab.models import Server, State, StopReason

from . import lifecycle, queue, services

log = logging.getLogger(__name__)


def follow_changes(sender: Any, user_ids: frozenset[int], **_: Any) -> None:
    """Listens to `portal.access.access_changed`, after commit.

    A withdrawn right must not wait for a broker: when it is away, the change is made right here. What cannot be reached
    now is found by the reconciler, which compares what is mounted with what may be seen.
    """
    for server in Server.objects.live().filter(owner__in=user_ids).select_related("owner"):
        if not server.owner.is_active:
            services.stop_server(None, server, StopReason.DEACTIVATED)
        if server.state != State.REQUESTED and server.is_live and not queue.remount(server):
            _here_and_now(server)


def _here_and_now(server: Server) -> None:
    try:
        lifecycle.follow_access(server.pk)
    except (LauncherUnavailableError, LaunchFailedError) as error:
        log.warning("%s: access not followed yet: %s", server, error)
