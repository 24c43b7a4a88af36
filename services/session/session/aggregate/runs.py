"""What a Session decides about its runs: the one that is going, and those that wait."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.events import (
    MessageRecorded,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunQueued,
    RunRequested,
    RunStarted,
    SessionPaused,
    SessionResumed,
    ToolCallEnded,
    ToolCallStarted,
)
from contracts.session.values import Block, CancelReason, OnBusy, ToolUseBlock, Usage

from session.aggregate.state import Run, State

LONGEST_QUEUE = 20
NO_MONEY_LEFT = "The session has used all the money it may spend."


class Running(State):
    """At most one run goes at a time; what comes for a run that is over is refused.

    A run that ends lets the next one begin in the same breath: between two commands runs wait only behind one that is
    going, or in a session that is paused.
    """

    def submit_query(self, run_id: UUID, message_id: UUID, message: str, on_busy: OnBusy = "reject") -> None:
        """Ask the agent something; an `enqueue` waits for its turn, an `interrupt` goes before all that wait.

        Raises:
            Refusal: SESSION_NOT_READY, SESSION_ARCHIVED, BUDGET_EXCEEDED, SESSION_PAUSED, SESSION_BUSY when another run
                is going, QUEUE_FULL.
        """
        self.check_ready()
        if self._budget_used_up():
            raise Refusal(Code.BUDGET_EXCEEDED, NO_MONEY_LEFT)
        query = RunQueued(run_id=run_id, message_id=message_id, message=message)
        if on_busy == "enqueue" and (self.run or self.paused):
            self._enqueue(query)
            return
        if self.paused:
            raise Refusal(Code.SESSION_PAUSED, "The session is paused: resume it, or enqueue the query.")
        if self.run and on_busy == "reject":
            raise Refusal(Code.SESSION_BUSY, f"The session is busy with run {self.run.id}.")
        if self.run:
            self._cancel(self.run.id, "interrupted")
        self._request(query)

    def start_run(self, run_id: UUID) -> None:
        """Let a worker take the run up.

        A run that was started before is failed: a run is handed out again only when its worker is gone, and what its
        agent did outside cannot be undone by doing it twice.

        Raises:
            Refusal: RUN_OVER.
        """
        if self._going(run_id).started:
            self.end_run(run_id, Usage(), Code.RUN_INTERRUPTED, "The service went down during the run.")
        else:
            self.record(RunStarted(run_id=run_id, attempt=1))

    def record_message(self, run_id: UUID, message_id: UUID, blocks: list[Block], model: str) -> None:
        """Take down what the agent said, and the tool calls in it.

        Raises:
            Refusal: RUN_OVER.
        """
        self._going(run_id)
        self.record(
            MessageRecorded(
                run_id=run_id,
                message_id=message_id,
                sequence_number=self.messages + 1,
                blocks=blocks,
                model=model,
            )
        )
        for block in blocks:
            if isinstance(block, ToolUseBlock):
                self.record(
                    ToolCallStarted(
                        run_id=run_id,
                        tool_call_id=block.tool_call_id,
                        tool_use_id=block.id,
                        tool_name=block.name,
                        tool_input=block.input,
                    )
                )

    def record_tool_result(
        self, run_id: UUID, tool_use_id: str, output: dict[str, Any], is_error: bool, duration_ms: int
    ) -> None:
        """Take down how a tool call ended; one that is not under way is ignored.

        Raises:
            Refusal: RUN_OVER.
        """
        tool_call_id = self._going(run_id).tool_calls.get(tool_use_id)
        if tool_call_id:
            self.record(
                ToolCallEnded(
                    run_id=run_id,
                    tool_call_id=tool_call_id,
                    tool_use_id=tool_use_id,
                    status="error" if is_error else "success",
                    tool_output=output,
                    duration_ms=duration_ms,
                )
            )

    def end_run(self, run_id: UUID, usage: Usage, error_code: Code | None = None, error_detail: str = "") -> None:
        """End the run, with an answer or with an error; tool calls under way are interrupted.

        Raises:
            Refusal: RUN_OVER.
        """
        self._interrupt_tool_calls(self._going(run_id))
        if error_code is None:
            self.record(RunCompleted(run_id=run_id, usage=usage))
        else:
            self.record(RunFailed(run_id=run_id, error_code=error_code, error_detail=error_detail, usage=usage))
        self._go_on()

    def cancel_run(self, run_id: UUID) -> None:
        """End a run that waits or goes; the next one follows.

        Raises:
            Refusal: RUN_OVER, RUN_NOT_FOUND.
        """
        if run_id in self.over:
            raise Refusal(Code.RUN_OVER, f"Run {run_id} is over.")
        if run_id not in self.queue and not (self.run and self.run.id == run_id):
            raise Refusal(Code.RUN_NOT_FOUND, f"There is no run {run_id} in session {self.id}.")
        self._cancel(run_id, "requested")
        self._go_on()

    def interrupt(self) -> None:
        """End the run that is going; the next one follows.

        Raises:
            Refusal: NOTHING_TO_INTERRUPT.
        """
        if self.run is None:
            raise Refusal(Code.NOTHING_TO_INTERRUPT, "No run is going in the session.")
        self._cancel(self.run.id, "interrupted")
        self._go_on()

    def pause(self) -> None:
        """Let no further run begin; nothing happens when that is so already.

        Raises:
            Refusal: SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        self.check_ready()
        if not self.paused:
            self.record(SessionPaused())

    def resume(self) -> None:
        """Let runs begin again, those that wait first; nothing happens when the session is not paused.

        Raises:
            Refusal: SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        self.check_ready()
        if self.paused:
            self.record(SessionResumed())
            self._go_on()

    def _enqueue(self, query: RunQueued) -> None:
        if len(self.queue) >= LONGEST_QUEUE:
            raise Refusal(Code.QUEUE_FULL, f"{LONGEST_QUEUE} queries wait already.")
        self.record(query)

    def _request(self, query: RunQueued) -> None:
        self.record(
            RunRequested(
                run_id=query.run_id,
                message_id=query.message_id,
                sequence_number=self.messages + 1,
                message=query.message,
            )
        )

    def _cancel(self, run_id: UUID, reason: CancelReason) -> None:
        if self.run and self.run.id == run_id:
            self._interrupt_tool_calls(self.run)
        self.record(RunCancelled(run_id=run_id, reason=reason, usage=Usage()))

    def _go_on(self) -> None:
        while self.queue and not self.run and not self.paused:
            query = next(iter(self.queue.values()))
            if self._budget_used_up():
                code, detail = Code.BUDGET_EXCEEDED, NO_MONEY_LEFT
                self.record(RunFailed(run_id=query.run_id, error_code=code, error_detail=detail, usage=Usage()))
            else:
                self._request(query)

    def _budget_used_up(self) -> bool:
        budget = self.sdk_options.max_budget_usd
        return budget is not None and self.spent_usd >= Decimal(str(budget))

    def _interrupt_tool_calls(self, run: Run) -> None:
        for tool_use_id, tool_call_id in list(run.tool_calls.items()):
            self.record(
                ToolCallEnded(
                    run_id=run.id,
                    tool_call_id=tool_call_id,
                    tool_use_id=tool_use_id,
                    status="interrupted",
                    tool_output=None,
                    duration_ms=None,
                )
            )

    def _going(self, run_id: UUID) -> Run:
        if self.run is None or self.run.id != run_id:
            raise Refusal(Code.RUN_OVER, f"Run {run_id} is over.")
        return self.run
