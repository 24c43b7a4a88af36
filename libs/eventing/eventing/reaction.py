"""What a reaction works with."""

from dataclasses import dataclass
from itertools import count
from typing import cast

from contracts.messages import Command, Query
from contracts.refusals import Code, Refusal
from runtime.envelope import Envelope

from eventing.dispatch import Dispatcher
from eventing.patience import patiently


@dataclass(frozen=True)
class Reaction[T]:
    """What a reaction works with: the service's `tools`, and a way to send what came of it back as a command."""

    tools: T
    dispatcher: Dispatcher[T]
    envelope: Envelope

    async def send[R](self, command: Command[R]) -> R:
        """Send a command to this service, because of the fact; while the database is away, again for half a minute.

        The answer of one that has no `outcome` may get lost: it is None then. Raises as `Dispatcher.send` does.
        """
        envelope, tries = self.envelope.follow(), count()

        async def carry_out() -> R:
            again = next(tries) > 0
            try:
                return await self.dispatcher.send(command, envelope)
            except Refusal as refusal:
                if again and refusal.code is Code.COMMAND_REPEATED:
                    return cast(R, None)  # it had been stored, and only the answer was lost
                raise

        return await patiently(carry_out)

    async def ask[R](self, query: Query[R]) -> R:
        """Ask this service a query; while the database is away, again for half a minute.

        Raises as `Dispatcher.ask` does.
        """
        return await patiently(lambda: self.dispatcher.ask(query, self.envelope.follow()))
