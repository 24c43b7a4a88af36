"""Ends the connections of programs of users to NATS, also where no more are admitted."""

import asyncio
import json
from contextlib import suppress
from typing import Any, cast

from contracts.wire import PUBLIC_STREAM
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from runtime.bus.accounts import CONNECTIONS, DISCONNECT, MAX_CONNECTIONS, PROGRAMS_ACCOUNT
from runtime.bus.client import Client
from runtime.bus.jetstream import jetstream
from runtime.logging import get_logger

log = get_logger()

FIRST_ANSWER_SECONDS, MORE_ANSWERS_SECONDS = 5.0, 0.25
"""How long to wait for a server that names its connections, and then for the others of its cluster."""
NO_RESPONDERS = "503"


class ProgramConnections:
    """The connections of programs, each of which reads from one consumer."""

    def __init__(self, client: Client) -> None:
        self._client, self._js = client, jetstream(client)

    async def end(self, *consumers: str) -> None:
        """Remove consumers, from when on their programs receive nothing, and end their connections.

        Raises:
            TimeoutError: no server has named any connections.
            nats.errors.Error, OSError: the bus is unavailable.
        """
        for consumer in consumers:
            await self.remove(consumer)
        for server, connection in await self._find({*consumers}):
            await self._client.request(f"{DISCONNECT}.{server}", json.dumps({"cid": connection}).encode(), timeout=5)

    async def remove(self, consumer: str) -> None:
        """Remove a consumer if it exists. Raises as `end` does."""
        with suppress(NotFoundError):
            await self._js.delete_consumer(PUBLIC_STREAM, consumer)

    async def _find(self, consumers: set[str]) -> list[tuple[str, int]]:
        """Return the connections of the programs of consumers, with the ids of their servers. Raises as `end` does."""
        inbox, found, answered = self._client.new_inbox(), list[tuple[str, int]](), asyncio.Event()

        async def note(message: Msg) -> None:
            if (message.headers or {}).get("Status") == NO_RESPONDERS:
                answered.set()  # this NATS has no account for programs
                return
            data = json.loads(message.data).get("data")
            if data is None:
                log.warning("a NATS server does not name its connections")
                return
            of_them = (each for each in data["connections"] if each.get("authorized_user") in consumers)
            found.extend((data["server_id"], each["cid"]) for each in of_them)
            answered.set()

        asked = {"auth": True, "acc": PROGRAMS_ACCOUNT, "limit": MAX_CONNECTIONS}
        subscription = await cast(Any, self._client).subscribe(inbox, cb=note)
        try:
            await self._client.publish(CONNECTIONS, json.dumps(asked).encode(), reply=inbox)
            async with asyncio.timeout(FIRST_ANSWER_SECONDS):
                await answered.wait()
            await asyncio.sleep(MORE_ANSWERS_SECONDS)
        finally:
            await subscription.unsubscribe()
        return found
