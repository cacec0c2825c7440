"""Files of a library: list, read, write, move, copy, delete, and their versions.

The same access, operations and transfer as the pages: nginx moves the bytes here too.
"""

import unicodedata
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Header, Query
from ninja.responses import Status
from pydantic import Field

from api.models import Scope
from api.routing import StrictRouter
from drive.files import operations
from drive.files.library_access import LibraryAccess, drive_access
from drive.files.listing import PER_PAGE, read_page
from drive.files.past import opened, text_of
from drive.files.text_diff import TextLines, compare_texts
from drive.models import Version, Via
from drive.preview import rendering
from drive.preview.sandbox import RenderFailedError
from drive.storage import ChangedError, FileEntry, LibraryFiles, NotAFileError, NotFoundError
from drive.uploads import transfer
from drive.versions import history
from portal.access import person

from .schemas import (
    ChangedCellOut,
    ComparisonOut,
    EntryOut,
    FilePath,
    Input,
    LineOut,
    Page,
    Paged,
    PageNumber,
    PageSize,
    VersionOut,
    paged,
    route,
)

router = StrictRouter(tags=["Files"])
BYTES = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
ENTITY = {"ETag": {"schema": {"type": "string"}, "description": "For `If-Match` in a later request."}}
CONTENT = {
    200: {"content": BYTES, "headers": ENTITY},
    206: {"description": "Partial content, as requested by `Range`.", "content": BYTES},
    304: {"description": "Not modified since `If-None-Match`."},
}


class Sort(StrEnum):
    """Sort order of a folder; a minus is descending. Folders come first. `date` is the former name of `modified`."""

    NAME = "name"
    NAME_DOWN = "-name"
    SIZE = "size"
    SIZE_DOWN = "-size"
    DATE = "date"
    DATE_DOWN = "-date"
    MODIFIED = "modified"
    MODIFIED_DOWN = "-modified"


class PathIn(Input):
    """Request with the path of a file or folder."""

    path: FilePath = Field(min_length=1)


class MoveIn(PathIn):
    """Request to move or copy: the path and the new path."""

    to_path: FilePath = Field(min_length=1, description="The whole new path, including the name.")
    to_library: UUID | None = Field(None, description="Target library; default: the same one.")


Asked = Query("", pattern=r"^[^\x00]*$", max_length=3000, description="Path in the library; empty for the root folder.")
IfMatch = Header(None, alias="If-Match", description="Only if the file has this ETag.")


def writable(request: HttpRequest, library_id: UUID) -> LibraryAccess:
    """Access to a library; ForbiddenError for those who may only read."""
    access = drive_access(request, library_id)
    access.require_write()
    return access


def entry_out(item: FileEntry, path: str) -> EntryOut:
    """Response for a file or folder at a path."""
    return EntryOut(
        name=item.shown_name,
        path=path,
        kind=item.kind,
        size=item.size,
        modified=item.modified,
        etag=item.etag,
        reachable=item.reachable,
    )


def _within(folder: str, item: FileEntry) -> str:
    return f"{folder}/{item.shown_name}" if folder else item.shown_name


def _tidy(path: str) -> str:
    return path.strip("/")


def _kept(path: str) -> str:
    """New path as storage keeps it: its last name in NFC."""
    folder, slash, name = _tidy(path).rpartition("/")
    return f"{folder}{slash}{unicodedata.normalize('NFC', name)}"


@router.get("/{uuid:library_id}/entries", **route(Scope.READ, {200: Page[EntryOut]}, 409))
def list_folder(
    request: HttpRequest,
    library_id: UUID,
    path: str = Asked,
    page: PageNumber = 1,
    page_size: PageSize = PER_PAGE,
    sort: Sort = Sort.NAME,
    hidden: bool = False,
) -> Any:
    """List a folder; `hidden` includes names that begin with a dot."""
    folder = _tidy(path)
    with drive_access(request, library_id).files() as files:
        found, _dotted = read_page(files, folder, page, sort.value, hidden, page_size)
    items = found.object_list if found.number == page else []
    return Page(
        items=[entry_out(item, _within(folder, item)) for item in items],
        count=found.paginator.count,
        page=page,
        pages=max(1, -(-found.paginator.count // page_size)),
    )


@router.get("/{uuid:library_id}/stat", **route(Scope.READ, {200: EntryOut}))
def stat(request: HttpRequest, library_id: UUID, path: str = Asked) -> Any:
    """Get size, time, kind and ETag of a file or folder."""
    with drive_access(request, library_id).files() as files:
        return entry_out(files.stat(_tidy(path)), _tidy(path))


@router.get(
    "/{uuid:library_id}/files/{file:path}",
    **route(Scope.READ, {200: None}, 409, 412, 416, openapi_extra={"responses": CONTENT}),
)
def get_file(request: HttpRequest, library_id: UUID, path: str) -> Any:
    """Download a file. `If-None-Match` and `Range` are supported."""
    access = drive_access(request, library_id)
    with access.files() as files:
        return transfer.send(request, access.library, files, _tidy(path), access.inside(_tidy(path)))


@router.put(
    "/{uuid:library_id}/files/{file:path}",
    **route(
        Scope.WRITE,
        {200: EntryOut, 201: EntryOut},
        409,
        411,
        412,
        507,
        openapi_extra={"requestBody": {"required": True, "content": BYTES}},
    ),
)
def put_file(
    request: HttpRequest,
    response: HttpResponse,
    library_id: UUID,
    path: str,
    if_match: str | None = IfMatch,
    if_none_match: str | None = Header(None, alias="If-None-Match", description="`*`: only if no file exists."),
    make_folders: bool = Query(False, description="Create missing parent folders."),
) -> Any:
    """Upload a file; the former content stays as a version. `If-Match` prevents lost updates."""
    access, path = writable(request, library_id), _tidy(path)
    with transfer.arriving(request, access.library) as (files, staged, condition):
        if make_folders:
            files.make_folders(path.rpartition("/")[0])
        is_new = not _is_there(files, path)
        entry = operations.put(person(request), access.library, path, staged, if_match=condition)
    response["ETag"] = entry.etag
    folder, slash, _name = path.rpartition("/")
    return Status(201 if is_new else 200, entry_out(entry, f"{folder}{slash}{entry.shown_name}"))


def _is_there(files: LibraryFiles, path: str) -> bool:
    try:
        files.stat(path)
    except NotFoundError:
        return False
    return True


@router.delete("/{uuid:library_id}/files/{file:path}", **route(Scope.WRITE, {204: None}, 409, 412))
def delete_file(request: HttpRequest, library_id: UUID, path: str, if_match: str | None = IfMatch) -> Any:
    """Move a file or folder to the library's trash, from where it can be restored.

    `If-Match` is checked before the move; a change in the moment between is in the trash too.
    """
    access, path = writable(request, library_id), _tidy(path)
    if if_match is not None:
        with access.files() as files:
            found = files.stat(path).etag
        if if_match.strip() != "*" and found not in [tag.strip() for tag in if_match.split(",")]:
            raise ChangedError("The file has changed since. Nothing was deleted.")
    operations.delete(person(request), access.library, path)
    return Status(204, None)


@router.post("/{uuid:library_id}/folders", **route(Scope.WRITE, {201: EntryOut}, 409, 507))
def make_folder(request: HttpRequest, library_id: UUID, data: PathIn) -> Any:
    """Create a folder."""
    access = writable(request, library_id)
    operations.make_folder(person(request), access.library, _tidy(data.path))
    return Status(201, at(access, _kept(data.path)))


def at(access: LibraryAccess, path: str) -> EntryOut:
    """Response for what is at a path now."""
    with access.files() as files:
        return entry_out(files.stat(path), path)


@router.post("/{uuid:library_id}/move", **route(Scope.WRITE, {200: EntryOut}, 409, 507))
def move(request: HttpRequest, library_id: UUID, data: MoveIn) -> Any:
    """Move or rename a file or folder, also to another library; nothing is overwritten."""
    access = writable(request, library_id)
    target = writable(request, data.to_library) if data.to_library else access
    operations.move(person(request), access.library, _tidy(data.path), target.library, _tidy(data.to_path))
    return at(target, _kept(data.to_path))


@router.post("/{uuid:library_id}/copy", **route(Scope.WRITE, {201: EntryOut}, 409, 507))
def copy(request: HttpRequest, library_id: UUID, data: MoveIn) -> Any:
    """Copy a file or folder, also to another library; nothing is overwritten."""
    access = drive_access(request, library_id)
    target = writable(request, data.to_library or library_id)
    operations.copy(person(request), access.library, _tidy(data.path), target.library, _tidy(data.to_path))
    return Status(201, at(target, _kept(data.to_path)))


# Versions


def _version_out(row: Version) -> VersionOut:
    return VersionOut(
        id=row.pk,
        sha256=row.sha256,
        size=row.size,
        modified=row.modified,
        captured_at=row.captured_at,
        by=row.by.username if row.by else None,
        contributors=[one.user.username for one in row.contributors.all()] if row.via == Via.TOGETHER else [],
        via=row.via,
    )


def _versions_out(rows: Iterable[Version]) -> list[VersionOut]:
    return [_version_out(row) for row in history.with_contributors(rows)]


@router.get("/{uuid:library_id}/versions", **route(Scope.READ, {200: Page[VersionOut]}, 409), tags=["Versions"])
def list_versions(request: HttpRequest, library_id: UUID, paging: Paged, path: str = Asked) -> Any:
    """List the versions of a file, newest first."""
    access, path = drive_access(request, library_id), _tidy(path)
    with access.files() as files:
        if files.stat(path).kind != "file":
            raise NotAFileError("Only files have versions.")
    return paged(history.versions_of(access.library, path), paging, _versions_out)


def _version(access: LibraryAccess, path: str, version_id: int | None) -> Version | None:
    return None if version_id is None else history.find(access.library, path, str(version_id))


@router.get("/{uuid:library_id}/compare", **route(Scope.READ, {200: ComparisonOut}, 409, 410), tags=["Versions"])
def compare(
    request: HttpRequest,
    library_id: UUID,
    older: Annotated[int, Query(ge=1, lt=2**63, description="Id of a version.")],
    newer: Annotated[
        int | None, Query(ge=1, lt=2**63, description="Id of a version; default: what is there now.")
    ] = None,
    path: str = Asked,
    cells: Annotated[bool, Query(description="Of notebooks, also cell by cell.")] = False,
) -> Any:
    """Compare two versions of a text in UTF-8, line by line; a notebook as the JSON that it is, and by its cells."""
    access, path = drive_access(request, library_id), _tidy(path)
    versions = _version(access, path, older), _version(access, path, newer)
    texts = [text_of(access, path, version) for version in versions]
    why_not = next((text.why_not for text in texts if not text.is_text), "")
    changed, why_no_cells = _changed_cells(access, path, *versions) if cells else (None, "")
    return ComparisonOut(
        is_text=not why_not,
        why_not=why_not,
        blocks=[] if why_not else _blocks(*texts),
        cells=changed,
        why_no_cells=why_no_cells,
    )


def _blocks(older: TextLines, newer: TextLines) -> list[list[LineOut]]:
    return [[LineOut(**vars(line)) for line in block] for block in compare_texts(older, newer)]


def _changed_cells(
    access: LibraryAccess, path: str, older: Version | None, newer: Version | None
) -> tuple[list[ChangedCellOut] | None, str]:
    """Cells that differ, or why there are none to be had. They are found in the sandbox of previews."""
    if not path.lower().endswith(".ipynb"):
        return None, "This file is no notebook."
    try:
        with opened(access, path, older) as old_one, opened(access, path, newer) as new_one:
            found = rendering.compare_cells(old_one, new_one)
    except RenderFailedError as error:
        return None, str(error)
    changed = []
    for cell in found:
        blocks = _blocks(*(TextLines(source.splitlines()) for source in cell.sources))
        changed.append(ChangedCellOut(**cell.model_dump(exclude={"sources"}), blocks=blocks))
    return changed, ""


@router.get(
    "/{uuid:library_id}/versions/{int:version_id}",
    **route(Scope.READ, {200: None}, 412, 416, openapi_extra={"responses": CONTENT}),
    tags=["Versions"],
)
def get_version(request: HttpRequest, library_id: UUID, version_id: int, path: str = Asked) -> Any:
    """Download a version of a file."""
    access, path = drive_access(request, library_id), _tidy(path)
    version = history.find(access.library, path, str(version_id))
    return transfer.send_version(request, version, path.rpartition("/")[2])


@router.post(
    "/{uuid:library_id}/versions/{int:version_id}/restore",
    **route(Scope.WRITE, {200: EntryOut}, 409, 507),
    tags=["Versions"],
)
def restore_version(request: HttpRequest, library_id: UUID, version_id: int, data: PathIn) -> Any:
    """Restore a version of a file; the present content stays as a version."""
    access, path = writable(request, library_id), _tidy(data.path)
    return entry_out(
        operations.restore_version(person(request), history.find(access.library, path, str(version_id)), path), path
    )
