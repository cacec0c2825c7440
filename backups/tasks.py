"""Nightly: removal of restore points that are too old."""

from celery import shared_task

from .upgrades import restore_points


@shared_task(soft_time_limit=550, time_limit=600)
def forget_restore_points() -> int:
    """See restore_points.remove_old."""
    return restore_points.remove_old()
