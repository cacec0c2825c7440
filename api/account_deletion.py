"""Tokens when their person deletes the account, and in the export of personal data."""

from typing import Any

from portal.models import User

from .models import Token


def leave(user: User, answers: dict[str, str]) -> None:
    """Delete all tokens; the audit trail stays."""
    Token.objects.filter(user=user).delete()


def export(user: User) -> dict[str, Any]:
    """Tokens as the page shows them, by file name."""
    rows = Token.objects.filter(user=user)
    columns = ("name", "hint", "scopes", "libraries", "created_at", "expires_at", "last_used_at", "revoked_at")
    return {"tokens.json": list(rows.values(*columns))}
