"""Session: a conversation with an agent, its active run, and its queue."""

from typing import assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.secrets import unmasked
from contracts.session import SessionEvent
from contracts.session.archive import UnarchiveRequested
from contracts.session.fork import MAX_FORKED_MESSAGES, SessionForked
from contracts.session.session import (
    DepthIncreased,
    EnvironmentSet,
    LifecycleEvent,
    SessionChanged,
    SessionCreated,
    SessionDeleted,
    SessionPaused,
    SessionResumed,
)
from contracts.session.values import ApprovalOutcome, Json, Mode, SdkOptions
from eventing.aggregate import Aggregate

from session.aggregate.active_run import Run
from session.aggregate.approval import Approving
from session.aggregate.archive import Archiving
from session.aggregate.conversation import Conversing
from session.aggregate.fork import Forking
from session.aggregate.mcp import UsingMcpServers
from session.aggregate.queue import Queue
from session.aggregate.run import Running
from session.aggregate.settling import Settling
from session.aggregate.state import Phase

TOO_MANY_MESSAGES = (
    f"A fork takes over at most {MAX_FORKED_MESSAGES} messages. Fork from an earlier message (`from_message_id`)."
)


class Session(Aggregate[SessionEvent], Running, Conversing, Settling, Approving, Forking, Archiving, UsingMcpServers):
    """A session: its life cycle. The base classes decide and fold the other subjects."""

    missing = Code.SESSION_NOT_FOUND
    secrets = {"environment": EnvironmentSet}

    name: str
    sdk_options: SdkOptions
    """The options with the values of `env` masked; the values are in `environment`."""
    metadata: dict[str, Json]
    environment: dict[str, str]
    depth: int
    """The number of agents that use each other up to this session. It never falls: so circles of agents end."""

    def __init__(self, id: UUID) -> None:
        super().__init__(id)
        self.phase: Phase = "open"
        self.archive_id: UUID | None = None
        self.messages = 0
        self.metadata = {}
        self.environment = {}
        self.depth = 0
        self.run: Run | None = None
        self.queue = Queue()
        self.unbilled: dict[UUID, int] = {}
        self.cancelled_in_advance = []
        self.mode: Mode = "interactive"
        self.remembered: dict[str, ApprovalOutcome] = {}

    @property
    def owner(self) -> UUID:
        """The user who created the session."""
        return self.user_id

    def create(
        self,
        user_id: UUID,
        name: str,
        mode: Mode,
        sdk_options: SdkOptions,
        template_id: UUID | None = None,
        metadata: dict[str, Json] | None = None,
    ) -> None:
        """Create the session.

        Raises:
            Refusal: VARIABLE_NOT_SET.
        """
        variables = self._variables(sdk_options)
        created = SessionCreated(
            user_id=user_id,
            name=name,
            mode=mode,
            sdk_options=sdk_options.masked(),
            template_id=template_id,
            metadata=metadata or {},
        )
        self.record(created)
        self._set_environment(variables)

    def change(self, name: str | None, sdk_options: SdkOptions | None, metadata: dict[str, Json] | None) -> None:
        """Change the fields that are not None, and the options that are set. Records nothing if nothing changes.

        A change of nothing but values of `env`, which are masked in the event, is an event, too.

        Raises:
            Refusal: VARIABLE_NOT_SET.
        """
        options = self.sdk_options.overridden_by(sdk_options or SdkOptions())
        variables = self._variables(options)
        after = SessionChanged(
            user_id=self.user_id,
            name=self.name if name is None else name,
            sdk_options=options.masked(),
            metadata=self.metadata if metadata is None else metadata,
        )
        before = (self.name, self.sdk_options, self.metadata)
        if (after.name, after.sdk_options, after.metadata) != before or variables != self.environment:
            self.record(after)
        self._set_environment(variables)

    def fork(self, id: UUID, user_id: UUID, name: str, message_ids: list[UUID]) -> "Session":
        """Return a new session that starts with the given messages of this one.

        Raises:
            Refusal: SESSION_BUSY, SESSION_NOT_READY, SESSION_ARCHIVED; CONVERSATION_FULL, there are too many messages.
        """
        self.check_idle()
        copied_ids = message_ids[: self.messages]  # more messages may have been recorded since this session was loaded
        if len(copied_ids) > MAX_FORKED_MESSAGES:
            raise Refusal(Code.CONVERSATION_FULL, TOO_MANY_MESSAGES)
        fork = Session(id)
        options = self.sdk_options.model_copy(update={"env": self.environment or None})
        fork.create(user_id, name, "forked", options, metadata=self.metadata)
        fork.increase_depth(self.depth)
        fork.record(SessionForked(parent_session_id=self.id, message_ids=copied_ids))
        return fork

    def increase_depth(self, depth: int) -> None:
        """Record that the session is used at this depth. Records nothing if it was used at that depth before."""
        if depth > self.depth:
            self.record(DepthIncreased(depth=depth))

    def pause(self) -> None:
        """Prevent further runs from starting. Records nothing if the session is already paused.

        Raises:
            Refusal: SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        self.check_ready()
        if not self.queue.paused:
            self.record(SessionPaused())

    def resume(self) -> None:
        """Let runs start again, or request that an archived session is unpacked.

        Records nothing if the session is neither paused nor archived, or is already being unpacked.

        Raises:
            Refusal: SESSION_NOT_READY, or SESSION_ARCHIVED while the session is being packed.
        """
        if self.phase == "unpacking":
            return
        if self.phase == "archived" and self.archive_id:
            self.record(UnarchiveRequested(archive_id=self.archive_id))
            return
        self.check_ready()
        if self.queue.paused:
            self.record(SessionResumed())

    def delete(self) -> None:
        """Delete the session, cancelling its active run and its queue."""
        for run_id in [*([self.run.id] if self.run else []), *self.queue.waiting]:
            self._cancel(run_id, "session_deleted")
        self.record(SessionDeleted(user_id=self.user_id))

    def _variables(self, options: SdkOptions) -> dict[str, str]:
        return unmasked(options.env or {}, self.environment, Code.VARIABLE_NOT_SET, "sdk_options.env")

    def _set_environment(self, variables: dict[str, str]) -> None:
        if variables != self.environment:
            self.record(EnvironmentSet(variables=variables))

    def _set_fields(self, name: str, sdk_options: SdkOptions, metadata: dict[str, Json]) -> None:
        self.name, self.sdk_options, self.metadata = name, sdk_options, metadata
        self.queue.apply_budget(sdk_options.max_budget_usd)

    def apply_lifecycle(self, event: LifecycleEvent) -> None:
        """Fold one event of the session's life cycle."""
        match event:
            case SessionCreated():
                self.user_id, self.mode = event.user_id, event.mode
                self._set_fields(event.name, event.sdk_options, event.metadata)
            case SessionChanged():
                self._set_fields(event.name, event.sdk_options, event.metadata)
            case EnvironmentSet():
                self.environment = event.variables
            case DepthIncreased():
                self.depth = event.depth
            case SessionPaused():
                self.queue.paused = True
            case SessionResumed():
                self.queue.paused = False
            case SessionDeleted():
                self.deleted = True
            case _:
                assert_never(event)
