"""Session: one conversation with an agent, the run that is going in it, if any, and those that wait."""

from typing import assert_never
from uuid import UUID

from contracts.refusals import Code
from contracts.secrets import unmasked
from contracts.session import SessionEvent
from contracts.session.approval import ApprovalEvent
from contracts.session.conversation import ConversationEvent
from contracts.session.fork import ForkEvent, SessionForked
from contracts.session.run import RunEvent
from contracts.session.session import EnvironmentSet, LifecycleEvent, SessionChanged, SessionCreated, SessionDeleted
from contracts.session.values import ApprovalOutcome, Json, Mode, SdkOptions
from eventing.aggregate import Aggregate

from session.aggregate.active_run import Run
from session.aggregate.approval import Approving
from session.aggregate.archive import Archiving
from session.aggregate.conversation import Conversing
from session.aggregate.fork import Forking
from session.aggregate.queue import Queue
from session.aggregate.run import Running
from session.aggregate.state import Phase


class Session(Aggregate[SessionEvent], Running, Conversing, Approving, Forking, Archiving):
    """Begins, changes, is copied, ends, and folds; what it decides between stands in its other bases."""

    missing = Code.SESSION_NOT_FOUND
    secrets = {"environment": EnvironmentSet}

    name: str
    sdk_options: SdkOptions
    """With the values of `env` masked; they are in `environment`."""
    metadata: dict[str, Json]
    environment: dict[str, str]

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        super().__init__(id)
        self.phase: Phase = "open"
        self.archive_id: UUID | None = None
        self.messages = 0
        self.metadata = {}
        self.environment = {}
        self.run: Run | None = None
        self.queue = Queue()
        self.unbilled: dict[UUID, int] = {}
        self.mode: Mode = "interactive"
        self.remembered: dict[str, ApprovalOutcome] = {}

    @property
    def owner(self) -> UUID:
        """Who opened it."""
        return self.user_id

    def create(
        self, user_id: UUID, name: str, mode: Mode, sdk_options: SdkOptions, template_id: UUID | None = None
    ) -> None:
        """Open the session for a user.

        Raises:
            Refusal: VARIABLE_NOT_SET.
        """
        variables, shown = self._variables(sdk_options), sdk_options.masked()
        self.record(SessionCreated(user_id=user_id, name=name, mode=mode, sdk_options=shown, template_id=template_id))
        self._set_environment(variables)

    def change(self, name: str | None, sdk_options: SdkOptions | None, metadata: dict[str, Json] | None) -> None:
        """Take what is not None; of the options, those that are named. Nothing new is no event.

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
        if (after.name, after.sdk_options, after.metadata) != (self.name, self.sdk_options, self.metadata):
            self.record(after)
        self._set_environment(variables)

    def fork(self, id: UUID, user_id: UUID, name: str, message_ids: list[UUID]) -> "Session":  # noqa: A002
        """Return a new session that begins with the first messages of this one, whose ids are given.

        Raises:
            Refusal: SESSION_BUSY, SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        self.check_idle()
        known = message_ids[: self.messages]  # more may have been recorded since this session was loaded
        fork = Session(id)
        fork.create(user_id, name, "forked", self.sdk_options.model_copy(update={"env": self.environment or None}))
        fork.record(SessionForked(parent_session_id=self.id, message_ids=known))
        return fork

    def delete(self) -> None:
        """End the session for good, the run that is going, and those that wait."""
        for run_id in [*([self.run.id] if self.run else []), *self.queue.waiting]:
            self._cancel(run_id, "session_deleted")
        self.record(SessionDeleted(user_id=self.user_id))

    def _variables(self, options: SdkOptions) -> dict[str, str]:
        return unmasked(options.env or {}, self.environment, Code.VARIABLE_NOT_SET, "sdk_options.env")

    def _set_environment(self, variables: dict[str, str]) -> None:
        if variables != self.environment:
            self.record(EnvironmentSet(variables=variables))

    def _be(self, name: str, sdk_options: SdkOptions, metadata: dict[str, Json]) -> None:
        self.name, self.sdk_options, self.metadata = name, sdk_options, metadata
        self.queue.allow(sdk_options.max_budget_usd)

    def apply(self, event: SessionEvent) -> None:
        """Fold one event: each subject folds its own; those of which there are most come first."""
        if isinstance(event, ConversationEvent):
            self.apply_conversation(event)
        elif isinstance(event, RunEvent):
            self.apply_run(event)
        elif isinstance(event, ApprovalEvent):
            self.apply_approval(event)
        elif isinstance(event, LifecycleEvent):
            self.apply_lifecycle(event)
        elif isinstance(event, ForkEvent):
            self.apply_fork(event)
        else:
            self.apply_archive(event)

    def apply_lifecycle(self, event: LifecycleEvent) -> None:
        """Fold one event of the session as a whole."""
        match event:
            case SessionCreated():
                self.user_id, self.mode = event.user_id, event.mode
                self._be(event.name, event.sdk_options, {})
            case SessionChanged():
                self._be(event.name, event.sdk_options, event.metadata)
            case EnvironmentSet():
                self.environment = event.variables
            case SessionDeleted():
                self.deleted = True
            case _:
                assert_never(event)
