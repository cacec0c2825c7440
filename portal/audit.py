"""Audit trail: record and query."""

from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import models

from .models import AuditEntry, User


def record(actor: User | None, verb: str, target: models.Model, **details: Any) -> None:
    """Record that `actor` (None: the site itself) did `verb` to `target`; call it in the change's transaction."""
    AuditEntry.objects.create(
        actor=actor,
        actor_name=actor.username if actor else "system",
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
