"""Session: one conversation with an agent, the run that is going in it, if any, and those that wait."""

from typing import assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session import SessionFact
from contracts.session.approval import ApprovalDecided, ApprovalRequested, DecisionDelivered
from contracts.session.archive import (
    ArchiveFailed,
    ArchiveRequested,
    SessionArchived,
    SessionUnarchived,
    UnarchiveFailed,
    UnarchiveRequested,
)
from contracts.session.conversation import MessageRecorded, ToolCallEnded, ToolCallStarted
from contracts.session.fork import ForkCompleted, ForkFailed, SessionForked
from contracts.session.run import (
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    SessionPaused,
    SessionResumed,
    UsageRecorded,
)
from contracts.session.session import EnvironmentSet, SessionChanged, SessionCreated, SessionDeleted
from contracts.session.values import HIDDEN, Json, Mode, Ruling, SdkOptions, Usage, hidden
from eventing.aggregate import Aggregate

from session.aggregate.active_run import Run
from session.aggregate.approval import Approving
from session.aggregate.archive import Archiving
from session.aggregate.queue import Queue
from session.aggregate.run import Running
from session.aggregate.state import Phase


class Session(Aggregate[SessionFact], Running, Approving, Archiving):
    """Begins, changes, is copied, ends, and folds; what it decides between stands in its other bases."""

    missing = Code.SESSION_NOT_FOUND

    name: str
    sdk_options: SdkOptions
    """With the values of `env` hidden; they are in `environment`."""

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        super().__init__(id)
        self.phase: Phase = "open"
        self.archive_id: UUID | None = None
        self.messages = 0
        self.message_ids: list[UUID] = []
        self.metadata: dict[str, Json] = {}
        self.environment: dict[str, str] = {}
        self.run: Run | None = None
        self.queue = Queue()
        self.over: set[UUID] = set()
        self.unbilled: dict[UUID, int] = {}
        self.mode: Mode = "interactive"
        self.remembered: dict[str, Ruling] = {}
        self.decided: dict[UUID, ApprovalDecided] = {}

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
        variables, shown = self._variables(sdk_options), hidden(sdk_options)
        self.record(SessionCreated(user_id=user_id, name=name, mode=mode, sdk_options=shown, template_id=template_id))
        self._set_environment(variables)

    def change(self, name: str | None, sdk_options: SdkOptions | None, metadata: dict[str, Json] | None) -> None:
        """Take what is not None; of the options, those that are named. Nothing new is no fact.

        Raises:
            Refusal: VARIABLE_NOT_SET.
        """
        options = self.sdk_options.with_named(sdk_options or SdkOptions())
        variables = self._variables(options)
        after = SessionChanged(
            user_id=self.user_id,
            name=self.name if name is None else name,
            sdk_options=hidden(options),
            metadata=self.metadata if metadata is None else metadata,
        )
        if (after.name, after.sdk_options, after.metadata) != (self.name, self.sdk_options, self.metadata):
            self.record(after)
        self._set_environment(variables)

    def fork(self, id: UUID, user_id: UUID, name: str, from_message_id: UUID | None) -> "Session":  # noqa: A002
        """Give a new session that knows what this one knows, up to a message if one is named.

        Raises:
            Refusal: SESSION_BUSY, SESSION_NOT_READY, SESSION_ARCHIVED, MESSAGE_NOT_FOUND.
        """
        self.check_idle()
        known = self.message_ids
        if from_message_id:
            if from_message_id not in known:
                raise Refusal(Code.MESSAGE_NOT_FOUND, f"The session has no message {from_message_id}.")
            known = known[: known.index(from_message_id) + 1]
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
        named = options.env or {}
        for name in (name for name, value in named.items() if value == HIDDEN and name not in self.environment):
            what = f"sdk_options.env: {name} has no value that {HIDDEN} could stand for."
            raise Refusal(Code.VARIABLE_NOT_SET, what)
        return {name: self.environment[name] if value == HIDDEN else value for name, value in named.items()}

    def _set_environment(self, variables: dict[str, str]) -> None:
        if variables != self.environment:
            self.record(EnvironmentSet(variables=variables))

    def _be(self, name: str, sdk_options: SdkOptions, metadata: dict[str, Json]) -> None:
        self.name, self.sdk_options, self.metadata = name, sdk_options, metadata
        self.queue.allow(sdk_options.max_budget_usd)

    def _said(self, number: int, message_id: UUID) -> None:
        self.messages = number
        self.message_ids.append(message_id)

    def _ended(self, fact: RunCompleted | RunFailed | RunCancelled) -> None:
        if self.run and self.run.id == fact.run_id:
            if self.run.started and fact.usage == Usage():
                self.unbilled[fact.run_id] = self.run.attempt
            self.run = None
        self.queue.leave(fact.run_id)
        self.queue.spent_usd += fact.usage.cost_usd
        self.over.add(fact.run_id)

    def apply(self, fact: SessionFact) -> None:  # noqa: C901  one case a fact
        """Fold one fact."""
        match fact:
            case SessionCreated():
                self.user_id, self.mode = fact.user_id, fact.mode
                self._be(fact.name, fact.sdk_options, {})
            case SessionChanged():
                self._be(fact.name, fact.sdk_options, fact.metadata)
            case EnvironmentSet():
                self.environment = fact.variables
            case RunQueued():
                self.queue.join(fact)
            case RunRequested():
                self.queue.leave(fact.run_id)
                self.run = Run(fact.run_id)
                self._said(fact.sequence_number, fact.message_id)
            case RunStarted():
                self._going(fact.run_id).begin(fact.attempt)
            case MessageRecorded():
                self._said(fact.sequence_number, fact.message_id)
            case ToolCallStarted():
                self._going(fact.run_id).tool_calls[fact.tool_use_id] = fact.tool_call_id
            case ToolCallEnded():
                self._going(fact.run_id).tool_calls.pop(fact.tool_use_id, None)
            case ApprovalRequested():
                self._going(fact.run_id).wait_for(fact)
            case ApprovalDecided():
                tool_name = self._going(fact.run_id).settle(fact)
                self.decided[fact.approval_id] = fact
                if fact.remember == "session":
                    self.remembered[tool_name] = Ruling(decision=fact.decision, message=fact.message)
            case DecisionDelivered():
                self._going(fact.run_id).hand_over(fact.approval_id)
            case RunCompleted() | RunFailed() | RunCancelled():
                self._ended(fact)
            case UsageRecorded():
                del self.unbilled[fact.run_id]
                self.queue.spent_usd += fact.usage.cost_usd
            case SessionPaused():
                self.queue.paused = True
            case SessionResumed():
                self.queue.paused = False
            case SessionDeleted():
                self.deleted = True
            case SessionForked():
                self.phase = "copying"
                self.messages, self.message_ids = len(fact.message_ids), list(fact.message_ids)
            case ForkFailed():
                self.phase = "broken"
            case ArchiveRequested():
                self.phase, self.archive_id = "packing", fact.archive_id
            case SessionArchived() | UnarchiveFailed():
                self.phase = "archived"
            case UnarchiveRequested():
                self.phase = "unpacking"
            case ForkCompleted() | ArchiveFailed() | SessionUnarchived():
                self.phase, self.archive_id = "open", None
            case _:
                assert_never(fact)
