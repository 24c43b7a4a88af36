"""A session as the queries of the session service show it."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.identity.user import GetUser, UserView
from contracts.messages import Page
from contracts.refusals import Code, Refusal
from contracts.samples import RUN, SESSION, USER
from contracts.session.approval import ApprovalView, ListApprovals
from contracts.session.conversation import (
    GetMessage,
    GetToolCall,
    ListMessages,
    ListToolCalls,
    MessageView,
    ToolCallView,
)
from contracts.session.run import ListRuns
from contracts.session.run_view import RunSummary
from contracts.session.session import GetSession
from contracts.session.session_view import SessionView
from contracts.session.workspace import FilesPage, FileView, ListFiles

SESSION_ID = UUID(SESSION)
START = datetime(2026, 11, 26, 9, tzinfo=UTC)
PREVIEW = {"truncated": True, "size_bytes": 20_000}


def at(n: int) -> datetime:
    """Return the time `n` seconds after the start of the session."""
    return START + timedelta(seconds=n)


def identifier(kind: int, n: int) -> UUID:
    """Return the id of the `n`th thing of a kind; ids of a kind are ordered."""
    return UUID(int=(kind << 64) + n)


class FakeSession:
    """A session whose parts a test adds; `whole` has the full values of those that lists show the beginning of."""

    def __init__(self, session_id: UUID = SESSION_ID, name: str = "My Session") -> None:
        self.id, self.name, self.status = session_id, name, "active"
        self.parent_id: UUID | None = None
        self.owner: str | None = "Ada Lovelace"
        self.messages, self.calls = list[MessageView](), list[ToolCallView]()
        self.runs, self.approvals, self.files = list[RunSummary](), list[ApprovalView](), list[FileView]()
        self.whole: dict[UUID, Any] = {}
        self.asked = list[object]()
        self.no_files: Code | None = None

    def say(self, text: str, role: str = "assistant", **fields: Any) -> MessageView:
        """Add a message."""
        n = len(self.messages) + 1
        content: dict[str, Any] = {"content": text, "blocks": []}
        base = {"id": identifier(1, n), "run_id": RUN, "message_type": role, "content": content, "sequence_number": n}
        model = "claude-sonnet-4-5" if role == "assistant" else None
        base |= {"model": model, "parent_tool_call_id": None, "created_at": at(10 * n)}
        self.messages.append(MessageView.model_validate(base | fields))
        return self.messages[-1]

    def call(self, tool: str, given: dict[str, Any], **fields: Any) -> ToolCallView:
        """Add a tool call, which the newest message requested."""
        n = len(self.calls) + 1
        base = {"id": identifier(2, n), "run_id": RUN, "tool_name": tool, "tool_input": given, "status": "success"}
        base |= {"tool_output": {"content": "done"}, "duration_ms": 5, "parent_tool_call_id": None}
        call = ToolCallView.model_validate(base | {"created_at": at(10 * len(self.messages) + 1)} | fields)
        self.calls.append(call)
        if self.messages:
            self.messages[-1].content["blocks"].append({"type": "tool_use", "tool_call_id": str(call.id)})
        return call

    def run(self, message: str = "Fix it", **fields: Any) -> RunSummary:
        """Add a run."""
        base = {"id": RUN, "session_id": self.id, "message": message, "status": "completed", "attempt": 1}
        usage = {"duration_ms": 1000, "input_tokens": 10, "output_tokens": 20, "cost_usd": "0.5"}
        base |= {"error_code": None, "error_detail": None, "usage": usage, "created_at": START, "ended_at": at(60)}
        self.runs.append(RunSummary.model_validate(base | fields))
        return self.runs[-1]

    def approve(self, status: str = "denied", **fields: Any) -> None:
        """Add an approval."""
        n = len(self.approvals) + 1
        base: dict[str, Any] = {"id": identifier(3, n), "session_id": self.id, "run_id": RUN, "tool_call_id": None}
        base |= {"tool_name": "Bash", "tool_input": {}, "status": status, "decided_by": USER, "message": "No."}
        base |= {
            "remember": "once",
            "delivered": True,
            "created_at": at(n),
            "expires_at": at(600),
            "decided_at": at(n + 1),
        }
        self.approvals.append(ApprovalView.model_validate(base | fields))

    def add_file(self, path: str, size_bytes: int, kind: str = "file") -> None:
        """Add a file to the workspace."""
        file = {"path": path, "type": kind, "size_bytes": size_bytes, "modified_at": START}
        self.files.append(FileView.model_validate(file))

    def answer(self, query: Any) -> Any:
        """Answer a query as the session service does."""
        self.asked.append(query)
        if isinstance(query, GetUser):
            return self._user(query)
        if query.session_id != self.id:
            raise Refusal(Code.SESSION_NOT_FOUND, f"There is no session {query.session_id}.")
        answers: dict[type[Any], Callable[[Any], Any]] = {
            GetSession: lambda _: self._view(),
            ListMessages: lambda q: _page(self.messages, q, q.order),
            ListToolCalls: lambda q: _page(self.calls, q, q.order),
            ListRuns: lambda q: _page(self.runs, q, "desc"),
            ListApprovals: lambda q: _page(self.approvals, q, "desc"),
            ListFiles: self._files,
            GetMessage: lambda q: self.whole[q.message_id],
            GetToolCall: lambda q: self.whole[q.tool_call_id],
        }
        return answers[type(query)](query)

    def _user(self, query: GetUser) -> UserView:
        about = {"email": "ada@example.com", "username": "ada", "role": "user", "is_active": True, "created_at": START}
        return UserView.model_validate(about | {"id": query.user_id, "full_name": self.owner})

    def _files(self, query: ListFiles) -> FilesPage:
        if self.no_files:
            raise Refusal(self.no_files, "no files")
        items = self.files[query.skip : query.skip + query.limit]
        return FilesPage(items=items, total=len(self.files))

    def _view(self) -> SessionView:
        options = {"model": "claude-sonnet-4-5"}
        about = {"id": self.id, "user_id": USER, "name": self.name, "mode": "interactive", "status": self.status}
        counts = {"total_messages": len(self.messages), "total_tool_calls": len(self.calls), "total_cost_usd": "0.5"}
        tokens = {
            "api_input_tokens": 10,
            "api_output_tokens": 20,
            "working_directory_path": "/",
            "is_fork": self.parent_id is not None,
        }
        times = {"created_at": START, "started_at": START, "updated_at": at(60), "parent_session_id": self.parent_id}
        return SessionView.model_validate(about | counts | tokens | times | {"sdk_options": options, "metadata": {}})


QUERIES = (
    *(GetUser, GetSession, ListMessages, ListToolCalls, ListRuns, ListApprovals, ListFiles, GetMessage, GetToolCall),
)


def _page(items: Sequence[Any], query: Any, order: str) -> Page[Any]:
    """Return a page of items, which are in ascending order."""
    ordered = list(items) if order == "asc" else list(reversed(items))
    start = query.skip
    if query.after:
        start = next(n for n, item in enumerate(ordered, start=1) if item.id == query.after)
    page = ordered[start : start + query.limit]
    return Page(items=page, total=len(items), more=start + query.limit < len(ordered))
