"""Creating and updating streams, and the requirements on the server."""

import asyncio
import json
from typing import Any, cast

import pytest
from eventing.bus import streams
from eventing.bus.consumers import Consumers
from eventing.bus.missing import StreamMissing
from eventing.bus.streams import (
    EVENT_RETENTION_SECONDS,
    MIN_STREAM_BYTES,
    BusTooOld,
    BusTooSmall,
    StreamsRefused,
    StreamUnchanged,
    check_size,
    provision,
    provision_work,
    provisioning,
)
from eventing.measuring import measure_streams
from eventing.testing import eventually
from eventing.testing.messages import MarbleAdded
from nats.aio.msg import Msg
from nats.js.api import Placement, StorageType, StoreCompression, StreamConfig
from nats.js.errors import APIError
from onebox.folder import DataFolder
from onebox.nats import EmbeddedNats
from onebox.testing.buses import SharedNats
from onebox.testing.folders import temporary_folder
from onebox.testing.running import running
from runtime.bus import Client, connected
from runtime.bus.jetstream import jetstream
from runtime.bus.pubsub import subscribe
from structlog.testing import capture_logs


async def test_a_new_stream_has_the_required_configuration(client: Client) -> None:
    js = jetstream(client)
    await provision(js, "EVT_JAR", ["evt.jar.>"])
    config = (await js.stream_info("EVT_JAR")).config
    assert (config.subjects, config.max_age, config.storage) == (["evt.jar.>"], EVENT_RETENTION_SECONDS, "file")


async def test_the_size_of_the_streams_that_exist_is_measured_with_their_limits(client: Client) -> None:
    js = jetstream(client)
    await provision(js, "EVT_JAR", ["evt.jar.>"], max_bytes=MIN_STREAM_BYTES)
    await js.publish("evt.jar.added", b"a marble")
    measured = {metric.name: dict(values) for metric, values in (await measure_streams(js, "jar")).items()}
    assert measured["stream_bytes_max"] == {("EVT_JAR",): MIN_STREAM_BYTES}
    assert measured["stream_bytes"][("EVT_JAR",)] > 0


async def test_reactions_wait_for_the_stream_of_another_service_and_say_so_once(client: Client) -> None:
    consumers = Consumers(jetstream(client), "shelf")
    with capture_logs() as logs:
        for name in ("one", "two"):
            with pytest.raises(StreamMissing, match="EVT_JAR does not exist yet"):
                await consumers.create(name, MarbleAdded, 6.0)
    await provision(consumers.js, "EVT_JAR", ["evt.jar.>"])
    await consumers.create("one", MarbleAdded, 6.0)
    assert [entry["event"] for entry in logs] == ["waiting for the stream of a service that has not started yet"]


async def test_a_stream_that_the_server_refuses_is_named_with_the_reason(client: Client) -> None:
    named = pytest.raises(StreamsRefused, match=r"^NATS_URL: .*replicas > 1 not supported.* permissions of the user")
    with named, provisioning(client):
        await provision(jetstream(client), "EVT_JAR", ["evt.jar.>"], replicas=3)


async def test_an_existing_stream_keeps_its_messages(client: Client) -> None:
    js = jetstream(client)
    await provision(js, "EVT_JAR", ["evt.jar.>"])
    await js.publish("evt.jar.opened", b"{}")
    await provision(js, "EVT_JAR", ["evt.jar.>"])
    assert (await js.stream_info("EVT_JAR")).state.messages == 1


async def test_a_stream_with_smaller_limits_or_other_subjects_is_updated(client: Client) -> None:
    js = jetstream(client)
    await js.add_stream(StreamConfig(name="EVT_JAR", subjects=["evt.jar.opened"], max_age=60, max_bytes=2**20))
    await provision(js, "EVT_JAR", ["evt.jar.>"], 2**25)
    config = (await js.stream_info("EVT_JAR")).config
    assert (config.subjects, config.max_age, config.max_bytes) == (["evt.jar.>"], EVENT_RETENTION_SECONDS, 2**25)


async def test_a_stream_keeps_the_settings_of_its_operator(client: Client) -> None:
    js = jetstream(client)
    operators_config = StreamConfig(
        name="EVT_JAR",
        subjects=["evt.jar.>"],
        storage=StorageType.MEMORY,
        max_age=2 * EVENT_RETENTION_SECONDS,
        max_bytes=2**26,
        max_msgs=10**6,
        duplicate_window=600,
        compression=StoreCompression.S2,
        allow_direct=True,
        metadata={"owner": "operations"},
        description="of the operator",
    )
    await js.add_stream(operators_config)
    before = (await js.stream_info("EVT_JAR")).config
    await provision(js, "EVT_JAR", ["evt.jar.>"], 2**25, replicas=1)
    assert (await js.stream_info("EVT_JAR")).config == before


class SmallNats(SharedNats):
    max_store, names = "48MB", ("small",)


async def test_a_stream_is_kept_by_a_server_whose_space_is_reserved() -> None:
    with temporary_folder() as path, running(folder := DataFolder(path / "nats"), SmallNats(folder)) as server:
        async with connected(server.url_of("small"), "jar") as client:
            js = jetstream(client)
            raised = MIN_STREAM_BYTES + 2**20
            await js.add_stream(StreamConfig(name="EVT_JAR", subjects=["evt.jar.>"], max_bytes=raised))
            other = StreamConfig(name="EVT_BOX", subjects=["evt.box.>"], max_bytes=48 * 2**20 - raised)
            await js.add_stream(other)
            await provision(js, "EVT_JAR", ["evt.jar.>"], MIN_STREAM_BYTES)
            assert (await js.stream_info("EVT_JAR")).config.max_bytes == raised


async def test_a_service_that_may_not_update_its_stream_names_the_way(installed_nats: EmbeddedNats) -> None:
    async with connected(installed_nats.url, "operator") as operator:
        await jetstream(operator).add_stream(StreamConfig(name="EVT_REPORT", subjects=["evt.report.>"], max_age=60))
    async with connected(installed_nats.url_of("report"), "report") as client:
        with pytest.raises(StreamUnchanged, match="operator's user"):
            await provision(jetstream(client), "EVT_REPORT", ["evt.report.>"])


async def test_updating_a_stream_keeps_fields_that_nats_py_does_not_know(client: Client) -> None:
    js, sent = jetstream(client), list[bytes]()
    await js.add_stream(StreamConfig(name="EVT_JAR", subjects=["evt.jar.opened"], placement=Placement(tags=["ssd"])))
    config = json.loads((await client.request("$JS.API.STREAM.INFO.EVT_JAR", b"")).data)["config"]

    async def record(message: Msg) -> None:
        sent.append(message.data)

    await subscribe(client, "$JS.API.STREAM.UPDATE.EVT_JAR", record)
    await provision(js, "EVT_JAR", ["evt.jar.>"])
    await eventually(lambda: sent)
    assert json.loads(sent[0]) == config | {"subjects": ["evt.jar.>"]}


async def test_a_new_stream_has_the_requested_number_of_replicas(client: Client) -> None:
    with pytest.raises(APIError, match="replicas > 1 not supported in non-clustered mode"):
        await provision(jetstream(client), "EVT_JAR", ["evt.jar.>"], replicas=3)


async def test_a_work_stream_keeps_messages_until_they_are_acknowledged(client: Client) -> None:
    js = jetstream(client)
    await provision_work(js, "jar")
    config = (await js.stream_info("WORK_JAR")).config
    assert (config.retention, config.discard, config.subjects) == ("workqueue", "new", ["work.jar.>"])
    assert config.max_age == 0


async def test_replicas_may_create_a_stream_concurrently(client: Client) -> None:
    js = jetstream(client)
    await asyncio.gather(*(provision(js, "EVT_JAR", ["evt.jar.>"]) for _ in range(5)))
    assert (await js.stream_info("EVT_JAR")).config.name == "EVT_JAR"


async def test_a_server_with_a_sufficient_payload_limit_is_accepted(client: Client) -> None:
    check_size(client)


async def test_a_server_with_a_too_small_payload_limit_is_rejected(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "MAX_EVENT_BYTES", client.max_payload)
    with pytest.raises(BusTooSmall, match="8MB"):
        check_size(client)


async def test_a_server_that_is_too_old_is_rejected(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "API_LEVEL", cast(Any, 1000))
    with pytest.raises(BusTooOld, match="level 1000"):
        await provision(jetstream(client), "EVT_JAR", ["evt.jar.>"])
