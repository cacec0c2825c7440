"""The first page of the administration: how the site is, in one look."""

import shutil
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count, Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from lab.formats import duration, size
from lab.launchers import LauncherUnavailableError, get_launcher
from lab.models import Environment, Pause, Server
from lab.servers.limits import missing_limits
from portal.models import AuditEntry, User
from portal.ops import broker_stats
from rooms import process as rooms_process

from .models import FailedTask

LATE = 60
"""Seconds of waiting in a queue from which the dashboard shows a problem."""
LITTLE = 0.1
"""Fraction of free disk space below which the dashboard shows a problem."""
UNSAVED = 60
"""Seconds that what is typed may wait to be in its file; a save takes a second or five."""
LATEST = 12
NOT_KEPT = {
    "memory": "limit of memory for each Lab",
    "cpu": "limit of processor time for each Lab",
    "processes": "limit of processes for each Lab",
    "uid": "user id of its own for each Lab",
}
"""Names of `missing_limits`."""


@dataclass(frozen=True)
class Line:
    """A figure with its name."""

    name: str
    value: str
    link: str = ""
    is_bad: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines under a heading."""

    title: str
    lines: list[Line] = field(default_factory=list)
    note: str = ""


def panels(request: HttpRequest) -> list[Panel]:
    """Panels that the operator has the permission to see."""
    wanted = [("portal.view_user", people), ("lab.view_server", servers), ("console.view_failedtask", work)]
    if settings.COEDITING:
        wanted.append(("rooms.view_room", editing))
    found = [panel() for permission, panel in wanted if request.user.has_perm(permission)]
    return [*found, disks()]


def people() -> Panel:
    """Numbers of accounts."""
    week = timezone.now() - timedelta(days=7)
    counts = User.objects.aggregate(
        active=Count("pk", Q(is_active=True)),
        new=Count("pk", Q(date_joined__gte=week, is_active=True)),
        here=Count("pk", Q(last_login__gte=week, is_active=True)),
        inactive=Count("pk", Q(is_active=False, deleted_at=None)),
    )
    address = reverse("admin:portal_user_changelist")
    return Panel(
        "People",
        [
            Line("active accounts", str(counts["active"]), f"{address}?is_active__exact=1"),
            Line("new in seven days", str(counts["new"])),
            Line("signed in within seven days", str(counts["here"])),
            Line("deactivated", str(counts["inactive"]), f"{address}?is_active__exact=0"),
        ],
    )


def servers() -> Panel:
    """Labs by state, failures, and state of the fork servers."""
    address = reverse("admin:lab_server_changelist")
    rows = Server.objects.live().order_by().values_list("state").annotate(number=Count("pk"))
    lines = [Line(state, str(number), f"{address}?state__exact={state}") for state, number in rows]
    if pause := Pause.objects.current():
        until = f"until {timezone.localtime(pause.ends_at):%-d %B, %H:%M}"
        lines.append(
            Line("starting Labs is paused", until, reverse("admin:lab_pause_change", args=[pause.pk]), is_bad=True)
        )
    day = timezone.now() - timedelta(days=1)
    failed = Server.objects.filter(state="failed", ended_at__gte=day).count()
    started = Server.objects.filter(started_at__gte=day).count()
    lines.append(Line("started in 24 hours", str(started), f"{reverse('starts')}?period=day"))
    lines.append(Line("failed in 24 hours", str(failed), f"{address}?state__exact=failed", is_bad=failed > 0))
    try:
        forks, missing = get_launcher().fork_servers(), missing_limits()
    except LauncherUnavailableError:
        return Panel("Labs", lines, "The supervisor does not respond: no Lab can be started or stopped.")
    lines += [Line(NOT_KEPT[what], "not on this machine", is_bad=True) for what in missing]
    names = dict(Environment.objects.values_list("prefix", "name"))
    for status in forks:
        name = f"instant launch, {names.get(status.prefix, status.prefix)}"
        lines.append(Line(name, status.state, reverse("starts"), is_bad=status.state == "resting"))
    return Panel("Labs", lines)


def editing() -> Panel:
    """Files that are edited together, by how many people, and what of it is not saved."""
    address = f"{reverse('admin:rooms_room_changelist')}?is_open__exact=1"
    try:
        found = rooms_process.open_rooms().values()
    except rooms_process.RoomsProcessError:
        return Panel("Editing together", [], "The rooms do not respond: each person opens files alone.")
    people = {person for room in found for person in room.people}
    waiting = [seconds for seconds in (room.unsaved_seconds or 0.0 for room in found) if seconds > UNSAVED]
    lines = [Line("open files", str(len(found)), address), Line("people in them", str(len(people)))]
    if waiting:
        lines.append(Line("not saved", f"{len(waiting)}, for {duration(max(waiting))}", address, is_bad=True))
    return Panel("Editing together", lines)


def work() -> Panel:
    """Lengths of queues, failed tasks, and where the sizes of the database's tables are."""
    failed = FailedTask.objects.filter(retried_at=None).count()
    lines = [
        Line("failed tasks", str(failed), reverse("admin:console_failedtask_changelist"), is_bad=failed > 0),
        Line("database", "sizes of its tables", reverse("database_tables")),
        Line("storage and time of Labs", "by month", reverse("usage")),
    ]
    found = broker_stats.queues()
    if found is None:
        return Panel("Work", lines, "The task queue is not available: pages work, but no Lab can be started.")
    return Panel("Work", [*(_queue(each) for each in found), *lines])


def _queue(queue: broker_stats.Queue) -> Line:
    text = f"{queue.waiting} waiting" + (f", for {duration(queue.oldest_seconds)}" if queue.waiting else "")
    return Line(f"queue “{queue.name}”", text, is_bad=queue.oldest_seconds > LATE)


def disks() -> Panel:
    """Free disk space per file system."""
    lines, seen = [], set()
    for name, place in (("files", settings.DRIVE_ROOT), ("Labs", settings.LAB_ROOT), ("the rest", settings.VAR_DIR)):
        try:
            usage, device = shutil.disk_usage(place), Path(place).stat().st_dev
        except OSError:
            lines.append(Line(name, "missing", is_bad=True))
            continue
        if device not in seen:
            seen.add(device)
            free = usage.free / usage.total
            lines.append(Line(name, f"{size(usage.free)} of {size(usage.total)} free", is_bad=free < LITTLE))
    damaged = damaged_redis_files()
    if damaged:
        said = f"set aside in {damaged[-1]}; remove it when you have looked"
        lines.append(Line("Redis's files were damaged", said, is_bad=True))
    return Panel("Disk", lines)


def damaged_redis_files() -> list[Path]:
    """Directories that bin/lib/broker.py has made, oldest first. What was queued then was queued again, or is lost."""
    return sorted((settings.VAR_DIR / "redis").glob("damaged-*"))


def latest(request: HttpRequest) -> list[Any]:
    """Latest entries of the audit trail."""
    return list(AuditEntry.objects.all()[:LATEST]) if request.user.has_perm("portal.view_auditentry") else []
