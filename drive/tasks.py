"""What heals the disk after a crash between a commit and its rename, and removes what uploads left behind."""

import time
from uuid import UUID

from celery import shared_task

from .models import Library
from .storage import layout

KEEP_STAGED = 24 * 3600
"""Seconds after which a file in staging cannot belong to an upload any more."""


@shared_task(time_limit=60)
def settle(library_id: str) -> None:
    """Make the disk agree with one library's row."""
    layout.settle(UUID(library_id))


@shared_task(time_limit=60)
def settle_unsettled() -> int:
    """Look for libraries that the disk shows public and the rows do not (or the other way round); returns how many."""
    on_disk = layout.public_on_disk()
    wanted = set(Library.objects.filter(is_public=True, deleted_at=None).values_list("pk", flat=True))
    wrong = on_disk ^ wanted
    for library_id in Library.objects.filter(pk__in=wrong).values_list("pk", flat=True):
        layout.settle(library_id)
    return len(wrong)


@shared_task(time_limit=240)
def sweep() -> None:
    """Once a day: remove what uploads that were cut off left in staging."""
    layout.sweep_staging(older_than=time.time() - KEEP_STAGED)
