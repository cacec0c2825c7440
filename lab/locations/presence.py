"""Presence: which file people have open in JupyterLab, so that two who edit one notebook know of each other.

The panel in JupyterLab says once a minute, and when another tab is turned to, which file is in front. Only of libraries
that its person may write to, and only people who may do so too are told.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import models
from django.utils import timezone

from lab.models import Presence, Server, State
from lab.models.presence import MAX_LENGTH
from portal.models import User

from . import paths

ROOT = "drive/"
"""Of paths as JupyterLab writes them, below the home."""
LASTS = timedelta(seconds=150)
"""After the last word of a page that was closed, or lost its connection."""
MOST = 10


@dataclass(frozen=True)
class Other:
    """Somebody who works in the same library now."""

    name: str
    path: str
    """In the library."""
    same_file: bool


def in_front(user: User, path: str) -> paths.Location:
    """Location of the file that JupyterLab shows at `path`; the Drive itself for what is not in a library."""
    return paths.locate(user, path.removeprefix(ROOT)) if path.startswith(ROOT) else paths.Location()


def report(server: Server, location: paths.Location) -> list[Other]:
    """The server's person has this file in front; who else is in its library."""
    if location.library is None or not location.may_write or not location.inside:
        Presence.objects.filter(server=server).delete()
        return []
    path = location.inside[:MAX_LENGTH]
    where = {"library": location.library, "path": path, "seen_at": timezone.now()}
    Presence.objects.update_or_create(server=server, defaults=where)
    return _others(server, path, location.library.pk)


def names_with_file_open(user: User, library_id: UUID, inside: str) -> list[str]:
    """Names of the others who have this file in front now; for somebody who may write there, before they open it."""
    rows = _fresh(library_id).filter(path=inside).exclude(server__owner=user)
    return [row.server.owner.display_name for row in rows.order_by("-seen_at")[:MOST]]


def _others(server: Server, path: str, library_id: UUID) -> list[Other]:
    rows = _fresh(library_id).exclude(server=server)
    return [
        Other(row.server.owner.display_name, row.path, row.path == path) for row in rows.order_by("-seen_at")[:MOST]
    ]


def _fresh(library_id: UUID) -> models.QuerySet[Presence]:
    rows = Presence.objects.filter(library=library_id, seen_at__gt=timezone.now() - LASTS, server__state=State.RUNNING)
    return rows.select_related("server__owner")
