"""Sections about a session and a task in each format."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from contracts.task_scheduler.values import ReportFormat

from services.report.tests.rendering import as_html, as_printed, in_one_line, rendered
from services.report.tests.sample_content import message, session_content, session_section, task_content
from services.report.tests.sample_texts import PARTS, SAID

SHOWN: list[ReportFormat] = ["pdf", "html", "markdown"]


def shown(content: dict[str, Any], kind: ReportFormat, folder: Path) -> str:
    """Return what a content is shown as; for a PDF, the page that it is made from."""
    match kind:
        case "pdf":
            return as_printed(content, folder)
        case "html":
            return as_html(content, folder)
        case _:
            return rendered(content, kind, folder)[0]


@pytest.fixture(scope="module", params=SHOWN)
def text(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    found = shown(session_content(), request.param, tmp_path_factory.mktemp("sections"))
    return in_one_line(found.replace("&#39;", "'").replace("&#34;", '"').replace("\\", ""))


def test_every_format_shows_what_a_reader_needs(text: str) -> None:
    assert [words for words in SAID if words not in text] == []


def test_every_format_has_each_section(text: str) -> None:
    assert [title for title in PARTS if text.count(title) < 2] == []  # in the table of contents, and as a heading


@pytest.mark.parametrize("kind", SHOWN)
def test_an_incomplete_message_is_marked(kind: ReportFormat, tmp_path: Path) -> None:
    cut_off = message("assistant", 1, "I was") | {"incomplete": True}
    content = session_content(session_section(messages=[message("user", 0, "Go on."), cut_off]))
    assert re.findall("(?:User|Agent).* · incomplete", shown(content, kind, tmp_path))
    assert shown(content, kind, tmp_path).count("incomplete") == 1


def test_a_session_without_runs_is_a_report_too(tmp_path: Path) -> None:
    page = as_html(session_content(session_section(runs=[], messages=[], tools=[], models=[])), tmp_path)
    assert "Nothing ran" in page


@pytest.mark.parametrize(
    ("choice", "absent"),
    [
        ("include_messages", 'id="conversation"'),
        ("include_tool_calls", 'class="call-head"><span class="name">Bash'),
        ("include_metrics", 'id="charts"'),
    ],
)
def test_a_part_that_was_not_requested_is_absent(choice: str, absent: str, tmp_path: Path) -> None:
    assert absent in as_html(session_content(), tmp_path)
    assert absent not in as_html(session_content() | {choice: False}, tmp_path)


@pytest.mark.parametrize("content", [session_content(), task_content()])
@pytest.mark.parametrize("kind", [*SHOWN, "json"])
def test_a_report_without_metrics_says_nothing_of_cost_and_tokens(
    kind: ReportFormat, content: dict[str, Any], tmp_path: Path
) -> None:
    texts = [shown(content | {"include_metrics": chosen}, kind, tmp_path) for chosen in (True, False)]
    absent = ("Cost", "Tokens", "$0.") if kind != "json" else ("cost_usd", "input_tokens", "output_tokens")
    with_metrics, without = [[word in text.split("</head>")[-1] for word in absent] for text in texts]
    assert all(with_metrics)
    assert not any(without)


def test_tool_calls_are_shown_in_full_without_messages(tmp_path: Path) -> None:
    page = as_html(session_content(include_messages=False), tmp_path)
    assert "6 passed in 0.09s" in page
    assert "gains tokens without a bound" not in page


def test_a_task_report_lists_its_executions(tmp_path: Path) -> None:
    page = as_html(task_content(), tmp_path)
    assert "3 executions: 1 completed, 1 failed, 1 skipped" in page
    assert "MODEL_ERROR: The model is overloaded." in page
    assert "Execution 1: completed" in page


@pytest.mark.parametrize("fields", [{"executions": []}, {"from_at": None, "to_at": None}])
def test_a_task_report_needs_no_executions_and_no_period(fields: dict[str, Any], tmp_path: Path) -> None:
    assert "Task report" in as_html(task_content(**fields), tmp_path)


def test_what_failed_is_said_in_plain_words_on_the_first_page(tmp_path: Path) -> None:
    fields = {"status": "failed", "error_code": "MODEL_ERROR", "error_detail": "The model answered 529."}
    session = session_section(runs=[session_section()["runs"][0] | fields])
    first_page, _, details = as_html(session_content(session), tmp_path).partition("</header>")
    assert "<li>Run 1 failed: the AI model was not available, or refused the request</li>" in first_page
    assert "MODEL_ERROR: The model answered 529." in details


@pytest.mark.parametrize(("denied", "said"), [(1, []), (3, ["Bash: 2 calls denied by rules"])])
def test_a_denied_call_is_named_once(denied: int, said: list[str], tmp_path: Path) -> None:
    session = session_section(tools=[{"name": "Bash", "calls": 3, "errors": 0, "denied": denied, "total_ms": 1}])
    first_page = as_html(session_content(session), tmp_path).partition("</header>")[0]
    failures = re.findall("<li>(Bash.*?)</li>", first_page)
    assert failures == ["Bash: approval denied (Not before the release on Thursday.)", *said]


def test_a_folded_tool_call_says_what_it_is_about(tmp_path: Path) -> None:
    page = as_html(session_content(), tmp_path)
    assert '<summary>Read <span class="path">app/limits.py</span>' in page


def test_an_unknown_status_is_shown_as_it_is(tmp_path: Path) -> None:
    session = session_section()
    session["messages"][1]["tool_calls"][0] |= {"status": "waiting_approval"}
    assert '<span class="status status-waiting_approval">waiting approval</span>' in as_html(
        session_content(session), tmp_path
    )


@pytest.mark.parametrize(
    ("statuses", "label"),
    [
        (["completed"], "Completed"),
        (["failed"], "Failed"),
        (["completed", "failed"], "Partly failed"),
        (["running"], "In progress"),
        (["completed", "cancelled"], "Stopped"),
    ],
)
def test_the_outcome_is_judged_by_the_runs(statuses: list[str], label: str, tmp_path: Path) -> None:
    runs = [session_section()["runs"][0] | {"status": status} for status in statuses]
    assert f"<strong>{label}</strong>" in as_html(session_content(session_section(runs=runs)), tmp_path)


@pytest.mark.parametrize("kind", ["html", "markdown"])
def test_the_text_of_an_output_is_not_shown_as_json(kind: ReportFormat, tmp_path: Path) -> None:
    call = {"id": UUID(int=1).hex, "name": "Bash", "status": "success", "input": {"command": "ls"}}
    call |= {"output": {"content": "one\ntwo"}, "at": "2026-01-01T00:00:00Z"}
    session = session_section()
    session["messages"] = [session["messages"][0] | {"tool_calls": [call]}]
    assert "one\ntwo" in shown(session_content(session), kind, tmp_path)


def test_the_first_page_shows_the_last_answer_though_a_later_run_failed(tmp_path: Path) -> None:
    session = session_section()
    session["runs"] = [session["runs"][0] | {"answer": "It is 42."}, session["runs"][0] | {"answer": ""}]
    first_page = as_html(session_content(session), tmp_path).partition("</header>")[0]
    assert "It is 42." in first_page


def test_the_first_page_of_a_task_shows_what_was_asked_and_answered(tmp_path: Path) -> None:
    content = task_content()
    runs = [{**each, "query": "How much?", "answer": "Much."} for each in session_section()["runs"][:1]]
    content["executions"][-1]["session"] = session_section(runs=runs)
    first_page = as_html(content, tmp_path).partition("</header>")[0]
    assert "How much?" in first_page
    assert "Much." in first_page


@pytest.mark.parametrize("kind", SHOWN)
@pytest.mark.parametrize(
    ("fields", "notice"),
    [
        ({"status": "failed", "error_code": "MODEL_ERROR", "error_detail": "It is overloaded"}, "Run failed: It is"),
        ({"status": "cancelled", "error_code": "RUN_CANCELLED"}, "Run cancelled"),
    ],
)
def test_the_conversation_says_how_a_run_ended(
    kind: ReportFormat, fields: dict[str, str], notice: str, tmp_path: Path
) -> None:
    session = session_section()
    session["runs"][0] |= fields
    words = in_one_line(shown(session_content(session), kind, tmp_path))
    position = words.index(notice)
    assert words.rindex("An idle bucket gains") < position < words.index("The failing test shows")
