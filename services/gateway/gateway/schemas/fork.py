"""Forks, as clients see them."""

from typing import Annotated
from uuid import UUID

from contracts.session.fork import ForkSession
from pydantic import Field, StringConstraints
from runtime import clock

from gateway.schemas.shown import Body, example


class NewFork(Body):
    """A session to be made from another one."""

    model_config = example({"name": "Forked Session"})

    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = "Forked session"
    from_message_id: Annotated[UUID | None, Field(description="The last message that the fork knows.")] = None

    def command(self, session_id: UUID) -> ForkSession:
        """Ask for the fork."""
        return ForkSession(
            session_id=session_id, fork_id=clock.new_id(), name=self.name, from_message_id=self.from_message_id
        )
