"""Collabs: find, make, change, delete, bring back."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router
from ninja.responses import Status
from pydantic import Field

from api.models import Scope
from collabs import services
from collabs.access import get_collab
from collabs.models import Collab, Role
from portal.access import person

from .shapes import CollabOut, Input, Page, Paged, Text, Words, each, paged, route

router = Router(tags=["Collabs"])


class CollabIn(Input):
    """A new Collab."""

    title: Text = Field(min_length=1, max_length=100)
    description: Text = Field("", max_length=2000)
    is_public: bool = False


class CollabChange(Input):
    """What is to change; what is left out stays."""

    title: Text | None = Field(None, min_length=1, max_length=100)
    description: Text | None = Field(None, max_length=2000)
    is_public: bool | None = None


def shown(collab: Any, request: HttpRequest) -> CollabOut:
    """A Collab that has `my_role`, `team_size` and its library."""
    return CollabOut(
        slug=collab.slug,
        title=collab.title,
        description=collab.description,
        is_public=collab.is_public,
        my_role=Role(collab.my_role) if collab.my_role else None,
        team_size=collab.team_size,
        created_at=collab.created_at,
        url=f"{settings.PORTAL_URL}{collab.get_absolute_url()}",
        library=collab.library.pk if request.user.is_authenticated else None,
    )


def one(request: HttpRequest, collab: Collab) -> CollabOut:
    """A Collab by itself."""
    rows = Collab.objects.with_role_of(request.user).with_team_size().select_related("library")
    return shown(get_object_or_404(rows, pk=collab.pk), request)


@router.get("", **route(Scope.READ, {200: Page[CollabOut]}, anonymous=True))
def list_collabs(request: HttpRequest, paging: Paged, q: Words = "", mine: bool = False) -> Any:
    """Collabs that I may see, by title; without an account, the public ones.

    `q`: words that are in the title or the description. `mine`: only those that I am a member of.
    """
    user = request.user
    rows = Collab.objects.visible_to(user)
    if mine:
        rows = Collab.objects.of_member(person(request))
    rows = rows.matching(q).with_role_of(user).with_team_size().select_related("library").order_by("title_key")
    return paged(rows, paging, each(lambda collab: shown(collab, request)))


@router.post("", **route(Scope.MANAGE, {201: CollabOut}, 409))
def create_collab(request: HttpRequest, data: CollabIn) -> Any:
    """A new Collab with me as its administrator, and its library."""
    collab = services.create_collab(person(request), **data.model_dump())
    return Status(201, one(request, collab))


@router.get("/{slug:slug}", **route(Scope.READ, {200: CollabOut}, anonymous=True))
def get(request: HttpRequest, slug: str) -> Any:
    """One Collab."""
    return one(request, get_collab(request, slug))


@router.patch("/{slug:slug}", **route(Scope.MANAGE, {200: CollabOut}, 409))
def change_collab(request: HttpRequest, slug: str, data: CollabChange) -> Any:
    """Change title, description or who may see it. For administrators."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    now = {"title": collab.title, "description": collab.description, "is_public": collab.is_public}
    wanted = {name: value for name, value in data.model_dump().items() if value is not None}
    services.update_collab(person(request), collab, **(now | wanted))  # type: ignore[arg-type]
    return one(request, collab)


@router.delete("/{slug:slug}", **route(Scope.MANAGE, {204: None}))
def delete_collab(request: HttpRequest, slug: str) -> Any:
    """Delete the Collab with its library; both can be restored for 30 days. For administrators."""
    services.delete_collab(person(request), get_collab(request, slug, Role.ADMINISTRATOR))
    return Status(204, None)


@router.post("/{slug:slug}/restore", **route(Scope.MANAGE, {200: CollabOut}, 409))
def restore_collab(request: HttpRequest, slug: str) -> Any:
    """Bring a deleted Collab back, with its team and its files. For its administrators."""
    user = person(request)
    collab = get_object_or_404(Collab.all_objects.restorable_by(user), slug=slug)
    services.restore_collab(user, collab)
    return one(request, collab)
