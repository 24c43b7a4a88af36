"""The context of a reaction: the dependencies of the service, and how to send commands and queries."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast
from uuid import UUID, uuid5

from contracts.messages import Actor, Command, Query
from contracts.refusals import Code, Refusal
from contracts.wire import durable
from runtime.bus.envelope import Envelope

from eventing.handling.routing import Router
from eventing.recording import Recorded
from eventing.retrying import retry_transient


class Attracts(Protocol):
    """The offers of the work of a reaction."""

    async def subscribe(self, aggregate: UUID) -> None:
        """Have the work of an aggregate offered to this replica."""
        ...


@dataclass(frozen=True)
class Reaction[T]:
    """The context of one run of the reaction `name`, to the event `recorded`."""

    dependencies: T
    router: Router[T]
    recorded: Recorded[Any]
    name: str
    offers: Mapping[str, Attracts] = field(default_factory=dict[str, Attracts])
    _sent: Counter[UUID] = field(default_factory=Counter[UUID], init=False)

    async def attract(self, name: str) -> None:
        """Have later work of a reaction for the aggregate offered to this replica, where it will be cheap."""
        if offers := self.offers.get(name):
            await offers.subscribe(self.recorded.id)

    def now(self) -> datetime:
        """Return the present time, by the clock that decides about due times."""
        return self.router.dispatcher.store.now()

    async def send[R](self, command: Command[R], *, key: str | None = None, on_behalf_of: UUID | None = None) -> R:
        """Send a command caused by the event to the service that the command's subject names.

        While that service or the database is unavailable, it is retried for about half a minute. Then the reaction
        fails, and the event is redelivered.

        The id of a command to another service derives from the event, the reaction and the command's content, so that
        the service recognises it after a redelivery and carries it out once. Equal commands in one reaction are
        numbered: send all of them at each delivery. A command whose content may differ between deliveries (a new id,
        the time, a value that is read) or that is sent again after a caught failure needs a `key`, unique within the
        reaction, which replaces content and number.

        A command to the service itself has a new id unless it has a `key`: a worker that takes over a run sends the
        same `StartRun` as the worker before it, and each of them has to be decided.

        Args:
            command: the command to send.
            key: what identifies the command within this reaction.
            on_behalf_of: the user to act for, with their present role, instead of the event's actor.

        Returns:
            The command's result; None if it was carried out before and has no `outcome`, because that result is lost.

        Raises:
            Refusal: the command is refused, or the user was deleted (USER_NOT_FOUND) or disabled (USER_INACTIVE).
            NoResponders, Unavailable: the other service, or identity, is still unavailable.
            Exception: see `Dispatcher.send`.
        """
        envelope = self.recorded.envelope.follow(self._message_id(command, key))

        async def carry_out() -> R:
            try:
                return await self.router.send(command, await self._acting(envelope, on_behalf_of))
            except Refusal as refusal:
                if refusal.code is Code.COMMAND_REPEATED:  # it was stored before, and only the reply was lost
                    return cast(R, None)
                raise

        return await retry_transient(carry_out)

    async def ask[R](self, query: Query[R], *, on_behalf_of: UUID | None = None) -> R:
        """Return the answer to a query from the service that its subject names.

        While that service is unavailable, it is retried for about half a minute. `on_behalf_of` is as in `send`.
        Raises as `Dispatcher.ask` and `Bus.ask` do.
        """
        envelope = self.recorded.envelope.follow()

        async def carry_out() -> R:
            return await self.router.ask(query, await self._acting(envelope, on_behalf_of))

        return await retry_transient(carry_out)

    async def actor(self, user_id: UUID) -> Actor:
        """Return a user as an actor, with their role of the last second. Raises as `send` with `on_behalf_of` does."""
        return await retry_transient(lambda: self.router.actors.current(user_id, self.recorded.envelope))

    async def _acting(self, envelope: Envelope, user_id: UUID | None) -> Envelope:
        if user_id is None:
            return envelope
        return envelope.without_client().on_behalf_of(await self.router.actors.current(user_id, envelope))

    def _message_id(self, command: Command[Any], key: str | None) -> UUID | None:
        """Return the id that the command has at each delivery; None if it needs a new one.

        Commands of equal content are distinguished by their number among those, not among all commands of the
        reaction, because the order in which a reaction sends may differ between deliveries.
        """
        if key is not None:
            return self._derived(command.subject, f"key {key}")
        if self.router.is_own(command):
            return None
        content = self._derived(command.subject, command.model_dump_json())
        self._sent[content] += 1
        return uuid5(content, str(self._sent[content]))

    def _derived(self, *words: str) -> UUID:
        recorded, reaction = self.recorded, durable(self.router.service, self.name)
        # The time distinguishes the event from another one that has its version after a failover lost it.
        cause = f"{recorded.version} {recorded.event.subject} {recorded.at.isoformat()}"
        return uuid5(recorded.id, "\n".join((cause, reaction, *words)))
