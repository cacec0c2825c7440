"""Nightly removal of rows and files that are kept no longer."""

from celery import shared_task

from .retention import pruning

SOFT, HARD = 3500, 3600
"""Seconds. What is stopped here has removed what it did; the next night goes on."""


@shared_task(soft_time_limit=SOFT, time_limit=HARD)
def prune() -> None:
    """See pruning.prune."""
    pruning.prune()
