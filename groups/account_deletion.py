"""What a person who deletes their account leaves behind in groups."""

from portal.models import User

from . import services
from .models import Group, GroupManager


def leave(user: User, answers: dict[str, str]) -> None:
    """Out of every group. A group without a manager is for operators to give one."""
    for group in Group.objects.filter(members__user=user):
        services.remove_person(user, group, user)
    GroupManager.objects.filter(user=user).delete()
