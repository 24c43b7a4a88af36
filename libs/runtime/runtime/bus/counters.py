"""Counters on the bus, which all replicas share: a step costs one round trip, and no step is lost or repeated."""

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import nats.errors
from nats.js.errors import NotFoundError

from runtime.bus import Client, Unavailable
from runtime.bus.jetstream import jetstream, last_values

TIMEOUT_SECONDS = 0.5
"""How long a step may take. Steps are on the path of requests, so a slow bus must not delay them for longer."""


class Counters:
    """Counters by key, each a subject of one stream of the bus, which adds up (`Nats-Incr`).

    A counter disappears when nothing was added to it for `seconds`. A bus that restarts loses those that are not
    `durable`. The methods raise Unavailable, `nats.errors.Error` and OSError if the bus does not answer.
    """

    def __init__(self, client: Client, stream: str, prefix: str, *, seconds: float, durable: bool = False) -> None:
        self.client, self.stream, self.prefix = client, stream, prefix
        self.seconds, self.durable = seconds, durable

    async def add(self, key: str, amount: int = 1) -> int:
        """Add an amount to a counter, and return its new value."""
        if not self.client.is_connected:
            raise Unavailable("not connected")  # a request would wait for its timeout
        try:
            return await self._add(key, amount)
        except nats.errors.NoRespondersError:  # the first step on this bus
            await self._create()
            return await self._add(key, amount)

    async def get(self, key: str) -> int:
        """Return the value of a counter, 0 if it does not exist."""
        with suppress(NotFoundError):
            js = jetstream(self.client, timeout=TIMEOUT_SECONDS)
            return _value((await js.get_last_msg(self.stream, self._subject(key))).data)
        return 0

    async def _add(self, key: str, amount: int) -> int:
        headers = cast(Any, {"Nats-Incr": f"{amount:+d}"})
        answer = await self.client.request(self._subject(key), b"", timeout=TIMEOUT_SECONDS, headers=headers)
        return _value(answer.data)

    async def _create(self) -> None:
        js = jetstream(self.client, timeout=TIMEOUT_SECONDS)
        config = last_values(self.stream, f"{self.prefix}.>", seconds=self.seconds, durable=self.durable)
        await js.add_stream(replace(config, allow_msg_counter=True))

    def _subject(self, key: str) -> str:
        return f"{self.prefix}.{key}"


def _value(answer: bytes | None) -> int:
    content: dict[str, Any] = json.loads(answer or b"{}")
    if "val" not in content:
        raise Unavailable(f"the counter was not changed: {content.get('error')}")
    return int(content["val"])
