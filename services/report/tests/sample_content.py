"""Contents of reports for tests, and for the samples in the documentation. Nothing in them depends on the clock."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast
from uuid import UUID, uuid5

from report.content import ReportContent

from services.report.tests.sample_texts import ANSWER, DIFF, FAILURE_OUTPUT, QUERIES, TEST_CODE

_NAMESPACE = UUID("0197a1f0-0000-7000-8000-000000000011")
_START = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
_MODELS = ("claude-opus-4-5", "claude-haiku-4-5")


def identifier(name: str) -> str:
    """Return an id that depends on a name only."""
    return str(uuid5(_NAMESPACE, name))


def at(minutes: float) -> str:
    """Return the time that many minutes after the session began."""
    return (_START + timedelta(minutes=minutes)).isoformat()


def tool_call(name: str, minutes: float, **fields: Any) -> dict[str, Any]:
    """Return a tool call that succeeded, unless `fields` say otherwise."""
    values: dict[str, Any] = {"status": "success", "input": {}, "output": "", "duration_ms": 240}
    return values | {"id": identifier(f"call {name} {minutes}"), "name": name, "at": at(minutes)} | fields


def message(role: str, minutes: float, text: str, *calls: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its tool calls."""
    model = _MODELS[0] if role == "assistant" else None
    return {
        "id": identifier(f"message {minutes}"),
        "run_id": identifier(f"run {int(minutes) // 10 * 10}"),
        "role": role,
        "model": model,
        "text": text,
        "tool_calls": list(calls),
        "at": at(minutes),
    }


def run(minutes: float, query: str, answer: str, **fields: Any) -> dict[str, Any]:
    """Return a run of one and a half minutes that was completed, unless `fields` say otherwise."""
    values: dict[str, Any] = {
        "id": identifier(f"run {minutes}"),
        "query": query,
        "answer": answer,
        "status": "completed",
        "started_at": at(minutes),
        "ended_at": at(minutes + 1.5),
        "duration_ms": 90_000,
        "input_tokens": 18_400,
        "output_tokens": 2_150,
        "cost_usd": "0.1458",
    }
    return values | fields


def session_messages() -> list[dict[str, Any]]:
    """Return the conversation of the sample."""
    return [
        message("user", 0, QUERIES[0]),
        message(
            "assistant",
            0.2,
            "I will read the limiter first, and look for places where tokens are added.",
            tool_call(
                "Read", 0.3, input={"file_path": "app/limits.py"}, output="class RateLimiter:\n    …", duration_ms=12
            ),
            tool_call(
                "Grep", 0.4, input={"pattern": "RateLimiter\\(", "path": "app"}, output="app/main.py:31\napp/jobs.py:12"
            ),
        ),
        message(
            "assistant",
            0.9,
            "An idle bucket gains tokens without a bound. I will cap it at `burst`, and write a test.",
            tool_call("Edit", 1.0, input={"file_path": "app/limits.py"}, diff=DIFF, output="The file was updated."),
            tool_call(
                "Write", 1.2, input={"file_path": "tests/test_limits.py", "content": TEST_CODE}, output="Created."
            ),
            tool_call(
                "Bash",
                1.3,
                input={"command": "pytest -q tests/test_limits.py"},
                output=FAILURE_OUTPUT,
                status="error",
                duration_ms=1840,
            ),
        ),
        message("user", 10, QUERIES[1]),
        message(
            "assistant",
            10.5,
            "The failing test shows exactly this. I ignore negative intervals:\n\n```python\n"
            "elapsed = max(now - bucket.updated, 0.0)\n"
            "bucket.tokens = min(bucket.tokens + elapsed * self.rate, self.burst)\n```",
            tool_call(
                "Bash",
                10.8,
                input={"command": "pytest -q tests/test_limits.py && ruff check app tests"},
                output="......\n6 passed in 0.09s\nAll checks passed!",
                duration_ms=2310,
            ),
        ),
        message("user", 20, QUERIES[2]),
        message(
            "assistant",
            20.3,
            "I will use the deployment script.",
            tool_call(
                "Bash",
                20.4,
                input={"command": "./deploy.sh staging"},
                status="denied",
                output="The user denied this call.",
            ),
        ),
        message("assistant", 20.9, ANSWER),
    ]


def session_section(**fields: Any) -> dict[str, Any]:
    """Return the session of the sample."""
    values: dict[str, Any] = {
        "id": identifier("session"),
        "name": "Fix the rate limiter",
        "status": "active",
        "mode": "interactive",
        "model": _MODELS[0],
        "created_at": at(0),
        "totals": totals(),
        "tools": [
            {"name": "Bash", "calls": 3, "errors": 1, "denied": 1, "total_ms": 4390},
            {"name": "Read", "calls": 1, "errors": 0, "total_ms": 12},
            {"name": "Grep", "calls": 1, "errors": 0, "total_ms": 240},
            {"name": "Edit", "calls": 1, "errors": 0, "total_ms": 240},
            {"name": "Write", "calls": 1, "errors": 0, "total_ms": 240},
        ],
        "models": [{"model": _MODELS[0], "messages": 5}, {"model": _MODELS[1], "messages": 2}],
        "runs": [
            run(0, QUERIES[0], "A test fails still.", input_tokens=24_900, output_tokens=3_380, cost_usd="0.2090"),
            run(
                10,
                QUERIES[1],
                "Negative intervals are ignored now.",
                input_tokens=9_100,
                output_tokens=640,
                cost_usd="0.0615",
            ),
            run(20, QUERIES[2], ANSWER, input_tokens=11_700, output_tokens=910, cost_usd="0.0812"),
        ],
        "approvals": [
            {"tool_name": "Write", "status": "approved", "at": at(1.1), "decided_at": at(1.15)},
            {
                "tool_name": "Bash",
                "status": "denied",
                "message": "Not before the release on Thursday.",
                "at": at(20.4),
                "decided_at": at(20.8),
            },
        ],
        "files_changed": [
            {"path": "app/limits.py", "writes": 2, "size_bytes": 1840, "diff": DIFF},
            {"path": "tests/test_limits.py", "writes": 1, "size_bytes": 612},
        ],
        "workspace": [
            {"path": path, "size_bytes": size}
            for path, size in (
                ("app/limits.py", 1840),
                ("app/main.py", 5120),
                ("app/jobs.py", 2210),
                ("pyproject.toml", 890),
                ("tests/test_limits.py", 612),
            )
        ],
        "messages": session_messages(),
    }
    return values | fields


def totals(**fields: Any) -> dict[str, Any]:
    """Return the totals of the sample."""
    values: dict[str, Any] = {
        "runs": 3,
        "messages": 8,
        "tool_calls": 7,
        "input_tokens": 45_700,
        "output_tokens": 4_930,
        "cost_usd": "0.3517",
        "active_ms": 270_000,
    }
    return values | fields


def session_content(session: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the sample: a report about a session in which one thing failed and one was denied."""
    values: dict[str, Any] = {
        "id": identifier("report"),
        "title": "Fix the rate limiter",
        "report_type": "session",
        "generated_at": at(60),
        "created_for": "Ada Lovelace",
        "totals": totals(),
        "session": session or session_section(),
    }
    return values | fields


def task_content(**fields: Any) -> dict[str, Any]:
    """Return a report about a task with three executions: completed, failed and skipped."""
    values: dict[str, Any] = {
        "id": identifier("task report"),
        "title": "Nightly dependency check",
        "task_name": "Nightly dependency check",
        "report_type": "task",
        "generated_at": at(4320),
        "created_for": "Ada Lovelace",
        "from_at": at(0),
        "to_at": at(4320),
        "totals": totals(runs=4, cost_usd="0.4102"),
        "executions": [
            {
                "id": identifier("x1"),
                "status": "completed",
                "trigger": "scheduled",
                "scheduled_for": at(0),
                "started_at": at(0.1),
                "ended_at": at(22),
                "totals": totals(),
                "session": session_section(),
            },
            {
                "id": identifier("x2"),
                "status": "failed",
                "trigger": "scheduled",
                "scheduled_for": at(1440),
                "started_at": at(1440.1),
                "ended_at": at(1441),
                "error_code": "MODEL_ERROR",
                "error_detail": "The model is overloaded.",
                "totals": totals(runs=1, cost_usd="0.0585", input_tokens=9_000),
            },
            {"id": identifier("x3"), "status": "skipped", "trigger": "manual", "totals": totals(runs=0, cost_usd="0")},
        ],
    }
    return values | fields


def model(content: dict[str, Any]) -> ReportContent:
    """Return a content as the model."""
    return ReportContent.model_validate(content)


def long_content(messages: int, tool_calls: int) -> dict[str, Any]:
    """Return a report with a long conversation, of texts, code, tables and tool calls as they occur in practice."""
    templates = [item for item in session_messages() if item["role"] == "assistant"]
    calls = [call for item in templates for call in cast(list[dict[str, Any]], item["tool_calls"])]
    conversation = [
        {
            **templates[n % len(templates)],
            "id": identifier(f"long {n}"),
            "role": "user" if n % 4 == 0 else "assistant",
            "tool_calls": [
                calls[m % len(calls)] | {"id": identifier(f"long call {m}")}
                for m in range(tool_calls * n // messages, tool_calls * (n + 1) // messages)
            ],
        }
        for n in range(messages)
    ]
    runs = [run(n, QUERIES[n % 3], "Done.", cost_usd=str(Decimal("0.01") * (n % 9))) for n in range(messages // 8 + 1)]
    return session_content(session_section(messages=conversation, runs=runs))
