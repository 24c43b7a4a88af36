"""Models of sessions."""

from typing import Annotated, Any, Literal
from uuid import UUID

from contracts.samples import USER
from contracts.session.session import ChangeSession, CreateSession
from contracts.session.session_view import SessionSummary, SessionView
from contracts.session.values import Mode, SessionStatus
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    JsonValue,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from gateway import ids
from gateway.schemas.base import UNCHANGED, Money, RequestBody, ResponseModel, without_default
from gateway.schemas.lists import KeysetWindow, ListPage, Words
from gateway.schemas.options import Options, at_most, shallow

type Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
METADATA = "metadata."
ANY_METADATA = f"{METADATA}<key>"
"""How the query parameters `metadata.ticket` and the like are named in the document."""
MetadataFilter = Annotated[
    dict[Annotated[Words, Field(min_length=1, max_length=200)], Annotated[Words, Field(max_length=1000)]],
    Field(
        alias=ANY_METADATA,
        max_length=10,
        description="Return only sessions whose metadata has this value, as text, under the key: "
        "`metadata.ticket=OPS-42`. At most 10 keys.",
    ),
    WithJsonSchema({"type": "string", "maxLength": 1000, "pattern": r"^[^\x00]*$", "examples": ["OPS-42"]}),
]
type Metadata = Annotated[dict[str, JsonValue], BeforeValidator(shallow), AfterValidator(at_most(16 * 1024))]


class NewSession(RequestBody):
    """A session to create."""

    sample = {name: value for name, value in CreateSession.sample.items() if name != "session_id"}

    name: Annotated[Name, Field(description="Name of the session.")] = "Untitled session"
    mode: Annotated[
        Literal["interactive", "non_interactive"],
        Field(
            description="`interactive`: tool calls may wait for approval. `non_interactive`: they are denied instead. "
            "Default: the mode of the template, or else `interactive`.",
            json_schema_extra=without_default,
        ),
    ] = "interactive"
    sdk_options: Annotated[
        Options,
        Field(
            description="Options of the agent; they override those of the template.", json_schema_extra=without_default
        ),
    ] = Options()
    template_id: Annotated[UUID | None, Field(description="Template that supplies options and mode.")] = None
    metadata: Annotated[Metadata, Field(description="Data of the client; at most 16 KiB of JSON.")] = {}

    def command(self, depth: int = 0) -> CreateSession:
        """Return the command; only fields that the client sent override a template."""
        return CreateSession(
            session_id=ids.new_id(),
            name=self.name,
            mode=self.mode if "mode" in self.model_fields_set else None,
            sdk_options=self.sdk_options,
            template_id=self.template_id,
            depth=depth,
            metadata=self.metadata,
        )


class SessionChange(RequestBody):
    """The fields of a session to change; omitted fields stay as they are."""

    sample = {name: value for name, value in ChangeSession.sample.items() if name != "session_id"}

    name: Annotated[Name, Field(description="New name.")] = UNCHANGED
    sdk_options: Annotated[Options, Field(description="Options to change; used from the next run on.")] = UNCHANGED
    metadata: Annotated[Metadata, Field(description="Replaces all metadata; at most 16 KiB of JSON.")] = UNCHANGED

    def command(self, session_id: UUID) -> ChangeSession:
        """Return the command."""
        return ChangeSession(
            session_id=session_id, name=self.name, sdk_options=self.sdk_options, metadata=self.metadata
        )


class SessionWindow(KeysetWindow):
    """Query parameters of the list of sessions."""

    status: Annotated[
        SessionStatus | None, Field(description="Return only sessions with this status.", examples=["active"])
    ] = None
    mode: Annotated[Mode | None, Field(description="Return only sessions of this mode.", examples=["interactive"])] = (
        None
    )
    q: Annotated[
        Words | None,
        Field(
            min_length=1,
            max_length=200,
            description="Return only sessions with this text in the name.",
            examples=["fix"],
        ),
    ] = None
    metadata: MetadataFilter = Field(default_factory=dict[str, str])

    @model_validator(mode="before")
    @classmethod
    def _collect_metadata(cls, parameters: dict[str, Any]) -> dict[str, Any]:
        found = {name: value for name, value in parameters.items() if name.startswith(METADATA)}
        if not found:
            return parameters
        others = {name: value for name, value in parameters.items() if name not in found}
        return others | {ANY_METADATA: {name.removeprefix(METADATA): value for name, value in found.items()}}

    def _parameters(self, filters: dict[str, Any]) -> dict[str, Any]:
        by_key: dict[str, str] = filters.pop(ANY_METADATA, {})
        return filters | {f"{METADATA}{key}": value for key, value in by_key.items()}


class SessionWindowOfAll(SessionWindow):
    """Query parameters of the list of the sessions of all users."""

    user_id: Annotated[UUID | None, Field(description="Return only sessions of this user.", examples=[USER])] = None


class Session(SessionView, ResponseModel):
    """A session."""

    total_cost_usd: Money


class SessionListed(SessionSummary, ResponseModel):
    """A session in a list, without its options and metadata."""

    total_cost_usd: Money


class SessionPage(ListPage[SessionListed]):
    """Sessions, newest first."""
