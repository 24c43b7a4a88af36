"""Forks: a session that begins with what another one knew, and with a copy of its workspace."""

from uuid import UUID

from contracts.messages import Command, Event, Failure
from contracts.samples import FORK, MESSAGE, SESSION
from contracts.session.session import GetSession, SessionView


class ForkSession(Command[SessionView]):
    """Opens a session for the actor that knows what another one knew, up to a message if one is named."""

    subject = "cmd.session.fork"
    sample = {"session_id": SESSION, "fork_id": FORK, "name": "Forked Session"}

    session_id: UUID
    fork_id: UUID
    name: str
    from_message_id: UUID | None = None

    def outcome(self) -> GetSession:
        """Answer with the new session."""
        return GetSession(session_id=self.fork_id)


class CompleteFork(Command[None]):
    """What a fork was to get from its parent is there."""

    subject = "cmd.session.complete_fork"
    sample = {"session_id": FORK, "file_count": 42, "left_out": 0}

    session_id: UUID
    file_count: int
    left_out: int


class FailFork(Failure, Command[None]):
    """What a fork was to get from its parent cannot be copied."""

    subject = "cmd.session.fail_fork"
    sample = {"session_id": FORK, "error_code": "STORAGE_FAILED", "error_detail": "No space left on device."}

    session_id: UUID


class SessionForked(Event):
    """The session begins with messages of another one; what belongs to them is to be copied."""

    subject = "evt.session.forked"
    sample = {"parent_session_id": SESSION, "message_ids": [MESSAGE]}

    parent_session_id: UUID
    message_ids: list[UUID]


class ForkCompleted(Event):
    """The conversation and the workspace are copied; `left_out` counts what is no file, or was too much."""

    subject = "evt.session.fork_completed"
    sample = {"file_count": 42, "left_out": 0}

    file_count: int
    left_out: int


class ForkFailed(Failure, Event):
    """The copy could not be made; the session is of no use."""

    subject = "evt.session.fork_failed"
    sample = {"error_code": "STORAGE_FAILED", "error_detail": "No space left on device."}


ForkEvent = SessionForked | ForkCompleted | ForkFailed
