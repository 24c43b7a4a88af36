"""Requests approvals of tool calls, and waits for the decisions."""

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approval import (
    ApprovalDecided,
    ApprovalView,
    DeliverDecisions,
    GetApproval,
    ListApprovals,
    RequestApproval,
)
from contracts.session.run_view import RunSummary
from contracts.session.values import ApprovalKind, ApprovalOutcome, Block, ToolUseBlock
from eventing.reactions import Reaction, Reactions
from eventing.recording import Recorded
from runtime import clock
from runtime.logging import get_logger
from runtime.telemetry import Origin
from runtime.waiters import Waiters

from session.agent.places import Place
from session.dependencies import Dependencies
from session.mcp.repeats import Repeats
from session.reactions.cancellation import Cancellation
from session.reactions.deadline import Deadline

log = get_logger()

POLL_SECONDS = 3.0
"""Seconds between two reads of a pending approval, in case the event of its decision was not received."""
RECORD_TIMEOUT = 25.0
"""Seconds that a call waits, or a request until its tool call, and so all earlier calls, are recorded."""
KEPT_AGENT_SECONDS = 3600.0
"""How long an approval waits at most if its run could not be released when it was requested: the run would keep an
agent and a place of its replica all that time."""
MAX_INPUT_CHARS = 2_000
MAX_OPEN_APPROVALS = 64
"""Undecided requests of one worker, including those for calls that the agent has given up."""
TOO_MANY_OPEN = "Too many tool calls are waiting for approval."
RESTARTED = (
    "You were restarted while you were waiting for approval, so the tool calls you had made were not executed. "
    "These are the decisions about them:"
)
OUTCOMES = (
    "A restart of the service has interrupted these tool calls of yours, and it is unknown whether they took effect. "
    "These are the decisions about them:"
)


reactions = Reactions()


@reactions.broadcast("tell_decision")
async def wake_worker(recorded: Recorded[ApprovalDecided], reaction: Reaction[Dependencies]) -> None:
    """Wake the worker that waits for this decision, in whichever replica it runs."""
    reaction.dependencies.decisions.wake(recorded.event.approval_id)


class ApprovalRequests:
    """The approval requests of one worker of a run, which has a place in this replica.

    If a request is refused, the worker has lost the run, and its agent is cancelled. While the agent only waits for
    approvals, the run can be released: then its agent is killed, and no decision is delivered to it any more.
    """

    def __init__(
        self,
        reaction: Reaction[Dependencies],
        run: RunSummary,
        deadline: Deadline,
        cancellation: Cancellation,
        place: Place,
        repeats: Repeats,
    ) -> None:
        self.reaction, self.run, self.deadline, self.cancellation = reaction, run, deadline, cancellation
        self.repeats = repeats
        self.place, place.release, place.only_waits = place, self._release, self._only_waits
        self._calls, self._call_waiters, self._open = set[str](), Waiters[str](), 0
        # Calls without a result, among them those that approval was requested for, and of these the undecided ones.
        self._unanswered, self._requested, self._waiting = set[str](), set[str](), set[str]()
        self._origin = Origin()  # a warm agent's tasks were started in an earlier run
        self.decisions = list[UUID]()  # in the prompt, about calls of earlier agents; not delivered yet
        self._in_order = True  # each approval was requested after its call was recorded

    @property
    def tools_used(self) -> bool:
        """Whether the agent has called a tool, as far as recorded."""
        return bool(self._calls)

    def note_recorded(self, blocks: list[Block]) -> None:
        """Note that a message with these blocks is recorded."""
        for block in (block for block in blocks if isinstance(block, ToolUseBlock)):
            self._calls.add(block.id)
            self._unanswered.add(block.id)
            self._call_waiters.wake(block.id)

    def note_returned(self, tool_use_id: str) -> None:
        """Note that a tool call has a result."""
        self._unanswered.discard(tool_use_id)
        self._requested.discard(tool_use_id)

    async def request(self, tool_use_id: str, tool_name: str, tool_input: dict[str, Any]) -> ApprovalOutcome:
        """Request approval of a tool call and return the decision, however long it takes.

        The call is denied immediately if too many are waiting.

        Raises:
            Refusal: the run is over, or another worker has it; the agent is cancelled.
        """
        self._in_order = await self.recorded(tool_use_id) and self._in_order
        self._requested.add(tool_use_id)
        about: dict[str, Any] = {"tool_use_id": tool_use_id, "tool_name": tool_name, "tool_input": tool_input}
        if not self.repeats.is_repetition(tool_use_id):
            return await self._request(**about)
        outcome = await self._request(**about, kind="outcome")
        if outcome.decision == "approved":
            self.repeats.permit(tool_use_id)
        return outcome

    async def elicit(self, server: str, message: str, form: dict[str, Any]) -> ApprovalOutcome:
        """Ask the user for the input that an MCP server needs during a tool call. Raises as `request` does."""
        question: dict[str, Any] = {"tool_use_id": "", "tool_name": server, "tool_input": {"message": message}}
        return await self._request(**question, kind="elicitation", form=form)

    async def _request(self, **about: Any) -> ApprovalOutcome:
        command = RequestApproval(
            session_id=self.run.session_id,
            run_id=self.run.id,
            attempt=self.run.attempt,
            approval_id=clock.new_id(),
            expires_at=self.reaction.now() + timedelta(seconds=self._seconds(**about)),
            **about,
        )
        if self._open >= MAX_OPEN_APPROVALS:
            return ApprovalOutcome(decision="denied", reason=TOO_MANY_OPEN)
        self._open += 1
        try:
            with self._origin.resumed():
                outcome = await self.reaction.send(command)
                outcome = outcome or await self._wait_for_outcome(command.approval_id, command.tool_use_id)
        except Refusal as refusal:
            self.cancellation.request(refusal)
            raise
        self._open -= 1
        return outcome

    def _seconds(self, kind: ApprovalKind = "tool", **_: Any) -> float:
        """Return how long an approval that is requested now may wait.

        Of a question of a server, of a subagent's call, and beside calls that were not asked about, it keeps the agent.
        """
        seconds = self.reaction.dependencies.approval_seconds
        releasable = kind != "elicitation" and self._in_order and self._unanswered <= self._requested
        return seconds if releasable else min(seconds, KEPT_AGENT_SECONDS)

    async def deliver(self) -> None:
        """Record that the agent has answered the prompt with the `decisions`, which its conversation has now.

        Raises:
            Refusal: the run is over, or another worker has it.
        """
        if self.decisions:
            await self._deliver(self.decisions)
            self.decisions = []

    async def recorded(self, tool_use_id: str) -> bool:
        """Wait until a tool call is recorded, within a limit; return whether it is."""
        with self._call_waiters.waiting(tool_use_id) as waiter:
            if tool_use_id not in self._calls:
                await waiter.wait(RECORD_TIMEOUT)
        return tool_use_id in self._calls

    async def _wait_for_outcome(self, approval_id: UUID, call: str) -> ApprovalOutcome:
        with self.deadline.paused():
            while True:
                with self._noted_as_waiting(call):
                    await self._wait_decided(approval_id)
                if self.place.released:  # the agent is killed, and must not learn what it might still act on
                    await asyncio.Future[None]()
                # The result is None if an earlier reply was lost; then the same decision is requested again.
                if outcomes := await self._deliver([approval_id]):
                    return outcomes[0]

    async def _deliver(self, approval_ids: list[UUID]) -> list[ApprovalOutcome] | None:
        run = self.run
        about: dict[str, Any] = {"session_id": run.session_id, "run_id": run.id, "attempt": run.attempt}
        return await self.reaction.send(DeliverDecisions(**about, approval_ids=approval_ids))

    async def _wait_decided(self, approval_id: UUID) -> None:
        with self.reaction.dependencies.decisions.waiting(approval_id) as waiter:
            while True:
                view = await self._read_approval(approval_id)
                if view and view.status != "pending":  # it expires at the latest
                    return
                self.reaction.dependencies.places.review()
                await waiter.wait(min(POLL_SECONDS, self.reaction.dependencies.places.seconds))

    @contextmanager
    def _noted_as_waiting(self, call: str) -> Generator[None]:
        self._waiting.add(call)
        self.place.wait()
        try:
            yield
        finally:
            self._waiting.discard(call)
            if not self._waiting:
                self.place.resume()
            self.place.note_work()

    def _only_waits(self) -> bool:
        """Return whether all that the agent does is wait for decisions about recorded calls."""
        return bool(self._waiting) and self._open == len(self._waiting) and self._waiting == self._unanswered

    def _release(self) -> bool:
        """Kill the agent if all that it does is wait for decisions about recorded calls; return whether it was killed.

        It is killed in the step that checks this, so it can have done nothing else. A run that requested an approval
        before its call was recorded cannot be continued, so it keeps its agent.
        """
        if not (self._in_order and self._only_waits()):
            return False
        return self.reaction.dependencies.agents.kill_waiting(self.run.session_id, self.run.id, self.run.attempt)

    async def _read_approval(self, approval_id: UUID) -> ApprovalView | None:
        try:
            return await self.reaction.ask(GetApproval(approval_id=approval_id))
        except Refusal as refusal:  # an approval is deleted only with its session
            raise Refusal(Code.SESSION_NOT_FOUND, refusal.detail) from None
        except Exception:  # the database may be unavailable for a while; decisions take longer
            log.exception("reading an approval failed")
            return None


async def undelivered(run: RunSummary, reaction: Reaction[Dependencies]) -> list[ApprovalView]:
    """Return the approvals that the previous workers of a run requested and did not deliver, the oldest first."""
    waiting = list[ApprovalView]()
    after: UUID | None = None
    while True:
        page = await reaction.ask(ListApprovals(session_id=run.session_id, after=after))
        of_run = [view for view in page.items if view.run_id == run.id]
        waiting += [view for view in of_run if not view.delivered]
        if not (of_run and page.more):  # those of earlier runs are older
            break
        after = of_run[-1].id
    # One query each, because lists truncate large values.
    return [await reaction.ask(GetApproval(approval_id=view.id)) for view in reversed(waiting)]


def continuation(views: list[ApprovalView]) -> str:
    """Return the prompt of an agent about decisions that earlier agents did not get."""
    waited = [_describe(view) for view in views if view.kind == "tool"]
    lost = [_describe_lost(view) for view in views if view.kind == "outcome"]
    return "\n".join([*([RESTARTED, *waited] if waited else []), *([OUTCOMES, *lost] if lost else [])])


def _describe_lost(view: ApprovalView) -> str:
    tool_input = json.dumps(view.tool_input)[:MAX_INPUT_CHARS]
    advice = "you may make it again" if view.status == "approved" else "you must not make it again"
    return f"- {view.tool_name} with {tool_input}: {advice}. {view.message or ''}".rstrip()


def _describe(view: ApprovalView) -> str:
    tool_input = json.dumps(view.tool_input)[:MAX_INPUT_CHARS]
    advice = "approved: make this call again" if view.status == "approved" else "denied: continue without it"
    return f"- {view.tool_name} with {tool_input} was {advice}. {view.message or ''}".rstrip()
