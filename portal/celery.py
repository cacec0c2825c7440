"""The Celery application: `celery -A portal worker --pool threads -Q celery,lab`.

Workers are threads of one process: they take a tenth of the memory of a pool of processes. What Celery leaves out then
is in `ops.task_limits`. The schedule is `ops.clock`, in each worker of the default queue.

Messages carry the number of the request that sent them (`request_id`) and when (`sent_at`), so that a task's log lines
name the request, and the age of a queue can be told.
"""

import logging.config
import os
import time
from typing import Any

from celery import Celery, Task
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun, worker_init

from .ops import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

_began: dict[str, float] = {}
OUTCOMES = {"SUCCESS": "succeeded", "FAILURE": "failed", "RETRY": "retried"}

app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def configure_logging(**_: Any) -> None:
    """Configure logging in worker processes as in the site; Celery's own lines would not be redacted."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@worker_init.connect
def prepare_worker(sender: Any = None, **_: Any) -> None:
    """Give a worker its time limits and the clock, before it is put together: both need what is loaded by now.

    A worker of what can wait gives way from here on.
    """
    from .ops import background, clock, task_limits

    background.enter(sender.hostname)
    app.steps["worker"].add(clock.ClockStep)
    task_limits.watch(sender.pool_cls)


@before_task_publish.connect
def add_headers(headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Add request id and time of sending to a task's message."""
    if headers is not None:
        headers["sent_at"] = time.time()
        if logs.request_id():
            headers["request_id"] = logs.request_id()


@task_prerun.connect
def begin_task(task_id: str, task: Task, **_: Any) -> None:
    """Set the log context of a task: its name, its id, the id of the request that queued it."""
    _began[task_id] = time.monotonic()
    logs.reset_context(task=task.name, task_id=task_id, request_id=_request_id(task))


@task_postrun.connect
def end_task(task_id: str, task: Task, state: str | None = None, **_: Any) -> None:
    """Count a task that ended, flush metrics, and reset the log context."""
    from .ops import metrics

    began = _began.pop(task_id, None)
    metrics.TASKS.add(task=task.name, outcome=OUTCOMES.get(state or "", "other"))
    if began is not None:
        metrics.TASK_SECONDS.observe(time.monotonic() - began, task=task.name)
    metrics.COUNTS.flush()  # a worker can end at any time, without a word
    logs.reset_context()


def _request_id(task: Task) -> str | None:
    given = (task.request.headers or {}).get("request_id") or task.request.get("request_id")
    return given if isinstance(given, str) and logs.REQUEST_ID.fullmatch(given) else None
