"""Teams of Collabs: members, groups with a role, invitations."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import Prefetch
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja.responses import Status
from pydantic import Field

from api.access import DAY, HOUR, RateLimitError
from api.models import Scope
from api.routing import StrictRouter
from collabs import invitations, services
from collabs.access import get_collab
from collabs.models import Collab, GroupRole, Invitation, Membership, Role
from groups.models import Group
from portal.access import person
from portal.accounts import people_search
from portal.models import User
from portal.web import rate_limits

from .collabs import collab_out
from .schemas import (
    CollabOut,
    GroupRoleOut,
    Input,
    InvitationMade,
    InvitationOut,
    MemberOut,
    Page,
    Paged,
    Text,
    Username,
    each,
    paged,
    route,
)

router = StrictRouter(tags=["Teams"])
mine = StrictRouter(tags=["Invitations to me"])


class MemberIn(Input):
    """Request to add a member."""

    person: Username
    role: Role = Role.VIEWER


class RoleIn(Input):
    """Request with a role."""

    role: Role


class InvitationIn(Input):
    """Request to invite: by e-mail address, or by a link without one."""

    email: Text | None = Field(None, max_length=254, json_schema_extra={"format": "email"})
    role: Role = Role.VIEWER
    days: int = Field(14, ge=1, le=invitations.MAX_DAYS)
    uses: int = Field(1, ge=1, le=invitations.MAX_USES, description="How many people may use a link.")


class TokenIn(Input):
    """Request with the token of an invitation."""

    token: Text = Field(min_length=1, max_length=200)


def find_person(name: str, asker: User, field: str = "person") -> User:
    """The active person of this username or e-mail address; ValidationError of the field for none."""
    try:
        return people_search.find_person(name, asker)
    except ValidationError as error:
        raise ValidationError({field: error.messages}) from error


def _member_out(row: Membership) -> MemberOut:
    user = row.user
    return MemberOut(
        username=user.username, name=user.display_name, role=Role(row.role), since=row.since, is_active=user.is_active
    )


@router.get("/{slug:slug}/team", **route(Scope.READ, {200: Page[MemberOut]}))
def list_team(request: HttpRequest, slug: str, paging: Paged) -> Any:
    """List the members with a direct role; administrators see deactivated people too."""
    person(request)
    collab = get_collab(request, slug)
    rows = collab.memberships.select_related("user")
    if collab.my_role != Role.ADMINISTRATOR:
        rows = rows.filter(user__is_active=True)
    return paged(rows, paging, each(_member_out))


@router.post("/{slug:slug}/team", **route(Scope.MANAGE, {201: MemberOut}, 409))
def add_member(request: HttpRequest, slug: str, data: MemberIn) -> Any:
    """Add a member (administrators)."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    user = find_person(data.person, person(request))
    return Status(201, _member_out(services.add_member(person(request), collab, user, data.role)))


def _of_team(collab: Collab, username: str) -> User:
    return get_object_or_404(User, username=username, memberships__collab=collab)


@router.put("/{slug:slug}/team/{slug:username}", **route(Scope.MANAGE, {200: MemberOut}, 409))
def change_member(request: HttpRequest, slug: str, username: str, data: RoleIn) -> Any:
    """Change a member's role (administrators)."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    user = _of_team(collab, username)
    services.change_role(person(request), collab, user, data.role)
    return _member_out(get_object_or_404(collab.memberships.select_related("user"), user=user))


@router.delete("/{slug:slug}/team/{slug:username}", **route(Scope.MANAGE, {204: None}, 409))
def remove_member(request: HttpRequest, slug: str, username: str) -> Any:
    """Remove a member (administrators), or leave."""
    user = person(request)
    if username == user.username:
        collab = get_collab(request, slug, Role.VIEWER)
        _of_team(collab, username)
        services.leave(user, collab)
    else:
        collab = get_collab(request, slug, Role.ADMINISTRATOR)
        services.remove_member(user, collab, _of_team(collab, username))
    return Status(204, None)


# Groups with a role


def _group_role_out(row: Any) -> GroupRoleOut:
    group = row.group
    return GroupRoleOut(slug=group.slug, name=group.name, role=Role(row.role), size=group.size, since=row.since)


def _group_roles(collab: Collab) -> Any:
    return GroupRole.objects.filter(collab=collab).prefetch_related(Prefetch("group", Group.objects.with_size()))


@router.get("/{slug:slug}/groups", **route(Scope.READ, {200: Page[GroupRoleOut]}))
def list_team_groups(request: HttpRequest, slug: str, paging: Paged) -> Any:
    """List the groups with a role (members)."""
    collab = get_collab(request, slug, Role.VIEWER)
    return paged(_group_roles(collab), paging, each(_group_role_out))


@router.put("/{slug:slug}/groups/{slug:group}", **route(Scope.MANAGE, {200: GroupRoleOut}, 409))
def give_group_role(request: HttpRequest, slug: str, group: str, data: RoleIn) -> Any:
    """Give a group a role, for its present and future people (administrators)."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    row = get_object_or_404(Group, slug=group)
    services.give_group_role(person(request), collab, row, data.role)
    return _group_role_out(get_object_or_404(_group_roles(collab), group=row))


@router.delete("/{slug:slug}/groups/{slug:group}", **route(Scope.MANAGE, {204: None}, 409))
def remove_group(request: HttpRequest, slug: str, group: str) -> Any:
    """Remove a group's role (administrators)."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    services.remove_group(person(request), collab, get_object_or_404(Group, slug=group, roles__collab=collab))
    return Status(204, None)


# Invitations


def _invitation_out(row: Invitation) -> InvitationOut:
    return InvitationOut(
        id=row.pk,
        collab=row.collab.slug,
        role=Role(row.role),
        email=row.email,
        uses_left=row.uses_left,
        expires_at=row.expires_at,
        is_open=not row.why_closed,
    )


@router.get("/{slug:slug}/invitations", **route(Scope.MANAGE, {200: Page[InvitationOut]}))
def list_invitations(request: HttpRequest, slug: str, paging: Paged) -> Any:
    """List the invitations, newest first (administrators)."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    return paged(collab.invitations.select_related("collab"), paging, each(_invitation_out))


@router.post("/{slug:slug}/invitations", **route(Scope.MANAGE, {201: InvitationMade}, 409))
def invite(request: HttpRequest, slug: str, data: InvitationIn) -> Any:
    """Invite by mail, or create an invitation link, which is shown once (administrators)."""
    collab, actor = get_collab(request, slug, Role.ADMINISTRATOR), person(request)
    link = None
    if data.email:
        if not rate_limits.allowed("invitation-mail", str(actor.pk), invitations.MAILS_PER_DAY, 24 * 3600):
            raise RateLimitError("Too many invitations today. Try again tomorrow.", DAY)
        row = _by_mail(actor, collab, data)
    else:
        row, token = invitations.invite_by_link(actor, collab, data.role, days=data.days, uses=data.uses)
        link = f"{settings.PORTAL_URL}{Invitation.path(token)}"
    return Status(201, InvitationMade(**_invitation_out(row).model_dump(), link=link))


def _by_mail(actor: User, collab: Collab, data: InvitationIn) -> Invitation:
    try:
        return invitations.invite_by_mail(actor, collab, data.email or "", data.role, days=data.days)
    except ValidationError as error:
        if error.code != "invalid":
            raise
        raise ValidationError({"email": error.messages}) from error


@router.delete("/{slug:slug}/invitations/{int:invitation_id}", **route(Scope.MANAGE, {204: None}))
def revoke_invitation(request: HttpRequest, slug: str, invitation_id: int) -> Any:
    """Revoke an invitation; members who accepted it stay (administrators)."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    invitations.revoke(person(request), get_object_or_404(Invitation, pk=invitation_id, collab=collab))
    return Status(204, None)


@mine.get("", **route(Scope.READ, {200: Page[InvitationOut]}))
def list_my_invitations(request: HttpRequest, paging: Paged) -> Any:
    """List the open invitations to your confirmed e-mail addresses."""
    return paged(invitations.waiting_for(person(request)).order_by("-pk"), paging, each(_invitation_out))


@mine.post("/accept", **route(Scope.MANAGE, {200: CollabOut}, 409))
def accept_by_token(request: HttpRequest, data: TokenIn) -> Any:
    """Accept an invitation by its token: the part of its address after `/join/`."""
    where = rate_limits.address(request)
    if rate_limits.used("invitation", where, 3600) >= invitations.WRONG_TOKENS_PER_HOUR:
        raise RateLimitError("Too many invalid invitations from this network. Try again in an hour.", HOUR)
    row = invitations.find(data.token)
    if row is None:
        rate_limits.allowed("invitation", where, invitations.WRONG_TOKENS_PER_HOUR, 3600)
        raise Http404("This invitation does not exist.")
    return collab_out(request, invitations.accept(person(request), row))


@mine.post("/{int:invitation_id}/accept", **route(Scope.MANAGE, {200: CollabOut}, 409))
def accept_mine(request: HttpRequest, invitation_id: int) -> Any:
    """Accept an invitation that was sent to you."""
    row = get_object_or_404(invitations.waiting_for(person(request)), pk=invitation_id)
    return collab_out(request, invitations.accept(person(request), row))


@mine.post("/{int:invitation_id}/decline", **route(Scope.MANAGE, {204: None}))
def decline_mine(request: HttpRequest, invitation_id: int) -> Any:
    """Decline an invitation that was sent to you."""
    row = get_object_or_404(invitations.waiting_for(person(request)), pk=invitation_id)
    invitations.decline(person(request), row)
    return Status(204, None)
