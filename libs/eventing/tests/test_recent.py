"""The cache of aggregates is bounded by number and by bytes."""

import pytest
from eventing import recent
from eventing.recent import OVERHEAD, Base, Recent
from eventing.testing.jars import Jar
from runtime.clock import new_id, now

KEYS = [(Jar, new_id()) for _ in range(1_000)]


def base(size: int = 1) -> Base:
    return Base(1, now(), b" " * size, 0)


def test_the_cache_is_bounded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MOST", 10)
    cache = Recent()
    for key in KEYS:
        cache.put(key, base())
    assert (len(cache), cache.size) == (10, 10 * (OVERHEAD + 1))


def test_the_cache_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "LARGEST", 100_000)
    cache = Recent()
    for key in KEYS:
        cache.put(key, base(9_500))
    assert (len(cache), cache.size) == (10, 100_000)


def test_an_aggregate_larger_than_the_cache_is_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "LARGEST", 1_000)
    cache = Recent()
    cache.put(KEYS[0], base(1_000))
    assert (cache.get(KEYS[0]), cache.size) == (None, 0)


def test_the_least_recently_used_aggregate_is_evicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MOST", 2)
    cache = Recent()
    for key in (KEYS[0], KEYS[1]):
        cache.put(key, base())
    assert cache.get(KEYS[0])
    cache.put(KEYS[2], base())
    assert cache.get(KEYS[1]) is None
    assert cache.get(KEYS[0])


def test_a_replaced_aggregate_is_counted_once() -> None:
    cache = Recent()
    for size in (10, 20):
        cache.put(KEYS[0], base(size))
    assert (len(cache), cache.size) == (1, 20 + OVERHEAD)
    cache.forget(KEYS[0])
    assert (len(cache), cache.size) == (0, 0)
