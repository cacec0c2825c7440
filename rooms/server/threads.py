"""The database and the disk from the event loop: in threads, of which there are only so many."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from django.db import close_old_connections

T = TypeVar("T")
FILE_THREADS = 12
"""In which rooms read and save their files, and may wait: for the disk, or for a library whose paths are changing."""
QUESTION_THREADS = 4
"""In which the database is asked who may do what. Nothing else waits in them: whoever loses access is out at once."""


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


questions = DatabaseThreads(QUESTION_THREADS, thread_name_prefix="question")


async def in_thread(function: Callable[..., T], *arguments: object) -> T:
    """What the function, a short question to the database, returns or raises."""
    return await asyncio.get_running_loop().run_in_executor(questions, function, *arguments)
