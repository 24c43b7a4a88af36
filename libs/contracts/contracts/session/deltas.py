"""Partial messages of the agent, published while it writes. They are not stored, and lost if nobody subscribes."""

from typing import Literal
from uuid import UUID

from contracts.messages import Message

DELTA_SUBJECTS = "delta.session.*.*"
"""The wildcard subject of the deltas of all owners and sessions."""

MAX_DELTA_CHARS = 64 * 1024
"""The maximum length of one piece of text. The message has all of a longer one; models write a few words at a time."""


class TextDelta(Message):
    """The next piece of the agent's text, or of its thinking; the message follows as the event `MessageRecorded`."""

    run_id: UUID
    message_id: UUID | None = None
    kind: Literal["text", "thinking"] = "text"
    text: str


def delta_subject(owner: UUID, session_id: UUID) -> str:
    """Return the subject of a session's deltas: `delta.session.<owner's user id>.<session id>`."""
    return f"delta.session.{owner}.{session_id}"
