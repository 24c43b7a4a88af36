"""All messages about sessions as a whole."""

from uuid import UUID

from pydantic import Field, JsonValue

from contracts.messages import Command, Event, KeysetWindow, Page, ProgressEvent, Query
from contracts.samples import SESSION, TEMPLATE, USER
from contracts.session.session_view import SessionSummary, SessionView
from contracts.session.values import (
    Mode,
    PartialSdkOptions,
    SdkOptions,
    SessionStatus,
)


class GetSession(Query[SessionView]):
    """Return one session."""

    subject = "qry.session.get"
    senders = ("gateway", "report")
    sample = {"session_id": SESSION}

    session_id: UUID


class ListSessions(KeysetWindow, Query[Page[SessionSummary]]):
    """Return the sessions of the actor, for an administrator those of all users or of `user_id`, newest first.

    They have the text `q` in the name, in any case, and the values of `metadata`, compared as text.
    """

    subject = "qry.session.list"
    sample = {"status": "active", "q": "build", "metadata": {"ticket": "OPS-42"}, "limit": 20}

    status: SessionStatus | None = None
    mode: Mode | None = None
    user_id: UUID | None = None
    q: str | None = None
    metadata: dict[str, str] = {}


class FindSessions(Query[list[UUID]]):
    """Return those of the given ids whose sessions exist for the actor."""

    subject = "qry.session.find"
    sample = {"session_ids": [SESSION]}

    session_ids: list[UUID] = Field(max_length=1000)


class CheckOptions(Query[None]):
    """Check that the actor could create a session with these options, and with the template if there is one.

    Services that create sessions later use it, so that mistakes are refused when the user makes them.
    """

    subject = "qry.session.check_options"
    sample = {"sdk_options": {"model": "sonnet"}, "template_id": TEMPLATE}

    sdk_options: PartialSdkOptions
    template_id: UUID | None = None


class CountSessions(Query[dict[str, int]]):
    """Return the number of sessions of all users by status."""

    subject = "qry.session.count"
    sample = {}


class CreateSession(Command[SessionView]):
    """Create a session for the actor.

    Fields that are not set in `sdk_options`, and a `mode` of None, are taken from the template. `depth` is set if an
    agent creates the session.
    """

    subject = "cmd.session.create"
    senders = ("gateway", "task_scheduler")
    outcome_query = GetSession
    sample = {
        "session_id": SESSION,
        "name": "My Investigation Session",
        "mode": "interactive",
        "sdk_options": {"allowed_tools": ["Read", "Write", "Bash"]},
        "metadata": {"ticket": "OPS-42"},
    }

    session_id: UUID
    name: str
    mode: Mode | None = None
    sdk_options: PartialSdkOptions
    template_id: UUID | None = None
    depth: int = 0
    metadata: dict[str, JsonValue] = {}


class ChangeSession(Command[SessionView]):
    """Change the fields of a session that are not None, and the options that are set."""

    subject = "cmd.session.change"
    outcome_query = GetSession
    sample = {"session_id": SESSION, "name": "Renamed", "sdk_options": {"max_turns": 5}, "metadata": {"ticket": 42}}

    session_id: UUID
    name: str | None = None
    sdk_options: PartialSdkOptions | None = None
    metadata: dict[str, JsonValue] | None = None


class DeleteSession(Command[None]):
    """Delete a session, ending its active run."""

    subject = "cmd.session.delete"
    sample = {"session_id": SESSION}

    session_id: UUID


class PauseSession(Command[SessionView]):
    """Pauses a session: no further run starts, and an active run continues to its end."""

    subject = "cmd.session.pause"
    outcome_query = GetSession
    sample = {"session_id": SESSION}

    session_id: UUID


class ResumeSession(Command[SessionView]):
    """Resumes a session, whose queued runs start first; reopens an archived one."""

    subject = "cmd.session.resume"
    outcome_query = GetSession
    sample = {"session_id": SESSION}

    session_id: UUID


class SessionCreated(Event):
    """A session was created."""

    subject = "evt.session.created"
    sample = {
        "user_id": USER,
        "name": "My Investigation Session",
        "mode": "interactive",
        "sdk_options": {},
        "metadata": {"ticket": "OPS-42"},
    }

    user_id: UUID
    name: str
    mode: Mode
    sdk_options: SdkOptions
    template_id: UUID | None = None
    metadata: dict[str, JsonValue] = {}


class SessionChanged(Event):
    """A session was changed; the event carries the new values of all these fields. The values of `env` are masked."""

    subject = "evt.session.changed"
    sample = {"user_id": USER, "name": "Renamed", "sdk_options": {"max_turns": 5}, "metadata": {"ticket": 42}}

    user_id: UUID
    name: str
    sdk_options: SdkOptions
    metadata: dict[str, JsonValue]


class EnvironmentSet(Event):
    """The environment variables of the session's agent were replaced. Their values are secrets."""

    subject = "evt.session.environment_set"
    secret = True
    sample = {"variables": {"TOKEN": "secret"}}

    variables: dict[str, str] = Field(default={}, repr=False)


class DepthIncreased(ProgressEvent):
    """An agent uses the session, and `depth` agents use each other up to it; more than the depth was before."""

    subject = "evt.session.depth_increased"
    sample = {"depth": 1}

    depth: int


class SessionPaused(Event):
    """The session was paused: no run is requested until it is resumed, and an active run continues to its end."""

    subject = "evt.session.paused"
    sample = {}


class SessionResumed(Event):
    """The session was resumed; its queued runs are requested."""

    subject = "evt.session.resumed"
    sample = {}


class SessionDeleted(Event):
    """The session was deleted, and no longer exists for its users."""

    subject = "evt.session.deleted"
    sample = {"user_id": USER}

    user_id: UUID


LifecycleEvent = (
    SessionCreated | SessionChanged | EnvironmentSet | DepthIncreased | SessionPaused | SessionResumed | SessionDeleted
)
