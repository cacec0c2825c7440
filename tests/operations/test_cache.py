"""The cache with the site's own Redis, which is also the broker."""

import pytest
import redis
from django.conf import settings

from portal.ops.cache import PAUSE, SharedCache

from ..support.site import Site, wait_for

pytestmark = pytest.mark.sandbox


def cache() -> SharedCache:
    """As another process has it."""
    return SharedCache(settings.REDIS_URL, {"KEY_PREFIX": "cache"})


def test_it_is_one_for_all_processes(site: Site) -> None:
    one, other = cache(), cache()
    one.set("shared", 1, 60)
    assert other.incr("shared") == 2
    assert one.get("shared") == 2


def test_clearing_it_leaves_the_brokers_work_alone(site: Site) -> None:
    server = redis.Redis.from_url(settings.REDIS_URL)
    server.set("work-of-a-broker", "1", 60)
    one = cache()
    one.set("a", 1, 60)
    one.clear()
    assert one.get("a") is None
    assert server.get("work-of-a-broker") == b"1"


def test_it_comes_back_with_the_broker(site: Site) -> None:
    one = cache()
    one.set("before", 1, 600)
    site.kill("broker")
    one.set("while", 1, 60)
    assert one.get("while") == 1
    wait_for(lambda: cache().get("before") == 1, 90, "Redis did not come back with what it had")
    wait_for(lambda: one.get("before") == 1, 5 * PAUSE, "the cache did not go back to Redis")
