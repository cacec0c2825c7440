"""Queues the tasks that start, stop and follow servers, and tells how long the queue of launches is."""

from typing import Any

from celery import current_app
from kombu.exceptions import ChannelError, OperationalError

from lab.models import Server
from portal.ops import task_queue

SLOW_QUEUE = "lab"
"""Launches and stops, in order. What must not wait behind them goes through the default queue."""


def launch(server: Server) -> None:
    """On commit."""
    task_queue.enqueue("lab.tasks.launch", server.pk.hex)


def stop(server_id: str) -> None:
    """On commit. Takes the hex id, because a sandbox may have no row."""
    task_queue.enqueue("lab.tasks.stop", server_id)


def reap(server: Server) -> None:
    """On commit."""
    task_queue.enqueue("lab.tasks.reap_server", server.pk.hex)


def remount(server: Server) -> bool:
    """Now; False when the broker is away, and then it is for the caller to do it."""
    return task_queue.publish("lab.tasks.remount", server.pk.hex)


def length() -> int | None:
    """Number of launches and stops that wait for a worker; None if the broker does not say."""
    try:
        with current_app.connection_for_read() as connection:
            channel: Any = connection.default_channel
            return int(channel.queue_declare(SLOW_QUEUE, passive=True).message_count)
    except ChannelError:
        return 0  # Redis has no empty lists
    except (OperationalError, OSError):
        return None
