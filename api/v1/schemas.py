"""Request and response schemas; fields are named one by one so that a new column never leaks."""

from collections.abc import Callable, Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from ninja import Query
from pydantic import BaseModel, ConfigDict, Field

from api.access import PersonalToken, SessionCookie, anybody
from api.errors import Problem
from api.models import Scope
from collabs.models import Role
from drive.folders import Folder
from drive.models import Permission
from lab.models import EnvironmentKind

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL holds no NUL, and no file's name has one."""
Text = Annotated[str, Field(pattern=NO_NUL)]
FilePath = Annotated[
    str, Field(pattern=NO_NUL, max_length=3000, description="Path in the library, with “/” between names.")
]
Username = Annotated[
    str, Field(pattern=NO_NUL, min_length=1, max_length=254, description="Username or e-mail address.")
]
Words = Annotated[str, Query(pattern=NO_NUL, max_length=100)]
Slug = Annotated[str, Field(pattern=r"^[-a-zA-Z0-9_]+$", max_length=80)]

MOST = 200
PageNumber = Annotated[int, Field(ge=1, le=1_000_000)]
PageSize = Annotated[int, Field(ge=1, le=MOST)]
T = TypeVar("T")


class Input(BaseModel):
    """Base of request bodies; unknown fields are refused (422), not ignored."""

    model_config = ConfigDict(extra="forbid")


class Paging(BaseModel):
    """Query parameters of a paged list."""

    page: PageNumber = 1
    page_size: PageSize = 50


class Page(BaseModel, Generic[T]):
    """Response with one page of a list."""

    items: list[T]
    count: int = Field(description="Items on all pages.")
    page: int
    pages: int


def paged(rows: QuerySet[Any] | list[Any], paging: Paging, make: Callable[[Iterable[Any]], list[T]]) -> Page[T]:
    """One page of rows as a response; empty past the end. `make` gets all its rows at once."""
    count = len(rows) if isinstance(rows, list) else rows.count()
    start = (paging.page - 1) * paging.page_size
    items = make(rows[start : start + paging.page_size]) if start < count else []
    return Page(items=items, count=count, page=paging.page, pages=max(1, -(-count // paging.page_size)))


def each(make: Callable[[Any], T]) -> Callable[[Iterable[Any]], list[T]]:
    """Adapt a function of one row for `paged`."""
    return lambda rows: [make(row) for row in rows]


Paged = Annotated[Paging, Query()]

ALWAYS = (400, 401, 403, 404, 405, 413, 422, 429)
"""Error statuses that any operation may answer with, documented for all."""


def route(
    scope: Scope, answers: dict[int, Any], *errors: int, anonymous: bool = False, team: bool = False, **extra: Any
) -> dict[str, Any]:
    """Router arguments: authentication, scope and documented statuses (`errors` in addition to ALWAYS).

    `team`: OpenID access tokens with the scope `team` come in too; the operation looks at what they ask for.
    """
    authenticators: list[Any] = [PersonalToken(scope, team_is_enough=team), SessionCookie(settings.SESSION_COOKIE_NAME)]
    more: dict[str, Any] = {"x-scope": scope.value}
    if anonymous:
        authenticators.append(anybody)
        more["security"] = [{}]
    more |= extra.pop("openapi_extra", {})
    documented = {status: _documented(status) for status in sorted({*ALWAYS, *errors})}
    more["responses"] = documented | more.get("responses", {})
    return {"auth": authenticators, "response": answers, "openapi_extra": more, **extra}


def _documented(status: int) -> dict[str, Any]:
    """Error of an operation in the OpenAPI document. Exceptions answer it: as a response, each would need a model."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {"description": HTTPStatus(status).phrase, "content": {"application/json": {"schema": schema}}}


# Responses


class PersonOut(BaseModel):
    """Person as others see them."""

    username: str
    name: str


class MeOut(PersonOut):
    """One's own account."""

    id: UUID
    email: str = Field(description="Empty for an OpenID access token without the scope `email`.")
    scopes: list[Scope] = Field(description="Scopes of the token; all with a cookie.")


class CollabOut(BaseModel):
    """Collab."""

    slug: str
    title: str
    description: str
    is_public: bool
    visitors_read: bool = Field(description="True if visitors without an account may read its files now.")
    is_archived: bool = Field(description="Read-only.")
    is_favourite: bool = Field(description="True if it is one of your favourites.")
    tags: list[str]
    my_role: Role | None = Field(description="Null for non-members.")
    team_size: int
    created_at: datetime
    url: str
    library: UUID | None = Field(description="Id of its library; null without an account.")


class MemberOut(PersonOut):
    """Member of a Collab with a direct role."""

    role: Role
    since: datetime
    is_active: bool


class GroupRoleOut(BaseModel):
    """Group with a role in a Collab."""

    slug: str
    name: str
    role: Role
    size: int
    since: datetime


class InvitationOut(BaseModel):
    """Invitation to a Collab."""

    id: int
    collab: str
    role: Role
    email: str = Field(description="Empty for an invitation link.")
    uses_left: int
    expires_at: datetime
    is_open: bool


class InvitationMade(InvitationOut):
    """New invitation with its link, which is shown once."""

    link: str | None = Field(description="Address of an invitation link; null for one by mail.")


class GroupOut(BaseModel):
    """Group."""

    slug: str
    name: str
    description: str
    size: int
    is_managed_by_me: bool
    url: str


class LibraryOut(BaseModel):
    """Library in one of the four folders of the Drive."""

    id: UUID
    folder: Folder
    name: str
    permission: Permission
    reason: str = Field(description="Reason for the permission.")
    lab_path: str = Field(description="Path in the Lab, below `~/drive`.")
    url: str


class LibraryDetail(LibraryOut):
    """Library with owner, visibility and usage."""

    owner: str = Field(description="Username, or slug of a Collab.")
    owner_is_collab: bool
    is_public: bool
    used_bytes: int
    used_files: int


class EntryOut(BaseModel):
    """Entry of a folder."""

    name: str
    path: str
    kind: str = Field(description="`file`, `folder`, `link` (never followed) or `other`.")
    size: int
    modified: datetime
    etag: str = Field(description="For `If-Match`; changes with the content.")
    reachable: bool = Field(description="False for a name that is not UTF-8 and so cannot be part of an address.")


class VersionOut(BaseModel):
    """Version of a file."""

    id: int
    sha256: str
    size: int
    modified: datetime
    captured_at: datetime
    by: str | None
    contributors: list[str] = Field(description="Everybody who typed, where several edited it together (`via`).")
    via: str


class LineOut(BaseModel):
    """Line of a comparison."""

    kind: str = Field(description="`same`, `added` or `removed`.")
    older: int | None = Field(description="Number of the line in the older text, from 1.")
    newer: int | None = Field(description="Number of the line in the newer text, from 1.")
    text: str


class ChangedCellOut(BaseModel):
    """Cell that differs between two versions of a notebook."""

    change: Literal["changed", "added", "removed"]
    kind: str = Field(description="`code`, `markdown` or `raw`.")
    older: int | None = Field(description="Number of the cell in the older notebook, from 1.")
    newer: int | None = Field(description="Number of the cell in the newer notebook, from 1.")
    also: list[str] = Field(description="What differs beside the source: `outputs`, `metadata`, `attachments`.")
    blocks: list[list[LineOut]] = Field(description="Differences of the source, as of a text.")


class ComparisonOut(BaseModel):
    """Comparison of two versions of a file."""

    is_text: bool
    why_not: str = Field(description="Why there is no comparison; empty if there is one.")
    blocks: list[list[LineOut]] = Field(description="Differences, each with lines around it; empty if there are none.")
    cells: list[ChangedCellOut] | None = Field(
        description="With `cells=true`, those that differ; null without, and where they cannot be compared."
    )
    why_no_cells: str = Field(description="Why cells that were asked for cannot be compared.")


class ShareOut(BaseModel):
    """Share of a library with a person or a team."""

    id: int
    person: str | None
    collab: str | None
    permission: Permission
    created_at: datetime


class ServerOut(BaseModel):
    """The person's own Lab."""

    id: UUID | None
    state: str = Field(
        description="`off` before the first start; else requested, starting, running, stopping, stopped or failed."
    )
    phase: str
    is_live: bool
    url: str = Field(description="Address for a browser; empty unless it is running.")
    path: str = Field(description="Where it opens, as in the request to start it.")
    place: str = Field(description="Former name of `path`.", deprecated=True)
    environment: str = Field(description="Slug of its environment; empty before the first start.")
    requested_at: datetime | None
    started_at: datetime | None
    seconds_left: int | None = Field(description="Seconds, at least, until it is idle and is stopped.")
    why_stopped: str
    error: str
    hint: str = Field("", description="At a start: that the Collab at this path wants another environment.")


class SaveOut(BaseModel):
    """Answer to a save in the Lab."""

    wait: bool = Field(description="Somebody else saves this file at this moment.")


class EnvironmentOut(BaseModel):
    """Environment that a Lab can start in."""

    slug: str
    name: str
    description: str
    kind: EnvironmentKind
    is_default: bool = Field(description="Used for people who have not chosen one.")
    is_mine: bool = Field(description="The one you chose last, else the default.")
    is_retired: bool = Field(description="No longer offered; listed for people who chose it.")
