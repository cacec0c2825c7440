"""Request and response schemas of the EBRAINS Collab API, made of our models."""

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
"""Maximum rows of a page, and of a list without paging."""


class Kind(StrEnum):
    """Kind of membership in a group."""

    MEMBER = "member"
    ADMINISTRATOR = "administrator"


class CollabIn(BaseModel):
    """Request to create or change a Collab. Every Collab has a drive and none has a chat, whatever is asked for.

    What is left out of a change stays; of a new one it is empty or private.
    """

    name: str = Field("", max_length=80, pattern=r"^[-a-zA-Z0-9_]*$")
    title: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")
    description: str | None = Field(None, max_length=2000, pattern=r"^[^\x00]*$")
    public: bool | None = None


class GroupIn(BaseModel):
    """Request to create or change a group. Only managers add members."""

    name: str = Field("", max_length=80, pattern=r"^[-a-zA-Z0-9_]*$")
    title: str = Field("", max_length=100, pattern=r"^[^\x00]*$")
    description: str | None = Field(None, max_length=2000, pattern=r"^[^\x00]*$")


class MailIn(BaseModel):
    """Request to send a message to the administrators."""

    emailSubject: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")
    emailContent: str = Field("", max_length=5000, pattern=r"^[^\x00]*$")


def authenticators(scope: Scope, *, anonymous: bool = False, team: bool = False) -> list[Any]:
    """Authentication methods for a scope."""
    found: list[Any] = [PersonalToken(scope, team_is_enough=team), SessionCookie(settings.SESSION_COOKIE_NAME)]
    return [*found, anybody] if anonymous else found


READ: Json = {"auth": authenticators(Scope.READ)}
MANAGE: Json = {"auth": authenticators(Scope.MANAGE)}
OPEN: Json = {"auth": authenticators(Scope.READ, anonymous=True)}
LIST: Json = {"auth": authenticators(Scope.READ, anonymous=True, team=True)}


def require_token(request: HttpRequest) -> None:
    """Require a token for a GET that changes something: a cookie is sent by any web page's request (CSRF)."""
    if credentials(request) is None:
        raise ForbiddenError(
            "This address changes something, so it requires a token. People can use the page of the invitation."
        )


def uuid_of(text: str) -> UUID | None:
    """Parse a UUID; None if it is invalid."""
    try:
        return UUID(text)
    except ValueError:
        return None


def role_named(name: str) -> Role:
    """Parse a word of the address; Http404 if unknown."""
    if name not in Role.values:
        raise Http404("Unknown role.")
    return Role(name)


def kind_named(name: str) -> Kind:
    """Parse a word of the address; Http404 if unknown."""
    if name not in set(Kind):
        raise Http404("Unknown kind of membership.")
    return Kind(name)


def known_person(username: str) -> User:
    """The active person of this username; ValidationError (400), as scripts expect it, for none."""
    user = User.objects.filter(username=username, is_active=True).first()
    if user is None:
        raise ValidationError({"user": "Unknown user."})
    return user


def known_group(slug: str) -> Group:
    """The group of this slug; ValidationError (400) for none."""
    group = Group.objects.filter(slug=slug).first()
    if group is None:
        raise ValidationError({"group": "Unknown group."})
    return group


def collab(row: Any, request: HttpRequest) -> Json:
    """Response for a Collab that is annotated with `my_role`, its library and its creator."""
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
    """Response for a person. E-mail addresses are private, and there are no pictures."""
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
    """Response for a group; `name` is the slug."""
    said = {"title": row.name, "name": row.slug, "description": row.description}
    return {**said, "acceptMembershipRequest": False}


def people(rows: QuerySet[User]) -> list[Json]:
    """Responses for active people, by username."""
    return [user(row) for row in rows.filter(is_active=True).order_by("username")[:MOST]]


def groups(rows: Iterable[Group] | QuerySet[Group]) -> list[Json]:
    """Responses for groups."""
    return [group(row) for row in list(rows)[:MOST]]
