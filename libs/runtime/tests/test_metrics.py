"""What is measured for a scrape, and what is exposed."""

import asyncio
from collections.abc import AsyncGenerator

import pytest
from prometheus_client import Counter
from runtime import metrics
from runtime.metrics import Measured, Scrapes, Values, metrics_of

SHELVES = Measured("shelves", "Shelves in the pantry", ["size"], registry=metrics_of("pantry"))


class Pantry:
    def __init__(self) -> None:
        self.counted, self.fails, self.hangs = 0, False, False

    async def measure(self) -> Values:
        self.counted += 1
        if self.fails:
            raise OSError("the pantry is closed")
        await asyncio.sleep(3600 * self.hangs)
        return {SHELVES: {("small",): 2, ("large",): 1}}


@pytest.fixture
async def pantry() -> AsyncGenerator[Pantry]:
    yield Pantry()
    SHELVES.values = {}


async def exposed(pantry: Pantry) -> str:
    return (await Scrapes("pantry", measures=[pantry.measure]).exposition()).decode()


async def test_what_is_measured_is_exposed(pantry: Pantry) -> None:
    assert '# TYPE shelves gauge\nshelves{size="large"} 1.0\nshelves{size="small"} 2.0\n' in await exposed(pantry)


async def test_scrapes_within_some_seconds_share_one_measurement(pantry: Pantry) -> None:
    scrapes = Scrapes("pantry", measures=[pantry.measure])
    texts = await asyncio.gather(*(scrapes.exposition() for _ in range(5)))
    assert (pantry.counted, all(b'shelves{size="large"} 1.0' in text for text in texts)) == (1, True)


async def test_what_can_no_longer_be_measured_is_absent(pantry: Pantry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_AGE_SECONDS", 0.0)
    scrapes = Scrapes("pantry", measures=[pantry.measure])
    assert b"shelves{" in await scrapes.exposition()
    pantry.fails = True
    text = await scrapes.exposition()
    assert (b"shelves{" in text, b"process_open_fds" in text) == (False, True)


async def test_a_measurement_that_hangs_is_counted_as_failed(pantry: Pantry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MEASURING_SECONDS", 0.01)
    before = metrics_of("runtime").get_sample_value("measurements_failed_total") or 0
    pantry.hangs = True
    assert f"measurements_failed_total {before + 1}" in await exposed(pantry)


async def test_the_version_is_exposed(pantry: Pantry) -> None:
    assert 'build_info{service="pantry",version="' in await exposed(pantry)


async def test_the_time_at_which_a_series_was_created_is_not_exposed(pantry: Pantry) -> None:
    Counter("lids", "Lids", registry=metrics_of("pantry")).inc()
    text = await exposed(pantry)
    assert ("lids_total 1.0" in text, "_created" in text) == (True, False)
