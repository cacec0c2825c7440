"""Celery tasks of rooms."""

import time
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from . import journals
from .models import Room

OLD_ENOUGH = 3600
"""Seconds for which a journal without a row is left alone: one is about to be made, or the other is about to go."""


@shared_task(soft_time_limit=220, time_limit=240)
def forget_rooms() -> int:
    """Every night: remove rooms that nobody has come back to, and journals that belong to none; returns how many rooms.

    The row goes first. The process `rooms` opens a room by marking its row, and finds then that it is gone.
    """
    until = timezone.now() - timedelta(days=settings.COEDITING_KEEP_DAYS)
    over = Q(is_open=False) | Q(file=None)  # the latter can be saved nowhere
    left = Q(left_at__lt=until) | Q(left_at=None, opened_at__lt=until)  # nobody was seen to leave: the process died
    removed, _by_model = Room.objects.filter(over, left).delete()
    for path, room_id in journals.every_file():
        if time.time() - path.stat().st_mtime > OLD_ENOUGH and not Room.objects.filter(pk=room_id).exists():
            path.unlink(missing_ok=True)
    return removed
