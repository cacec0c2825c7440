"""Failed Celery tasks: one row each, kept for FAILED_TASK_KEEP_DAYS, with a retry."""

import logging
import traceback as tracebacks
from typing import Any

from celery import current_app
from celery.signals import task_failure
from django.db import DatabaseError, transaction
from django.utils import timezone

from portal import audit
from portal.models import User

from .models import FailedTask

log = logging.getLogger(__name__)

LONGEST = 20_000
"""Characters of a traceback that are kept, from its end."""


@task_failure.connect
def note(
    sender: Any = None,
    task_id: str = "",
    exception: BaseException | None = None,
    args: Any = (),
    kwargs: Any = None,
    einfo: Any = None,
    **_: Any,
) -> None:
    """Record a failed task; an unavailable database must not hide the failure itself, which is in the log."""
    text = str(einfo) if einfo else "".join(tracebacks.format_exception(exception)) if exception else ""
    values = {
        "name": getattr(sender, "name", str(sender)),
        "arguments": [str(value) for value in (*(args or ()), *(kwargs or {}).values())],
        "error": f"{type(exception).__name__}: {exception}"[:500],
        "traceback": text[-LONGEST:],
        "retried_at": None,
    }
    try:
        FailedTask.objects.update_or_create(task_id=task_id, defaults=values)
    except DatabaseError:
        log.exception("failure of %s not recorded", values["name"])


@transaction.atomic
def retry(actor: User, failed: FailedTask) -> bool:
    """Queue a task again, once; False if it was retried before or no longer exists. Tasks are idempotent."""
    if failed.name not in current_app.tasks:
        return False
    if not FailedTask.objects.filter(pk=failed.pk, retried_at=None).update(retried_at=timezone.now()):
        return False
    audit.record(actor, "task.retried", failed, name=failed.name, arguments=failed.arguments)
    transaction.on_commit(lambda: current_app.send_task(failed.name, args=failed.arguments))
    return True
