"""Data for the templates: the parts of a report in order, and the summary on its first page."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from report.content import (
    ChangedFile,
    ExecutionSection,
    MessageEntry,
    ReportContent,
    RunEntry,
    SessionSection,
    ToolCallEntry,
)
from report.rendering.figures import count, words
from report.rendering.theme import Section

TITLES: dict[Section, str] = {
    "timeline": "Timeline",
    "executions": "Executions",
    "charts": "Charts",
    "conversation": "Conversation",
    "tools": "Tool calls",
    "files": "Files",
    "approvals": "Approvals",
}
FAILED = {"failed", "timed_out", "missed"}
STOPPED = {"cancelled", "skipped"}
REASONS = {
    "AGENT_OUT_OF_MEMORY": "the agent needed more memory than it may use",
    "BUDGET_EXCEEDED": "its budget was used up",
    "MAX_TURNS_REACHED": "the agent needed more turns than it may use",
    "MODEL_ERROR": "the AI model was not available, or refused the request",
    "QUOTA_EXCEEDED": "a quota of the user was used up",
    "RUN_INTERRUPTED": "the server was interrupted",
    "RUN_TIMEOUT": "it took longer than it may",
}
"""Why something failed, for readers of the first page; its details have the words of the program."""
MAX_FAILURES = 8


@dataclass(frozen=True)
class Chapter:
    """A session and the prefix of the ids of its parts."""

    id: str
    session: SessionSection

    @property
    def calls(self) -> list[tuple[str, ToolCallEntry]]:
        """All tool calls in order, each with the id of the place where it is shown in full."""
        calls = (call for message in self.session.messages for call in message.tool_calls)
        return [(f"{self.id}call-{number}", call) for number, call in enumerate(calls, start=1)]

    @property
    def turns(self) -> list[tuple[str, MessageEntry, list[tuple[str, ToolCallEntry]]]]:
        """All messages in order, each with its id and its tool calls."""
        calls = iter(self.calls)
        return [
            (f"{self.id}message-{number}", message, [next(calls) for _ in message.tool_calls])
            for number, message in enumerate(self.session.messages, start=1)
        ]

    @cached_property
    def notices(self) -> dict[UUID, str]:
        """How runs ended that were not completed, by the id of the last message of each."""
        last = {message.run_id: message.id for message in self.session.messages}
        ended = [run for run in self.session.runs if run.status in FAILED | STOPPED and run.id in last]
        return {last[run.id]: _ended(run) for run in ended}


def _ended(run: RunEntry) -> str:
    detail = run.error_detail or REASONS.get(run.error_code or "")
    return f"Run {words(run.status)}: {detail}" if detail else f"Run {words(run.status)}"


@dataclass(frozen=True)
class Part:
    """A part of a report with a heading of `level` 1 or 2, shown by the template of its name."""

    id: str
    title: str
    level: int
    template: str
    chapter: Chapter | None = None
    execution: ExecutionSection | None = None


@dataclass(frozen=True)
class Outcome:
    """How it ended: `kind` is good, bad, mixed or open; `label` is one word or two."""

    kind: str
    label: str
    sentence: str


def parts(content: ReportContent, sections: Sequence[Section]) -> list[Part]:
    """Return the parts of a report in the order of `sections`, without those that would be empty."""
    if content.session:
        return _chapter_parts(content, Chapter("", content.session), sections, 1)
    found = [
        Part(name, TITLES[name], 1, name)
        for name in sections
        if name == "executions" or (name == "charts" and content.include_metrics and content.executions)
    ]
    details: list[Section] = [name for name in sections if name not in ("executions", "charts")]
    for number, execution in enumerate(content.executions, start=1):
        if execution.session:
            title = f"Execution {number}: {words(execution.status)}"
            chapter = Chapter(f"x{number}-", execution.session)
            found.append(Part(f"x{number}", title, 1, "execution", chapter, execution))
            found += _chapter_parts(content, chapter, details, 2)
    return found


def _chapter_parts(content: ReportContent, chapter: Chapter, sections: Sequence[Section], level: int) -> list[Part]:
    session = chapter.session
    is_shown = {
        "timeline": bool(session.runs),
        "charts": content.include_metrics and bool(session.runs or session.tools),
        "conversation": content.include_messages and bool(session.messages),
        "tools": content.include_tool_calls and bool(chapter.calls),
        "files": bool(session.files_changed or session.workspace),
        "approvals": bool(session.approvals),
    }
    return [Part(f"{chapter.id}{name}", TITLES[name], level, name, chapter) for name in sections if is_shown.get(name)]


def sessions(content: ReportContent) -> list[SessionSection]:
    """Return all sessions of a report."""
    found = [content.session, *(execution.session for execution in content.executions)]
    return [session for session in found if session]


def outcome(content: ReportContent) -> Outcome:
    """Return how the session or the task ended, judged by its runs or executions."""
    if content.session:
        return _outcome([run.status for run in content.session.runs], "run")
    return _outcome([execution.status for execution in content.executions], "execution")


def _outcome(statuses: list[str], noun: str) -> Outcome:
    counts = Counter(statuses)
    total, good = len(statuses), counts["completed"]
    bad = sum(counts[status] for status in FAILED)
    if not total:
        return Outcome("open", "Nothing ran", f"There was no {noun}.")
    sentence = f"{count(total, noun)}: " + ", ".join(f"{n:,} {words(status)}" for status, n in counts.most_common())
    if good == total:
        return Outcome("good", "Completed", sentence)
    if bad == total:
        return Outcome("bad", "Failed", sentence)
    if bad:
        return Outcome("mixed" if good else "bad", "Partly failed" if good else "Failed", sentence)
    return Outcome("open", "Stopped" if set(statuses) & STOPPED else "In progress", sentence)


def failures(content: ReportContent) -> list[str]:
    """Return what failed, one sentence each, the most important first."""
    found = list(_failures(content))
    more = len(found) - MAX_FAILURES
    return [*found[:MAX_FAILURES], f"and {more:,} more; see the details"] if more > 0 else found


def _failures(content: ReportContent) -> Iterator[str]:
    yield from _failed_entries("Execution", content.executions)
    yield from _failed_entries("Run", content.session.runs if content.session else [])
    for session in sessions(content):
        yield from (
            f"{tool.name}: {tool.errors:,} of {count(tool.calls, 'call')} failed"
            for tool in session.tools
            if tool.errors
        )
        refused = [entry for entry in session.approvals if entry.status in ("denied", "expired")]
        for entry in refused:
            yield f"{entry.tool_name}: approval {entry.status}{f' ({entry.message})' if entry.message else ''}"
        by_people = Counter(entry.tool_name for entry in refused)
        for tool in session.tools:
            if (by_rules := tool.denied - by_people[tool.name]) > 0:
                yield f"{tool.name}: {count(by_rules, 'call')} denied by rules"


def _failed_entries(what: str, entries: Sequence[RunEntry] | Sequence[ExecutionSection]) -> Iterator[str]:
    for number, entry in enumerate(entries, start=1):
        if entry.error_code or entry.status in FAILED:
            yield f"{what} {number} {words(entry.status)}{_reason(entry)}"


def _reason(entry: RunEntry | ExecutionSection) -> str:
    code = entry.error_code or ""
    reason = REASONS.get(code) or entry.error_detail or words(code)
    return f": {reason.removesuffix('.')}" if reason else ""


def question(content: ReportContent) -> str:
    """Return what was asked first: in the session, or in the newest execution that has a session."""
    return next((session.runs[0].query for session in reversed(sessions(content)) if session.runs), "")


def answer(content: ReportContent) -> str:
    """Return the last answer: later runs may have failed without one."""
    answers = (run.answer for session in reversed(sessions(content)) for run in reversed(session.runs))
    return next(filter(None, answers), "")


def changed_files(content: ReportContent) -> list[ChangedFile]:
    """Return all changed files of a report, those that were written most often first."""
    files = [file for session in sessions(content) for file in session.files_changed]
    return sorted(files, key=lambda file: -file.writes)
