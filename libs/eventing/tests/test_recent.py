"""The cache of aggregates is bounded by number and by bytes."""

import pytest
from eventing.store import state_cache
from eventing.store.state_cache import OVERHEAD_BYTES, CachedState, StateCache
from eventing.testing.jars import Jar
from runtime.clock import new_id, now

KEYS = [(Jar, new_id()) for _ in range(1_000)]


def base(size: int = 1) -> CachedState:
    return CachedState(1, now(), b" " * size, 0)


def test_the_cache_is_bounded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_cache, "MAX_ENTRIES", 10)
    cache = StateCache()
    for key in KEYS:
        cache.put(key, base())
    assert (len(cache), cache.size) == (10, 10 * (OVERHEAD_BYTES + 1))


def test_the_cache_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_cache, "MAX_BYTES", 100_000)
    cache = StateCache()
    for key in KEYS:
        cache.put(key, base(9_500))
    assert (len(cache), cache.size) == (10, 100_000)


def test_an_aggregate_larger_than_the_cache_is_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_cache, "MAX_BYTES", 1_000)
    cache = StateCache()
    cache.put(KEYS[0], base(1_000))
    assert (cache.get(KEYS[0]), cache.size) == (None, 0)


def test_the_least_recently_used_aggregate_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_cache, "MAX_ENTRIES", 2)
    cache = StateCache()
    for key in (KEYS[0], KEYS[1]):
        cache.put(key, base())
    assert cache.get(KEYS[0])
    cache.put(KEYS[2], base())
    assert cache.get(KEYS[1]) is None
    assert cache.get(KEYS[0])


def test_a_replaced_aggregate_is_counted_once() -> None:
    cache = StateCache()
    for size in (10, 20):
        cache.put(KEYS[0], base(size))
    assert (len(cache), cache.size) == (1, 20 + OVERHEAD_BYTES)
    cache.evict(KEYS[0])
    assert (len(cache), cache.size) == (0, 0)
