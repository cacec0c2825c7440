"""Celery queues in the broker: length, and age of the oldest message."""

import json
import time
from dataclasses import dataclass
from typing import Any

import redis

from .metrics import client

NAMES = ("celery", "lab", "files")
"""Names of the queues, as in the Procfile."""


@dataclass(frozen=True)
class Queue:
    """A queue at one moment."""

    name: str
    waiting: int
    oldest_seconds: float
    """Age of the oldest message in seconds; 0 for an empty queue."""


def queues() -> list[Queue] | None:
    """All queues now; None if the broker is unavailable."""
    try:
        return read_queues(client())
    except (redis.RedisError, OSError):
        return None


def read_queues(broker: redis.Redis) -> list[Queue]:
    """All queues now. Raises redis.RedisError or OSError."""
    # Messages come in on the left.
    return [Queue(name, int(broker.llen(name)), _age(broker.lindex(name, -1))) for name in NAMES]


def _age(message: Any) -> float:
    """Age of a message in seconds; 0 for none, and for one without a time of sending (`celery.py`)."""
    sent = json.loads(message).get("headers", {}).get("sent_at") if message else None
    return max(0.0, time.time() - sent) if isinstance(sent, int | float) else 0.0
