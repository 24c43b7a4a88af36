"""What is remembered of aggregates is bounded, by number and by bytes."""

import pytest
from eventing import state_cache
from eventing.state_cache import OVERHEAD_BYTES, CachedState, StateCache
from eventing.testing.jars import Jar
from runtime.clock import new_id, now

KEYS = [(Jar, new_id()) for _ in range(1_000)]


def base(size: int = 1) -> CachedState:
    return CachedState(1, now(), b" " * size, 0)


def test_what_is_remembered_is_bounded_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_cache, "MAX_ENTRIES", 10)
    kept = StateCache()
    for key in KEYS:
        kept.put(key, base())
    assert (len(kept), kept.size) == (10, 10 * (OVERHEAD_BYTES + 1))


def test_what_is_remembered_is_bounded_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_cache, "MAX_BYTES", 100_000)
    kept = StateCache()
    for key in KEYS:
        kept.put(key, base(9_500))
    assert (len(kept), kept.size) == (10, 100_000)


def test_what_is_larger_than_all_there_is_room_for_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_cache, "MAX_BYTES", 1_000)
    kept = StateCache()
    kept.put(KEYS[0], base(1_000))
    assert (kept.get(KEYS[0]), kept.size) == (None, 0)


def test_what_was_used_last_is_remembered_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_cache, "MAX_ENTRIES", 2)
    kept = StateCache()
    for key in (KEYS[0], KEYS[1]):
        kept.put(key, base())
    assert kept.get(KEYS[0])
    kept.put(KEYS[2], base())
    assert kept.get(KEYS[1]) is None
    assert kept.get(KEYS[0])


def test_an_aggregate_is_counted_once() -> None:
    kept = StateCache()
    for size in (10, 20):
        kept.put(KEYS[0], base(size))
    assert (len(kept), kept.size) == (1, 20 + OVERHEAD_BYTES)
    kept.evict(KEYS[0])
    assert (len(kept), kept.size) == (0, 0)
