"""Celery's queues as the broker holds them: how much waits, and since when."""

import json
import time
from dataclasses import dataclass
from typing import Any

import redis
from celery.signals import before_task_publish
from django.conf import settings

NAMES = ("celery", "lab", "files")
"""Of the Procfile's workers."""


@dataclass(frozen=True)
class Queue:
    """One of them."""

    name: str
    waiting: int
    oldest_seconds: float
    """Age of the message that has waited longest; 0 when none waits."""


@before_task_publish.connect
def note_time(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Celery's messages do not say when they were sent."""
    if headers is not None:
        headers.setdefault("queued_at", time.time())


def look() -> list[Queue] | None:
    """All queues, now; None when the broker is away."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_timeout=1, socket_connect_timeout=1) as broker:
            pipeline = broker.pipeline(transaction=False)
            for name in NAMES:
                pipeline.llen(name)
                pipeline.lindex(name, -1)  # they come in on the left
            answers = pipeline.execute()
    except (redis.RedisError, OSError):
        return None
    pairs = zip(NAMES, answers[::2], answers[1::2], strict=True)
    return [Queue(name, int(length), _age(message)) for name, length, message in pairs]


def _age(message: bytes | None) -> float:
    if not message:
        return 0.0
    queued_at = json.loads(message).get("headers", {}).get("queued_at")
    return max(0.0, time.time() - float(queued_at)) if queued_at else 0.0
