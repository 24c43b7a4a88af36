"""All messages about what the tool calls of a run have done whose worker or agent was lost."""

import json
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid5

from pydantic import Field

from contracts.messages import Command, Message, ProgressEvent
from contracts.samples import RUN, SESSION, TIME, TOOL_CALL

_CALLS = UUID("3f1f2c0e-6b5a-4f57-9a3e-0d1c2b3a4f50")


def call_key(tool_name: str, tool_input: dict[str, Any]) -> UUID:
    """Return what identical calls have in common: it derives from the name of the tool and its input."""
    return uuid5(_CALLS, json.dumps([tool_name, tool_input], sort_keys=True))


class StoredResult(Message):
    """The result of a tool call, from the transcript of the agent that made it, or as it was kept of an MCP server."""

    tool_use_id: str
    output: dict[str, Any]
    is_error: bool


def _own_key(call: dict[str, Any]) -> UUID:
    return call_key(call["tool_name"], call["tool_input"])


class LostCall(Message):
    """A tool call without a result; `key` is what identical calls have in common, also if the input is cut short."""

    tool_use_id: str
    tool_name: str
    tool_input: dict[str, Any]
    key: UUID = Field(default_factory=_own_key)


class Settled(Message):
    """What is to be done with a run whose calls are settled.

    It `waits` for people to decide about calls, or `ends` because of one whose outcome is unknown. `unknown` are the
    model's ids of calls of unknown outcome that nobody is asked about. If the run `continues`, or later, calls with the
    keys in `uncertain` must not be made again unless that is approved.
    """

    outlook: Literal["continues", "waits", "ends"]
    unknown: list[str] = []
    uncertain: list[UUID] = []


class SettleRun(Command[Settled]):
    """Record the outcomes of the tool calls of a lost worker or agent.

    Calls end with their `results`. The outcome of those that are `unknown` is unknown, and people are asked about them,
    until `expires_at`, if the session wants that; nobody is asked if it is None, since the run ends now anyway. All
    other calls in progress are interrupted: they may be made again. `attempt` is that of the worker which continues the
    run.
    """

    subject = "cmd.session.settle_run"
    senders = ()
    sample = {
        "session_id": SESSION,
        "run_id": RUN,
        "attempt": 2,
        "results": [{"tool_use_id": "toolu_1", "output": {"content": "hello"}, "is_error": False}],
        "unknown": [{"tool_use_id": "toolu_2", "tool_name": "Bash", "tool_input": {"command": "make release"}}],
        "expires_at": TIME,
    }

    session_id: UUID
    run_id: UUID
    attempt: int
    results: list[StoredResult]
    unknown: list[LostCall] = []
    expires_at: datetime | None


class UnknownCall(Message):
    """A tool call of unknown outcome; `key` is what identical calls have in common."""

    tool_call_id: UUID
    tool_use_id: str
    tool_name: str
    key: UUID


class OutcomesUnknown(ProgressEvent):
    """The worker or the agent of a run was lost during these calls, which may have had an effect or not."""

    subject = "evt.session.outcomes_unknown"
    sample = {
        "run_id": RUN,
        "calls": [{"tool_call_id": TOOL_CALL, "tool_use_id": "toolu_1", "tool_name": "Bash", "key": SESSION}],
    }

    run_id: UUID
    calls: list[UnknownCall]
