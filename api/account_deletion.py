"""What a person who deletes their account leaves behind, and takes along: their tokens."""

from typing import Any

from portal.models import User

from .models import Token


def leave(user: User, answers: dict[str, str]) -> None:
    """Forget them all; what they did stays in the audit trail."""
    Token.objects.filter(user=user).delete()


def export(user: User) -> dict[str, Any]:
    """Tokens, as the page shows them."""
    rows = Token.objects.filter(user=user)
    columns = ("name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")
    return {"tokens.json": list(rows.values(*columns))}
