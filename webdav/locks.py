"""Locks: LOCK and UNLOCK, and what a lock keeps from others.

A lock binds programs that use WebDAV. Pages, the API and Labs go on: nobody waits there for a program that was closed,
and versions keep what was replaced. Locks end by themselves after minutes; programs ask for more in time.
"""

import re
import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from drive.models import Library
from drive.storage import path_codec
from portal.models import User

from . import xml_bodies
from .errors import DavError, LockedError
from .models import Lock
from .paths import Place, href

LEAST_SECONDS, MOST_SECONDS = 60, 600
MOST_LOCKS = 500
"""Locks that one person can have at a time."""
MOST_OWNER = 4096
_SECONDS = re.compile(r"\s*Second-(\d{1,10})\s*", re.IGNORECASE)


def live(library: Library) -> list[Lock]:
    """All locks in a library: few, as each lasts for minutes."""
    return list(Lock.objects.live().filter(library=library))


def covering(locks: Iterable[Lock], path: str) -> list[Lock]:
    """Those that hold for a path: its own, and deep ones above it."""
    return [lock for lock in locks if _at(lock) == path or (lock.is_deep and path_codec.is_within(path, _at(lock)))]


def below(locks: Iterable[Lock], path: str) -> list[Lock]:
    """Those on a path or on something below it."""
    return [lock for lock in locks if path_codec.is_within(_at(lock), path)]


def _at(lock: Lock) -> str:
    return path_codec.from_row(lock.path)


def require(user: User, place: Place, tokens: Iterable[str], *, deep: bool = False, member: bool = False) -> None:
    """Raise LockedError (423) unless the person shows a token of each lock that is in the way of a change.

    `deep`: the change reaches all that is below. `member`: the name comes or goes, which changes the folder above.
    """
    locks = live(place.inside())
    if not locks:
        return
    in_the_way = covering(locks, place.path)
    if deep:
        in_the_way += below(locks, place.path)
    if member and place.path:
        in_the_way += [lock for lock in covering(locks, place.parent) if lock not in in_the_way]
    shown = {lock.token for lock in locks if lock.user_id == user.pk}.intersection(tokens)
    of_shared = any(lock.is_shared and lock.token in shown for lock in in_the_way)
    for lock in in_the_way:
        if lock.token not in shown and not (lock.is_shared and of_shared):
            raise LockedError(_href(place, lock))


def _href(place: Place, lock: Lock) -> str:
    return href(*place.names[:2], *(_at(lock).split("/") if lock.path else ()))


def seconds(header: str) -> int:
    """Time-out to grant for a Timeout header, in seconds: minutes, whatever it asks for."""
    for given in header.split(","):
        if found := _SECONDS.fullmatch(given):
            return min(max(int(found[1]), LEAST_SECONDS), MOST_SECONDS)
    return MOST_SECONDS


@transaction.atomic
def create(user: User, place: Place, *, is_deep: bool, is_shared: bool, owner: str, timeout: str) -> Lock:
    """Lock a file or folder. LockedError where another lock is in the way; 503 for too many of one person."""
    library = Library.objects.select_for_update().get(
        pk=place.inside().pk
    )  # of two at once, the second finds the first
    Lock.objects.filter(library=library, expires_at__lte=timezone.now()).delete()
    locks = live(library)
    others = covering(locks, place.path) + (below(locks, place.path) if is_deep else [])
    for other in others:
        if not (is_shared and other.is_shared):
            raise LockedError(_href(place, other), "no-conflicting-lock")
    if Lock.objects.live().filter(user=user).count() >= MOST_LOCKS:
        raise DavError(503, "You have too many locks. Try again in some minutes.")
    if len(owner) > MOST_OWNER:
        raise DavError(400, "The owner of the lock is too long.")
    granted = seconds(timeout)
    return Lock.objects.create(
        token=f"opaquelocktoken:{uuid.uuid4()}",
        library=library,
        path=path_codec.to_row(place.path),
        is_deep=is_deep,
        is_shared=is_shared,
        owner=owner,
        user=user,
        seconds=granted,
        expires_at=timezone.now() + timedelta(seconds=granted),
    )


def refresh(user: User, place: Place, tokens: Iterable[str], timeout: str) -> Lock:
    """Let a lock of one's own last longer; 412 where none of the tokens is one that holds here."""
    wanted = set(tokens)
    for lock in covering(live(place.inside()), place.path):
        if lock.token in wanted and lock.user_id == user.pk:
            lock.seconds = seconds(timeout)
            lock.expires_at = timezone.now() + timedelta(seconds=lock.seconds)
            if not Lock.objects.filter(pk=lock.pk).update(seconds=lock.seconds, expires_at=lock.expires_at):
                break  # unlocked in this moment
            return lock
    raise DavError(412, "There is no such lock here.", "lock-token-matches-request-uri")


def release(user: User, place: Place, header: str) -> None:
    """Unlock: only who locked can. 400 without a token, 403 for another's, 409 for a lock that is not on this."""
    token = header.strip()
    if not (token.startswith("<") and token.endswith(">")):
        raise DavError(400, "The Lock-Token header is missing or invalid.")
    for lock in covering(live(place.inside()), place.path):
        if lock.token == token[1:-1]:
            if lock.user_id != user.pk:
                raise DavError(403, "Somebody else has locked this.")
            lock.delete()
            return
    raise DavError(409, "There is no such lock here.", "lock-token-matches-request-uri")


def drop(library: Library, path: str) -> None:
    """Forget the locks on what has been deleted or moved away: they do not go with it (RFC 4918, section 7.6)."""
    gone = [lock.pk for lock in below(live(library), path)]
    if gone:
        Lock.objects.filter(pk__in=gone).delete()


def active(locks: Iterable[Lock], place: Place) -> str:
    """The locks as `activelock` elements."""
    return "".join(_active(lock, place) for lock in locks)


def _active(lock: Lock, place: Place) -> str:
    left = max(0, int((lock.expires_at - timezone.now()).total_seconds()))
    return (
        "<D:activelock><D:locktype><D:write/></D:locktype>"
        f"<D:lockscope><D:{'shared' if lock.is_shared else 'exclusive'}/></D:lockscope>"
        f"<D:depth>{'infinity' if lock.is_deep else '0'}</D:depth>{lock.owner}"
        f"<D:timeout>Second-{left}</D:timeout>"
        f"<D:locktoken><D:href>{xml_bodies.text(lock.token)}</D:href></D:locktoken>"
        f"<D:lockroot><D:href>{xml_bodies.text(_href(place, lock))}</D:href></D:lockroot></D:activelock>"
    )
