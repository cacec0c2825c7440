"""What operations take and give. Each answer is written down field by field: a model's new column shows nowhere."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet
from ninja import Query
from pydantic import BaseModel, ConfigDict, Field

from api.access import PersonalToken, SessionCookie, anybody
from api.errors import Problem
from api.models import Scope
from collabs.models import Role
from drive.libraries.visibility import Folder
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
    """What is sent. A field that is not named here is refused, not passed over."""

    model_config = ConfigDict(extra="forbid")


class Paging(BaseModel):
    """Which part of a list."""

    page: PageNumber = 1
    page_size: PageSize = 50


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    items: list[T]
    count: int = Field(description="How many there are on all pages.")
    page: int
    pages: int


def paged(rows: QuerySet[Any] | list[Any], paging: Paging, make: Callable[[Iterable[Any]], list[T]]) -> Page[T]:
    """The asked-for part; past the end it is empty. `make` gets all rows of it at once."""
    count = len(rows) if isinstance(rows, list) else rows.count()
    start = (paging.page - 1) * paging.page_size
    items = make(rows[start : start + paging.page_size]) if start < count else []
    return Page(items=items, count=count, page=paging.page, pages=max(1, -(-count // paging.page_size)))


def each(make: Callable[[Any], T]) -> Callable[[Iterable[Any]], list[T]]:
    """For `paged`: one row after the other."""
    return lambda rows: [make(row) for row in rows]


Paged = Annotated[Paging, Query()]

ALWAYS = (400, 401, 403, 404, 405, 413, 422, 429)
"""Statuses that any operation may answer with; the document names them everywhere."""


def route(scope: Scope, answers: dict[int, Any], *errors: int, anonymous: bool = False, **extra: Any) -> dict[str, Any]:
    """How an operation is authorised and documented, for the router. `errors`: beside ALWAYS."""
    authenticators: list[Any] = [PersonalToken(scope), SessionCookie(settings.SESSION_COOKIE_NAME)]
    more: dict[str, Any] = {"x-scope": scope.value}
    if anonymous:
        authenticators.append(anybody)
        more["security"] = [{}]
    for name, value in extra.pop("openapi_extra", {}).items():
        more[name] = value
    response: dict[Any, Any] = {**answers, frozenset({*ALWAYS, *errors}): Problem}
    return {"auth": authenticators, "response": response, "openapi_extra": more, **extra}


# What is shown of each thing


class PersonOut(BaseModel):
    """Somebody, as others see them."""

    username: str
    name: str


class MeOut(PersonOut):
    """Oneself."""

    id: UUID
    email: str
    scopes: list[Scope] = Field(description="What the token allows; all of them with a cookie.")


class CollabOut(BaseModel):
    """A Collab."""

    slug: str
    title: str
    description: str
    is_public: bool
    is_archived: bool = Field(description="Then nothing in it can be changed.")
    is_favourite: bool = Field(description="Of mine.")
    tags: list[str]
    my_role: Role | None = Field(description="Null for who is not a member.")
    team_size: int
    created_at: datetime
    url: str
    library: UUID | None = Field(description="Its library; null without an account.")


class MemberOut(PersonOut):
    """Somebody with a role of their own."""

    role: Role
    since: datetime
    is_active: bool


class GroupRoleOut(BaseModel):
    """A group with a role in a Collab."""

    slug: str
    name: str
    role: Role
    size: int
    since: datetime


class InvitationOut(BaseModel):
    """An invitation to a Collab."""

    id: int
    collab: str
    role: Role
    email: str = Field(description="Empty for a link.")
    uses_left: int
    expires_at: datetime
    is_open: bool


class InvitationMade(InvitationOut):
    """A new invitation, with what is shown this once."""

    link: str | None = Field(description="For an invitation by link: its address.")


class GroupOut(BaseModel):
    """A group."""

    slug: str
    name: str
    description: str
    size: int
    is_managed_by_me: bool
    url: str


class LibraryOut(BaseModel):
    """A library, in one of the four folders of the Drive."""

    id: UUID
    folder: Folder
    name: str
    permission: Permission
    reason: str = Field(description="The route that gives the permission.")
    lab_path: str = Field(description="Where it is in the Lab, below `~/drive`.")
    url: str


class LibraryDetail(LibraryOut):
    """A library with what is known of it as a whole."""

    owner: str = Field(description="A username, or the slug of a Collab.")
    owner_is_collab: bool
    is_public: bool
    used_bytes: int
    used_files: int


class EntryOut(BaseModel):
    """A name in a folder."""

    name: str
    path: str
    kind: str = Field(description="`file`, `folder`, `link` (never followed) or `other`.")
    size: int
    modified: datetime
    etag: str = Field(description="For `If-Match`. Changes whenever the file does.")
    reachable: bool = Field(description="False for a name that is not UTF-8, which no address can hold.")


class VersionOut(BaseModel):
    """What a file held at some time."""

    id: int
    sha256: str
    size: int
    modified: datetime
    captured_at: datetime
    by: str | None
    via: str


class ShareOut(BaseModel):
    """Somebody, or a team, with whom a library is shared."""

    id: int
    person: str | None
    collab: str | None
    permission: Permission
    created_at: datetime


class ServerOut(BaseModel):
    """My Lab."""

    id: UUID | None
    state: str = Field(
        description="`off` before the first one; else requested, starting, running, stopping, stopped, failed."
    )
    phase: str
    is_live: bool
    url: str = Field(description="For a browser; empty unless it runs.")
    place: str
    environment: str = Field(description="The slug of what it runs in; empty before the first one.")
    requested_at: datetime | None
    started_at: datetime | None
    seconds_left: int | None = Field(description="At least so long until it counts as idle.")
    why_stopped: str
    error: str


class EnvironmentOut(BaseModel):
    """Software that a Lab can start in."""

    slug: str
    name: str
    description: str
    kind: EnvironmentKind
    is_default: bool = Field(description="What people get who did not choose.")
    is_mine: bool = Field(description="What I chose last, else the default.")
    is_retired: bool = Field(description="No longer offered; listed for who has chosen it.")
