"""Sessions, as clients see them."""

from typing import Annotated, Any, Literal
from uuid import UUID

from contracts.samples import SESSION, TIME, USER
from contracts.session.session import ChangeSession, CreateSession, SessionSummary, SessionView
from contracts.session.values import Mode, SessionStatus
from pydantic import AfterValidator, BeforeValidator, Field, JsonValue, StringConstraints
from runtime import clock

from gateway.schemas.lists import KeysetWindow, PageShown
from gateway.schemas.options import Options, at_most, shallow
from gateway.schemas.shown import UNCHANGED, Body, Money, Shown, example, undefaulted

type Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
type Metadata = Annotated[dict[str, JsonValue], BeforeValidator(shallow), AfterValidator(at_most(16 * 1024))]


class NewSession(Body):
    """A session to be made."""

    model_config = example({name: value for name, value in CreateSession.sample.items() if name != "session_id"})

    name: Name = "Untitled session"
    mode: Annotated[
        Literal["interactive", "non_interactive"],
        Field(description="Left out: that of the template, or else `interactive`.", json_schema_extra=undefaulted),
    ] = "interactive"
    sdk_options: Annotated[Options, Field(json_schema_extra=undefaulted)] = Options()
    template_id: UUID | None = None

    def command(self) -> CreateSession:
        """Ask for the session; only what the client named overrides a template."""
        return CreateSession(
            session_id=clock.new_id(),
            name=self.name,
            mode=self.mode if "mode" in self.model_fields_set else None,
            sdk_options=self.sdk_options,
            template_id=self.template_id,
        )


class SessionChange(Body):
    """What is to be different in a session; what is left out stays."""

    model_config = example({name: value for name, value in ChangeSession.sample.items() if name != "session_id"})

    name: Name = UNCHANGED
    sdk_options: Options = UNCHANGED
    metadata: Metadata = UNCHANGED

    def command(self, session_id: UUID) -> ChangeSession:
        """Ask for the change."""
        return ChangeSession(
            session_id=session_id, name=self.name, sdk_options=self.sdk_options, metadata=self.metadata
        )


class SessionWindow(KeysetWindow):
    """Which sessions are asked for."""

    status: Annotated[
        SessionStatus | None, Field(description="Give only sessions with this status.", examples=["active"])
    ] = None
    mode: Annotated[Mode | None, Field(description="Give only sessions of this mode.", examples=["interactive"])] = None


_SESSION: dict[str, Any] = {
    "id": SESSION,
    "user_id": USER,
    "name": "My Investigation Session",
    "mode": "interactive",
    "status": "created",
    "sdk_options": {"allowed_tools": ["Read", "Write", "Bash"], "permission_mode": "default", "timeout_seconds": 600},
    "metadata": {"ticket": "OPS-42"},
    "working_directory_path": f"/workspaces/{SESSION}",
    "parent_session_id": None,
    "is_fork": False,
    "ready": True,
    "error_code": None,
    "error_detail": None,
    "total_messages": 15,
    "total_tool_calls": 8,
    "total_cost_usd": 0.0523,
    "api_input_tokens": 1200,
    "api_output_tokens": 850,
    "created_at": TIME,
    "started_at": TIME,
    "updated_at": TIME,
}


_LISTED = {name: value for name, value in _SESSION.items() if name not in {"sdk_options", "metadata"}}


class Session(SessionView, Shown):
    """A session."""

    model_config = example(_SESSION)

    total_cost_usd: Money


class SessionListed(SessionSummary, Shown):
    """A session in a list: without its options and metadata."""

    model_config = example(_LISTED)

    total_cost_usd: Money


class SessionPage(PageShown[SessionListed]):
    """Sessions, newest first."""
