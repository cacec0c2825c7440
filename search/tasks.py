"""Celery tasks: the index follows the files, a few seconds at a time."""

from celery import shared_task
from django.conf import settings

from portal.file_lock import file_lock
from portal.ops.task_queue import publish

from . import indexing
from .models import IndexState

AGAIN = 3.0
"""Seconds until the next round where there is more to do."""


@shared_task(soft_time_limit=100, time_limit=120)
def follow() -> None:
    """Every few seconds: bring the index up to date. Rounds come one after the other, and are short."""
    with file_lock(settings.RUN_DIR / "search.lock", wait=False) as alone:
        if alone and indexing.follow():
            publish("search.tasks.follow", after=AGAIN)


@shared_task(soft_time_limit=100, time_limit=120)
def sweep() -> None:
    """Every night: have all files compared with the index, by the rounds that follow."""
    IndexState.current().note(swept_to=0)


@shared_task(soft_time_limit=3500, time_limit=3600)
def forget_words() -> int:
    """Every night: forget words that nothing has any more; returns how many."""
    return indexing.forget_words()
