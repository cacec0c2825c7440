"""How often somebody may do something that could be used to try out or list things.

Counts are in the cache that all processes share; while it is away each process counts for itself. What must hold
exactly counts in the database.
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
    """What was counted last was right, and does not count."""
    with suppress(ValueError):
        cache.decr(_key(action, whose, seconds))


def used(action: str, whose: str, seconds: int) -> int:
    """How often it was counted in the current span, without counting once more."""
    return int(cache.get(_key(action, whose, seconds)) or 0)


def allowed(action: str, whose: str, most: int, seconds: int) -> bool:
    """Count one more; whether it is one of the first `most` in the current span of `seconds`."""
    key = _key(action, whose, seconds)
    cache.add(key, 0, seconds)
    try:
        return cache.incr(key) <= most
    except ValueError:  # dropped in this moment, because the cache is full
        return True


def address(request: HttpRequest) -> str:
    """The network address that a limit counts for: of IPv6 the /64, which one household has to itself."""
    given = get_adapter().get_client_ip(request)
    try:
        known = ipaddress.ip_address(given)
    except ValueError:
        return given
    return str(ipaddress.ip_network((known, 64), strict=False)) if known.version == 6 else given
