"""Nightly deletion of old failed tasks."""

from celery import shared_task

from . import failed_tasks


@shared_task
def forget_failures() -> None:
    """See failed_tasks.forget_old."""
    failed_tasks.forget_old()
