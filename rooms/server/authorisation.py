"""Who may go on: asked once a second about everybody who is connected, in a number of queries that does not grow.

The proxy asks the portal when a connection is opened, and cannot end one later. So this process asks itself, every
second: is the sign-in still good that the connection was opened with, is the person still active, and what may they do
in the library, as it is now. Whoever may no longer read is out; whoever may do less or more than before is asked to
load the page again: a page that was opened read-only may hold what its person typed for themselves.
"""

from collections.abc import Collection
from dataclasses import dataclass
from hmac import compare_digest
from uuid import UUID

from django.contrib.auth import HASH_SESSION_KEY
from django.utils import timezone

from drive.libraries.permissions import Pair, permissions
from drive.models import Library, Permission
from portal import hooks
from portal.models import Session, User
from rooms.access import RefusedError, check_enabled

INTERVAL = 1.0
"""Seconds between two questions."""
SIGNED_OUT = "You are signed out. Sign in in another tab, then reload."
NO_ACCESS = "You no longer have access to this file."
OTHER_ROLE = "What you may do with this file has changed. Reload it."
SWITCHED_OFF = "Editing together was switched off. Reload the file."


@dataclass(frozen=True)
class Grant:
    """The sign-in by which a connection was opened: a pass to a Lab's origin, or a session of the portal."""

    kind: str
    key: str

    @classmethod
    def parse(cls, text: str) -> "Grant":
        """`pass 5` or `session <key>`, as the portal said it to the proxy. ValueError for anything else."""
        kind, _, key = text.partition(" ")
        if kind not in ("pass", "session") or not key or (kind == "pass" and not key.isdecimal()):
            raise ValueError("no grant")
        return cls(kind, key)


@dataclass(frozen=True)
class Question:
    """One connection: whose, by which grant, to a file of which library, and whether they may write so far."""

    user_id: int
    grant: Grant
    library_id: UUID
    may_write: bool


def ended(questions: Collection[Question]) -> dict[Question, str]:
    """Those that may not go on as they are, with a sentence for the person. Blocks."""
    given = permissions((one.user_id, one.library_id) for one in questions)
    good = valid_grants({one.grant for one in questions})
    off = _switched_off({one.library_id for one in questions})
    found = ((one, _why_not(one, given, good, off)) for one in questions)
    return {one: why for one, why in found if why}


def _why_not(one: Question, given: dict[Pair, str], good: set[Grant], off: set[UUID]) -> str:
    permission = given.get((one.user_id, one.library_id))
    if one.grant not in good:
        return SIGNED_OUT
    if permission is None:
        return NO_ACCESS
    if one.library_id in off:
        return SWITCHED_OFF
    return "" if one.may_write == (permission == Permission.WRITE) else OTHER_ROLE


def valid_grants(grants: Collection[Grant]) -> set[Grant]:
    """Those whose person is still signed in, with the password of then. Two queries."""
    passes = [int(grant.key) for grant in grants if grant.kind == "pass"]
    found = {pk for ids in hooks.collect("valid_passes", ids=passes) for pk in ids} if passes else set()
    keys = [grant.key for grant in grants if grant.kind == "session"]
    live = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now(), user__is_active=True)
    sessions = {row.session_key for row in live.select_related("user") if _has_todays_password(row)} if keys else set()
    return {grant for grant in grants if (int(grant.key) in found if grant.kind == "pass" else grant.key in sessions)}


def _has_todays_password(session: Session) -> bool:
    hashed = session.get_decoded().get(HASH_SESSION_KEY, "")
    return isinstance(session.user, User) and compare_digest(hashed, session.user.get_session_auth_hash())


def _switched_off(libraries: Collection[UUID]) -> set[UUID]:
    found = set()
    for library in Library.objects.filter(pk__in=libraries).select_related("owner_collab").order_by():
        try:
            check_enabled(library)
        except RefusedError:
            found.add(library.pk)
    return found
