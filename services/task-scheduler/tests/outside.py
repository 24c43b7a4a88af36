"""The other services, as reactions reach them over the bus, and the reactions of a desk that uses them."""

from collections.abc import Awaitable, Callable
from typing import Any, cast
from uuid import UUID

from contracts.identity.user import GetActor
from contracts.messages import Actor, Command, Event, Query
from contracts.refusals import Code, Refusal
from contracts.task_scheduler.attempt import ExecutionStarted
from contracts.task_scheduler.execution_view import ExecutionView
from eventing.reactions import Reaction
from eventing.recording import Recorded
from runtime import clock
from runtime.bus import Bus
from runtime.bus.envelope import Envelope
from task_scheduler.app import service
from task_scheduler.reactions.execution import StartExecution

from .desk import OWNER, Desk

type Message = Command[Any] | Query[Any]


class OtherServices:
    """Records what is sent to other services, and answers as the test sets it."""

    def __init__(self) -> None:
        self.sent = list[tuple[Message, Envelope]]()
        self.role = "user"
        self.replies = dict[type[Message], object]()
        self.meanwhile = dict[type[Message], Callable[[], Awaitable[object]]]()

    async def ask(self, message: Message, envelope: Envelope) -> object:
        """Answer a message: with what is in `replies`, or raise it; `meanwhile` is done first."""
        self.sent.append((message, envelope))
        if act := self.meanwhile.get(type(message)):
            await act()
        reply = self.replies.get(type(message))
        if isinstance(reply, Exception):
            raise reply
        if isinstance(message, GetActor) and not reply:
            return Actor.model_validate({"user_id": message.user_id, "role": self.role})
        return reply

    def refuse(self, kind: type[Message], code: Code) -> None:
        """Refuse messages of a kind."""
        self.replies[kind] = Refusal(code, f"refused: {code}")

    def received[M: Message](self, kind: type[M]) -> list[M]:
        """Return the messages of a kind."""
        return [message for message, _ in self.sent if isinstance(message, kind)]

    def envelopes(self, kind: type[Message]) -> list[Envelope]:
        """Return the envelopes of the messages of a kind."""
        return [envelope for message, envelope in self.sent if isinstance(message, kind)]


class Reacting:
    """The reactions of a desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.others = desk, OtherServices()

    async def start(self, execution: ExecutionView) -> None:
        """Start the attempt of an execution, if a lease on that would be acquired."""
        recorded, reaction = await self._started(execution)
        if await StartExecution.unfinished.includes(recorded, self.desk.database):
            await StartExecution.react(recorded, reaction)

    async def give_up(self, execution: ExecutionView) -> None:
        """Give up starting the attempt of an execution."""
        await StartExecution.react_to_dead_letter(*await self._started(execution))

    async def see(self, event: Event, id: UUID | None = None, actor: Actor = OWNER) -> None:
        """React to an event, which another service or this one has published."""
        envelope = Envelope.begin(actor=actor)
        await self._react(Recorded(id or clock.new_id(), 1, clock.now(), event, envelope, actor.user_id))

    async def see_latest(self, kind: type[Event], id: UUID) -> None:
        """React to the latest event of a kind of an aggregate."""
        await self._react(await self.desk.latest_event(kind, id))

    async def _react(self, recorded: Recorded[Any]) -> None:
        for registration in service.reactions.by_name.values():
            if registration.event is type(recorded.event):
                await registration.react(recorded, self._reaction(recorded))

    async def _started(self, execution: ExecutionView) -> tuple[Recorded[Any], Reaction[Any]]:
        recorded = await self.desk.latest_event(ExecutionStarted, execution.id)
        return recorded, self._reaction(recorded)

    def _reaction(self, recorded: Recorded[Any]) -> Reaction[Any]:
        reaction = self.desk.reaction(recorded)
        reaction.router.bus = cast(Bus, self.others)
        return reaction
