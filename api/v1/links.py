"""Public links to files and folders of a library: list, make, change, end."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja.responses import Status
from pydantic import AwareDatetime, BaseModel, Field

from api.models import Scope
from api.routing import StrictRouter
from drive.libraries import public_links
from drive.models import PublicLink
from drive.storage import path_codec, shown
from portal.access import person

from .schemas import FilePath, Input, Page, Paged, Text, paged, route

router = StrictRouter(tags=["Public links"])
LATEST = timedelta(days=366 * 1000)
Password = Annotated[Text, Field(min_length=8, max_length=128)]


class LinkIn(Input):
    """Request to make a public link."""

    path: FilePath = Field("", description="File or folder; empty for the whole library.")
    password: Password | None = Field(None, description="Visitors must enter it; it is not shown again.")
    expires_at: AwareDatetime | None = Field(None, description="When the link stops working; null for no end.")


class LinkChange(Input):
    """Request to change a public link; fields that are left out stay."""

    password: Password | None = Field(None, description="Null takes the password away.")
    expires_at: AwareDatetime | None = Field(None, description="Null for no end.")


class LinkOut(BaseModel):
    """Public link."""

    id: UUID
    path: str
    is_folder: bool
    url: str = Field(description="Address to give away: whoever has it reads the file or folder.")
    is_open: bool = Field(description="False when its time is over, or whoever made it could not make it today.")
    has_password: bool
    expires_at: datetime | None
    created_by: str
    created_at: datetime
    uses: int
    last_used_at: datetime | None


def _links_out(rows: Iterable[PublicLink]) -> list[LinkOut]:
    """Responses for these links; one query more, whatever their number."""
    found = list(rows)
    is_open = set(PublicLink.objects.open().filter(pk__in=[row.pk for row in found]).values_list("pk", flat=True))
    return [_link_out(row, row.pk in is_open) for row in found]


def _link_out(row: PublicLink, is_open: bool) -> LinkOut:
    return LinkOut(
        id=row.pk,
        path=shown(path_codec.from_row(row.path)),
        is_folder=row.is_folder,
        url=public_links.address(row),
        is_open=is_open,
        has_password=bool(row.password),
        expires_at=row.expires_at,
        created_by=row.created_by.username,
        created_at=row.created_at,
        uses=row.uses,
        last_used_at=row.last_used_at,
    )


def in_future(time: datetime | None) -> datetime | None:
    """The time; ValidationError for one that is over, or too far away."""
    now = timezone.now()
    if time and not now < time < now + LATEST:
        raise ValidationError({"expires_at": "Choose a time to come, within a thousand years."})
    return time


def _own_link(request: HttpRequest, library_id: UUID, link_id: UUID) -> PublicLink:
    library = public_links.linkable_library(person(request), library_id)
    return get_object_or_404(library.links.select_related("library", "created_by"), pk=link_id, revoked_at=None)


@router.get("/{uuid:library_id}/links", **route(Scope.MANAGE, {200: Page[LinkOut]}))
def list_links(request: HttpRequest, library_id: UUID, paging: Paged) -> Any:
    """List the public links of a library, newest first (owner, or administrators of its Collab)."""
    library = public_links.linkable_library(person(request), library_id)
    return paged(library.links.filter(revoked_at=None).select_related("created_by"), paging, _links_out)


@router.post("/{uuid:library_id}/links", **route(Scope.MANAGE, {201: LinkOut}, 409))
def make_link(request: HttpRequest, library_id: UUID, data: LinkIn) -> Any:
    """Make a public link: whoever knows its address reads the file or folder, without an account."""
    library = public_links.linkable_library(person(request), library_id)
    until, path = in_future(data.expires_at), data.path.strip("/")
    made = public_links.make_link(person(request), library, path, password=data.password or "", expires_at=until)
    return Status(201, _links_out([made])[0])


@router.patch("/{uuid:library_id}/links/{uuid:link_id}", **route(Scope.MANAGE, {200: LinkOut}, 409))
def change_link(request: HttpRequest, library_id: UUID, link_id: UUID, data: LinkChange) -> Any:
    """Change end or password of a public link; its address stays."""
    row, given = _own_link(request, library_id, link_id), data.model_fields_set
    expires_at = in_future(data.expires_at) if "expires_at" in given else row.expires_at
    password = (data.password or "") if "password" in given else None
    public_links.change_link(person(request), row, expires_at=expires_at, password=password)
    return _links_out([_own_link(request, library_id, link_id)])[0]


@router.delete("/{uuid:library_id}/links/{uuid:link_id}", **route(Scope.MANAGE, {204: None}))
def end_link(request: HttpRequest, library_id: UUID, link_id: UUID) -> Any:
    """End a public link at once, for good."""
    public_links.revoke_link(person(request), _own_link(request, library_id, link_id))
    return Status(204, None)
