"""What a reaction works with."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID, uuid5

from contracts.messages import Command, Query
from contracts.refusals import Code, Refusal
from runtime.envelope import Envelope

from eventing.consumers import durable
from eventing.recording import Recorded
from eventing.retrying import retry_transient
from eventing.routing import Router


@dataclass(frozen=True)
class Reaction[T]:
    """What the reaction `name` to an event works with: the service's `dependencies`, and a way to send commands."""

    dependencies: T
    router: Router[T]
    event: Recorded[Any]
    name: str
    _sent: Counter[UUID] = field(default_factory=Counter[UUID], init=False)

    async def send[R](self, command: Command[R], *, key: str | None = None, on_behalf_of: UUID | None = None) -> R:
        """Send a command because of the event, to the service that its subject names.

        While that service or the database is away it is sent again, for about half a minute; then the reaction fails,
        and the event is delivered again.

        The id of a command to another service derives from the event, the reaction and the command's content, so that
        service recognises it at a redelivery and carries it out once. Equal commands in one reaction are numbered:
        send all of them at each delivery. A command whose content may differ from one delivery to the next (a new id,
        the time, a value read meanwhile), or that is sent again after a caught failure, needs a `key`, unique in the
        reaction, which takes the place of content and number.

        A command to the own service has a new id unless it has a `key`: the worker that takes over a run sends the
        same `StartRun` as the one before it, and each has to be decided.

        Args:
            command: what is to be done.
            key: what identifies the command within this reaction.
            on_behalf_of: the user for whom it is done, with the role that they have now, instead of the event's actor.

        Returns:
            The command's result; None when it was carried out before and has no `outcome`: that answer is lost.

        Raises:
            Refusal: the domain says no; or the user is gone (USER_NOT_FOUND) or disabled (USER_INACTIVE).
            NoResponders, Unavailable: the other service, or identity, is still away.
            Exception: as `Dispatcher.send` does.
        """
        envelope = self.event.envelope.follow(self._message_id(command, key))

        async def carry_out() -> R:
            try:
                return await self.router.send(command, await self._acting(envelope, on_behalf_of))
            except Refusal as refusal:
                if refusal.code is Code.COMMAND_REPEATED:  # it had been stored, and only the answer was lost
                    return cast(R, None)
                raise

        return await retry_transient(carry_out)

    async def ask[R](self, query: Query[R]) -> R:
        """Ask a query of the service that its subject names; while that is away, again for half a minute.

        Raises as `Dispatcher.ask` or `Bus.ask` does.
        """
        return await retry_transient(lambda: self.router.ask(query, self.event.envelope.follow()))

    async def _acting(self, envelope: Envelope, user_id: UUID | None) -> Envelope:
        if user_id is None:
            return envelope
        return envelope.on_behalf_of(await self.router.actors.current(user_id, envelope))

    def _message_id(self, command: Command[Any], key: str | None) -> UUID | None:
        """Return the id that the command has at each delivery; None where it is to have a new one.

        Two commands of one content in one reaction are told apart by their number among those, not among all: the order
        in which a reaction sends may differ from one delivery to the next.
        """
        if key is not None:
            return self._derived(command.subject, f"key {key}")
        if self.router.is_own(command):
            return None
        content = self._derived(command.subject, command.model_dump_json())
        self._sent[content] += 1
        return uuid5(content, str(self._sent[content]))

    def _derived(self, *words: str) -> UUID:
        event, reaction = self.event, durable(self.router.service, self.name)
        # The time tells the event from another one in its place, after a failover that lost it.
        cause = f"{event.version} {event.event.subject} {event.at.isoformat()}"
        return uuid5(event.id, "\n".join((cause, reaction, *words)))
