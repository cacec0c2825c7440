"""Libraries: list, create, rename, publish, delete, restore, share."""

from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja.responses import Status
from pydantic import Field, model_validator

from api.models import Scope
from api.routing import StrictRouter
from collabs.models import Collab
from drive.folders import MOUNTED, Folder
from drive.libraries import naming, services
from drive.libraries.access import get_library, owned_library
from drive.libraries.visibility import Entry, as_entry, entries, public_entries
from drive.models import Library, Permission, Share
from portal.access import person
from portal.text.unique_names import name_key

from .schemas import (
    Input,
    LibraryDetail,
    LibraryOut,
    Page,
    Paged,
    ShareOut,
    Slug,
    Text,
    Username,
    Words,
    each,
    paged,
    route,
)
from .teams import find_person

router = StrictRouter(tags=["Libraries"])


class Where(StrEnum):
    """Folder of the Drive as a query parameter."""

    MINE = "mine"
    PEOPLE = "people"
    GROUPS = "groups"
    ALL = "all"


FOLDERS = {Where.MINE: Folder.MINE, Where.PEOPLE: Folder.PEOPLE, Where.GROUPS: Folder.GROUPS}


class LibraryIn(Input):
    """Request to create a library."""

    name: Text = Field(min_length=1, max_length=naming.LONGEST_NAME)


class LibraryChange(Input):
    """Request to change a library; fields that are left out stay."""

    name: Text | None = Field(None, min_length=1, max_length=naming.LONGEST_NAME)
    is_public: bool | None = None


class ShareIn(Input):
    """Request to share a library with a person or with the team of a Collab."""

    person: Username | None = None
    collab: Slug | None = None
    permission: Permission = Permission.READ

    @model_validator(mode="after")
    def _one_of_both(self) -> "ShareIn":
        if (self.person is None) == (self.collab is None):
            raise ValueError("Name a person or a Collab.")
        return self


class ShareChange(Input):
    """Request to change the permission of a share."""

    permission: Permission


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.library_id,
        "folder": entry.folder,
        "name": entry.name,
        "permission": Permission(entry.permission),
        "reason": entry.reason,
        "lab_path": entry.lab_path(),
        "url": f"{settings.PORTAL_URL}/drive/{entry.library_id}/",
    }


def _library_out(entry: Entry) -> LibraryOut:
    return LibraryOut(**_values(entry))


def _detail_out(library: Library, entry: Entry) -> LibraryDetail:
    owner = library.owner_collab.slug if library.owner_collab else library.owner_user.username  # type: ignore[union-attr]
    return LibraryDetail(
        **_values(entry),
        owner=owner,
        owner_is_collab=library.owner_collab_id is not None,
        is_public=library.is_public,
        used_bytes=library.used_bytes,
        used_files=library.used_files,
    )


def _again(request: HttpRequest, library_id: UUID) -> LibraryDetail:
    return _detail_out(*get_library(request.user, library_id))


def _name(text: str) -> str:
    """Normalise a library's name; an invalid one is an error of the field."""
    try:
        return naming.clean(text)
    except ValidationError as error:
        raise ValidationError({"name": error.messages}) from error


@router.get("", **route(Scope.READ, {200: Page[LibraryOut]}))
def list_libraries(request: HttpRequest, paging: Paged, folder: Where | None = None, q: Words = "") -> Any:
    """List the libraries that you can see, by folder and name; `q` is part of the name.

    `folder`: `mine`, `people` (shared with you), `groups` (of your Collabs), `all` (public ones); default: all but the
    public ones.
    """
    user = person(request)
    if folder == Where.ALL:
        rows = public_entries(q)
        rows = rows if user.only_libraries is None else rows.filter(pk__in=user.only_libraries)
        return paged(rows, paging, each(lambda row: _library_out(as_entry(row))))
    found = entries(user, folders=[FOLDERS[folder]] if folder else MOUNTED)
    wanted = name_key(q)
    return paged([entry for entry in found if wanted in name_key(entry.name)], paging, each(_library_out))


@router.post("", **route(Scope.MANAGE, {201: LibraryDetail}, 409))
def create_library(request: HttpRequest, data: LibraryIn) -> Any:
    """Create a private library."""
    library = services.create_library(person(request), _name(data.name))
    return Status(201, _again(request, library.pk))


@router.get("/{uuid:library_id}", **route(Scope.READ, {200: LibraryDetail}))
def get_one(request: HttpRequest, library_id: UUID) -> Any:
    """Get a library with your highest permission."""
    return _again(request, library_id)


@router.patch("/{uuid:library_id}", **route(Scope.MANAGE, {200: LibraryDetail}, 409))
def change_library(request: HttpRequest, library_id: UUID, data: LibraryChange) -> Any:
    """Rename a library or change its visibility (owner); a Collab's library follows the Collab."""
    user, library = person(request), owned_library(person(request), library_id)
    if data.name is not None:
        services.rename_library(user, library, _name(data.name))
    if data.is_public is not None:
        services.set_public(user, library, data.is_public)
    return _again(request, library_id)


@router.delete("/{uuid:library_id}", **route(Scope.MANAGE, {204: None}, 409))
def delete_library(request: HttpRequest, library_id: UUID) -> Any:
    """Delete a library; it can be restored for 30 days (owner)."""
    services.delete_library(person(request), owned_library(person(request), library_id))
    return Status(204, None)


@router.post("/{uuid:library_id}/restore", **route(Scope.MANAGE, {200: LibraryDetail}, 409))
def restore_library(request: HttpRequest, library_id: UUID) -> Any:
    """Restore a library that you deleted."""
    gone = Library.objects.filter(owner_user=person(request), removed_at=None).exclude(deleted_at=None)
    services.restore_library(person(request), get_object_or_404(gone, pk=library_id))
    return _again(request, library_id)


# Shares


def _share_out(row: Share) -> ShareOut:
    return ShareOut(
        id=row.pk,
        person=row.user.username if row.user else None,
        collab=row.collab.slug if row.collab else None,
        permission=Permission(row.permission),
        created_at=row.created_at,
    )


@router.get("/{uuid:library_id}/shares", **route(Scope.READ, {200: Page[ShareOut]}), tags=["Shares"])
def list_shares(request: HttpRequest, library_id: UUID, paging: Paged) -> Any:
    """List the shares of your library."""
    library = owned_library(person(request), library_id)
    return paged(library.shares.select_related("user", "collab"), paging, each(_share_out))


@router.post("/{uuid:library_id}/shares", **route(Scope.SHARE, {201: ShareOut}, 409), tags=["Shares"])
def share(request: HttpRequest, library_id: UUID, data: ShareIn) -> Any:
    """Share your library with a person or a team of yours; sharing again changes the permission."""
    user, library = person(request), owned_library(person(request), library_id)
    if data.person is not None:
        row = services.share_with_person(user, library, find_person(data.person, user), data.permission)
    else:
        team = Collab.objects.of_member(user).filter(slug=data.collab).first()
        if team is None:
            raise ValidationError({"collab": "You can only share with teams that you belong to."})
        row = services.share_with_team(user, library, team, data.permission)
    return Status(201, _share_out(row))


def _own_share(request: HttpRequest, library_id: UUID, share_id: int) -> Share:
    library = owned_library(person(request), library_id)
    rows = Share.objects.select_related("library", "user", "collab")
    return get_object_or_404(rows, pk=share_id, library=library)


@router.patch("/{uuid:library_id}/shares/{int:share_id}", **route(Scope.SHARE, {200: ShareOut}), tags=["Shares"])
def change_share(request: HttpRequest, library_id: UUID, share_id: int, data: ShareChange) -> Any:
    """Change the permission of a share."""
    row = _own_share(request, library_id, share_id)
    services.change_share(person(request), row, data.permission)
    return _share_out(_own_share(request, library_id, share_id))


@router.delete("/{uuid:library_id}/shares/{int:share_id}", **route(Scope.SHARE, {204: None}), tags=["Shares"])
def unshare(request: HttpRequest, library_id: UUID, share_id: int) -> Any:
    """Remove a share of your library."""
    services.unshare(person(request), _own_share(request, library_id, share_id))
    return Status(204, None)


@router.delete("/{uuid:library_id}/shares/mine", **route(Scope.SHARE, {204: None}), tags=["Shares"])
def leave_share(request: HttpRequest, library_id: UUID) -> Any:
    """Leave a library that somebody shared with you; only they can share it again."""
    rows = Share.objects.select_related("library__owner_user", "user", "collab")
    services.unshare(person(request), get_object_or_404(rows, library=library_id, user=person(request)))
    return Status(204, None)
