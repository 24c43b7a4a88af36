"""Session: one conversation with an agent, the run that is going in it, if any, and those that wait."""

from typing import assert_never
from uuid import UUID

from contracts.session.approvals import ApprovalDecided, ApprovalRequested, DecisionDelivered
from contracts.session.events import (
    MessageRecorded,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    SessionCreated,
    SessionDeleted,
    SessionFact,
    SessionPaused,
    SessionResumed,
    ToolCallEnded,
    ToolCallStarted,
    UsageRecorded,
)
from contracts.session.values import Mode, Ruling, SdkOptions, Usage
from eventing.aggregate import Aggregate

from session.aggregate.approving import Approving
from session.aggregate.queue import Queue
from session.aggregate.run import Run
from session.aggregate.running import Running


class Session(Aggregate[SessionFact], Running, Approving):
    """Begins, ends, and folds; what it decides between stands in `running` and `approving`."""

    def __init__(self, id: UUID) -> None:  # noqa: A002  the field's name
        super().__init__(id)
        self.deleted = False
        self.messages = 0
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

    def create(self, user_id: UUID, name: str, mode: Mode, sdk_options: SdkOptions) -> None:
        """Open the session for a user."""
        self.record(SessionCreated(user_id=user_id, name=name, mode=mode, sdk_options=sdk_options))

    def delete(self) -> None:
        """End the session for good, the run that is going, and those that wait."""
        for run_id in [*([self.run.id] if self.run else []), *self.queue.waiting]:
            self._cancel(run_id, "session_deleted")
        self.record(SessionDeleted(user_id=self.user_id))

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
                self.queue.allow(fact.sdk_options.max_budget_usd)
            case RunQueued():
                self.queue.join(fact)
            case RunRequested():
                self.queue.leave(fact.run_id)
                self.run = Run(fact.run_id)
                self.messages = fact.sequence_number
            case RunStarted():
                self._going(fact.run_id).begin(fact.attempt)
            case MessageRecorded():
                self.messages = fact.sequence_number
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
            case _:
                assert_never(fact)
