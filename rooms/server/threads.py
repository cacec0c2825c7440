"""The database and the disk from the event loop: in threads, of which there are only so many."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections

T = TypeVar("T")
THREADS = 8
"""Each has a connection to the database of its own. Saves of several rooms wait for the disk at the same time."""


class DatabaseThreads(ThreadPoolExecutor):
    """Threads whose connections to the database are made anew where they broke, as Django does between requests."""

    def submit(self, function: Callable[..., T], /, *arguments: Any, **named: Any) -> Future[T]:
        """Call the function in a thread."""
        return super().submit(_run, function, arguments, named)


def _run(function: Callable[..., T], arguments: tuple[Any, ...], named: dict[str, Any]) -> T:
    close_old_connections()
    try:
        return function(*arguments, **named)
    finally:
        close_old_connections()


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """What the function returns or raises, from one of the loop's own threads."""
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)
