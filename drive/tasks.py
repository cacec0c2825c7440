"""What heals the disk after a crash between a commit and its rename, and removes what uploads left behind."""

import logging
import time
from collections.abc import Iterable
from uuid import UUID

from celery import shared_task

from .models import Library
from .storage import layout

log = logging.getLogger(__name__)

KEEP_STAGED = 24 * 3600
"""Seconds after which a file in staging cannot belong to an upload any more."""


@shared_task(soft_time_limit=50, time_limit=60)
def settle(library_id: str) -> None:
    """Make the disk agree with one library's row."""
    layout.settle(UUID(library_id))


@shared_task(soft_time_limit=50, time_limit=60)
def settle_unsettled() -> int:
    """Every second or two: finish what a process that died between commit and disk left; returns how many."""
    notes = dict(layout.unsettled())
    failed = _settle_all(notes)
    for library_id, old in notes.items():
        if old and library_id not in failed:
            layout.remove_note(library_id)
    return len(notes)


@shared_task(soft_time_limit=220, time_limit=240)
def compare() -> int:
    """Every few minutes: look for libraries that the disk shows and the rows do not, or the other way round.

    Notes make this superfluous, unless somebody restored a backup of one without the other. Returns how many.
    """
    wanted = set(Library.objects.filter(is_public=True, deleted_at=None).values_list("pk", flat=True))
    wrong = (layout.public_on_disk() ^ wanted) | (layout.named_on_disk() ^ wanted)
    _settle_all(wrong)
    return len(wrong)


def _settle_all(library_ids: Iterable[UUID]) -> set[UUID]:
    """Returns those that failed."""
    failed = set()
    for library_id in Library.objects.filter(pk__in=list(library_ids)).values_list("pk", flat=True):
        try:
            layout.settle(library_id)
        except OSError:
            log.exception("library %s not settled on disk", library_id)
            failed.add(library_id)
    return failed


@shared_task(soft_time_limit=220, time_limit=240)
def sweep() -> None:
    """Once a day: remove what uploads that were cut off left in staging."""
    layout.sweep_staging(older_than=time.time() - KEEP_STAGED)
