"""Audit trail: record and query."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import models

from .models import AuditEntry, User

COMMAND_LINE = "command line"
_nobody: ContextVar[str] = ContextVar("who acts where no account does", default="system")


@contextmanager
def at_the_command_line() -> Iterator[None]:
    """In this block, what no account does is recorded as done at the command line."""
    token = _nobody.set(COMMAND_LINE)
    try:
        yield
    finally:
        _nobody.reset(token)


def record(actor: User | None, verb: str, target: models.Model, **details: Any) -> None:
    """Record that `actor` did `verb` to `target`; call it in the change's transaction.

    Without an actor it was the site itself, or whoever is at its command line.
    """
    AuditEntry.objects.create(
        actor=actor,
        actor_name=actor.username if actor else _nobody.get(),
        verb=verb,
        target_type=ContentType.objects.get_for_model(target),
        target_id=str(target.pk),
        target_name=str(target)[:255],
        details=details,
    )


def trail(target: models.Model) -> models.QuerySet[AuditEntry]:
    """Audit entries of `target`, newest first."""
    return AuditEntry.objects.filter(
        target_type=ContentType.objects.get_for_model(target), target_id=str(target.pk)
    ).select_related("actor")
