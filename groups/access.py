"""Fetch and authorise. Everybody who is signed in may know that a group exists; only its people, who is in it."""

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext

from portal.access import ForbiddenError, person

from .models import Group


def get_group(request: HttpRequest, slug: str) -> Group:
    """The group, for anybody who is signed in."""
    person(request)
    return get_object_or_404(Group, slug=slug)


def managed_group(request: HttpRequest, slug: str) -> Group:
    """The group, for its managers."""
    group = get_group(request, slug)
    if not group.is_managed_by(person(request)):
        raise ForbiddenError(gettext("Only the managers of this group may do this."))
    return group


def may_see_people(request: HttpRequest, group: Group) -> bool:
    """True if the person of the request may see who is in the group: its managers and its people."""
    user = person(request)
    return group.is_managed_by(user) or group.has(user)
