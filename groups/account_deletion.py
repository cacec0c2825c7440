"""Deletion of an account: the person's groups; and the export of personal data."""

from typing import Any

from portal.models import User

from . import services
from .models import Group, GroupManager, GroupMember


def leave(user: User, answers: dict[str, str]) -> None:
    """Leave every group, and stop managing. Operators can give a manager to a group that is left without one."""
    for group in Group.objects.filter(members__user=user):
        services.remove_person(user, group, user)
    GroupManager.objects.filter(user=user).delete()


def export(user: User) -> dict[str, Any]:
    """Groups that the person is in directly, and those that they manage."""
    inside = GroupMember.objects.filter(user=user).values("group__slug", "group__name", "from_provider", "since")
    managed = GroupManager.objects.filter(user=user).values("group__slug", "group__name")
    return {"groups.json": {"in": list(inside), "manages": list(managed)}}
