"""Holdings of replicas on the bus: how many each one holds of a key, so that a limit applies to their sum."""

import json
from dataclasses import dataclass, replace
from typing import Any, cast

import nats.errors
from nats.aio.msg import Msg

from runtime.bus import Client, Unavailable
from runtime.bus.jetstream import jetstream, last_values
from runtime.bus.pubsub import subscribe

TIMEOUT_SECONDS = 0.5
"""How long a step may take. Steps are on the path of requests, so a slow bus must not delay them for longer."""
MAX_HOLDERS = 1000
WRONG_LAST_SEQUENCE = 10071
OK, END, NO_RESULTS, NO_RESPONDERS = "", "204", "404", "503"
"""The statuses of messages that answer a read: one that was found, and three that end the answer."""


@dataclass(frozen=True)
class Taken:
    """How many of a key other replicas hold, and the sequence number of the last change of the key."""

    by_others: int
    revision: int


class Holdings:
    """The holdings of this replica, the `holder`, and of others. Each has one entry for a key, in a stream in memory.

    An entry that is not renewed for `seconds` expires by the clock of the bus, so a replica that was killed holds
    nothing. The methods raise Unavailable, `nats.errors.Error` and OSError if the bus does not answer.
    """

    def __init__(self, client: Client, stream: str, prefix: str, *, holder: str, seconds: float) -> None:
        self.client, self.stream, self.prefix, self.holder, self.seconds = client, stream, prefix, holder, seconds

    async def read(self, key: str) -> Taken:
        """Return what other replicas hold of a key."""
        if not self.client.is_connected:
            raise Unavailable("not connected")  # a request would wait for its timeout
        by_others = revision = 0
        for message in await self._entries(key):
            headers = message.headers or {}
            revision = max(revision, int(headers["Nats-Sequence"]))
            if headers["Nats-Subject"] != self._subject(key, self.holder):
                by_others += int(message.data)
        return Taken(by_others, revision)

    async def take(self, key: str, number: int, revision: int) -> int | None:
        """Set how many of a key this replica holds. Return the new revision; None if it changed after `revision`."""
        try:
            return await self._take(key, number, revision)
        except nats.errors.NoRespondersError:  # the first step on this bus
            await self._create()
            return await self._take(key, number, revision)

    async def renew(self, key: str, number: int) -> None:
        """Set how many it holds, unconditionally and without an answer: the next renewal repeats a lost one."""
        if self.client.is_connected:
            await self.client.publish(self._subject(key, self.holder), b"%d" % number)

    async def _entries(self, key: str) -> list[Msg]:
        inbox, found = self.client.new_inbox(), list[Msg]()
        answers = await subscribe(self.client, inbox)
        try:
            request = {"multi_last": [self._subject(key, "*")], "batch": MAX_HOLDERS}
            await self.client.publish(f"$JS.API.DIRECT.GET.{self.stream}", json.dumps(request).encode(), reply=inbox)
            while (status := _status(message := await answers.next_msg(TIMEOUT_SECONDS))) == OK:
                found.append(message)
        finally:
            await answers.unsubscribe()
        if status not in (END, NO_RESULTS, NO_RESPONDERS):
            raise Unavailable(f"the holdings were not read: {message.headers}")
        return found

    async def _take(self, key: str, number: int, revision: int) -> int | None:
        # The filter has a wildcard: the bus compares the revision with the last change of the key by any replica.
        prefix = "Nats-Expected-Last-Subject-Sequence"
        headers = cast(Any, {prefix: str(revision), f"{prefix}-Subject": self._subject(key, "*")})
        subject = self._subject(key, self.holder)
        answer = await self.client.request(subject, b"%d" % number, timeout=TIMEOUT_SECONDS, headers=headers)
        outcome: dict[str, Any] = json.loads(answer.data)
        error: dict[str, Any] | None = outcome.get("error")
        if error and error.get("err_code") != WRONG_LAST_SEQUENCE:
            raise Unavailable(f"the holdings were not changed: {error}")
        return None if error else outcome["seq"]

    async def _create(self) -> None:
        js = jetstream(self.client, timeout=TIMEOUT_SECONDS)
        config = last_values(self.stream, f"{self.prefix}.*.*", seconds=self.seconds)
        await js.add_stream(replace(config, allow_direct=True))  # reads of several subjects

    def _subject(self, key: str, holder: str) -> str:
        return f"{self.prefix}.{key}.{holder}"


def _status(message: Msg) -> str:
    return (message.headers or {}).get("Status", OK)
