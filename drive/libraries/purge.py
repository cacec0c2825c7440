"""The end of what was deleted more than LIBRARY_KEEP_DAYS ago: Collabs, libraries, their rows and their files.

Every step may be repeated, and a round that was cut off is finished by the next one. A row is marked first
(`removed_at`): from then on nothing can be restored. Then the directories go, then the rows, the library's last.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from collabs.models import Collab
from collabs.services import remove_collab
from drive.models import File, Library, Share, Trashed, Version
from drive.storage import deletion_lock, layout, removal
from portal import audit, hooks

log = logging.getLogger(__name__)

BATCH = 500


def purge(now: datetime | None = None) -> int:
    """Remove all that is due; returns how many libraries. None during a backup, whose rows are older."""
    with deletion_lock.deleting() as may:
        done = _purge(now) if may else 0
    removal.empty_bin()
    return done


def _purge(now: datetime | None) -> int:
    until = (now or timezone.now()) - timedelta(days=settings.LIBRARY_KEEP_DAYS)
    for collab in Collab.all_objects.filter(deleted_at__lt=until, removed_at=None):
        remove_collab(collab, until)
    Share.objects.exclude(collab__removed_at=None).delete()
    done = 0
    for library in Library.objects.filter(_is_due(until)):
        try:
            done += purge_library(library, until)
        except OSError:
            log.exception("library %s not removed", library.pk)
    return done


def _is_due(until: datetime) -> Q:
    """A Collab's library goes with its Collab, never before."""
    return Q(deleted_at__lt=until) & (Q(owner_collab=None) | Q(owner_collab__removed_at__isnull=False))


def purge_library(library: Library, until: datetime) -> bool:
    """Remove one library that was deleted before then; False when it was restored meanwhile."""
    if not _mark(library, until):
        return False
    layout.settle(library.pk)  # nothing of it among the public ones any more
    removal.discard(layout.private_path(library.pk))
    removal.discard(layout.trash(library.pk))
    hooks.run("library_removed", library=library)
    _delete_rows(Version.objects.filter(file__library=library))
    _delete_rows(File.objects.filter(library=library))
    _delete_rows(Trashed.objects.filter(library=library))
    Library.objects.filter(pk=library.pk).delete()
    removal.discard(layout.private_path(library.pk))  # should a repair have made it anew meanwhile
    layout.remove_note(library.pk)
    layout.scan_lock(library.pk).unlink(missing_ok=True)
    return True


@transaction.atomic
def _mark(library: Library, until: datetime) -> bool:
    row = Library.objects.select_for_update(of=("self",)).filter(_is_due(until), pk=library.pk).first()
    if row is None:
        return False
    if not row.removed_at:
        row.removed_at = timezone.now()
        row.save(update_fields=["removed_at"])
        audit.record(None, "library.removed", row, bytes=row.used_bytes, files=row.used_files)
    return True


def _delete_rows(rows: models.QuerySet) -> None:
    """In small transactions: others write meanwhile."""
    while keys := list(rows.order_by().values_list("pk", flat=True)[:BATCH]):
        rows.model._default_manager.filter(pk__in=keys).delete()
