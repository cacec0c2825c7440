"""Upload links to folders of a library: list, make, change, end."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja.responses import Status
from pydantic import AwareDatetime, BaseModel, Field

from api.models import Scope
from api.routing import StrictRouter
from drive.libraries import upload_links
from drive.models import UploadLink
from drive.storage import path_codec, shown
from portal.access import person

from .links import Password, in_future
from .schemas import FilePath, Input, Page, Paged, Text, paged, route

router = StrictRouter(tags=["Upload links"])
Title = Annotated[Text, Field(min_length=1, max_length=100)]
Message = Annotated[Text, Field(max_length=2000)]
NEVER_NULL = ("title", "asks_name", "max_bytes")
Bytes = Annotated[int, Field(ge=1, le=2**60)]


class UploadLinkIn(Input):
    """Request to make an upload link."""

    path: FilePath = Field(description="Folder; made if it does not exist. Never the whole library.")
    title: Title = Field(description="What is asked for; senders see it.")
    message: Message = Field("", description="Shown to senders.")
    asks_name: bool = Field(True, description="Senders are asked for their name, and need not say it.")
    password: Password | None = Field(None, description="Senders must enter it; it is not shown again.")
    expires_at: AwareDatetime | None = Field(None, description="When the link stops working; null for no end.")
    max_bytes: Bytes = Field(description="All files together that the link takes.")
    max_file_bytes: Bytes | None = Field(None, description="Largest file; null for no limit but `max_bytes`.")


class UploadLinkChange(Input):
    """Request to change an upload link; fields that are left out stay."""

    title: Title | None = Field(None, description="Cannot be null.")
    message: Message | None = Field(None, description="Null for none.")
    asks_name: bool | None = Field(None, description="Cannot be null.")
    password: Password | None = Field(None, description="Null takes the password away.")
    expires_at: AwareDatetime | None = Field(None, description="Null for no end.")
    max_bytes: Bytes | None = Field(None, description="Cannot be null.")
    max_file_bytes: Bytes | None = Field(None, description="Null for no limit but `max_bytes`.")


class UploadLinkOut(BaseModel):
    """Upload link."""

    id: UUID
    path: str
    url: str = Field(description="Address to give away: whoever has it uploads files into the folder.")
    is_open: bool = Field(description="False when its time is over, or whoever made it may not write there any more.")
    title: str
    message: str
    asks_name: bool
    has_password: bool
    expires_at: datetime | None
    max_bytes: int
    max_file_bytes: int | None
    files: int = Field(description="Number of files that have arrived.")
    bytes: int = Field(description="Their size.")
    last_at: datetime | None = Field(description="When the last one arrived.")
    created_by: str
    created_at: datetime


def _links_out(rows: Iterable[UploadLink]) -> list[UploadLinkOut]:
    """Responses for these links; a number of queries that does not grow with theirs."""
    found = list(rows)
    is_open = upload_links.open_ones(found)
    return [_link_out(row, row.pk in is_open) for row in found]


def _link_out(row: Any, is_open: bool) -> UploadLinkOut:
    return UploadLinkOut(
        id=row.pk,
        path=shown(path_codec.from_row(row.path)),
        url=upload_links.address(row),
        is_open=is_open,
        title=row.title,
        message=row.message,
        asks_name=row.asks_name,
        has_password=bool(row.password),
        expires_at=row.expires_at,
        max_bytes=row.max_bytes,
        max_file_bytes=row.max_file_bytes,
        files=row.files,
        bytes=row.bytes,
        last_at=row.last_at,
        created_by=row.created_by.username,
        created_at=row.created_at,
    )


def _rows(request: HttpRequest, library_id: UUID) -> Any:
    library = upload_links.linkable_library(person(request), library_id)
    rows = library.upload_links.filter(revoked_at=None).select_related("library", "created_by")
    return upload_links.with_received(rows)


@router.get("/{uuid:library_id}/upload-links", **route(Scope.MANAGE, {200: Page[UploadLinkOut]}))
def list_upload_links(request: HttpRequest, library_id: UUID, paging: Paged) -> Any:
    """List the upload links of a library, newest first (whoever may write in it)."""
    return paged(_rows(request, library_id), paging, _links_out)


@router.post("/{uuid:library_id}/upload-links", **route(Scope.MANAGE, {201: UploadLinkOut}, 409))
def make_upload_link(request: HttpRequest, library_id: UUID, data: UploadLinkIn) -> Any:
    """Make an upload link: whoever knows its address uploads files into the folder, and sees nothing of it."""
    library = upload_links.linkable_library(person(request), library_id)
    values = data.model_dump(exclude={"path", "password", "expires_at"})
    made = upload_links.make_link(
        person(request),
        library,
        data.path.strip("/"),
        password=data.password or "",
        expires_at=in_future(data.expires_at),
        **values,
    )
    return Status(201, _links_out(_rows(request, library_id).filter(pk=made.pk))[0])


@router.patch("/{uuid:library_id}/upload-links/{uuid:link_id}", **route(Scope.MANAGE, {200: UploadLinkOut}, 409))
def change_upload_link(request: HttpRequest, library_id: UUID, link_id: UUID, data: UploadLinkChange) -> Any:
    """Change an upload link; its address and its folder stay."""
    row = get_object_or_404(_rows(request, library_id), pk=link_id)
    given = data.model_dump(include=data.model_fields_set)
    if refused := {name: "This cannot be null." for name in NEVER_NULL if name in given and given[name] is None}:
        raise ValidationError(refused)
    if "message" in given:
        given["message"] = given["message"] or ""
    if "expires_at" in given:
        given["expires_at"] = in_future(data.expires_at)
    if "password" in given:
        given["password"] = given["password"] or ""
    if given:
        upload_links.change_link(person(request), row, **given)
    return _links_out(_rows(request, library_id).filter(pk=link_id))[0]


@router.delete("/{uuid:library_id}/upload-links/{uuid:link_id}", **route(Scope.MANAGE, {204: None}))
def end_upload_link(request: HttpRequest, library_id: UUID, link_id: UUID) -> Any:
    """End an upload link at once, for good."""
    upload_links.revoke_link(person(request), get_object_or_404(_rows(request, library_id), pk=link_id))
    return Status(204, None)
