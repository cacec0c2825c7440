"""The cache while Redis is away; tests/operations/test_cache.py has it while it is there."""

from pathlib import Path

import pytest

from portal.ops.cache import SharedCache


@pytest.fixture
def cache(tmp_path: Path) -> SharedCache:
    made = SharedCache(f"unix://{tmp_path}/no.sock", {"KEY_PREFIX": "cache"})
    made.clear()
    return made


def test_it_goes_on_in_the_memory_of_the_process(cache: SharedCache) -> None:
    cache.set("a", 1)
    assert cache.get("a") == 1
    assert cache.incr("a") == 2
    assert not cache.add("a", 5)
    assert cache.get_many(["a", "b"]) == {"a": 2}
    cache.delete("a")
    assert "a" not in cache
    with pytest.raises(ValueError):
        cache.incr("a")
    assert cache.get_or_set("c", 3) == 3


def test_it_does_not_ask_again_at_once(cache: SharedCache, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(5):
        cache.get("a")
    assert len(caplog.records) <= 1
