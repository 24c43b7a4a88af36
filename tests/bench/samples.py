"""Data of all benchmarks: sessions of one size, for one user."""

from contracts.messages import Actor
from contracts.session.session import CreateSession
from runtime.bus.envelope import Envelope
from runtime.clock import new_id
from session.aggregate import Session

BODY = {
    "name": "My Investigation Session",
    "mode": "interactive",
    "sdk_options": {"allowed_tools": ["Read", "Write", "Bash"], "system_prompt": "You are a careful investigator."},
}
ACTOR = Actor(user_id=new_id(), role="user")


def new_command() -> CreateSession:
    """Return the command that the gateway builds from the body."""
    return CreateSession.model_validate({**BODY, "session_id": new_id()})


def new_session() -> Session:
    """Return a session whose first event is not stored yet."""
    command, session = new_command(), Session(new_id())
    session.create(ACTOR.user_id, command.name, command.mode or "interactive", command.sdk_options)
    return session


def new_envelope() -> Envelope:
    """Return the envelope of a command."""
    return Envelope.begin(actor=ACTOR)
