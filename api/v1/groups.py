"""Groups: create, change, delete; their people, managers and inner groups."""

from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja.responses import Status
from pydantic import Field

from api.models import Scope
from api.routing import StrictRouter
from groups import services
from groups.access import get_group, managed_group, may_see_people
from groups.models import Group, GroupManager
from portal.access import ForbiddenError, person
from portal.models import User

from .schemas import GroupOut, Input, Page, Paged, PersonOut, Text, Username, Words, each, paged, route
from .teams import find_person

router = StrictRouter(tags=["Groups"])


class GroupIn(Input):
    """Request to create a group."""

    name: Text = Field(min_length=1, max_length=100)
    description: Text = Field("", max_length=2000)


class GroupChange(Input):
    """Request to change a group; fields that are left out stay."""

    name: Text | None = Field(None, min_length=1, max_length=100)
    description: Text | None = Field(None, max_length=2000)


class PersonIn(Input):
    """Request that names a person."""

    person: Username


def _rows(user: User) -> Any:
    managed = GroupManager.objects.filter(group=OuterRef("pk"), user=user)
    return Group.objects.with_size().annotate(is_mine=Exists(managed))


def _group_out(group: Any) -> GroupOut:
    return GroupOut(
        slug=group.slug,
        name=group.name,
        description=group.description,
        size=group.size,
        is_managed_by_me=group.is_mine,
        url=f"{settings.PORTAL_URL}{group.get_absolute_url()}",
    )


def _one(request: HttpRequest, group: Group) -> GroupOut:
    return _group_out(get_object_or_404(_rows(person(request)), pk=group.pk))


def _person(row: Any) -> PersonOut:
    return PersonOut(username=row.user.username, name=row.user.display_name)


@router.get("", **route(Scope.READ, {200: Page[GroupOut]}))
def list_groups(request: HttpRequest, paging: Paged, q: Words = "", mine: bool = False) -> Any:
    """List groups by name; `mine`: only those that you belong to or manage."""
    user = person(request)
    rows = _rows(user).matching(q)
    if mine:
        own = Q(pk__in=Group.objects.of_person(user).values("pk")) | Q(
            pk__in=Group.objects.managed_by(user).values("pk")
        )
        rows = rows.filter(own)
    return paged(rows.order_by("name_key"), paging, each(_group_out))


@router.post("", **route(Scope.MANAGE, {201: GroupOut}, 409))
def create_group(request: HttpRequest, data: GroupIn) -> Any:
    """Create an empty group that you manage."""
    return Status(201, _one(request, services.create_group(person(request), **data.model_dump())))


@router.get("/{slug:slug}", **route(Scope.READ, {200: GroupOut}))
def get_one(request: HttpRequest, slug: str) -> Any:
    """Get a group."""
    return _one(request, get_group(request, slug))


@router.patch("/{slug:slug}", **route(Scope.MANAGE, {200: GroupOut}, 409))
def change_group(request: HttpRequest, slug: str, data: GroupChange) -> Any:
    """Change name or description (managers)."""
    group = managed_group(request, slug)
    now = {"name": group.name, "description": group.description}
    wanted = {name: value for name, value in data.model_dump().items() if value is not None}
    services.update_group(person(request), group, **(now | wanted), provider_name=group.provider_name)
    return _one(request, group)


@router.delete("/{slug:slug}", **route(Scope.MANAGE, {204: None}))
def delete_group(request: HttpRequest, slug: str) -> Any:
    """Delete a group for good; its roles end (managers)."""
    services.delete_group(person(request), managed_group(request, slug))
    return Status(204, None)


def _for_its_people(request: HttpRequest, slug: str) -> Group:
    group = get_group(request, slug)
    if not may_see_people(request, group):
        raise ForbiddenError("Only people and managers of this group can see its people.")
    return group


@router.get("/{slug:slug}/people", **route(Scope.READ, {200: Page[PersonOut]}))
def list_people(request: HttpRequest, slug: str, paging: Paged) -> Any:
    """List the people of a group (its people and managers)."""
    group = _for_its_people(request, slug)
    rows = group.members.select_related("user")
    if not group.is_managed_by(person(request)):
        rows = rows.filter(user__is_active=True)
    return paged(rows, paging, each(_person))


@router.post("/{slug:slug}/people", **route(Scope.MANAGE, {201: PersonOut}, 409))
def add_person(request: HttpRequest, slug: str, data: PersonIn) -> Any:
    """Add a person (managers)."""
    group = managed_group(request, slug)
    return Status(201, _person(services.add_person(person(request), group, find_person(data.person, person(request)))))


@router.delete("/{slug:slug}/people/{slug:username}", **route(Scope.MANAGE, {204: None}))
def remove_person(request: HttpRequest, slug: str, username: str) -> Any:
    """Remove a person (managers), or leave."""
    user = person(request)
    group = get_group(request, slug) if username == user.username else managed_group(request, slug)
    services.remove_person(user, group, get_object_or_404(User, username=username, group_members__group=group))
    return Status(204, None)


@router.get("/{slug:slug}/managers", **route(Scope.READ, {200: Page[PersonOut]}))
def list_managers(request: HttpRequest, slug: str, paging: Paged) -> Any:
    """List the managers of a group (its people and managers)."""
    return paged(_for_its_people(request, slug).managers.select_related("user"), paging, each(_person))


@router.post("/{slug:slug}/managers", **route(Scope.MANAGE, {201: PersonOut}, 409))
def add_manager(request: HttpRequest, slug: str, data: PersonIn) -> Any:
    """Add a manager (managers)."""
    group = managed_group(request, slug)
    user = find_person(data.person, person(request))
    services.add_manager(person(request), group, user)
    return Status(201, PersonOut(username=user.username, name=user.display_name))


@router.delete("/{slug:slug}/managers/{slug:username}", **route(Scope.MANAGE, {204: None}, 409))
def remove_manager(request: HttpRequest, slug: str, username: str) -> Any:
    """Remove a manager (managers)."""
    group = managed_group(request, slug)
    manager = get_object_or_404(User, username=username, managed_groups__group=group)
    services.remove_manager(person(request), group, manager)
    return Status(204, None)


@router.get("/{slug:slug}/groups", **route(Scope.READ, {200: Page[GroupOut]}))
def list_inner(request: HttpRequest, slug: str, paging: Paged) -> Any:
    """List the inner groups of a group (its people and managers)."""
    group = _for_its_people(request, slug)
    return paged(_rows(person(request)).filter(outer_nestings__outer=group), paging, each(_group_out))


@router.put("/{slug:slug}/groups/{slug:inner}", **route(Scope.MANAGE, {204: None}, 409))
def nest(request: HttpRequest, slug: str, inner: str) -> Any:
    """Add another group, with all its people, as an inner group (managers)."""
    group = managed_group(request, slug)
    services.nest(person(request), group, get_object_or_404(Group, slug=inner))
    return Status(204, None)


@router.delete("/{slug:slug}/groups/{slug:inner}", **route(Scope.MANAGE, {204: None}))
def unnest(request: HttpRequest, slug: str, inner: str) -> Any:
    """Remove an inner group (managers)."""
    group = managed_group(request, slug)
    services.unnest(person(request), group, get_object_or_404(Group, slug=inner, outer_nestings__outer=group))
    return Status(204, None)
