"""The nightly removal of rows and files that are kept no longer.

In steps of BATCH rows, each a transaction of its own, with a pause between them in which others write: SQLite has one
writer at a time. Whoever is killed in between has removed some; the next run goes on, as does the next night when the
time is up. A row that somebody changes meanwhile is looked at once more when its lock is there (SELECT FOR UPDATE).
"""

import logging
import time
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Max
from django.utils import timezone

from lab.environments import builds
from portal.file_lock import file_lock
from portal.models import AuditEntry, User

from . import archive
from .kinds import KINDS, Kind

log = logging.getLogger(__name__)

BATCH = 500
PAUSE_SECONDS = 0.05
"""Between two steps: longer than a write of others takes, so that they come in between."""
RUN_SECONDS = 600
"""For one run; what is left is for the next night."""
LONGEST_GAP = timedelta(days=60)
"""If nobody has done anything for so long, it is more likely that somebody has set the clock wrong."""


def prune(now: datetime | None = None) -> dict[str, int]:
    """Remove what is kept no longer; returns how many rows by model, and files. {} if that cannot be now."""
    with file_lock(settings.RUN_DIR / "prune.lock", wait=False) as alone:
        now = now or timezone.now()
        if not alone or not is_plausible(now):
            return {}
        return _prune(now)


def is_plausible(now: datetime) -> bool:
    """False if the time is far after the last thing that anybody did: what is valid today would look expired."""
    last = User.objects.aggregate(in_=Max("last_login"), joined=Max("date_joined"))
    last["did"] = AuditEntry.objects.aggregate(at=Max("at"))["at"]
    latest = max((at for at in last.values() if at), default=now)
    if now - latest <= LONGEST_GAP:
        return True
    log.warning("nothing pruned: it is %s, and nobody has done anything since %s. Is the clock right?", now, latest)
    return False


def _prune(now: datetime) -> dict[str, int]:
    deadline = time.monotonic() + RUN_SECONDS
    removed: dict[str, int] = {}
    for kind in KINDS:
        label = kind.model._meta.label
        try:
            removed[label] = _prune_kind(kind, now, deadline)
        except (DatabaseError, OSError, ValueError, TypeError):  # of this kind; the others are pruned all the same
            log.exception("%s not pruned", label)
    for name, remove in (("mails", remove_mails), ("archive", archive.pack), ("build logs", remove_build_logs)):
        try:
            removed[name] = remove(now)
        except OSError:
            log.exception("%s not pruned", name)
    log.info("pruned: %s", ", ".join(f"{number} {name}" for name, number in removed.items() if number) or "nothing")
    return removed


def _prune_kind(kind: Kind, now: datetime, deadline: float) -> int:
    removed = 0
    while step := prune_step(kind, now):
        removed += step
        if step < BATCH or time.monotonic() > deadline:
            break
        time.sleep(PAUSE_SECONDS)
    return removed


def prune_step(kind: Kind, now: datetime) -> int:
    """Remove the next BATCH rows, in one transaction; returns how many."""
    with transaction.atomic():
        rows = kind.rows(now).order_by("pk") if kind.is_archived else kind.rows(now).order_by().only("pk")
        found = list(rows.select_for_update(of=("self",))[:BATCH])
        if kind.is_archived:
            archive.append(found, now)
        kind.model._base_manager.filter(pk__in=[row.pk for row in found]).delete()
    return len(found)


def remove_mails(now: datetime) -> int:
    """Remove old mails that are files, where no mail server is set; returns how many."""
    directory = getattr(settings, "EMAIL_FILE_PATH", None)
    if not (directory and settings.MAIL_KEEP_DAYS and settings.EMAIL_BACKEND.endswith("filebased.EmailBackend")):
        return 0
    until = (now - timedelta(days=settings.MAIL_KEEP_DAYS)).timestamp()
    return sum(_remove_older(path, until) for path in Path(directory).glob("*.log"))


def remove_build_logs(now: datetime) -> int:
    """Remove the logs of builds that have no row any more; returns how many."""
    until = (now - timedelta(days=1)).timestamp()
    return sum(_remove_older(path, until) for path in builds.logs_without_build())


def _remove_older(path: Path, until: float) -> bool:
    try:
        if path.lstat().st_mtime >= until:
            return False
        path.unlink()
    except FileNotFoundError:
        return False
    return True
