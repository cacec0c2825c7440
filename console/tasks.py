"""Nightly: removal of rows and files that are kept no longer; what people and Collabs used."""

from celery import shared_task
from django.utils import timezone

from . import usage
from .retention import pruning

SOFT, HARD = 3500, 3600
"""Seconds. What is stopped here has removed what it did; the next night goes on."""


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def prune() -> None:
    """See pruning.prune."""
    pruning.prune()


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def note_usage() -> None:
    """See usage.note."""
    usage.note(timezone.now())
