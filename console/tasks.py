"""Housekeeping."""

from celery import shared_task

from . import failures


@shared_task
def forget_failures() -> None:
    """See failures.forget_old."""
    failures.forget_old()
