"""What many people may do in many libraries, in a number of queries that grows with neither.

For whoever has to know it again and again, such as the rooms of people who edit together. `visibility` says the same
of one person, with names and reasons; a test holds the two together.
"""

from collections.abc import Iterable
from uuid import UUID

from collabs.models import EffectiveRole, Role
from drive.models import Library, Permission, Share
from portal.models import User

Pair = tuple[int, UUID]
"""Ids of a person and a library."""


def permissions(pairs: Iterable[Pair]) -> dict[Pair, str]:
    """`r` or `rw` for each pair, the most over all routes; a pair is left out where there is none. Four queries."""
    wanted = set(pairs)
    people, libraries = {user for user, _library in wanted}, {library for _user, library in wanted}
    active = set(User.objects.filter(pk__in=people, is_active=True).values_list("pk", flat=True))
    found: dict[Pair, str] = {}

    def give(user: int | None, library: UUID, permission: str) -> None:
        pair = (user, library)
        if user in active and pair in wanted and found.get(pair) != Permission.WRITE:
            found[user, library] = permission

    shares = _Shares(libraries)
    roles = _roles(active, shares.collabs)
    for row in shares.libraries:
        if row.is_public:
            for user in active:
                give(user, row.pk, Permission.READ)
        give(row.owner_user_id, row.pk, Permission.WRITE)
        is_archived = row.owner_collab is not None and row.owner_collab.archived_at
        for user, role in roles.get(row.owner_collab_id or 0, []):
            may_write = role in (Role.ADMINISTRATOR, Role.EDITOR) and not is_archived
            give(user, row.pk, Permission.WRITE if may_write else Permission.READ)
    for share in shares.shares:
        give(share.user_id, share.library_id, share.permission)
        is_archived = share.collab is not None and share.collab.archived_at
        for user, _role in roles.get(share.collab_id or 0, []):
            give(user, share.library_id, Permission.READ if is_archived else share.permission)
    return found


class _Shares:
    """The libraries that are not deleted, their shares, and the Collabs that either stands for."""

    def __init__(self, library_ids: Iterable[UUID]) -> None:
        rows = Library.objects.live().filter(pk__in=library_ids).select_related("owner_collab").order_by()
        self.libraries = list(rows)
        shares = Share.objects.filter(library__in=[row.pk for row in self.libraries]).select_related("collab")
        self.shares = list(shares.order_by())
        collabs = [row.owner_collab for row in self.libraries] + [share.collab for share in self.shares]
        self.collabs = {collab.pk for collab in collabs if collab and collab.deleted_at is None}


def _roles(people: Iterable[int], collabs: Iterable[int]) -> dict[int, list[tuple[int, str]]]:
    """By Collab, the people in it with their roles, over all routes."""
    found: dict[int, list[tuple[int, str]]] = {}
    rows = EffectiveRole.objects.filter(user__in=list(people), collab__in=list(collabs)).order_by()
    for collab, user, role in rows.values_list("collab_id", "user_id", "role"):
        found.setdefault(collab, []).append((user, role))
    return found
