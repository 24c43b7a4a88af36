"""Webhooks: how many events a second arrive, and how soon after their publication. The receiver is this process."""

import asyncio
import os
import time
from statistics import median, quantiles
from uuid import UUID

from contracts.identity.user import GetActor
from contracts.samples import RUN
from contracts.session.run import RunStarted
from contracts.webhook.webhook import CreateWebhook, ListWebhooks, WebhookDefinition
from contracts.wire import event_filter, event_stream
from eventing.bus.streams import provision
from eventing.testing.key_rings import ring_json
from eventing.testing.publishing import publish
from onebox.children import Child
from runtime import clock
from runtime.bus import Bus, Unavailable, connected
from runtime.bus.envelope import Envelope
from runtime.testing import eventually

from services.gateway.tests.fake_services import FakeServices
from services.webhook.tests.receiver import Receiver, Request, Writer, receiving
from services.webhook.tests.samples import OWNER
from tests.bench import cpu
from tests.bench.report import Aim, Line, milliseconds, rate
from tests.bench.stage import Stage, until

BACKLOG, SESSIONS = 5000, 500
SECONDS, PER_SECOND = 10, 300
MIN_RATE, MAX_SECONDS = Aim(500, "/s"), Aim(1, " s", most=True)


class Publisher:
    """Publishes events of sessions, and notes when each arrives."""

    def __init__(self, others: FakeServices, receiver: Receiver) -> None:
        self.others, self.receiver = others, receiver
        self.sent, self.came = dict[UUID, float](), dict[UUID, float]()
        receiver.answer = self._note

    async def publish(self, session: UUID) -> None:
        """Publish one event; each event of the second measurement has a session of its own."""
        self.sent[session] = time.perf_counter()
        event, owner = RunStarted(run_id=UUID(RUN), attempt=1), str(OWNER.user_id)
        await publish(self.others.js, event, at=session, owner=owner, ce_id=str(clock.new_id()))

    async def _note(self, request: Request, writer: Writer) -> None:
        self.came[UUID(request.event["resource_id"])] = time.perf_counter()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")


async def measure(stage: Stage) -> list[Line]:
    """First a backlog, then events at a steady rate."""
    bus_url = stage.nats.url
    async with stage.databases.fresh() as database, connected(bus_url, "bench") as client, receiving() as receiver:
        publisher = Publisher(FakeServices(client), receiver)
        await publisher.others.answer(GetActor, OWNER)
        await provision(publisher.others.js, event_stream("session"), [event_filter("session")])
        environment = {"DATABASE_URL": database, "NATS_URL": stage.nats.url, "SECRETS_KEYS": ring_json("bench")}
        service = stage.start("webhook", environment | {"WEBHOOK_ALLOWED_ADDRESSES": "127.0.0.1"})
        bus = Bus(client)
        await until(service, lambda: _answers(bus))
        definition = WebhookDefinition(url=receiver.url, types=["session.*"])
        create = CreateWebhook(webhook_id=clock.new_id(), definition=definition)
        await bus.ask(create, Envelope.begin(actor=OWNER))
        before = _used(service)
        speed = await _work_off(publisher)
        by_service, by_servers = ((now - then) / BACKLOG for now, then in zip(_used(service), before, strict=True))
        took = await _follow(publisher)
    slowest = quantiles(took, n=100)[98]
    return [
        Line(
            f"a backlog of {BACKLOG:,} events of {SESSIONS} sessions",
            rate(speed),
            compared=speed,
            aim=MIN_RATE,
            unit="/s",
        ),
        Line(
            "processor time for one: of the service; of the servers",
            milliseconds(by_service),
            milliseconds(by_servers),
        ),
        Line(f"{PER_SECOND} events a second, from publication to request, p50", milliseconds(median(took))),
        Line("p99", milliseconds(slowest), compared=slowest, aim=MAX_SECONDS, unit=" s"),
    ]


def _used(service: Child) -> tuple[float, float]:
    """Return the processor seconds of the service, and of the servers."""
    own, all_of = cpu.used(service.pid or 0), cpu.used(os.getpid())
    return own, all_of - own - cpu.used_alone(os.getpid())


async def _answers(bus: Bus) -> bool:
    try:
        await bus.ask(ListWebhooks(), Envelope.begin(actor=OWNER))
    except Unavailable:
        return False
    return True


async def _work_off(publisher: Publisher) -> float:
    """Return how many events a second arrive. Some are sent while others are still published."""
    sessions, receiver = [clock.new_id() for _ in range(SESSIONS)], publisher.receiver
    began = time.perf_counter()
    for _ in range(BACKLOG // SESSIONS):
        for start in range(0, SESSIONS, 100):
            await asyncio.gather(*map(publisher.publish, sessions[start : start + 100]))
    await eventually(lambda: len(receiver.requests) >= BACKLOG)
    return BACKLOG / (time.perf_counter() - began)


async def _follow(publisher: Publisher) -> list[float]:
    publisher.sent.clear()
    publisher.came.clear()
    began = time.perf_counter()
    for number in range(SECONDS * PER_SECOND):
        await asyncio.sleep(max(0.0, began + number / PER_SECOND - time.perf_counter()))
        await publisher.publish(clock.new_id())
    await eventually(lambda: len(publisher.came) == len(publisher.sent))
    return [publisher.came[id] - at for id, at in publisher.sent.items()]
