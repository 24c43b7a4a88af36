"""Models of forks."""

from typing import Annotated
from uuid import UUID

from contracts.session.fork import ForkSession
from pydantic import Field, StringConstraints

from gateway import ids
from gateway.schemas.base import RequestBody


class NewFork(RequestBody):
    """A session to create as a copy of another one."""

    sample = {"name": "Forked Session"}

    name: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
        Field(description="Name of the fork."),
    ] = "Forked session"
    from_message_id: Annotated[
        UUID | None, Field(description="The last message to copy; by default the whole conversation is copied.")
    ] = None

    def command(self, session_id: UUID) -> ForkSession:
        """Return the command."""
        return ForkSession(
            session_id=session_id, fork_id=ids.new_id(), name=self.name, from_message_id=self.from_message_id
        )
