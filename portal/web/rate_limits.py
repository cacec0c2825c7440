"""Rate limits against guessing and enumeration: counts per action, subject and span of time.

Counts are in the shared cache; while it is unavailable each process counts for itself. Limits that must hold exactly
are counted in the database.
"""

import hashlib
import ipaddress
import time
from contextlib import suppress

from allauth.account.adapter import get_adapter
from django.core.cache import cache
from django.http import HttpRequest


def _key(action: str, whose: str, seconds: int) -> str:
    digest = hashlib.sha256(whose.encode()).hexdigest()
    return f"limit:{action}:{digest}:{int(time.time() // seconds)}"


def undo(action: str, whose: str, seconds: int) -> None:
    """Undo the last count, e.g. after a correct password."""
    with suppress(ValueError):
        cache.decr(_key(action, whose, seconds))


def reset(action: str, whose: str, seconds: int) -> None:
    """Set the count of the current span back to nothing."""
    cache.delete(_key(action, whose, seconds))


def used(action: str, whose: str, seconds: int) -> int:
    """Count in the current span, without increasing it."""
    return int(cache.get(_key(action, whose, seconds)) or 0)


def allowed(action: str, whose: str, most: int, seconds: int, *, by: int = 1) -> bool:
    """Increase the count; False above `most` in the current span of `seconds`."""
    key = _key(action, whose, seconds)
    cache.add(key, 0, seconds)
    try:
        return cache.incr(key, by) <= most
    except ValueError:  # dropped in this moment, because the cache is full
        return True


def address(request: HttpRequest) -> str:
    """Network address that a limit counts for: for IPv6 the /64, which is one household's."""
    given = get_adapter().get_client_ip(request)
    try:
        known = ipaddress.ip_address(given)
    except ValueError:
        return given
    return str(ipaddress.ip_network((known, 64), strict=False)) if known.version == 6 else given
