"""Tasks that failed for good: a row each, for a month, and a button that does them again."""

import logging
import traceback as tracebacks
from datetime import timedelta
from typing import Any

from celery import current_app
from celery.signals import task_failure
from django.db import DatabaseError, transaction
from django.utils import timezone

from portal import audit
from portal.models import User

from .models import FailedTask

log = logging.getLogger(__name__)

KEPT = timedelta(days=30)
LONGEST = 20_000
"""Letters of a traceback; its end says what happened."""


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
    """Write the row; a database that is away must not hide the failure itself, which is in the log."""
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
        log.exception("a failure of %s was not written down", values["name"])


@transaction.atomic
def retry(actor: User, failed: FailedTask) -> bool:
    """Queue it again, once; False when somebody did already, or the task is no more. Our tasks may be repeated."""
    if failed.name not in current_app.tasks:
        return False
    if not FailedTask.objects.filter(pk=failed.pk, retried_at=None).update(retried_at=timezone.now()):
        return False
    audit.record(actor, "task.retried", failed, name=failed.name, arguments=failed.arguments)
    transaction.on_commit(lambda: current_app.send_task(failed.name, args=failed.arguments))
    return True


def forget_old() -> None:
    """Those that nobody needs any more."""
    FailedTask.objects.filter(failed_at__lt=timezone.now() - KEPT).delete()
