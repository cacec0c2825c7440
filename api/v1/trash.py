"""The trash of a library: list, restore, delete for good."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query
from ninja.responses import Status
from pydantic import BaseModel, Field

from api.models import Scope
from api.routing import StrictRouter
from drive.files.library_access import drive_access
from drive.models import Trashed
from drive.storage import path_codec, shown
from drive.versions import trash
from lab.servers.services import CannotLaunchError
from portal.access import person
from portal.ops.task_queue import publish

from .files import at, writable
from .schemas import EntryOut, Page, Paged, Words, each, paged, route

router = StrictRouter(tags=["Trash"])


class TrashedOut(BaseModel):
    """Something in the trash, restorable as a whole."""

    id: int
    path: str = Field(description="Where it was.")
    kind: str = Field(description="`file`, `folder`, `link` or `other`.")
    size: int
    files: int
    deleted_at: datetime
    by: str | None = Field(description="Null where nobody knows.")
    via: str


def _trashed_out(row: Trashed) -> TrashedOut:
    return TrashedOut(
        id=row.pk,
        path=shown(path_codec.from_row(row.path)),
        kind=row.kind,
        size=row.size,
        files=row.files,
        deleted_at=row.deleted_at,
        by=row.deleted_by.username if row.deleted_by else None,
        via=row.via,
    )


@router.get("/{uuid:library_id}/trash", **route(Scope.READ, {200: Page[TrashedOut]}))
def list_trash(request: HttpRequest, library_id: UUID, paging: Paged, q: Words = "") -> Any:
    """List the trash of a library, newest first; `q` is part of the path."""
    rows = drive_access(request, library_id).library.trash.select_related("deleted_by")
    return paged(rows.filter(path__icontains=q) if q else rows, paging, each(_trashed_out))


@router.post(
    "/{uuid:library_id}/trash/{int:item_id}/restore",
    **route(Scope.WRITE, {200: EntryOut, 202: None}, 409, 410, 503, 507),
)
def restore_trashed(request: HttpRequest, library_id: UUID, item_id: int) -> Any:
    """Restore something from the trash, under another name if its own is taken.

    202 for more than a thousand files that a Lab deleted: they are made again in a while.
    """
    access = writable(request, library_id)
    item = get_object_or_404(access.library.trash.select_related("library"), pk=item_id)
    if not trash.is_for_a_task(item):
        return Status(200, at(access, trash.restore(person(request), item)))
    if not publish("drive.tasks.restore_trashed", item.pk, person(request).pk):
        raise CannotLaunchError("This cannot be done right now: the site's task queue is not responding.")
    return Status(202, None)


@router.delete("/{uuid:library_id}/trash/{int:item_id}", **route(Scope.MANAGE, {204: None}))
def purge_trashed(request: HttpRequest, library_id: UUID, item_id: int) -> Any:
    """Delete something in the trash for good, with its versions."""
    access = writable(request, library_id)
    trash.purge(person(request), get_object_or_404(access.library.trash.select_related("library"), pk=item_id))
    publish("drive.tasks.empty_bin")  # should the broker be away: every night
    return Status(204, None)


@router.delete("/{uuid:library_id}/trash", **route(Scope.MANAGE, {204: None}))
def empty_trash(
    request: HttpRequest,
    library_id: UUID,
    keep_days: Annotated[int, Query(ge=0, le=36_500, description="What was deleted since stays.")] = 0,
) -> Any:
    """Delete all that is in the trash for good, with its versions."""
    trash.purge_all(person(request), writable(request, library_id).library, before=trash.days_ago(keep_days))
    publish("drive.tasks.empty_bin")
    return Status(204, None)
