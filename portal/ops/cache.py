"""Cache backend: Redis, with each process's own memory as fallback while Redis is unavailable.

Pages never fail for want of a cache, and rate limits (`web/rate_limits.py`, allauth's) still hold, if only per process.
The database of Redis is the broker's too, so nothing here may flush it.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

PAUSE = 2.0
"""Seconds without requests to Redis after a failure."""
FORWARDED = ("add", "get", "set", "touch", "delete", "get_many", "has_key", "incr", "set_many", "delete_many", "clear")


class _Shared(RedisCache):
    """Redis cache that clears its own keys only."""

    def clear(self) -> None:
        client = self._cache.get_client(None, write=True)
        for key in client.scan_iter(match=f"{self.key_prefix}:*"):
            client.delete(key)


class SharedCache(LocMemCache):
    """Redis (`LOCATION`) with a fallback to the process's memory, which is the base class."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, {name: value for name, value in params.items() if name != "OPTIONS"})
        self._shared = _Shared(server, params)
        self._away_until = 0.0

    def ask_shared(self) -> None:
        """Health check: write to Redis and read again; raises RedisError or OSError."""
        self._shared.set("health", "ok", 10)
        if self._shared.get("health") != "ok":
            raise RedisError("Redis does not keep what it is given")

    def _ask(self, name: str, own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if time.monotonic() >= self._away_until:
            try:
                return getattr(self._shared, name)(*args, **kwargs)
            except (RedisError, OSError) as error:
                self._away_until = time.monotonic() + PAUSE
                log.warning("Redis is unavailable, caching in this process: %s", error)
        return own(*args, **kwargs)


def _forward(name: str) -> Callable[..., Any]:
    def method(self: SharedCache, *args: Any, **kwargs: Any) -> Any:
        return self._ask(name, getattr(super(SharedCache, self), name), *args, **kwargs)

    return method


for _name in FORWARDED:
    setattr(SharedCache, _name, _forward(_name))
