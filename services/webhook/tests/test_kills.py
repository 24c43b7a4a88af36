"""Deliveries to a receiver that often fails, while replicas are killed: all arrive, in order, to nobody else."""

import asyncio
from collections import defaultdict
from pathlib import Path
from random import Random
from uuid import UUID

import pytest
from eventing.testing import background, eventually
from runtime.clock import new_id

from .receiver import Receiver, Request, Writer, receiving
from .replicas import Replicas
from .samples import STRANGER
from .test_service import Remote, client

__all__ = ["client"]

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

RESOURCES, EVENTS_EACH = 500, 20
FAILURES = 0.3
PAUSES = ",".join(["0.5"] * 30)


class Unreliable:
    """Accepts 70 % of the requests, and keeps these."""

    def __init__(self, random: Random) -> None:
        self.random, self.accepted, self.ids = random, list[Request](), set[str]()

    async def answer(self, request: Request, writer: Writer) -> None:
        """Answer one request."""
        good = self.random.random() >= FAILURES
        if good:
            self.accepted.append(request)
            self.ids.add(request.id)
        writer.write(f"HTTP/1.1 {'200 OK' if good else '503 Busy'}\r\nContent-Length: 0\r\n\r\n".encode())

    def orders(self) -> dict[str, list[int]]:
        """Return the numbers of the events of each resource, in the order in which they arrived first."""
        found, seen = defaultdict[str, list[int]](list), set[str]()
        for request in self.accepted:
            if request.id not in seen:
                seen.add(request.id)
                found[request.event["resource_id"]].append(request.event["sequence"])
        return found


async def publish_all(client: Remote, sessions: list[UUID]) -> None:
    """Publish the events, the first one of each session, then the second ones and so on."""
    for _ in range(EVENTS_EACH):
        for start in range(0, len(sessions), 50):
            await asyncio.gather(*(client.publish(session=session) for session in sessions[start : start + 50]))
        await client.publish(STRANGER)


async def test_all_events_arrive_in_order_while_replicas_are_killed(
    client: Remote, receiver: Receiver, database_url: str, nats_url: str, tmp_path: Path
) -> None:
    random = Random(1)  # noqa: S311  no secret
    unreliable = Unreliable(random)
    receiver.answer = unreliable.answer
    settings = {"WEBHOOK_RETRY_SECONDS": PAUSES, "WEBHOOK_TIMEOUT_SECONDS": "2"}

    async def kill_now_and_then() -> None:
        while True:  # by progress, not by time: a busy machine may not start a replica before the next one is killed
            further = len(unreliable.ids) + RESOURCES * EVENTS_EACH // random.randint(8, 15)
            await eventually(lambda further=further: len(unreliable.ids) >= further, within=600)
            replicas.replace_one(random)

    async with receiving() as other:
        with Replicas(database_url, nats_url, tmp_path / "replicas.log", settings) as replicas:
            await eventually(client.answers)
            webhook = await client.create(url=receiver.url)
            await client.create(STRANGER, url=other.url)
            sessions = [new_id() for _ in range(RESOURCES)]
            async with background(kill_now_and_then()):
                await publish_all(client, sessions)
                await eventually(lambda: len(unreliable.ids) == RESOURCES * EVENTS_EACH, within=600)
            await eventually(lambda: len({*other.ids}) == EVENTS_EACH)
    orders = unreliable.orders()
    assert {UUID(id) for id in orders} == {*sessions}
    assert all(numbers == sorted(numbers) for numbers in orders.values())
    assert len({each.event["resource_id"] for each in other.requests} & {str(id) for id in sessions}) == 0
    for request in unreliable.accepted[-100:]:
        request.verify(webhook.secret)
