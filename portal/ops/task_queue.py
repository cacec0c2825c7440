"""Queue Celery tasks by name, on commit, without failing a page when the broker is unavailable.

Tasks are named, not imported: tasks call services, and services queue tasks. A name that is no task's fails the tests
(`conftest.queue`).
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from celery import current_app
from django.conf import settings
from django.db import transaction
from kombu import Connection
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)

ASK_EVERY = 3.0
"""Seconds for which the broker's last status is reused."""

_last: dict[str, float | bool] = {"asked": 0.0, "up": True}
_without = ContextVar("without a broker", default=False)


@contextmanager
def without_broker() -> Iterator[None]:
    """Queue nothing in this block: for a command that runs before the broker does, and would wait for it."""
    token = _without.set(True)
    try:
        yield
    finally:
        _without.reset(token)


def enqueue(task: str, *args: object) -> None:
    """Queue the task of this name once the current transaction is committed.

    If the broker is unavailable, the row that was just written stays as it is, and the reconciler queues the task again
    later: the row is the truth, the message only wakes a worker up.
    """
    transaction.on_commit(lambda: publish(task, *args), robust=True)


def publish(task: str, *args: object, after: float = 0) -> bool:
    """Queue the task of this name now, with a delay of `after` seconds; False if the broker is unavailable."""
    if _without.get():
        return False
    try:
        _send(task, args, after)
    except (OperationalError, OSError) as error:
        log.warning("broker unavailable, %s%r not queued: %s", task, args, error)
        _last.update(asked=time.monotonic(), up=False)
        return False
    return True


def broker_is_up() -> bool:
    """True if the broker answered within the last ASK_EVERY seconds."""
    if time.monotonic() - float(_last["asked"]) > ASK_EVERY:
        _last.update(asked=time.monotonic(), up=_ask())
    return bool(_last["up"])


def answers() -> bool:
    """Check now if the broker answers."""
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
