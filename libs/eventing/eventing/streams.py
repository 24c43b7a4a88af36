"""The streams on JetStream, as they must be; PostgreSQL is the truth, they can be filled again."""

import json
from typing import Any, cast

from contracts.wire import work_filter, work_stream
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, BadRequestError
from runtime.bus import Client
from runtime.jetstream import JetStream, client_of
from runtime.starting import CannotStart

from eventing import wire
from eventing.recording import MAX_EVENT_BYTES

API_LEVEL = 2  # nats-server 2.12: older ones silently ignore newer stream settings
MAX_STREAM_BYTES, MIN_STREAM_BYTES = 2**30, 2**24
MAX_QUEUE_BYTES = 2**28
"""Bytes of a work stream: some 400,000 things to do."""
MONTH = 30 * 24 * 3600.0
REMEMBERED = 120.0
"""Seconds for which the server knows the ids of what was published, to refuse it a second time."""
REMEMBERED_WORK = 3600.0


class BusTooOld(CannotStart):
    """The NATS server cannot do what the system needs."""


class BusTooSmall(CannotStart):
    """The NATS server does not carry messages as large as events may be."""


def check_size(client: Client) -> None:
    """Make sure that any event can be published: one that cannot would stop all that are behind it.

    Raises:
        BusTooSmall: the server carries less.
    """
    if client.max_payload < MAX_EVENT_BYTES + wire.HEADROOM:
        raise BusTooSmall(f"nats-server carries messages of {client.max_payload} bytes: set its max_payload to 8MB")


async def provision(
    js: JetStream, name: str, subjects: list[str], largest: int = MAX_STREAM_BYTES, *, replicas: int = 1
) -> None:
    """Create a stream of events: they stay there for 30 days, the newest `largest` bytes of them.

    `replicas` is for a new stream. One that is there keeps what its operator has set: it only gets these subjects, and
    no less room and time than this.

    Raises:
        BusTooOld: the server is older than 2.12.
    """
    config = StreamConfig(
        name=name,
        subjects=subjects,
        storage=StorageType.FILE,
        num_replicas=replicas,
        max_age=MONTH,
        max_bytes=largest,  # beyond it the oldest go: a server that is full would take no event of anybody
        duplicate_window=REMEMBERED,
    )
    await _provision(js, config)


async def provision_work(js: JetStream, service: str, *, replicas: int = 1) -> None:
    """Create the work stream of a service: each message stays until a worker has acknowledged it.

    Full, it takes no more, and the relay waits: nobody's work is dropped for that of others. Else as `provision`.
    """
    config = StreamConfig(
        name=work_stream(service),
        subjects=[work_filter(service)],
        storage=StorageType.FILE,
        num_replicas=replicas,
        retention=RetentionPolicy.WORK_QUEUE,
        discard=DiscardPolicy.NEW,
        max_bytes=MAX_QUEUE_BYTES,
        duplicate_window=REMEMBERED_WORK,
    )
    await _provision(js, config)


async def _provision(js: JetStream, config: StreamConfig) -> None:
    level = (await js.account_info()).api.level or 0
    if level < API_LEVEL:
        raise BusTooOld(f"nats-server speaks JetStream API level {level}; level {API_LEVEL} (2.12 or later) is needed")
    try:
        await js.add_stream(config)
    except BadRequestError:  # it is there, with other settings
        await _adjust(js, config)


async def _adjust(js: JetStream, wanted: StreamConfig) -> None:
    # Not through nats-py's classes, which leave out the settings that they do not know.
    there = (await _request(js, f"STREAM.INFO.{wanted.name}"))["config"]
    least = wanted.as_dict()
    changed = there | {"subjects": least["subjects"]}
    for name in ("max_bytes", "max_age", "duplicate_window"):
        if 0 < there.get(name, 0) < cast(int, least.get(name) or 0):  # 0 and -1 mean without an end
            changed[name] = least[name]
    if changed != there:
        await _request(js, f"STREAM.UPDATE.{wanted.name}", changed)


async def _request(js: JetStream, call: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    payload = json.dumps(body).encode() if body else b""
    answer: dict[str, Any] = json.loads((await client_of(js).request(f"$JS.API.{call}", payload, timeout=5)).data)
    if "error" in answer:
        APIError.from_error(answer["error"])
    return answer
