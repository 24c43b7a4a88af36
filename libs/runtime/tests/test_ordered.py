"""Reading a stream in order, from a sequence number."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast

import pytest
import pytest_asyncio
from nats.aio.msg import Msg
from nats.js.api import StreamConfig
from runtime.bus import connected, ordered
from runtime.bus.jetstream import JetStream, client_of, jetstream


@pytest_asyncio.fixture
async def js(nats_url: str) -> AsyncGenerator[JetStream]:
    async with connected(nats_url, "test") as client:
        js = jetstream(client)
        await js.add_stream(StreamConfig(name="NUMBERS", subjects=["number.*"]))
        for number in range(250):
            await js.publish(f"number.{'even' if number % 2 == 0 else 'odd'}", str(number).encode())
        yield js


async def read(js: JetStream, after: int, subject: str = ">") -> list[str]:
    async with aclosing(ordered.messages(js, "NUMBERS", after, subject, stored=True)) as batches:
        return [message.data.decode() async for batch in batches for message in batch]


async def consumers_deleted(js: JetStream) -> None:
    """Wait until the stream has no consumer; the server would delete an inactive one only later."""
    async with asyncio.timeout(60):
        while (await js.stream_info("NUMBERS")).state.consumer_count:  # noqa: ASYNC110  the server has no event for it
            await asyncio.sleep(0.05)


async def test_stored_messages_are_read_in_order(js: JetStream) -> None:
    assert await read(js, 0) == [str(number) for number in range(250)]


async def test_reading_starts_after_a_number_and_filters_by_subject(js: JetStream) -> None:
    assert await read(js, 244, "number.odd") == ["245", "247", "249"]


async def test_reading_without_stored_messages_ends_immediately(js: JetStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 3600)
    async with asyncio.timeout(60):
        assert await read(js, 250) == []


async def test_a_new_message_is_delivered_immediately(js: JetStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 3600)  # the time that waiting for a full batch would take
    async with asyncio.timeout(60), aclosing(ordered.messages(js, "NUMBERS", 250)) as batches:
        await js.publish("number.even", b"250")
        assert [message.data async for message in _first(batches)] == [b"250"]


async def test_messages_that_are_waited_for_need_one_request(js: JetStream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered, "FETCH_TIMEOUT", 3600)  # a busy machine may take longer than one request lasts
    requests: list[str] = []

    async def note(request: Msg) -> None:
        requests.append(request.subject)

    await cast(Any, client_of(js)).subscribe("$JS.API.CONSUMER.MSG.NEXT.NUMBERS.*", cb=note)
    async with aclosing(ordered.messages(js, "NUMBERS", 250)) as batches:
        for number in range(20):
            await js.publish("number.even", str(number).encode())
            assert [message.data async for message in _first(batches)] == [str(number).encode()]
    await client_of(js).flush()
    assert len(requests) == 1


async def test_more_messages_than_one_request_asks_for_are_read(js: JetStream) -> None:
    read: list[bytes] = []
    async with aclosing(ordered.messages(js, "NUMBERS", 250)) as batches:
        for number in range(250):
            await js.publish("number.even", str(number).encode())
            if number % 10 == 9:
                read += [message.data async for message in _first(batches)]
        while len(read) < 250:
            read += [message.data async for message in _first(batches)]
    assert read == [str(number).encode() for number in range(250)]


async def test_a_large_message_is_read_after_small_ones_of_the_same_request(js: JetStream) -> None:
    async with asyncio.timeout(60), aclosing(ordered.messages(js, "NUMBERS", 250)) as batches:
        for size in (10, 700_000, 700_000, 3_000_000, 10):
            await js.publish("number.large", b"x" * size)
            assert [len(message.data) async for message in _first(batches)] == [size]


async def test_a_finished_reader_leaves_no_consumer(js: JetStream) -> None:
    await read(js, 0)
    await consumers_deleted(js)


@pytest.mark.parametrize("stored", [True, False])
async def test_a_reader_cancelled_at_any_point_leaves_no_consumer(js: JetStream, stored: bool) -> None:
    async def read() -> None:
        async with aclosing(ordered.messages(js, "NUMBERS", 0, stored=stored)) as batches:
            async for _ in batches:
                pass

    for turns in range(60):  # iterations of the event loop before cancelling, also during clean-up
        async with asyncio.TaskGroup() as tasks:
            reader = tasks.create_task(read())
            for _ in range(turns):
                await asyncio.sleep(0)
            for _ in range(3):
                reader.cancel()
                await asyncio.sleep(0)
    await consumers_deleted(js)


async def test_batches_are_limited_in_bytes_but_accept_any_single_message(js: JetStream) -> None:
    sizes = [300_000] * 8 + [3_000_000, 10]
    for size in sizes:
        await js.publish("number.large", b"x" * size)
    async with aclosing(ordered.messages(js, "NUMBERS", 250, stored=True)) as batches:
        read = [[len(message.data) for message in batch] async for batch in batches]
    assert read == [[300_000] * 3, [300_000] * 3, [300_000] * 2, [3_000_000], [10]]


async def test_messages_stored_while_earlier_ones_are_read_are_left_out(js: JetStream) -> None:
    async with aclosing(ordered.messages(js, "NUMBERS", 0, stored=True)) as batches:
        sizes = [len(await anext(batches))]
        await js.publish("number.even", b"250")
        sizes += [len(batch) async for batch in batches]
    assert sizes == [100, 100, 50]


async def test_messages_purged_before_they_are_read_are_noticed(js: JetStream) -> None:
    async with aclosing(ordered.messages(js, "NUMBERS", 0, stored=True)) as batches:
        assert len(await anext(batches)) == 100
        await js.purge_stream("NUMBERS", seq=150)
        with pytest.raises(ordered.Purged):
            assert [len(batch) async for batch in batches] == [100]


async def test_purged_messages_are_noticed_even_if_as_many_were_added(js: JetStream) -> None:
    async with aclosing(ordered.messages(js, "NUMBERS", 0, stored=True)) as batches:
        assert len(await anext(batches)) == 100
        await js.purge_stream("NUMBERS", seq=150)
        for _ in range(49):
            await js.publish("number.even", b"")
        with pytest.raises(ordered.Purged):
            assert [len(batch) async for batch in batches] == [100, 50]


async def test_a_reader_may_empty_its_batches(js: JetStream) -> None:
    read = 0
    async with aclosing(ordered.messages(js, "NUMBERS", 0, stored=True)) as batches:
        async for batch in batches:
            read += len(batch)
            batch.clear()
    assert read == 250


async def _first[T](batches: AsyncGenerator[list[T]]) -> AsyncGenerator[T]:
    for message in await anext(batches):
        yield message
