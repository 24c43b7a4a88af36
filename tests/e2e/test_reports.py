"""Reports about sessions and tasks of the whole system: their formats, progress, downloads and links."""

from urllib.parse import unquote

import httpx
import pytest
from contracts.report.values import MEDIA_TYPES
from contracts.task_scheduler.values import ReportFormat
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.streams import following
from tests.e2e.tasks import UserTask
from tests.e2e.user import PATIENCE, User, error

MAGIC: dict[ReportFormat, bytes] = {"markdown": b"# ", "json": b"{"}
LATER = {"prefer": "respond-async"}


@pytest.fixture(scope="module")
def session_id(shared_user: User) -> str:
    """A session whose agent has answered."""
    session_id = shared_user.create()
    prompt = scripted(bash("echo one"), {"text": "All is *well*."})
    shared_user.ask(session_id, prompt).raise_for_status()
    return session_id


def test_a_report_is_created_and_downloaded_under_its_title(shared_user: User, session_id: str) -> None:
    for kind, magic in MAGIC.items():
        body = {"session_id": session_id, "format": kind, "title": "Über 5/6"}
        report = shared_user.http.post("/reports", json=body).raise_for_status().json()
        answer = shared_user.http.get(f"/reports/{report['id']}/download").raise_for_status()
        assert (answer.headers["content-type"], answer.content.lstrip()[: len(magic)]) == (MEDIA_TYPES[kind], magic)
        assert (report["status"], report["file_size_bytes"]) == ("completed", len(answer.content)), kind
        name = report["file_path"].rpartition(".")[2]
        assert unquote(answer.headers["content-disposition"]).endswith(f"''Über 5 6.{name}"), kind


def test_the_progress_of_a_report_is_sent_to_the_stream_of_its_owner(shared_user: User, session_id: str) -> None:
    body = {"session_id": session_id, "format": "markdown"}
    with following(shared_user, "/events", types="report.*") as events:
        answer = shared_user.http.post("/reports", json=body, headers=LATER)
        assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
        received = [next(events)]
        while received[-1].event not in ("report.completed", "report.failed"):
            received.append(next(events))
    assert {event.json()["resource_id"] for event in received} == {answer.json()["id"]}
    assert (received[0].event, received[-1].event) == ("report.requested", "report.completed")
    percents = [event.json()["percent"] for event in received[1:-1]]
    assert percents == sorted(set(percents))
    assert {event.event for event in received[1:-1]} == {"report.progress"}
    shown = shared_user.http.get(answer.headers["location"].removeprefix("/api/v1"))
    assert shown.json()["progress_percent"] == 100


def test_a_report_outlives_its_session_and_its_link_ends_with_it(shared_user: User, system: System) -> None:
    session_id = shared_user.create()
    body = {"session_id": session_id, "format": "json"}
    path = f"/reports/{shared_user.http.post('/reports', json=body).raise_for_status().json()['id']}"
    url = shared_user.http.post(f"{path}/links", json={}).raise_for_status().json()["url"]
    shared_user.http.delete(f"/sessions/{session_id}").raise_for_status()
    part = httpx.get(url, headers={"range": "bytes=0-0"}, timeout=PATIENCE)
    assert (part.status_code, part.content) == (206, b"{")
    assert error(httpx.get(f"{url}x", timeout=PATIENCE)) == (404, "LINK_NOT_VALID")
    assert shared_user.http.delete(path).status_code == 204
    assert error(httpx.get(url, timeout=PATIENCE)) == (404, "LINK_NOT_VALID")
    until(lambda: not [*system.data_dir.rglob(f"*{path[9:]}*/*.json")])


def test_a_task_that_generates_reports_makes_one_of_its_execution(shared_user: User) -> None:
    task = UserTask.create(shared_user, generate_report=True, report_format="markdown")
    execution = task.ended(task.execute()["execution_id"])
    until(lambda: shared_user.items("/reports", execution_id=execution["id"], status="completed"))
    [report] = shared_user.items("/reports", task_id=task.id)
    assert (report["execution_id"], report["format"]) == (execution["id"], "markdown")
    body = {"report_type": "task", "task_id": task.id, "format": "json"}
    for period, expected in (({}, [execution["id"]]), ({"to": execution["created_at"]}, [])):
        report = shared_user.http.post("/reports", json=body | period).raise_for_status().json()
        content = shared_user.http.get(f"/reports/{report['id']}/download").raise_for_status().json()
        assert [each["id"] for each in content["executions"]] == expected
