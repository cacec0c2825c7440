"""Collabs, invitations and teams in the EBRAINS Collab API."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy
from ninja import Query
from pydantic import BaseModel, Field

from api.access import DAY, HOUR, RateLimitError, require_own
from api.routing import Router
from collabs import invitations, services
from collabs.access import get_collab
from collabs.models import Collab, EffectiveRole, Invitation, Role
from notices.models import Kind
from notices.services import notify
from portal import audit
from portal.access import person
from portal.models import User
from portal.text.unique_names import name_key
from portal.web import rate_limits

from . import schemas
from .schemas import LIST, MANAGE, MOST, OPEN, READ, CollabIn, MailIn, known_group, known_person, role_named

router = Router()
MAILS_A_DAY = 20
"""Messages to administrators that one person may send a day."""


class Asked(BaseModel):
    """Query parameters of `GET /collabs`."""

    search: str = Field("", max_length=100)
    driveId: str = Field("", max_length=100)
    collabTitle: str = Field("", max_length=100)
    limit: int = Field(100, ge=0, le=MOST)
    offset: int = Field(0, ge=0, le=10**9)
    orderField: str = Field("title", pattern="^(title|createDate|mostLiked)$")
    order: str = Field("asc", pattern="^(?i:asc|desc)$")
    favorite: bool = False
    memberOnly: bool = False
    roles: str = Field("", max_length=100)
    visibility: str = Field("", pattern="^(public|private|)$")


def _rows(request: HttpRequest) -> QuerySet[Any]:
    rows = Collab.objects.visible_to(request.user).with_role_of(request.user)
    return rows.select_related("library", "created_by")


def _one(request: HttpRequest, slug: str) -> dict[str, Any]:
    return schemas.collab(get_object_or_404(_rows(request), slug=slug), request)


@router.get("", **LIST)
def list_collabs(request: HttpRequest, asked: Query[Asked]) -> Any:
    """List Collabs; with `driveId` or `collabTitle`, get that one."""
    require_own(request, asked.memberOnly, "memberOnly")
    rows = _rows(request)
    if asked.driveId or asked.collabTitle:
        return schemas.collab(_named(request, rows, asked), request)
    ordered = _narrowed(request, rows, asked).order_by(_order(asked), "pk")
    keys = list(ordered.values_list("pk", flat=True)[asked.offset : asked.offset + asked.limit])
    found = rows.in_bulk(keys)
    return [schemas.collab(found[key], request) for key in keys if key in found]


def _named(request: HttpRequest, rows: QuerySet[Any], asked: Asked) -> Collab:
    if asked.driveId:
        wanted = schemas.uuid_of(asked.driveId) if person(request) else None
        return get_object_or_404(rows, library__pk=wanted)
    return get_object_or_404(rows, title_key=name_key(asked.collabTitle.replace("\0", " ")))


def _narrowed(request: HttpRequest, rows: QuerySet[Any], asked: Asked) -> QuerySet[Any]:
    if asked.search:
        rows = rows.matching(asked.search)  # type: ignore[attr-defined]
    if asked.favorite:
        rows = rows.favourites_of(person(request))  # type: ignore[attr-defined]
    if asked.visibility:
        rows = rows.filter(is_public=asked.visibility == "public")
    if asked.memberOnly or asked.roles:
        mine = EffectiveRole.objects.filter(user=person(request))
        if asked.roles:  # “+” in an address is a space
            mine = mine.filter(role__in=[role_named(name) for name in asked.roles.replace("+", " ").split()])
        rows = rows.filter(pk__in=mine.values("collab"))
    return rows


def _order(asked: Asked) -> str:
    field = "created_at" if asked.orderField == "createDate" else "title_key"
    return field if asked.order.lower() == "asc" else f"-{field}"


@router.post("", **MANAGE)
def create_collab(request: HttpRequest, data: CollabIn) -> Any:
    """Create a Collab; `name` is its slug."""
    made = services.create_collab(
        person(request),
        title=data.title,
        description=data.description or "",
        is_public=bool(data.public),
        slug=data.name,
    )
    return JsonResponse(_one(request, made.slug), status=201)


@router.get("/{slug:slug}", **OPEN)
def get_one(request: HttpRequest, slug: str) -> Any:
    """Get a Collab."""
    return _one(request, slug)


@router.put("/{slug:slug}", **MANAGE)
def change_collab(request: HttpRequest, slug: str, data: CollabIn) -> Any:
    """Change a Collab. Its slug stays, and so does what is left out."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    if data.name and data.name != slug:
        raise ValidationError({"name": "The slug of a Collab cannot be changed."})
    description = collab.description if data.description is None else data.description
    is_public = collab.is_public if data.public is None else data.public
    services.update_collab(person(request), collab, title=data.title, description=description, is_public=is_public)
    return _one(request, slug)


@router.delete("/{slug:slug}", **MANAGE)
def delete_collab(request: HttpRequest, slug: str) -> Any:
    """Delete a Collab; it can be restored for 30 days."""
    services.delete_collab(person(request), get_collab(request, slug, Role.ADMINISTRATOR))
    return JsonResponse({}, status=200)


@router.post("/{slug:slug}/contactadministrator", **MANAGE)
def contact_administrators(request: HttpRequest, slug: str, data: MailIn) -> Any:
    """Send a message to the administrators."""
    collab, user = get_collab(request, slug), person(request)
    if not rate_limits.allowed("contact-administrators", str(user.pk), MAILS_A_DAY, 24 * 3600):
        raise RateLimitError("Too many messages today. Try again tomorrow.", DAY)
    said = gettext_lazy("{person} writes to the administrators of “{collab}”: {subject}")
    subject = format_lazy(said, person=user.display_name, collab=collab, subject=data.emailSubject)
    notify(
        services.administrators(collab),
        Kind.REQUEST,
        subject=subject,
        text=data.emailContent,
        url=collab.get_absolute_url(),
    )
    audit.record(user, "collab.contacted", collab)
    return JsonResponse({}, status=201)


# Invitations


@router.api_operation(["GET"], "/invite/{slug:slug}/role/{role}", **MANAGE)
def invite(request: HttpRequest, slug: str, role: str) -> Any:
    """Create an invitation link for one person."""
    schemas.require_token(request)
    wanted, collab = role_named(role), get_collab(request, slug, Role.ADMINISTRATOR)
    _row, token = invitations.invite_by_link(person(request), collab, wanted)
    return JsonResponse({"inviteLink": f"{settings.PORTAL_URL}{Invitation.path(token)}"}, status=201)


@router.api_operation(["GET"], "/invite/{str:token}", **MANAGE)
def accept(request: HttpRequest, token: str) -> Any:
    """Accept an invitation by its token."""
    schemas.require_token(request)
    where = rate_limits.address(request)
    if rate_limits.used("invitation", where, 3600) >= invitations.WRONG_TOKENS_PER_HOUR:
        raise RateLimitError("Too many invalid invitations from this network. Try again in an hour.", HOUR)
    found = invitations.find(token)
    if found is None:
        rate_limits.allowed("invitation", where, invitations.WRONG_TOKENS_PER_HOUR, 3600)
        raise Http404("This invitation does not exist.")
    collab = invitations.accept(person(request), found)
    return {"collabId": collab.slug, "role": collab.role_of(person(request))}


# Teams


def _people(collab: Collab, role: Role) -> list[dict[str, Any]]:
    return schemas.people(User.objects.filter(memberships__collab=collab, memberships__role=role))


def _groups_seen(collab: Collab, role: Role) -> list[dict[str, Any]]:
    """Groups with a role, which only members see."""
    if not collab.my_role:
        return []
    return [schemas.group(row.group) for row in collab.group_roles.filter(role=role).select_related("group")[:MOST]]


def _visible_collab(request: HttpRequest, slug: str) -> Collab:
    person(request)
    return get_collab(request, slug)


@router.get("/{slug:slug}/team/{role}", **READ)
def team(request: HttpRequest, slug: str, role: str) -> Any:
    """People and groups with a role."""
    wanted, collab = role_named(role), _visible_collab(request, slug)
    return {"users": _people(collab, wanted), "units": [], "groups": _groups_seen(collab, wanted)}


@router.get("/{slug:slug}/team/{role}/users", **READ)
def team_users(request: HttpRequest, slug: str, role: str) -> Any:
    """People with a role of their own."""
    return _people(_visible_collab(request, slug), role_named(role))


@router.get("/{slug:slug}/team/{role}/units", **READ)
def team_units(request: HttpRequest, slug: str, role: str) -> Any:
    """Always empty: this site has groups, but no units."""
    role_named(role)
    _visible_collab(request, slug)
    return []


@router.get("/{slug:slug}/team/{role}/groups", **READ)
def team_groups(request: HttpRequest, slug: str, role: str) -> Any:
    """Groups with a role, for members; others see none, as in the whole team."""
    wanted, collab = role_named(role), _visible_collab(request, slug)
    return _groups_seen(collab, wanted)


@router.put("/{slug:slug}/team/{role}/users/{str:username}", **MANAGE)
def give_role(request: HttpRequest, slug: str, role: str, username: str) -> Any:
    """Give a person this role instead of any other."""
    wanted, collab = role_named(role), get_collab(request, slug, Role.ADMINISTRATOR)
    user = known_person(username)
    change = services.change_role if collab.memberships.filter(user=user).exists() else services.add_member
    change(person(request), collab, user, wanted)
    return HttpResponse(status=204)


@router.delete("/{slug:slug}/team/{role}/users/{str:username}", **MANAGE)
def take_role(request: HttpRequest, slug: str, role: str, username: str) -> Any:
    """Remove a person, whatever their role is."""
    role_named(role)
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    services.remove_member(person(request), collab, known_person(username))
    return HttpResponse(status=204)


@router.api_operation(["PUT", "DELETE"], "/{slug:slug}/team/{role}/units/{str:unit}", **MANAGE)
def change_unit(request: HttpRequest, slug: str, role: str, unit: str) -> Any:
    """Always 400: this site has no units."""
    role_named(role)
    get_collab(request, slug, Role.ADMINISTRATOR)
    raise ValidationError({"unit": "Unknown unit."})


@router.put("/{slug:slug}/team/{role}/groups/{str:group}", **MANAGE)
def give_group_role(request: HttpRequest, slug: str, role: str, group: str) -> Any:
    """Give a group this role instead of any other."""
    wanted, collab = role_named(role), get_collab(request, slug, Role.ADMINISTRATOR)
    services.give_group_role(person(request), collab, known_group(group), wanted)
    return HttpResponse(status=204)


@router.delete("/{slug:slug}/team/{role}/groups/{str:group}", **MANAGE)
def take_group_role(request: HttpRequest, slug: str, role: str, group: str) -> Any:
    """Remove a group's role."""
    role_named(role)
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    services.remove_group(person(request), collab, known_group(group))
    return HttpResponse(status=204)
