"""Forks: sessions that begin with the conversation of another session and with a copy of its workspace."""

from uuid import UUID

from contracts.messages import Command, Event, Failure, ProgressEvent
from contracts.samples import FORK, MESSAGE, SESSION
from contracts.session.session import GetSession
from contracts.session.session_view import SessionView


class ForkSession(Command[SessionView]):
    """Fork a session for the actor: copy its conversation, up to `from_message_id` if given, and its workspace."""

    subject = "cmd.session.fork"
    sample = {"session_id": SESSION, "fork_id": FORK, "name": "Forked Session"}

    session_id: UUID
    fork_id: UUID
    name: str
    from_message_id: UUID | None = None

    def outcome(self) -> GetSession:
        """Return the query for the new session."""
        return GetSession(session_id=self.fork_id)


class CompleteFork(Command[None]):
    """Report that a fork has its copy of the parent's conversation and workspace."""

    subject = "cmd.session.complete_fork"
    senders = ()
    sample = {"session_id": FORK, "file_count": 42, "left_out": 0, "size_bytes": 2097152}

    session_id: UUID
    file_count: int
    left_out: int
    size_bytes: int | None = None


class FailFork(Failure, Command[None]):
    """Report that the parent's conversation or workspace could not be copied to a fork."""

    subject = "cmd.session.fail_fork"
    senders = ()
    sample = {"session_id": FORK, "error_code": "STORAGE_FAILED", "error_detail": "No space left on device."}

    session_id: UUID


MAX_FORKED_MESSAGES = 150_000
"""Of one fork: the ids of more messages would exceed the size of an event."""


class SessionForked(Event):
    """A fork was created with messages of its parent; transcript and workspace are still to be copied."""

    subject = "evt.session.forked"
    sample = {"parent_session_id": SESSION, "message_ids": [MESSAGE]}

    parent_session_id: UUID
    message_ids: list[UUID]


class ForkCompleted(ProgressEvent):
    """The conversation and the workspace were copied; `left_out` counts pipes, sockets and vanished files.

    `size_bytes` is that of the files, if it is known.
    """

    subject = "evt.session.fork_completed"
    sample = {"file_count": 42, "left_out": 0, "size_bytes": 2097152}

    file_count: int
    left_out: int
    size_bytes: int | None = None


class ForkFailed(Failure, ProgressEvent):
    """The copy failed, and the session cannot be used."""

    subject = "evt.session.fork_failed"
    sample = {"error_code": "STORAGE_FAILED", "error_detail": "No space left on device."}


ForkEvent = SessionForked | ForkCompleted | ForkFailed
