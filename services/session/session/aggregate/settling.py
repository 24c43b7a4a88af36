"""The decisions of a Session about the calls of a worker or an agent that was lost."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from contracts.session.approval import ApprovalDecided, ApprovalRequested, DecisionDelivered
from contracts.session.conversation import ToolCallEnded
from contracts.session.settling import LostCall, OutcomesUnknown, Settled, SettleRun, StoredResult, UnknownCall

from session.aggregate.active_run import Run
from session.aggregate.state import State

MAX_ASKED = 32
"""The number of calls that people are asked about at the same time; an agent makes fewer."""
RESTARTED = "The agent was restarted."


class Settling(State):
    """What becomes of the calls of a lost worker, by `after_crash` of the options."""

    def settle_run(self, command: SettleRun) -> Settled:
        """Record the outcomes of the calls that the worker before has left in progress, and say how the run goes on.

        If it is settled again, before an agent knows the result, the result is the same.

        Raises:
            Refusal: RUN_OVER, RUN_TAKEN.
        """
        run = self._run_of_worker(command.run_id, command.attempt)
        policy = self.sdk_options.after_crash_in(self.mode)
        self._record_all(_withdrawn_questions(run))
        lost = _lost(run, command.unknown)
        if lost:
            calls = [
                UnknownCall(tool_call_id=id, tool_use_id=call.tool_use_id, tool_name=call.tool_name, key=call.key)
                for id, call in lost
            ]
            self.record(OutcomesUnknown(run_id=run.id, calls=calls))
        if policy == "ask" and command.expires_at:
            self._record_all([_question(run.id, id, call, command.expires_at) for id, call in lost[:MAX_ASKED]])
        self._record_all(_settled_calls(run, command.results))
        ends = policy == "end" and run.uncertain.undecided
        return Settled(
            outlook="ends" if ends else "continues" if run.all_decided else "waits",
            unknown=_unknown(run, command.unknown),
            uncertain=list(run.uncertain.repeats),
        )


def _lost(run: Run, unknown: list[LostCall]) -> list[tuple[UUID, LostCall]]:
    """Return the calls in progress among those of unknown outcome; one that waited for approval had not begun."""
    waited = {approval.request.tool_use_id for approval in run.approvals.values()}
    return [(run.tool_calls[c.tool_use_id], c) for c in unknown if c.tool_use_id in run.tool_calls.keys() - waited]


def _unknown(run: Run, unknown: list[LostCall]) -> list[str]:
    """Return the model's ids of the calls that nobody has decided about or is asked about, recorded now or before."""
    asked = {approval.request.tool_use_id for approval in run.approvals.values()}
    undecided = {key for key, decided in run.uncertain.repeats.items() if not decided}
    return [call.tool_use_id for call in unknown if call.key in undecided and call.tool_use_id not in asked]


def _question(run_id: UUID, tool_call_id: UUID, call: LostCall, expires_at: datetime) -> ApprovalRequested:
    return ApprovalRequested(
        approval_id=uuid5(tool_call_id, "outcome"),
        run_id=run_id,
        tool_call_id=tool_call_id,
        tool_use_id=call.tool_use_id,
        tool_name=call.tool_name,
        tool_input=call.tool_input,
        kind="outcome",
        expires_at=expires_at,
    )


def _withdrawn_questions(run: Run) -> Sequence[ApprovalDecided | DecisionDelivered]:
    """Return the events that withdraw the questions of MCP servers, whose connections ended with the agent."""
    questions = [each for each in run.approvals.values() if each.request.kind == "elicitation"]
    expired = [each.expired(RESTARTED) for each in questions if each.outcome is None]
    ids = [each.request.approval_id for each in questions]
    return [*expired, *(DecisionDelivered(approval_id=id, run_id=run.id) for id in ids)]


def _settled_calls(run: Run, results: list[StoredResult]) -> list[ToolCallEnded]:
    """Return the events that end the calls in progress, with their results if they have any.

    Calls stay in progress while people are asked about them.
    """
    asked = {each.request.tool_use_id for each in run.approvals.values() if each.outcome is None}
    known = {result.tool_use_id: result for result in results}
    return [
        call.model_copy(update={"status": "error" if found.is_error else "success", "tool_output": found.output})
        if (found := known.get(call.tool_use_id)) and call.status != "denied"
        else call
        for call in run.interrupted_calls()
        if call.tool_use_id not in asked
    ]
