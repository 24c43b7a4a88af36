"""Reports about sessions and tasks of the whole system: their formats, progress, downloads and links."""

import json
import re
from collections.abc import Generator
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from contracts.report.values import MEDIA_TYPES
from contracts.task_scheduler.values import ReportFormat
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.tasks import UserTask
from tests.e2e.test_streams import following
from tests.e2e.user import User, error, newcomer

MAGIC: dict[ReportFormat, bytes] = {"pdf": b"%PDF-", "html": b"<!DOCTYPE html>", "markdown": b"# ", "json": b"{"}
LATER = {"prefer": "respond-async"}
OVER = {"completed", "failed"}


@pytest.fixture
def stranger(system: System) -> Generator[User]:
    yield from newcomer(system)


@pytest.fixture
def session_id(user: User) -> str:
    """A session whose agent has answered."""
    session_id = user.create()
    user.ask(session_id, scripted(bash("echo one"), {"text": "All is *well*."})).raise_for_status()
    return session_id


def create(user: User, session_id: str, kind: ReportFormat = "json", **fields: Any) -> dict[str, Any]:
    answer = user.http.post("/reports", json={"session_id": session_id, "format": kind, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


def get(user: User, report: dict[str, Any], **headers: str) -> httpx.Response:
    return user.http.get(f"/reports/{report['id']}/download", headers=headers)


def link(user: User, report: dict[str, Any]) -> dict[str, Any]:
    return user.http.post(f"/reports/{report['id']}/links", json={}).raise_for_status().json()


def ended(user: User, report_id: str) -> dict[str, Any]:
    """Wait until a report is completed or has failed, and return it."""
    until(lambda: user.http.get(f"/reports/{report_id}").raise_for_status().json()["status"] in OVER, 120)
    return user.http.get(f"/reports/{report_id}").json()


def first_report(user: User, execution_id: str) -> dict[str, Any]:
    """Wait until an execution has a report, and return it."""
    until(lambda: user.items("/reports", execution_id=execution_id))
    return user.items("/reports", execution_id=execution_id)[0]


@pytest.mark.parametrize("kind", MAGIC)
def test_a_report_is_created_and_downloaded_in_every_format(user: User, session_id: str, kind: ReportFormat) -> None:
    report = create(user, session_id, kind, title="Über 5/6")
    answer = get(user, report).raise_for_status()
    assert (answer.headers["content-type"], answer.content[:20].lstrip()[: len(MAGIC[kind])]) == (
        MEDIA_TYPES[kind],
        MAGIC[kind],
    )
    assert (report["status"], report["file_size_bytes"]) == ("completed", len(answer.content))
    name = report["file_path"].rpartition(".")[2]
    assert unquote(answer.headers["content-disposition"]).endswith(f"''Über 5 6.{name}")


def test_a_report_tells_what_was_asked_done_and_answered(user: User, session_id: str) -> None:
    text = get(user, create(user, session_id, "html")).text
    for part in ("echo one", "All is <em>well</em>."):
        assert part in text
    session = get(user, create(user, session_id)).json()["session"]
    assert session["id"] == session_id
    assert session["totals"]["tool_calls"] == 1


def test_a_report_without_its_optional_parts_has_none_of_them(user: User, session_id: str) -> None:
    report = create(user, session_id, include_messages=False, include_tool_calls=False, include_metrics=False)
    assert "echo one" not in json.dumps(get(user, report).json()["session"]["messages"])


def test_the_progress_of_a_report_is_sent_to_the_stream_of_its_owner(user: User, session_id: str) -> None:
    with following(user, "/events", types="report.*") as events:
        answer = user.http.post("/reports", json={"session_id": session_id, "format": "html"}, headers=LATER)
        assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
        received = [next(events)]
        while received[-1].event not in ("report.completed", "report.failed"):
            received.append(next(events))
    assert {event.json()["resource_id"] for event in received} == {answer.json()["id"]}
    assert (received[0].event, received[-1].event) == ("report.requested", "report.completed")
    percents = [event.json()["data"]["percent"] for event in received[1:-1]]
    assert percents == sorted(set(percents))
    assert {event.event for event in received[1:-1]} == {"report.progress"}
    assert user.http.get(answer.headers["location"].removeprefix("/api/v1")).json()["progress_percent"] == 100


def test_parts_of_a_report_are_downloaded_and_an_unchanged_one_is_not(user: User, session_id: str) -> None:
    report = create(user, session_id, "html")
    whole = get(user, report)
    part = get(user, report, range="bytes=5-14")
    assert (part.status_code, part.content) == (206, whole.content[5:15])
    assert part.headers["content-range"] == f"bytes 5-14/{report['file_size_bytes']}"
    same = get(user, report, **{"if-none-match": whole.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert error(get(user, report, range=f"bytes={len(whole.content)}-")) == (416, "RANGE_NOT_SATISFIABLE")


def test_another_users_report_and_session_are_not_found(user: User, stranger: User, session_id: str) -> None:
    report = create(user, session_id)
    path = f"/reports/{report['id']}"
    for answer in (
        stranger.http.get(path),
        get(stranger, report),
        stranger.http.delete(path),
        stranger.http.post(f"{path}/links", json={}),
    ):
        assert error(answer) == (404, "REPORT_NOT_FOUND")
    assert stranger.items("/reports") == []
    answer = stranger.http.post("/reports", json={"session_id": session_id, "format": "json"})
    assert error(answer) == (404, "SESSION_NOT_FOUND")
    task = UserTask.create(user)
    answer = stranger.http.post("/reports", json={"report_type": "task", "task_id": task.id, "format": "json"})
    assert error(answer) == (404, "TASK_NOT_FOUND")


def test_reports_are_listed_by_session_format_and_status(user: User, session_id: str) -> None:
    reports = [create(user, session_id, kind)["id"] for kind in ("json", "markdown")]
    create(user, user.create())
    assert [report["id"] for report in user.items("/reports", session_id=session_id)] == reports[::-1]
    assert [report["id"] for report in user.items("/reports", session_id=session_id, format="json")] == reports[:1]
    assert user.items("/reports", status="failed") == []
    assert len(user.items("/reports")) == 3


def test_a_link_opens_the_report_without_a_login(user: User, session_id: str) -> None:
    report = create(user, session_id)
    answer = httpx.get(link(user, report)["url"], headers={"range": "bytes=0-0"}, timeout=60)
    assert (answer.status_code, answer.content) == (206, b"{")
    assert answer.headers["etag"] == get(user, report).headers["etag"]


def test_a_forged_link_opens_nothing(user: User, session_id: str) -> None:
    report, other = create(user, session_id), create(user, session_id)
    url = link(user, report)["url"]
    for wrong in (url[:-1], f"{url}x", re.sub("link=.*", "link=", url), url.replace(report["id"], other["id"])):
        assert error(httpx.get(wrong, timeout=60)) == (404, "LINK_NOT_VALID")
    assert error(httpx.get(url.partition("?")[0], timeout=60)) == (401, "UNAUTHENTICATED")


def test_a_deleted_report_is_gone_with_its_file_and_its_links(user: User, system: System, session_id: str) -> None:
    report = create(user, session_id)
    url = link(user, report)["url"]
    assert user.http.delete(f"/reports/{report['id']}").status_code == 204
    assert error(get(user, report)) == (404, "REPORT_NOT_FOUND")
    assert error(httpx.get(url, timeout=60)) == (404, "LINK_NOT_VALID")
    until(lambda: not [*system.data_dir.rglob(f"*{report['id']}*/*.json")])
    assert user.items("/reports") == []


def test_a_report_outlives_its_session(user: User, session_id: str) -> None:
    report = create(user, session_id)
    user.http.delete(f"/sessions/{session_id}").raise_for_status()
    assert get(user, report).status_code == 200
    answer = user.http.post("/reports", json={"session_id": session_id, "format": "json"})
    assert error(answer) == (404, "SESSION_NOT_FOUND")


def test_a_task_that_generates_reports_makes_one_per_execution(user: User) -> None:
    task = UserTask.create(user, generate_report=True, report_format="markdown")
    executions = [task.ended(task.execute()["execution_id"])["id"] for _ in range(2)]
    for execution_id in executions:
        report = ended(user, first_report(user, execution_id)["id"])
        assert (report["status"], report["format"], report["task_id"]) == ("completed", "markdown", task.id)
    assert len(user.items("/reports", task_id=task.id)) == len(executions)


def test_a_report_about_a_task_contains_the_executions_of_its_period(user: User) -> None:
    task = UserTask.create(user)
    execution = task.ended(task.execute()["execution_id"])
    body = {"report_type": "task", "task_id": task.id, "format": "json"}
    for period, expected in (({}, [execution["id"]]), ({"to": execution["created_at"]}, [])):
        report = user.http.post("/reports", json=body | period).raise_for_status().json()
        assert [each["id"] for each in get(user, report).json()["executions"]] == expected
