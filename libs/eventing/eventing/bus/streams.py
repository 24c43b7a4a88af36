"""Provisions the JetStream streams. PostgreSQL is the source of truth: a lost stream is filled again from it."""

import json
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, cast

from contracts.wire import work_filter, work_stream
from nats.errors import Error
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import APIError, BadRequestError, NotFoundError
from runtime.bus import Client
from runtime.bus.client import NotPermitted
from runtime.bus.jetstream import JetStream, client_of
from runtime.starting import CannotStart, describe_error

from eventing.bus import wire
from eventing.recording import MAX_EVENT_BYTES

API_LEVEL = 2  # nats-server 2.12: older ones silently ignore newer stream settings
MAX_STREAM_BYTES, MIN_STREAM_BYTES = 2**30, 2**24
MAX_QUEUE_BYTES = 2**28
"""Limit of a work stream, enough for about 400,000 messages."""
EVENT_RETENTION_SECONDS = 30 * 24 * 3600.0
DEDUPLICATION_SECONDS = 120.0
"""How long the server remembers the ids of published messages, in order to drop duplicates."""
WORK_DEDUPLICATION_SECONDS = 3600.0


class BusTooOld(CannotStart):
    """The NATS server is too old for the system."""


class BusTooSmall(CannotStart):
    """The NATS server does not accept messages as large as events may be."""


class StreamsRefused(CannotStart):
    """The NATS server does not let a service create its streams."""


class StreamUnchanged(CannotStart):
    """A stream needs other settings, and the service may not change them."""


def check_size(client: Client) -> None:
    """Check that every event can be published: one that cannot would block all events after it.

    Raises:
        BusTooSmall: the server accepts only smaller messages.
    """
    if client.max_payload < MAX_EVENT_BYTES + wire.HEADROOM:
        raise BusTooSmall(
            f"nats-server accepts messages of up to {client.max_payload} bytes: set its max_payload to 8MB"
        )


@contextmanager
def provisioning(client: Client) -> Generator[None]:
    """Create streams on a connection at the start.

    Raises:
        StreamsRefused: the server does not allow that.
    """
    try:
        yield
    except (Error, OSError) as error:
        # A refused request is not answered. The reason arrives beside it.
        reason = client.last_error if isinstance(error, TimeoutError) and client.last_error else error
        raise StreamsRefused(
            f"NATS_URL: streams cannot be created ({describe_error(reason)}). Check the permissions of the user, and "
            "the limits of JetStream."
        ) from None


async def provision(
    js: JetStream, name: str, subjects: list[str], max_bytes: int = MAX_STREAM_BYTES, *, replicas: int = 1
) -> None:
    """Create a stream of events, which stay there for 30 days, limited to the newest `max_bytes`.

    `replicas` applies to a new stream. An existing one keeps the settings of its operator, except for its subjects, and
    except for limits below these, which are raised.

    Raises:
        BusTooOld: the server is older than 2.12.
        StreamUnchanged: the stream needs other settings, and this user may not change them.
    """
    config = StreamConfig(
        name=name,
        subjects=subjects,
        storage=StorageType.FILE,
        num_replicas=replicas,
        max_age=EVENT_RETENTION_SECONDS,
        max_bytes=max_bytes,  # the oldest are dropped: a full server would accept no event of any service
        duplicate_window=DEDUPLICATION_SECONDS,
    )
    await _provision(js, config)


async def provision_work(js: JetStream, service: str, *, replicas: int = 1) -> None:
    """Create the work stream of a service: each message stays until a worker has acknowledged it.

    A full stream accepts no more, and the relay waits, so that no work is dropped in favour of other work. Existing
    streams are treated, and errors raised, as by `provision`.
    """
    config = StreamConfig(
        name=work_stream(service),
        subjects=[work_filter(service)],
        storage=StorageType.FILE,
        num_replicas=replicas,
        retention=RetentionPolicy.WORK_QUEUE,
        discard=DiscardPolicy.NEW,
        max_bytes=MAX_QUEUE_BYTES,
        duplicate_window=WORK_DEDUPLICATION_SECONDS,
    )
    await _provision(js, config)


async def _provision(js: JetStream, config: StreamConfig) -> None:
    level = (await js.account_info()).api.level or 0
    if level < API_LEVEL:
        raise BusTooOld(f"nats-server has JetStream API level {level}; level {API_LEVEL} (2.12 or later) is required")
    try:
        await _adjust(js, config)
    except NotFoundError:
        await _create(js, config)


async def _create(js: JetStream, config: StreamConfig) -> None:
    # Only if it does not exist: a server whose space is reserved by streams refuses even what it has.
    try:
        await js.add_stream(config)
    except BadRequestError:  # another replica has created it with other settings
        await _adjust(js, config)


async def _adjust(js: JetStream, wanted: StreamConfig) -> None:
    # Not through nats-py's classes, which omit the settings that they do not know.
    present = (await _request(js, f"STREAM.INFO.{wanted.name}"))["config"]
    required = wanted.as_dict()
    changed = present | {"subjects": required["subjects"]}
    for name in ("max_bytes", "max_age", "duplicate_window"):
        if 0 < present.get(name, 0) < cast(int, required.get(name) or 0):  # 0 and -1 mean unlimited
            changed[name] = required[name]
    if changed != present:
        try:
            await _request(js, f"STREAM.UPDATE.{wanted.name}", changed)
        except NotPermitted:
            raise StreamUnchanged(
                f"the stream {wanted.name} needs larger limits or other subjects, which this user of NATS may not "
                "change. Start the service once with the operator's user in NATS_URL."
            ) from None


async def _request(js: JetStream, call: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    payload = json.dumps(body).encode() if body else b""
    answer: dict[str, Any] = json.loads((await client_of(js).request(f"$JS.API.{call}", payload, timeout=5)).data)
    if "error" in answer:
        APIError.from_error(answer["error"])
    return answer
