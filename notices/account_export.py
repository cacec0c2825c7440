"""Notices in the export of personal data."""

from typing import Any

from portal.models import User

from .models import Notice, Wish


def export(user: User) -> dict[str, Any]:
    """Notices that are kept, and which ones are also sent by e-mail where the person chose that."""
    kept = Notice.objects.filter(user=user).values("kind", "subject", "text", "url", "created_at", "read_at", "mail")
    wishes = Wish.objects.filter(user=user).values("kind", "by_mail")
    return {"notices.json": {"notices": list(kept), "by mail": list(wishes)}}
