"""Handing work to Celery: by the task's name, on commit, and without failing a page when the broker is away.

Tasks are named, not imported: tasks call services, and services queue tasks. A name that is no task's fails the tests
(`conftest.queue`).
"""

import logging
import time

from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu import Connection
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)

ASK_EVERY = 3.0
"""Seconds for which the broker's last answer is believed."""

_last: dict[str, float | bool] = {"asked": 0.0, "up": True}


def enqueue(task: str, *args: object) -> None:
    """Queue the task of this name once the current transaction is committed.

    When the broker is away the row that was just written stays as it is, and the reconciler queues the task again when
    the broker is back: the row is the truth, the message only wakes somebody up.
    """
    transaction.on_commit(lambda: publish(task, *args), robust=True)


def publish(task: str, *args: object, after: float = 0) -> bool:
    """Queue the task of this name now, to be taken up after so many seconds; False when the broker is away."""
    try:
        _send(task, args, after)
    except (OperationalError, OSError) as error:
        log.warning("broker away, %s%r not queued: %s", task, args, error)
        _last.update(asked=time.monotonic(), up=False)
        return False
    return True


def broker_is_up() -> bool:
    """Whether tasks can be queued, as of a few seconds ago."""
    if time.monotonic() - float(_last["asked"]) > ASK_EVERY:
        _last.update(asked=time.monotonic(), up=_ask())
    return bool(_last["up"])


def answers() -> bool:
    """Whether the broker answers now, not as of a few seconds ago."""
    return _ask()


def _send(task: str, args: tuple[object, ...], after: float) -> None:
    current_app.send_task(task, args, countdown=after)


def _ask() -> bool:
    try:
        with Connection(settings.CELERY_BROKER_URL, connect_timeout=1) as connection:
            connection.ensure_connection(max_retries=1, timeout=1)
    except (OperationalError, OSError):
        return False
    return True
