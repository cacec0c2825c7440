"""Time limits of Celery tasks in a worker of threads (`--pool threads`), where Celery itself has none.

At its soft limit a task gets a SoftTimeLimitExceeded, as in a pool of processes: raised in its thread as soon as that
runs Python code, thus after the system call that it waits for, all of which have timeouts of their own. A task that
still runs at its hard limit is stuck in one: then the process ends, `bin/keep` or systemd starts another, and what the
other threads were doing is begun anew, which every task allows. Limits: of the task, or else TASK_SOFT_TIME_LIMIT and
TASK_TIME_LIMIT.
"""

import ctypes
import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import Any

from celery import Task, concurrency
from celery.concurrency.thread import TaskPool
from celery.exceptions import SoftTimeLimitExceeded
from celery.signals import task_postrun, task_prerun

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between two looks at the tasks that run."""
LAST_SECONDS = 10
"""For the other tasks, and for the log, when the process is about to end for one that is stuck."""
_async_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc


@dataclass
class Run:
    """A task that runs now. Times are monotonic; None for no limit."""

    name: str
    thread: int
    soft: float | None
    hard: float | None
    is_told: bool = False


class TaskLimits:
    """Tasks that run in this process, and who is over its limit."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs: dict[str, Run] = {}

    def begin(self, task_id: str, task: Task) -> None:
        """Note a task that begins in this thread."""
        now, conf = time.monotonic(), task.app.conf
        soft = task.soft_time_limit or conf.task_soft_time_limit
        hard = task.time_limit or conf.task_time_limit
        run = Run(task.name, threading.get_ident(), soft and now + soft, hard and now + hard)
        with self._lock:
            self._runs[task_id] = run

    def end(self, task_id: str) -> None:
        """Forget a task; an exception that was on its way to it must not reach the next one in this thread."""
        with self._lock:
            run = self._runs.pop(task_id, None)
            if run and run.is_told:
                _async_exception(ctypes.c_ulong(run.thread), None)

    def look(self) -> str:
        """Tell those at their soft limit; name of a task at its hard one, "" for none."""
        now = time.monotonic()
        with self._lock:
            for run in self._runs.values():
                if run.hard is not None and now >= run.hard:
                    return run.name
                if run.soft is not None and now >= run.soft and not run.is_told:
                    run.is_told = True
                    log.warning("%s is over its soft time limit", run.name)
                    _async_exception(ctypes.c_ulong(run.thread), ctypes.py_object(SoftTimeLimitExceeded))
        return ""

    def watch(self) -> None:
        """Look for ever; ends the process for a task that is stuck."""
        while True:
            time.sleep(LOOK_SECONDS)
            if name := self.look():
                log.error("%s is over its time limit and cannot be ended: the worker ends", name)
                time.sleep(LAST_SECONDS)
                os._exit(1)


LIMITS = TaskLimits()


def watch(pool: str | type) -> None:
    """Begin to watch, in a worker with this pool, if it is one of threads."""
    if concurrency.get_implementation(pool) is TaskPool:
        task_prerun.connect(_begin)
        task_postrun.connect(_end)
        threading.Thread(target=LIMITS.watch, name="task limits", daemon=True).start()


def _begin(task_id: str, task: Task, **_: Any) -> None:
    LIMITS.begin(task_id, task)


def _end(task_id: str, **_: Any) -> None:
    LIMITS.end(task_id)
