"""Deletion of an account: the person's groups."""

from portal.models import User

from . import services
from .models import Group, GroupManager


def leave(user: User, answers: dict[str, str]) -> None:
    """Leave every group, and stop managing. Operators can give a manager to a group that is left without one."""
    for group in Group.objects.filter(members__user=user):
        services.remove_person(user, group, user)
    GroupManager.objects.filter(user=user).delete()
