"""Scans of libraries for versions, queued for what Labs write: while a Lab runs, and when it stops."""

from collections import defaultdict
from uuid import UUID

from drive.folders import MOUNTED
from drive.libraries.visibility import entries
from lab.models import Server, State
from portal.models import User
from portal.ops.task_queue import enqueue, publish


def writable(user: User) -> list[UUID]:
    """The libraries that a person's Lab may write to."""
    return [entry.library_id for entry in entries(user, folders=MOUNTED) if entry.may_write]


def scan_mounted() -> int:
    """Queue a scan of every library that a running Lab may write to; returns how many.

    Where only one Lab may, what has changed was changed by its person.
    """
    writers: dict[UUID, set[int]] = defaultdict(set)
    for server in Server.objects.filter(state=State.RUNNING).select_related("owner"):
        for library_id in writable(server.owner):
            writers[library_id].add(server.owner_id)
    for library_id, people in writers.items():
        publish("drive.tasks.scan", str(library_id), people.pop() if len(people) == 1 else None)
    return len(writers)


def scan_of(server: Server) -> None:
    """Queue scans when a server has stopped. Others who might have written are asked for: then nobody is named."""
    others = Server.objects.filter(state=State.RUNNING).exclude(pk=server.pk).select_related("owner")
    shared = {library_id for other in others for library_id in writable(other.owner)}
    for library_id in writable(server.owner):
        enqueue("drive.tasks.scan", str(library_id), None if library_id in shared else server.owner_id)
