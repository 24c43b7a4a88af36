"""What the session service tells of words that are still being said: not stored, and gone when nobody listens."""

from uuid import UUID

from contracts.messages import Message

DELTA_SUBJECTS = "delta.session.*.*"
"""The subjects of all deltas, of whichever owner and session."""


class TextDelta(Message):
    """The next words of the agent; the whole message comes as the event `MessageRecorded`."""

    run_id: UUID
    text: str


def delta_subject(owner: UUID, session_id: UUID) -> str:
    """Give the subject of a session's deltas: `delta.session.<owner's user id>.<session id>`."""
    return f"delta.session.{owner}.{session_id}"
