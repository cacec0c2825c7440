"""The Lab of an account that becomes part of another."""

from django.core.exceptions import ValidationError

from portal.models import User

from .models import Server


def refuse(actor: User | None, source: User, target: User) -> list[str]:
    """ValidationError while `source` has a Lab: what it still writes and rescues would land in the closed account."""
    if Server.objects.live().filter(owner=source).exists():
        raise ValidationError(
            f"{source.username} has a Lab. Stop it first: `bin/manage servers stop {source.username}`; or wait until it"
            " has ended."
        )
    return []
