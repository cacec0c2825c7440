"""Collabs: search, create, change, archive, delete, restore; favourites."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db.models import prefetch_related_objects
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query
from ninja.responses import Status
from pydantic import Field

from api.access import require_own
from api.models import Scope
from api.routing import StrictRouter
from collabs import favourites, services, tags
from collabs.access import get_collab
from collabs.cards import cards
from collabs.models import Collab, Role
from portal.access import person

from .schemas import CollabOut, Input, Page, Paging, Text, paged, route

router = StrictRouter(tags=["Collabs"])


class CollabIn(Input):
    """Request to create a Collab."""

    title: Text = Field(min_length=1, max_length=100)
    description: Text = Field("", max_length=2000)
    is_public: bool = False
    tags: list[Text] = Field([], max_length=tags.MAX_TAGS)


class CollabChange(Input):
    """Request to change a Collab; fields that are left out stay."""

    title: Text | None = Field(None, min_length=1, max_length=100)
    description: Text | None = Field(None, max_length=2000)
    is_public: bool | None = None
    visitors_read: bool | None = Field(
        None, description="Whether visitors without an account read its files; public Collabs only."
    )
    tags: list[Text] | None = Field(None, max_length=tags.MAX_TAGS)


def collabs_out(request: HttpRequest, keys: Iterable[int]) -> list[CollabOut]:
    """Responses for these Collabs, in this order, in a constant number of queries."""
    found = cards(request.user, keys)
    if request.user.is_authenticated:
        prefetch_related_objects(found, "library")
    return [_row_out(collab, request.user.is_authenticated) for collab in found]


def _row_out(collab: Any, signed_in: bool) -> CollabOut:
    return CollabOut(
        slug=collab.slug,
        title=collab.title,
        description=collab.description,
        is_public=collab.is_public,
        visitors_read=collab.lets_visitors_read,
        is_archived=collab.archived_at is not None,
        is_favourite=collab.is_favourite,
        tags=collab.tag_names,
        my_role=Role(collab.my_role) if collab.my_role else None,
        team_size=collab.team_size,
        created_at=collab.created_at,
        url=f"{settings.PORTAL_URL}{collab.get_absolute_url()}",
        library=collab.library.pk if signed_in else None,
    )


def collab_out(request: HttpRequest, collab: Collab) -> CollabOut:
    """Response for one Collab."""
    found = collabs_out(request, [collab.pk])
    if not found:
        raise Http404("No such Collab.")  # deleted in this moment
    return found[0]


class Asked(Paging):
    """Query parameters of the list of Collabs."""

    q: Text = Field("", max_length=100, description="Words in the title, tags or description; best match first.")
    tag: Text = Field("", max_length=100)
    mine: bool = Field(False, description="Only Collabs of which you are a member.")
    favourites: bool = Field(False, description="Only your favourites.")
    archived: bool = Field(False, description="Only archived Collabs, which are left out otherwise.")


@router.get("", **route(Scope.READ, {200: Page[CollabOut]}, anonymous=True, team=True))
def list_collabs(request: HttpRequest, asked: Query[Asked]) -> Any:
    """List the Collabs that you can see, by title; without an account, the public ones."""
    require_own(request, asked.mine, "mine")
    rows = Collab.objects.visible_to(request.user).filter(archived_at__isnull=not asked.archived)
    if asked.mine:
        rows = rows.of_member(person(request))
    if asked.favourites:
        rows = rows.favourites_of(person(request))
    if asked.tag:
        rows = rows.tagged(_tag(asked.tag))
    order = ["distance", "title_key"] if asked.q else ["title_key"]
    found = rows.matching(asked.q).order_by(*order, "pk").values_list("pk", flat=True)
    return paged(found, asked, lambda keys: collabs_out(request, keys))


def _tag(text: str) -> str:
    """Normalise a tag; an invalid one is an error of the field."""
    try:
        return tags.tidy(text)
    except ValidationError as error:
        raise ValidationError({"tag": error.messages}) from error


@router.post("", **route(Scope.MANAGE, {201: CollabOut}, 409))
def create_collab(request: HttpRequest, data: CollabIn) -> Any:
    """Create a Collab and its library, with you as administrator."""
    collab = services.create_collab(person(request), **data.model_dump())
    return Status(201, collab_out(request, collab))


@router.get("/{slug:slug}", **route(Scope.READ, {200: CollabOut}, anonymous=True))
def get(request: HttpRequest, slug: str) -> Any:
    """Get a Collab."""
    return collab_out(request, get_collab(request, slug))


@router.patch("/{slug:slug}", **route(Scope.MANAGE, {200: CollabOut}, 409))
def change_collab(request: HttpRequest, slug: str, data: CollabChange) -> Any:
    """Change title, description, tags, visibility or whether visitors read its files (administrators)."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    now: dict[str, Any] = {"title": collab.title, "description": collab.description, "is_public": collab.is_public}
    wanted = {name: value for name, value in data.model_dump().items() if value is not None}
    if data.visitors_read and not (now | wanted)["is_public"]:
        raise ValidationError({"visitors_read": "Visitors can read the files of a public Collab only."})
    services.update_collab(person(request), collab, **(now | wanted))
    return collab_out(request, collab)


@router.delete("/{slug:slug}", **route(Scope.MANAGE, {204: None}))
def delete_collab(request: HttpRequest, slug: str) -> Any:
    """Delete a Collab with its library; both can be restored for 30 days (administrators)."""
    services.delete_collab(person(request), get_collab(request, slug, Role.ADMINISTRATOR))
    return Status(204, None)


@router.post("/{slug:slug}/archive", **route(Scope.MANAGE, {200: CollabOut}, 409))
def archive_collab(request: HttpRequest, slug: str) -> Any:
    """Archive a Collab: read-only for everybody, and left out of lists (administrators)."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    services.archive_collab(person(request), collab)
    return collab_out(request, collab)


@router.post("/{slug:slug}/unarchive", **route(Scope.MANAGE, {200: CollabOut}, 409))
def unarchive_collab(request: HttpRequest, slug: str) -> Any:
    """Reopen an archived Collab (administrators)."""
    collab = get_collab(request, slug, Role.ADMINISTRATOR)
    services.unarchive_collab(person(request), collab)
    return collab_out(request, collab)


@router.put("/{slug:slug}/favourite", **route(Scope.MANAGE, {204: None}))
def mark(request: HttpRequest, slug: str) -> Any:
    """Add a Collab to your favourites, which nobody else sees."""
    favourites.mark(person(request), get_collab(request, slug))
    return Status(204, None)


@router.delete("/{slug:slug}/favourite", **route(Scope.MANAGE, {204: None}))
def unmark(request: HttpRequest, slug: str) -> Any:
    """Remove a Collab from your favourites."""
    favourites.unmark(person(request), get_collab(request, slug))
    return Status(204, None)


@router.post("/{slug:slug}/restore", **route(Scope.MANAGE, {200: CollabOut}, 409))
def restore_collab(request: HttpRequest, slug: str) -> Any:
    """Restore a deleted Collab with its team and files (its administrators)."""
    user = person(request)
    collab = get_object_or_404(Collab.all_objects.restorable_by(user), slug=slug)
    services.restore_collab(user, collab)
    return collab_out(request, collab)
