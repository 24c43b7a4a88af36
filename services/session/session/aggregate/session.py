"""Session: one conversation with an agent, the run that is going in it, if any, and those that wait."""

from decimal import Decimal
from typing import assert_never
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.events import (
    ArchiveRequested,
    ForkCompleted,
    MessageRecorded,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    SessionArchived,
    SessionCreated,
    SessionDeleted,
    SessionFact,
    SessionForked,
    SessionPaused,
    SessionResumed,
    SessionUnarchived,
    ToolCallEnded,
    ToolCallStarted,
    UnarchiveRequested,
)
from contracts.session.values import Mode, SdkOptions, Usage
from eventing.aggregate import Aggregate

from session.aggregate.archiving import Archiving
from session.aggregate.runs import Running
from session.aggregate.state import Run


class Session(Aggregate[SessionFact], Running, Archiving):
    """Begins, is copied, ends, and folds; what happens between stands in `runs` and `archiving`."""

    user_id: UUID

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        super().__init__(id)
        self.deleted = False
        self.ready = True
        self.archive_id: UUID | None = None
        self.messages = 0
        self.message_ids: list[UUID] = []
        self.run: Run | None = None
        self.queue: dict[UUID, RunQueued] = {}
        self.over: set[UUID] = set()
        self.paused = False
        self.spent_usd = Decimal(0)

    @property
    def owner(self) -> UUID:
        """Who opened it."""
        return self.user_id

    def create(self, user_id: UUID, name: str, mode: Mode, sdk_options: SdkOptions) -> None:
        """Open the session for a user."""
        self.record(SessionCreated(user_id=user_id, name=name, mode=mode, sdk_options=sdk_options))

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
        fork.create(user_id, name, "forked", self.sdk_options)
        fork.record(SessionForked(parent_session_id=self.id, message_ids=known))
        return fork

    def delete(self) -> None:
        """End the session for good, the run that is going, and those that wait."""
        for run_id in [*([self.run.id] if self.run else []), *self.queue]:
            self._cancel(run_id, "session_deleted")
        self.record(SessionDeleted(user_id=self.user_id))

    def _ended(self, run_id: UUID, usage: Usage) -> None:
        if self.run and self.run.id == run_id:
            self.run = None
        self.queue.pop(run_id, None)
        self.over.add(run_id)
        self.spent_usd += usage.cost_usd

    def apply(self, fact: SessionFact) -> None:  # noqa: C901  one case a fact
        """Fold one fact."""
        match fact:
            case SessionCreated():
                self.user_id, self.sdk_options = fact.user_id, fact.sdk_options
            case RunQueued():
                self.queue[fact.run_id] = fact
            case RunRequested():
                self.queue.pop(fact.run_id, None)
                self.run = Run(fact.run_id)
                self.messages = fact.sequence_number
                self.message_ids.append(fact.message_id)
            case RunStarted():
                self._going(fact.run_id).started = True
            case MessageRecorded():
                self.messages = fact.sequence_number
                self.message_ids.append(fact.message_id)
            case ToolCallStarted():
                self._going(fact.run_id).tool_calls[fact.tool_use_id] = fact.tool_call_id
            case ToolCallEnded():
                self._going(fact.run_id).tool_calls.pop(fact.tool_use_id, None)
            case RunCompleted() | RunFailed() | RunCancelled():
                self._ended(fact.run_id, fact.usage)
            case SessionPaused():
                self.paused = True
            case SessionResumed():
                self.paused = False
            case SessionDeleted():
                self.deleted = True
            case SessionForked():
                self.ready, self.messages = False, len(fact.message_ids)
                self.message_ids = list(fact.message_ids)
            case ForkCompleted() | SessionArchived():
                self.ready = True
            case ArchiveRequested():
                self.ready, self.archive_id = False, fact.archive_id
            case UnarchiveRequested():
                self.ready = False
            case SessionUnarchived():
                self.ready, self.archive_id = True, None
            case _:
                assert_never(fact)
