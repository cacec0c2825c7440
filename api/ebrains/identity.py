"""Groups and people in the EBRAINS Collab API."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from ninja import Query

from api.access import MINUTE, RateLimitError
from api.routing import Router
from groups import services
from groups.access import get_group, managed_group, may_see_people
from groups.models import Group
from portal.access import ForbiddenError, person
from portal.accounts import people_search
from portal.models import User

from . import schemas
from .schemas import MANAGE, MOST, READ, GroupIn, Kind, kind_named, known_group, known_person

router = Router()
Words = Query("", max_length=100)


@router.get("/groups", **READ)
def list_groups(request: HttpRequest, search: str = Words) -> Any:
    """List groups by name."""
    person(request)
    return schemas.groups(Group.objects.matching(search)[:MOST])


@router.post("/groups", **MANAGE)
def create_group(request: HttpRequest, data: GroupIn) -> Any:
    """Create a group; `name` is its slug."""
    made = services.create_group(
        person(request), name=data.title or data.name, description=data.description or "", slug=data.name
    )
    return JsonResponse(schemas.group(made), status=201)


@router.get("/groups/{slug:slug}", **READ)
def get_one(request: HttpRequest, slug: str) -> Any:
    """Get a group."""
    return schemas.group(get_group(request, slug))


@router.put("/groups/{slug:slug}", **MANAGE)
def change_group(request: HttpRequest, slug: str, data: GroupIn) -> Any:
    """Change a group. Its slug stays."""
    group = managed_group(request, slug)
    if data.name and data.name != slug:
        raise ValidationError({"name": "The slug of a group cannot be changed."})
    description = group.description if data.description is None else data.description
    changed = services.update_group(
        person(request),
        group,
        name=data.title or group.name,
        description=description,
        provider_name=group.provider_name,
    )
    return schemas.group(changed)


@router.delete("/groups/{slug:slug}", **MANAGE)
def delete_group(request: HttpRequest, slug: str) -> Any:
    """Delete a group for good."""
    services.delete_group(person(request), managed_group(request, slug))
    return HttpResponse(status=204)


def _visible_group(request: HttpRequest, slug: str) -> Group:
    group = get_group(request, slug)
    if not may_see_people(request, group):
        raise ForbiddenError("Only people and managers of this group can see its people.")
    return group


def _people(group: Group, kind: Kind) -> list[dict[str, Any]]:
    if kind == Kind.MEMBER:
        return schemas.people(User.objects.filter(group_members__group=group))
    return schemas.people(User.objects.filter(managed_groups__group=group))


def _groups(group: Group, kind: Kind) -> list[dict[str, Any]]:
    """Inner groups; only people can be managers."""
    return schemas.groups(Group.objects.filter(outer_nestings__outer=group)[:MOST]) if kind == Kind.MEMBER else []


@router.get("/groups/{slug:slug}/{kind}", **READ)
def belonging(request: HttpRequest, slug: str, kind: str) -> Any:
    """Members or managers of a group."""
    wanted, group = kind_named(kind), _visible_group(request, slug)
    return {"users": _people(group, wanted), "units": [], "groups": _groups(group, wanted)}


@router.get("/groups/{slug:slug}/{kind}/users", **READ)
def belonging_users(request: HttpRequest, slug: str, kind: str) -> Any:
    """People who are members or managers of a group."""
    return _people(_visible_group(request, slug), kind_named(kind))


@router.get("/groups/{slug:slug}/{kind}/groups", **READ)
def belonging_groups(request: HttpRequest, slug: str, kind: str) -> Any:
    """Inner groups of a group."""
    return _groups(_visible_group(request, slug), kind_named(kind))


@router.put("/groups/{slug:slug}/{kind}/users/{str:username}", **MANAGE)
def add_user(request: HttpRequest, slug: str, kind: str, username: str) -> Any:
    """Add a member or a manager; does nothing if there already."""
    wanted, group = kind_named(kind), managed_group(request, slug)
    user, actor = known_person(username), person(request)
    if wanted == Kind.ADMINISTRATOR:
        services.add_manager(actor, group, user)
    elif not group.members.filter(user=user).exists():
        services.add_person(actor, group, user)
    return HttpResponse(status=204)


@router.delete("/groups/{slug:slug}/{kind}/users/{str:username}", **MANAGE)
def remove_user(request: HttpRequest, slug: str, kind: str, username: str) -> Any:
    """Remove a member or a manager."""
    wanted, group = kind_named(kind), managed_group(request, slug)
    remove = services.remove_manager if wanted == Kind.ADMINISTRATOR else services.remove_person
    remove(person(request), group, known_person(username))
    return HttpResponse(status=204)


@router.put("/groups/{slug:slug}/{kind}/groups/{str:inner}", **MANAGE)
def add_group(request: HttpRequest, slug: str, kind: str, inner: str) -> Any:
    """Add an inner group; does nothing if there already."""
    wanted, group = kind_named(kind), managed_group(request, slug)
    row = known_group(inner)
    if wanted == Kind.ADMINISTRATOR:
        raise ValidationError({"group": "Only people can be managers of a group."})
    if not group.inner_nestings.filter(inner=row).exists():
        services.nest(person(request), group, row)
    return HttpResponse(status=204)


@router.delete("/groups/{slug:slug}/{kind}/groups/{str:inner}", **MANAGE)
def remove_group(request: HttpRequest, slug: str, kind: str, inner: str) -> Any:
    """Remove an inner group."""
    kind_named(kind)
    services.unnest(person(request), managed_group(request, slug), known_group(inner))
    return HttpResponse(status=204)


@router.get("/users", **READ)
def list_users(request: HttpRequest, search: str = Words, sub: str = Words) -> Any:
    """List people whose names begin with these words, or the one with this id."""
    _count_search(request)
    if sub:
        wanted = schemas.uuid_of(sub)
        return schemas.people(User.objects.filter(uuid=wanted)) if wanted else []
    return [schemas.user(row) for row in people_search.suggest(search)]


@router.get("/users/{str:name}", **READ)
def get_user(request: HttpRequest, name: str) -> Any:
    """Get a person by username or id."""
    _count_search(request)
    wanted = schemas.uuid_of(name)
    rows = User.objects.filter(is_active=True)
    named = rows.filter(uuid=wanted) if wanted else rows.filter(username=name.replace("\0", ""))
    return schemas.user(get_object_or_404(named))


def _count_search(request: HttpRequest) -> None:
    if not people_search.may_search(person(request)):
        raise RateLimitError("Too many searches. Try again in a minute.", MINUTE)
