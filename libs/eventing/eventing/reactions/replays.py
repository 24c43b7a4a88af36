"""Replays dead letters for an operator, and counts those that there are."""

import asyncio
from contextlib import suppress

from contracts.wire import replay_subject
from nats.aio.msg import Msg
from runtime.bus import BUS_ERRORS, Unavailable
from runtime.bus.client import is_sent
from runtime.bus.pubsub import subscribe
from runtime.logging import get_logger

from eventing import metrics
from eventing.bus import dead_letters
from eventing.error_text import describe_error
from eventing.reactions import Reactor
from eventing.reactions.registration import Reactions

log = get_logger()

COUNT_SECONDS = 30.0
"""Pause between two counts of dead letters."""


class Replays[T]:
    """The dead letters of a service in one replica; each request to replay one is answered by one replica."""

    def __init__(self, reactor: Reactor[T], reactions: Reactions) -> None:
        self.reactor, self.reactions = reactor, reactions

    async def run(self) -> None:
        """Replay what is requested, one message at a time, and count dead letters, until cancelled.

        Raises:
            nats.errors.Error, OSError, Unavailable: the bus is unavailable.
        """
        service, client = self.reactor.service, self.reactor.client
        requests = await subscribe(client, replay_subject(service), queue=service)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._count())
                async for request in requests.messages:
                    await self._answer(request)
                raise Unavailable("the bus has ended the subscription")
        finally:
            with suppress(*BUS_ERRORS):
                await requests.unsubscribe()

    async def _count(self) -> None:
        while True:
            found = await dead_letters.counts(self.reactor.js, self.reactor.service)
            metrics.dead_letters.clear()
            for name, number in found.items():
                metrics.dead_letters.labels(name).set(number)
            await asyncio.sleep(COUNT_SECONDS)

    async def _answer(self, request: Msg) -> None:
        failure = ""
        try:
            await self._replay(request)
        except Exception as error:
            log.exception("dead letter could not be replayed")
            failure = describe_error(error) or "it failed"
        with suppress(*BUS_ERRORS):
            await self.reactor.client.publish(request.reply, failure.encode())

    async def _replay(self, request: Msg) -> None:
        if not is_sent(request, replay_subject(self.reactor.service)):
            raise LookupError("the request comes from a stream")
        name = (request.headers or {}).get(dead_letters.SUBJECT, "")
        registration = self.reactions.by_name.get(name)
        if registration is None:
            raise LookupError(f"{name!r} is no reaction of this service; a projector is rebuilt instead")
        await self.reactor.replay(registration, request)
        log.info("dead letter replayed", reaction=name)
