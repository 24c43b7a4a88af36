"""The section of a report about a session."""

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.approval import ListApprovals
from contracts.session.run import ListRuns
from contracts.session.run_view import RunSummary
from contracts.session.session import GetSession
from contracts.session.session_view import SessionView
from contracts.session.workspace import ListFiles
from runtime.blocking import BlockingPool

from report.collecting.budget import Budget
from report.collecting.changes import NOTE_ON_TOOL_FILES, changed_files, is_of_tools
from report.collecting.conversation import Conversation, entries, read_conversation
from report.collecting.sources import PAGE_SIZE, Ask, first
from report.content import ApprovalEntry, RunEntry, SessionSection, Totals, WorkspaceFile

MAX_RUNS, MAX_APPROVALS, MAX_FILES = 500, 500, 1000
NOTE_ON_FORK = "The conversation begins with a copy of that of session {}, whose runs and costs are not included."
NO_FILES = {
    Code.SESSION_ARCHIVED: "The session is archived: the files of its workspace are not listed.",
    Code.SESSION_NOT_READY: "The workspace of the session is not available: its files are not listed.",
}


class SessionCollector:
    """Collects sections about sessions within one budget.

    Args:
        ask: asks the session service.
        blocking: runs what would block the event loop.
        budget: what may still be added to the report.
        with_messages, with_calls: what the conversation shows. Without both, it is not read at all.
    """

    def __init__(
        self, ask: Ask, blocking: BlockingPool, budget: Budget, *, with_messages: bool, with_calls: bool
    ) -> None:
        self._ask, self._blocking, self._budget = ask, blocking, budget
        self._with_messages, self._with_calls = with_messages, with_calls

    async def section(self, session_id: UUID, *, with_conversation: bool = True) -> SessionSection:
        """Return the section about a session.

        Raises:
            Refusal: SESSION_NOT_FOUND.
        """
        session = await self._ask(GetSession(session_id=session_id))
        runs, total = await first(self._ask, ListRuns(session_id=session_id), MAX_RUNS)
        if total > len(runs):
            self._budget.note(f"The newest {MAX_RUNS} of {total:,} runs are shown.")
        if session.is_fork:
            self._budget.note(NOTE_ON_FORK.format(session.parent_session_id))
        conversation = Conversation()
        if with_conversation:
            conversation = await read_conversation(session_id, self._ask, self._blocking, self._budget)
        approvals = await self._approvals(session_id)
        workspace = await self._workspace(session_id)
        return await self._blocking.run(
            self._assemble, session, list(reversed(runs)), conversation, approvals, workspace, total
        )

    def _assemble(
        self,
        session: SessionView,
        runs: list[RunSummary],
        conversation: Conversation,
        approvals: list[ApprovalEntry],
        workspace: list[WorkspaceFile],
        total_runs: int,
    ) -> SessionSection:
        return SessionSection(
            id=session.id,
            name=session.name,
            status=session.status,
            mode=session.mode,
            model=session.sdk_options.model,
            created_at=session.created_at,
            ended_at=runs[-1].ended_at if runs else None,
            totals=_totals(session, runs, total_runs),
            tools=conversation.tools,
            models=conversation.models,
            runs=[self._run(run, conversation) for run in runs],
            approvals=approvals,
            files_changed=changed_files(conversation.calls, conversation.diffs, workspace, self._budget),
            workspace=workspace,
            messages=entries(
                conversation, self._budget, with_messages=self._with_messages, with_calls=self._with_calls
            ),
        )

    def _run(self, run: RunSummary, conversation: Conversation) -> RunEntry:
        query, _ = self._budget.text(conversation.question(run.id) or run.message)
        answer, _ = self._budget.text(conversation.answer(run.id))
        return RunEntry(
            id=run.id,
            query=query,
            answer=answer,
            status=run.status,
            error_code=run.error_code,
            error_detail=run.error_detail,
            started_at=run.created_at,
            ended_at=run.ended_at,
            **dict(run.usage),
        )

    async def _approvals(self, session_id: UUID) -> list[ApprovalEntry]:
        found, total = await first(self._ask, ListApprovals(session_id=session_id), MAX_APPROVALS)
        if total > len(found):
            self._budget.note(f"The newest {MAX_APPROVALS} of {total:,} approvals are shown.")
        return [
            ApprovalEntry(
                tool_name=approval.tool_name,
                status=approval.status,
                message=approval.message or None,
                at=approval.created_at,
                decided_at=approval.decided_at,
            )
            for approval in reversed(found)
        ]

    async def _workspace(self, session_id: UUID) -> list[WorkspaceFile]:
        files = list[WorkspaceFile]()
        try:
            for skip in range(0, MAX_FILES, PAGE_SIZE):
                page = await self._ask(ListFiles(session_id=session_id, skip=skip, limit=PAGE_SIZE))
                listed = [file for file in page.items if file.type == "file"]
                shown = [file for file in listed if not is_of_tools(file.path)]
                if len(shown) < len(listed):
                    self._budget.note(NOTE_ON_TOOL_FILES)
                files += [WorkspaceFile(path=file.path, size_bytes=file.size_bytes) for file in shown]
                if len(page.items) < PAGE_SIZE:
                    return files
        except Refusal as refusal:
            if refusal.code not in NO_FILES:
                raise
            self._budget.note(NO_FILES[refusal.code])
            return files
        self._budget.note(f"Of the workspace, only the first {MAX_FILES:,} entries are listed.")
        return files


def _totals(session: SessionView, runs: Iterable[RunSummary], total_runs: int) -> Totals:
    return Totals(
        runs=total_runs,
        messages=session.total_messages,
        tool_calls=session.total_tool_calls,
        input_tokens=session.api_input_tokens,
        output_tokens=session.api_output_tokens,
        cost_usd=session.total_cost_usd,
        active_ms=sum(run.usage.duration_ms for run in runs),
    )


def sum_totals(totals: Iterable[Totals]) -> Totals:
    """Return the sums of several totals."""
    sums = dict[str, int | Decimal]()
    for each in totals:
        sums = {name: value + sums.get(name, 0) for name, value in each}
    return Totals.model_validate(sums)
