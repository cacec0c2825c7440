"""Visibility of libraries: who sees which, in which folder, by which name, with which permission and why. One query.

The routes (docs/explanation/access.md) and the folders they lead to:

====================================  ====================  ==========================================
route                                 folder                permission
====================================  ====================  ==========================================
I own it                              My Libraries          rw
shared with me                        Shared with me        as shared
I am a member of the owning Collab,   Shared with groups    administrator, editor: rw; viewer: r;
myself or through a group                                   where it is archived: r
shared with a team that I am in       Shared with groups    as shared; where the team's Collab
                                                            is archived: r
public                                Shared with all       r
====================================  ====================  ==========================================

Visitors without an account have no folders. They read the visible files of a public Collab that was opened to them, at
its own addresses and nowhere else: `read_by_visitors`.

A library may stand in several folders; within one folder the highest permission over the routes counts.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Case, CharField, F, Q, QuerySet, Value, When
from django.utils.translation import gettext_lazy

from collabs.models import EffectiveRole, Person, Role
from drive.folders import MOUNTED, Folder
from drive.models import Library, Permission, Share
from portal.models import User
from portal.prepared_queries import prepared
from portal.text.unique_names import name_key

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

_ORDER = {folder: number for number, folder in enumerate(Folder)}
_REASONS = {
    "owner": gettext_lazy("You own it."),
    "share": gettext_lazy("%(detail)s shared it with you."),
    Role.ADMINISTRATOR: gettext_lazy("You are an administrator of its Collab."),
    Role.EDITOR: gettext_lazy("You are an editor of its Collab."),
    Role.VIEWER: gettext_lazy("You are a viewer of its Collab."),
    "archived": gettext_lazy("You belong to its Collab, which is archived."),
    "team": gettext_lazy("It is shared with the team of %(detail)s."),
    "archived team": gettext_lazy("It is shared with the team of %(detail)s, which is archived."),
    "public": gettext_lazy("It is public."),
}
_ROUTES = {route: place for place, route in enumerate(_REASONS)}
"""Routes, the most telling first: of two that give the same permission, pages name the first."""


_ROLES = frozenset(Role.values)
_THROUGH_GROUP: dict[str, "StrPromise"] = {
    Role.ADMINISTRATOR: gettext_lazy("You are an administrator of its Collab through the group %(detail)s."),
    Role.EDITOR: gettext_lazy("You are an editor of its Collab through the group %(detail)s."),
    Role.VIEWER: gettext_lazy("You are a viewer of its Collab through the group %(detail)s."),
}


@dataclass(frozen=True)
class Entry:
    """One library in one folder, as one person sees it."""

    library_id: UUID
    folder: Folder
    name: str
    permission: str
    """`r` or `rw`."""
    reason: str
    """The route that gives the permission, as a sentence."""

    @property
    def may_write(self) -> bool:
        return self.permission == Permission.WRITE

    def lab_path(self, path: str = "") -> str:
        """Path in the Lab, below `~/drive`, of a path in this library."""
        return "/".join(part for part in (self.folder, self.name, path) if part)


def entries(user: Person, *, folders: Iterable[Folder] = Folder, library: UUID | None = None) -> list[Entry]:
    """Libraries that the person sees, by folder and name; entries of one `library` only, if given. Inactive: none.

    Where the person's token is limited to some libraries (`User.only_libraries`), no others.
    """
    if not isinstance(user, User) or not user.is_active:
        return []
    found: dict[tuple[UUID, str], Entry] = {}
    for library_id, folder, name, permission, kind, detail in sorted(_rows(user, folders, library), key=_best):
        if (library_id, folder) not in found:
            reason = _reason(kind, detail)
            found[library_id, folder] = Entry(library_id, Folder(folder), name, permission, reason)
    return sorted(found.values(), key=lambda entry: (_ORDER[entry.folder], entry.name.casefold()))


def read_by_visitors(library: Library) -> bool:
    """True if visitors without an account may read its visible files: its public Collab was opened to them."""
    collab = library.owner_collab
    return collab is not None and collab.lets_visitors_read and library.is_public and library.deleted_at is None


def mounted(user: User) -> QuerySet[Library]:
    """Libraries in the folders of an active person's `~/drive` but the public ones, whatever a token is limited to."""
    routes = [route for folder in MOUNTED for route in _routes(user, folder)]
    return Library.objects.filter(reduce(or_, (Q(pk__in=route.values("library_id")) for route in routes)))


def _rows(user: User, folders: Iterable[Folder], library: UUID | None = None) -> list[tuple]:
    """A row of `_COLUMNS` for each route to each library; a library may be in several."""
    folders = tuple(folders)
    if not folders:
        return []
    parameters: dict[str, object] = {} if library is None else {"library": library}
    if set(folders) != {Folder.ALL}:  # which is everybody's
        parameters["user"] = user.pk
    rows = _routes_of(*folders, **parameters)
    return rows if user.only_libraries is None else [row for row in rows if row[0] in user.only_libraries]


@prepared
def _routes_of(*folders: Folder, user: int = 0, library: UUID | None = None) -> QuerySet:
    routes = [route for folder in folders for route in _routes(User(pk=user), folder)]
    if library is not None:
        routes = [route.filter(library_id=library) for route in routes]
    rows = [route.values_list(*_COLUMNS) for route in routes]
    return rows[0].union(*rows[1:], all=True)


_COLUMNS = ("library_id", "folder", "shown_name", "given", "kind", "detail")


def _best(row: tuple) -> tuple:
    """Sorts rows: the most right first, then by route."""
    _library_id, _folder, _name, permission, kind, detail = row
    return permission != Permission.WRITE, _ROUTES[kind], detail


def _reason(kind: str, detail: str) -> str:
    if detail and kind in _ROLES:
        return _THROUGH_GROUP[kind] % {"detail": detail}
    return _REASONS[kind] % {"detail": detail} if detail else str(_REASONS[kind])


def _text(value: str) -> Value:
    return Value(value, output_field=CharField())


def _routes(user: User, folder: Folder) -> list[QuerySet]:
    """The query sets of one folder, annotated with `_COLUMNS`."""
    match folder:
        case Folder.MINE:
            return [_owned(user)]
        case Folder.PEOPLE:
            return [_shared_with(user)]
        case Folder.GROUPS:
            return [_of_collabs(user), _of_teams(user)]
        case Folder.ALL:
            return [public_libraries()]


def _annotated(rows: QuerySet, folder: Folder, kind: str | F | Case, **columns: object) -> QuerySet:
    return rows.annotate(folder=_text(folder), kind=_text(kind) if isinstance(kind, str) else kind, **columns)


def _owned(user: User) -> QuerySet:
    rows = Library.objects.filter(owner_user=user, deleted_at=None).order_by()
    return _annotated(
        rows, Folder.MINE, "owner", library_id=F("id"), shown_name=F("name"), given=_text("rw"), detail=_text("")
    )


def _shared_with(user: User) -> QuerySet:
    rows = Share.objects.filter(library__deleted_at=None, user=user).order_by()
    return _annotated(
        rows,
        Folder.PEOPLE,
        "share",
        shown_name=F("library__shared_name"),
        given=F("permission"),
        detail=F("library__owner_user__username"),
    )


def _of_teams(user: User) -> QuerySet:
    """Libraries that others share with the person's teams."""
    teams = EffectiveRole.objects.filter(user=user).values("collab")  # not joined: SQLite would go through all shares
    rows = Share.objects.filter(library__deleted_at=None, collab__in=teams, collab__deleted_at=None)
    is_archived = Q(collab__archived_at__isnull=False)
    return _annotated(
        rows.order_by(),
        Folder.GROUPS,
        Case(When(is_archived, then=_text("archived team")), default=_text("team")),
        shown_name=F("library__shared_name"),
        given=Case(When(is_archived, then=_text("r")), default=F("permission")),
        detail=F("collab__title"),
    )


def _of_collabs(user: User) -> QuerySet:
    writers = Q(role__in=[Role.ADMINISTRATOR, Role.EDITOR], collab__archived_at=None)
    given = Case(When(writers, then=_text("rw")), default=_text("r"))
    rows = EffectiveRole.objects.filter(user=user, collab__deleted_at=None, collab__library__deleted_at=None).order_by()
    return _annotated(
        rows,
        Folder.GROUPS,
        Case(When(collab__archived_at=None, then=F("role")), default=_text("archived")),
        library_id=F("collab__library__id"),
        shown_name=F("collab__library__shared_name"),
        given=given,
        detail=Case(When(group=None, then=_text("")), default=F("group__name"), output_field=CharField()),
    )


def public_libraries() -> QuerySet:
    """All public libraries as rows of the folder `Shared with all`; page through them, there may be many."""
    rows = Library.objects.filter(is_public=True, deleted_at=None).order_by()
    return _annotated(
        rows,
        Folder.ALL,
        "public",
        library_id=F("id"),
        shown_name=F("shared_name"),
        given=_text("r"),
        detail=_text(""),
    )


def public_entries(search: str = "") -> QuerySet:
    """Rows of `Shared with all`, by name, whose name contains `search`; `as_entry` makes an Entry of one."""
    return public_libraries().filter(shared_key__contains=name_key(search)).order_by("shared_key")


def as_entry(row: Library) -> Entry:
    """The Entry of a row of `public_entries`."""
    return Entry(row.pk, Folder.ALL, row.shared_name or row.name, "r", str(_REASONS["public"]))


def affected(library: Library) -> set[int]:
    """Ids of those for whom it is mounted: owner, members, people and teams that it is shared with."""
    shares = list(library.shares.values_list("user_id", "collab_id"))
    teams = {library.owner_collab_id, *(collab for _user, collab in shares)}
    ids = {library.owner_user_id, *(user for user, _collab in shares)}
    ids |= set(EffectiveRole.objects.filter(collab__in=teams - {None}).values_list("user_id", flat=True))
    return {pk for pk in ids if pk}


def reached_by(share: Share) -> set[int]:
    """Ids of those whom one share is for."""
    if share.user_id:
        return {share.user_id}
    return set(EffectiveRole.objects.filter(collab=share.collab_id).values_list("user_id", flat=True))
