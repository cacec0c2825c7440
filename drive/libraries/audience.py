"""Audience of a library: who sees it, and by which route, as far as the one who asks may know.

===========================  =============================================================================
who asks                     is told
===========================  =============================================================================
the owner                    everybody that it is shared with, and the members of teams they belong to
a member of a team           the members of that team, its owner, themselves
shared with directly         its owner, themselves
anybody, where it is public  its owner, or its Collab
===========================  =============================================================================

Shares with others are counted for those who are not told their names. A Collab that somebody cannot see is not named.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Q, QuerySet
from django.utils.translation import gettext, gettext_lazy

from collabs.models import Collab, EffectiveRole, Role
from drive.models import Library, Permission, Share
from portal.models import User

_ROLES = {
    Role.ADMINISTRATOR: gettext_lazy("administrator of %(collab)s"),
    Role.EDITOR: gettext_lazy("editor of %(collab)s"),
    Role.VIEWER: gettext_lazy("viewer of %(collab)s"),
}


@dataclass(frozen=True)
class Route:
    """Route by which a person has access to the library."""

    text: str
    may_write: bool


@dataclass
class Reader:
    """A person with access to the library, and their routes."""

    user: User
    routes: list[Route] = field(default_factory=list)

    @property
    def may_write(self) -> bool:
        return any(route.may_write for route in self.routes)


def known_teams(asker: User, library: Library) -> QuerySet[Collab]:
    """Collabs that give access to the library and whose team the asker is in."""
    gives = Q(library=library) | Q(shares__library=library)
    return Collab.objects.of_member(asker).filter(gives).distinct()


def _members(teams: QuerySet[Collab]) -> QuerySet[EffectiveRole]:
    """The people of these teams; the ids are fetched, so that SQLite looks only at them."""
    return EffectiveRole.objects.filter(collab__in=list(teams.values_list("pk", flat=True)))


def people(asker: User, library: Library) -> QuerySet[User]:
    """Those whom the asker may know of, by name; page through them, a team may be large."""
    known = Q(pk__in=_members(known_teams(asker, library)).values("user"))
    known |= Q(pk=asker.pk, shares__library=library) | Q(pk=library.owner_user_id)
    if library.owner_user_id == asker.pk:
        known |= Q(pk__in=Share.objects.filter(library=library).values("user"))
    return User.objects.filter(known, is_active=True).distinct().order_by("username")


def with_routes(asker: User, library: Library, users: Iterable[User]) -> list[Reader]:
    """These people with their routes, best first; two queries however many they are."""
    readers = {user.pk: Reader(user) for user in users}
    if library.owner_user_id in readers:
        readers[library.owner_user_id].routes.append(Route(gettext("owner"), True))
    _add_memberships(readers, library, known_teams(asker, library))
    for share in Share.objects.filter(library=library, user__in=readers):
        if share.user_id:
            readers[share.user_id].routes.append(
                Route(gettext("shared directly"), share.permission == Permission.WRITE)
            )
    for reader in readers.values():
        reader.routes.sort(key=lambda route: not route.may_write)
    return list(readers.values())


def _add_memberships(readers: dict[int, Reader], library: Library, teams: QuerySet[Collab]) -> None:
    given = dict(Share.objects.filter(library=library, collab__isnull=False).values_list("collab", "permission"))
    rows = _members(teams).filter(user__in=readers).select_related("collab", "group")
    for row in rows:
        is_open = row.collab.archived_at is None
        through = gettext("through the group %(group)s") % {"group": row.group} if row.group else ""
        archived = "" if is_open else gettext("which is archived")
        if row.collab_id == library.owner_collab_id:
            role = Role(row.role)
            first = _ROLES[role] % {"collab": row.collab}
            may_write = role.includes(Role.EDITOR) and is_open
        else:
            may_write = given.get(row.collab_id) == Permission.WRITE and is_open
            first = gettext("in the team of %(collab)s") % {"collab": row.collab}
        readers[row.user_id].routes.append(Route(", ".join(filter(None, [first, through, archived])), may_write))


def undisclosed(asker: User, library: Library) -> tuple[int, int]:
    """Numbers of other people and other teams that it is shared with, whom the asker is not told of."""
    if library.owner_user_id == asker.pk:
        return 0, 0
    others = library.shares.filter(user__isnull=False, user__is_active=True).exclude(user=asker)
    members = _members(known_teams(asker, library)).values("user")
    teams = library.shares.filter(collab__isnull=False, collab__deleted_at=None)
    known = known_teams(asker, library).values("pk")
    return others.exclude(user__in=members).count(), teams.exclude(collab__in=known).count()
