"""Long reports are shortened step by step, with a note about each thing that is left out."""

from typing import Any
from uuid import UUID

import pytest
from report.content import ReportContent
from report.rendering import reduction
from report.rendering.reduction import MAX_PDF_LINES, estimated_lines, reduced, shortened

from services.report.tests.sample_content import (
    identifier,
    long_content,
    message,
    model,
    session_content,
    session_section,
    task_content,
    tool_call,
)


def conversation(*messages: dict[str, Any]) -> ReportContent:
    return model(session_content(session_section(messages=list(messages))))


def outputs(lines: int, calls: int) -> ReportContent:
    text = "a line of output\n" * lines
    return conversation(*(message("assistant", n, "text", tool_call("Bash", n, output=text)) for n in range(calls)))


@pytest.fixture
def tenth(monkeypatch: pytest.MonkeyPatch) -> int:
    """Lower the limits of a PDF to a tenth, so that a tenth of a content exceeds them; return its lines."""
    monkeypatch.setattr(reduction, "MAX_PDF_LINES", MAX_PDF_LINES // 10)
    monkeypatch.setattr(reduction, "MAX_COLOURED_LINES", reduction.MAX_COLOURED_LINES // 10)
    return MAX_PDF_LINES // 10


def test_a_short_report_is_not_changed() -> None:
    content = model(session_content())
    assert reduced(content) == (content, True)


def test_long_outputs_are_cut_before_anything_else() -> None:
    content, in_colour = reduced(outputs(lines=390, calls=100))
    assert content.notes == [
        "Inputs, outputs and diffs of tool calls that are shortened: 100.",
        "Code is shown without colours, because the report is long.",
        "The report as HTML, Markdown or JSON contains more than this PDF.",
    ]
    assert not in_colour
    assert content.session
    assert all(entry.tool_calls[0].shortened for entry in content.session.messages)


@pytest.mark.usefixtures("tenth")
def test_messages_in_the_middle_are_left_out_last() -> None:
    content, _ = reduced(model(long_content(400, 100)))
    assert content.session
    assert content.session.messages[0].id == UUID(identifier("long 0"))
    assert content.session.messages[-1].id == UUID(identifier("long 399"))
    assert any(
        note.startswith("Messages in the middle of the conversation that are left out: ") for note in content.notes
    )


@pytest.mark.parametrize("text", ["word " * 10_000, "**b** `c` " * 5_000, "| a " * 9_000, "x\n" * 30_000])
def test_a_reduced_report_fits_whatever_its_messages_are(text: str, tenth: int) -> None:
    content, _ = reduced(conversation(*(message("assistant", n, text) for n in range(30))))
    assert estimated_lines(content) <= tenth


def test_sessions_of_the_last_executions_of_a_task_are_left_out(tenth: int) -> None:
    [first, *_] = task_content()["executions"]
    content, _ = reduced(model(task_content(executions=[first] * 30)))
    assert estimated_lines(content) <= tenth
    assert content.executions[0].session
    assert content.executions[-1].session is None
    assert any(note.startswith("Executions at the end whose details are left out: ") for note in content.notes)


def test_a_shortened_message_says_so_and_how_much_is_missing() -> None:
    content = shortened(conversation(message("assistant", 1, "x" * 64_100)))
    assert content.session
    [entry] = content.session.messages
    assert entry.shortened
    assert entry.text.endswith("\n… 100 more characters are left out")
    assert content.notes == ["Messages that are shortened: 1."]


def test_an_input_that_is_too_large_becomes_text() -> None:
    call = tool_call("Custom", 1, input={"items": list(range(100_000))})
    content = shortened(conversation(message("assistant", 1, "", call)))
    assert content.session
    assert str(content.session.messages[0].tool_calls[0].input).startswith('{\n  "items": [')


def test_rows_beyond_the_limit_are_counted() -> None:
    files = [{"path": f"{n}.py", "size_bytes": n} for n in range(2_003)]
    content = shortened(model(session_content(session_section(workspace=files))))
    assert content.notes == ["Rows of tables that are left out: 3."]
