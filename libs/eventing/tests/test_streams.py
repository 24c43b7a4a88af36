# pyright: reportUnknownMemberType=false
# nats-py leaves the keyword parameters of its methods without types.

import asyncio
from typing import Any, cast

import pytest
from eventing import streams
from eventing.streams import MONTH, BusTooOld, BusTooSmall, check_size, jetstream, provision
from nats.aio.client import Client
from nats.js.api import StreamConfig


async def test_a_stream_is_made_as_it_must_be(client: Client) -> None:
    js = jetstream(client)
    await provision(js, "EVT_JAR", ["evt.jar.>"])
    config = (await js.stream_info("EVT_JAR")).config
    assert (config.subjects, config.max_age, config.storage) == (["evt.jar.>"], MONTH, "file")


async def test_a_stream_that_is_there_keeps_its_messages(client: Client) -> None:
    js = jetstream(client)
    await provision(js, "EVT_JAR", ["evt.jar.>"])
    await js.publish("evt.jar.opened", b"{}")
    await provision(js, "EVT_JAR", ["evt.jar.>"])
    assert (await js.stream_info("EVT_JAR")).state.messages == 1


async def test_a_stream_with_other_settings_is_brought_to_these(client: Client) -> None:
    js = jetstream(client)
    await js.add_stream(StreamConfig(name="EVT_JAR", subjects=["evt.jar.opened"], max_age=60))
    await provision(js, "EVT_JAR", ["evt.jar.>"])
    config = (await js.stream_info("EVT_JAR")).config
    assert (config.subjects, config.max_age) == (["evt.jar.>"], MONTH)


async def test_a_stream_is_as_large_as_it_may_be(client: Client) -> None:
    js = jetstream(client)
    for largest in (2**25, 2**24):
        await provision(js, "EVT_JAR", ["evt.jar.>"], largest)
        assert (await js.stream_info("EVT_JAR")).config.max_bytes == largest


async def test_replicas_may_make_it_at_once(client: Client) -> None:
    js = jetstream(client)
    await asyncio.gather(*(provision(js, "EVT_JAR", ["evt.jar.>"]) for _ in range(5)))
    assert (await js.stream_info("EVT_JAR")).config.name == "EVT_JAR"


async def test_a_server_that_carries_any_fact_is_good(client: Client) -> None:
    check_size(client)


async def test_a_server_that_carries_less_than_a_fact_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LARGEST_FACT", client.max_payload)
    with pytest.raises(BusTooSmall, match="8MB"):
        check_size(client)


async def test_a_server_that_is_too_old_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "API_LEVEL", cast(Any, 1000))
    with pytest.raises(BusTooOld, match="level 1000"):
        await provision(jetstream(client), "EVT_JAR", ["evt.jar.>"])
