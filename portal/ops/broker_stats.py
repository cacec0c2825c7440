"""Celery's queues as the broker holds them: how much waits, and since when."""

import json
import time
from dataclasses import dataclass
from typing import Any

import redis

from .metrics import client

NAMES = ("celery", "lab", "files")
"""Of the Procfile's workers."""


@dataclass(frozen=True)
class Queue:
    """One of them."""

    name: str
    waiting: int
    oldest_seconds: float
    """Age of the message that has waited longest; 0 when none waits."""


def queues() -> list[Queue] | None:
    """All queues, now; None when the broker is away."""
    try:
        return read_queues(client())
    except (redis.RedisError, OSError):
        return None


def read_queues(broker: redis.Redis) -> list[Queue]:
    """All queues. Raises what the broker raises."""
    # Messages come in on the left.
    return [Queue(name, int(broker.llen(name)), _age(broker.lindex(name, -1))) for name in NAMES]


def _age(message: Any) -> float:
    """Of a message; 0 for an empty queue, and for a message that does not say when it was sent (`celery.py`)."""
    sent = json.loads(message).get("headers", {}).get("sent_at") if message else None
    return max(0.0, time.time() - sent) if isinstance(sent, int | float) else 0.0
