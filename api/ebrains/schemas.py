"""The EBRAINS Collab API's shapes, made of ours."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import Http404, HttpRequest
from pydantic import BaseModel, Field

from api.access import PersonalToken, SessionCookie, anybody, credentials
from api.models import Scope
from collabs.models import Role
from groups.models import Group
from portal.access import ForbiddenError
from portal.models import User

Json = dict[str, Any]
Row = TypeVar("Row")
MOST = 1000
"""Rows of a list that has no paging of its own, and of a page."""


class Kind(StrEnum):
    """How a person belongs to a group."""

    MEMBER = "member"
    ADMINISTRATOR = "administrator"


class CollabIn(BaseModel):
    """What scripts send. Every Collab has a drive and none has a chat, whatever they ask for."""

    name: str = Field("", max_length=80, pattern=r"^[-a-zA-Z0-9_]*$")
    title: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")
    description: str | None = Field(None, max_length=2000, pattern=r"^[^\x00]*$")
    public: bool = False


class GroupIn(BaseModel):
    """What scripts send. One joins a group by its managers only."""

    name: str = Field("", max_length=80, pattern=r"^[-a-zA-Z0-9_]*$")
    title: str = Field("", max_length=100, pattern=r"^[^\x00]*$")
    description: str | None = Field(None, max_length=2000, pattern=r"^[^\x00]*$")


class MailIn(BaseModel):
    """A message to the administrators."""

    emailSubject: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")
    emailContent: str = Field("", max_length=5000, pattern=r"^[^\x00]*$")


def authenticators(scope: Scope, *, anonymous: bool = False) -> list[Any]:
    """Who may ask."""
    found: list[Any] = [PersonalToken(scope), SessionCookie(settings.SESSION_COOKIE_NAME)]
    return [*found, anybody] if anonymous else found


READ: Json = {"auth": authenticators(Scope.READ)}
MANAGE: Json = {"auth": authenticators(Scope.MANAGE)}
OPEN: Json = {"auth": authenticators(Scope.READ, anonymous=True)}


def require_token(request: HttpRequest) -> None:
    """For a GET that changes something: with a cookie, any page of the web could have a browser send it."""
    if credentials(request) is None:
        raise ForbiddenError(
            "This address changes something: ask it with a token. People use the page of the invitation."
        )


def uuid_of(text: str) -> UUID | None:
    """None for what is no id."""
    try:
        return UUID(text)
    except ValueError:
        return None


def role_named(name: str) -> Role:
    """Http404 for other words."""
    if name not in Role.values:
        raise Http404("There is no such role.")
    return Role(name)


def kind_named(name: str) -> Kind:
    """Http404 for other words."""
    if name not in set(Kind):
        raise Http404("There is no such kind of membership.")
    return Kind(name)


def known_person(username: str) -> User:
    """The active person; ValidationError (400), as scripts expect it, for nobody."""
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise ValidationError({"user": "There is no such user."})
    return user


def known_group(slug: str) -> Group:
    """The group; ValidationError (400) for none."""
    group = Group.objects.filter(slug=slug).first()
    if group is None:
        raise ValidationError({"group": "There is no such group."})
    return group


def collab(row: Any, request: HttpRequest) -> Json:
    """A Collab that has `my_role`, its library and its maker."""
    known = request.user.is_authenticated
    return {
        "name": row.slug,
        "title": row.title,
        "description": row.description,
        "isPublic": row.is_public,
        "isMember": (row.my_role is not None) if known else None,
        "hasDrive": True,
        "link": row.get_absolute_url(),
        "createDate": row.created_at.isoformat(),
        "driveRepositoryId": str(row.library.pk) if known else None,
        "nbLike": 0,
        "owner": row.created_by.username if row.created_by and known else None,
    }


def user(row: User) -> Json:
    """Somebody. Addresses are private, and there are no pictures."""
    return {
        "id": str(row.uuid),
        "mitreId": str(row.uuid),
        "username": row.username,
        "firstName": row.first_name,
        "lastName": row.last_name,
        "biography": "",
        "avatar": "",
        "active": row.is_active,
    }


def group(row: Group) -> Json:
    """A group; its address is the name."""
    said = {"title": row.name, "name": row.slug, "description": row.description}
    return {**said, "acceptMembershipRequest": False}


def people(rows: QuerySet[User]) -> list[Json]:
    """Active ones, by username."""
    return [user(row) for row in rows.filter(is_active=True).order_by("username")[:MOST]]


def groups(rows: Iterable[Group] | QuerySet[Group]) -> list[Json]:
    """Groups."""
    return [group(row) for row in list(rows)[:MOST]]
