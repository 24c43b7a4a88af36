"""Queries: the response waits until the run has ended."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.messages import Faulted, Refused
from contracts.refusals import Code
from contracts.samples import MESSAGE, SESSION
from contracts.session.run import GetRun, GetRunSummary, RunCancelled, SubmitQuery
from contracts.session.run_view import RunView
from gateway import waiting
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

QUERY = f"/api/v1/sessions/{SESSION}/query"
BODY = {"message": "Hello"}


class Session:
    """A fake of the session service with one run, which the test ends."""

    def __init__(self, services: FakeServices) -> None:
        self.services = services
        self.submitted = asyncio.Event()
        self.run = samples.run(status="queued", message_id=None, text="", ended_at=None)

    async def open(self) -> None:
        await self.services.answer_with(SubmitQuery, self._submit)
        for kind in (GetRun, GetRunSummary):
            await self.services.answer_with(kind, lambda _: self.run)

    def end(self, **changed: Any) -> None:
        self.run = samples.run(id=self.run.id, **changed)

    async def publish_end(self) -> None:
        await self.services.end_run(self.run.session_id, self.run.id)

    def _submit(self, command: SubmitQuery) -> object:
        self.run = self.run.model_copy(update={"id": command.run_id})
        self.submitted.set()
        return self.run


@pytest.fixture
async def session(services: FakeServices) -> Session:
    session = Session(services)
    await session.open()
    return session


@asynccontextmanager
async def pending_query(client: httpx.AsyncClient, session: Session) -> AsyncGenerator[asyncio.Task[httpx.Response]]:
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        pending = tasks.create_task(client.post(QUERY, json=BODY))
        await session.submitted.wait()
        yield pending


@pytest.fixture
def slow_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 60)


@pytest.fixture
def quick_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.1)


@pytest.mark.usefixtures("slow_poll")
async def test_the_response_is_sent_when_the_run_ends(client: httpx.AsyncClient, session: Session):
    async with pending_query(client, session) as pending:
        session.end()
        await session.publish_end()
    response = pending.result()
    assert response.status_code == 200
    assert response.json() == {
        "session_id": SESSION,
        "run_id": str(session.run.id),
        "message_id": MESSAGE,
        "content": {"type": "text", "text": "All is well."},
        "structured_output": None,
        "tool_calls": RunView.sample["tool_calls"],
        "more_tool_calls": False,
        "metrics": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": 0.0012},
    }


@pytest.mark.usefixtures("quick_poll")
async def test_the_response_is_sent_even_if_the_event_is_lost(client: httpx.AsyncClient, session: Session):
    async with pending_query(client, session) as pending:
        await asyncio.sleep(0.3)
        assert not pending.done()
        assert not any(isinstance(message, GetRun) for message, _ in session.services.received)
        session.end()
    assert pending.result().status_code == 200


@pytest.mark.usefixtures("quick_poll")
async def test_the_wait_survives_an_outage_of_the_session_service(client: httpx.AsyncClient, session: Session):
    async with pending_query(client, session) as pending:
        session.run = Faulted(detail="Restarting.")  # pyright: ignore[reportAttributeAccessIssue]
        await asyncio.sleep(0.3)
        assert not pending.done()
        session.run = samples.run()
    assert pending.result().status_code == 200


@pytest.mark.usefixtures("slow_poll")
async def test_early_end_events_do_not_cause_a_busy_loop(client: httpx.AsyncClient, session: Session):
    async with pending_query(client, session):
        for _ in range(3):
            await session.publish_end()
        await eventually(lambda: session.services.of(GetRun))
        await asyncio.sleep(0.2)
        assert len(session.services.of(GetRun)) <= 3
        session.end()
        await session.publish_end()


@each(
    ("code", "status"),
    [
        (Code.MODEL_ERROR, 502),
        (Code.AGENT_FAILED, 502),
        (Code.AGENT_OUT_OF_MEMORY, 502),
        (Code.RUN_TIMEOUT, 504),
        (Code.BUDGET_EXCEEDED, 409),
        (Code.RUN_INTERRUPTED, 500),
    ],
)
async def test_a_failed_run_is_a_problem(client: httpx.AsyncClient, session: Session, code: Code, status: int):
    async with pending_query(client, session) as pending:
        session.end(status="failed", error_code=code, error_detail="The model provider is overloaded (HTTP 529).")
        await session.publish_end()
    response = pending.result()
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert response.json()["detail"] == "The model provider is overloaded (HTTP 529)."
    assert response.json()["run_id"] == str(session.run.id)
    assert response.headers["location"] == f"/api/v1/sessions/{SESSION}/runs/{session.run.id}"
    assert "retry-after" not in response.headers


@pytest.mark.usefixtures("slow_poll")
async def test_a_cancelled_run_is_a_problem_immediately(client: httpx.AsyncClient, session: Session):
    async with pending_query(client, session) as pending:
        session.end(status="cancelled", error_code=Code.RUN_CANCELLED, error_detail="The run was cancelled.")
        await session.services.end_run(session.run.session_id, session.run.id, RunCancelled)
    response = pending.result()
    assert (response.status_code, response.json()["error_code"]) == (409, "RUN_CANCELLED")
    assert response.json()["detail"] == "The run was cancelled."


@pytest.mark.usefixtures("slow_poll")
async def test_a_run_whose_session_was_deleted_is_cancelled(client: httpx.AsyncClient, session: Session):
    async with pending_query(client, session) as pending:
        run_id, session.run = session.run.id, Refused(code=Code.SESSION_NOT_FOUND, detail="No.")  # pyright: ignore[reportAttributeAccessIssue]
        await session.services.end_run(UUID(SESSION), run_id, RunCancelled)
    response = pending.result()
    assert (response.status_code, response.json()["error_code"]) == (409, "RUN_CANCELLED")
    assert response.json()["detail"] == "The session was deleted."


@each("prefer", ["respond-async", "wait=10, Respond-Async", "respond-async; x=1"])
async def test_respond_async_returns_the_run_and_its_address(
    client: httpx.AsyncClient, session: Session, harness: Harness, prefer: str
):
    response = await client.post(QUERY, json=BODY, headers={"prefer": prefer})
    assert (response.status_code, response.headers["preference-applied"]) == (202, "respond-async")
    assert response.headers["location"] == f"/api/v1/sessions/{SESSION}/runs/{session.run.id}"
    assert (response.json()["id"], response.json()["status"]) == (str(session.run.id), "queued")
    assert not harness.gateway.runs.waiting


@pytest.mark.usefixtures("session")
async def test_other_preferences_are_ignored(client: httpx.AsyncClient, harness: Harness):
    harness.gateway.waits.timeout = 0.2
    assert (await client.post(QUERY, json=BODY, headers={"prefer": "wait=10"})).status_code == 504


@each(("field", "sent"), [({}, "reject"), ({"on_busy": "enqueue"}, "enqueue")])
async def test_on_busy_is_passed_to_the_service(client: httpx.AsyncClient, session: Session, field: Any, sent: str):
    await client.post(QUERY, json=BODY | field, headers={"prefer": "respond-async"})
    [command] = [message for message, _ in session.services.received if isinstance(message, SubmitQuery)]
    assert command.on_busy == sent


async def test_an_invalid_on_busy_is_422(client: httpx.AsyncClient):
    response = await client.post(QUERY, json=BODY | {"on_busy": "panic"})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", "on_busy"])


@each(
    ("code", "status"),
    [
        (Code.SESSION_BUSY, 409),
        (Code.SESSION_PAUSED, 409),
        (Code.QUEUE_FULL, 409),
        (Code.BUDGET_EXCEEDED, 409),
        (Code.SESSION_NOT_FOUND, 404),
    ],
)
async def test_a_refused_query_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices, harness: Harness, code: Code, status: int
):
    await services.answer(SubmitQuery, Refused(code=code, detail="No."))
    response = await client.post(QUERY, json=BODY)
    assert (response.status_code, response.json()["error_code"]) == (status, code)
    assert not harness.gateway.runs.waiting


async def test_an_unanswered_query_is_503_and_names_its_run(client: httpx.AsyncClient, harness: Harness):
    response = await client.post(QUERY, json=BODY)
    assert (response.status_code, response.json()["error_code"]) == (503, "UNAVAILABLE")
    assert response.json()["run_id"] in response.json()["detail"]
    assert response.headers["location"].endswith(response.json()["run_id"])
    assert "retry-after" not in response.headers  # the run may have been started
    assert not harness.gateway.runs.waiting


async def test_a_long_wait_is_504_with_the_address_of_the_run(
    client: httpx.AsyncClient, session: Session, harness: Harness
):
    harness.gateway.waits.timeout = 0.2
    response = await client.post(QUERY, json=BODY)
    assert (response.status_code, response.json()["error_code"]) == (504, "ANSWER_NOT_READY")
    assert response.headers["location"] == f"/api/v1/sessions/{SESSION}/runs/{session.run.id}"
    assert f"/api/v1/sessions/{SESSION}/runs/{session.run.id}" in response.json()["detail"]
    assert not harness.gateway.runs.waiting


async def test_a_shutdown_ends_pending_waits(client: httpx.AsyncClient, session: Session, harness: Harness):
    async with pending_query(client, session) as pending:
        harness.gateway.waits.shut_down(0.1)
    response = pending.result()
    assert (response.status_code, response.json()["error_code"]) == (503, "UNAVAILABLE")
    assert response.json()["run_id"] == str(session.run.id)


async def test_a_query_with_last_event_id_is_409(client: httpx.AsyncClient, session: Session):
    response = await client.post(QUERY, json=BODY, headers={"last-event-id": "7"})
    assert (response.status_code, response.json()["error_code"]) == (409, "NOT_RESUMABLE")
    assert f"/api/v1/sessions/{SESSION}/events" in response.json()["detail"]
    assert not session.submitted.is_set()


@each("message", ["", "x" * 100_001, None, 7, ["x"]])
async def test_an_invalid_message_is_422(client: httpx.AsyncClient, message: object):
    response = await client.post(QUERY, json={"message": message})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["body", "message"])


async def test_the_longest_message_is_accepted(client: httpx.AsyncClient, session: Session):
    session.end()
    response = await client.post(QUERY, json={"message": "\N{GRINNING FACE}" * 100_000})
    assert response.status_code == 200


@pytest.mark.usefixtures("slow_poll")
async def test_concurrent_queries_get_their_own_results(
    client: httpx.AsyncClient, services: FakeServices, harness: Harness
):
    await services.answer_with(SubmitQuery, lambda command: samples.run(id=command.run_id, status="queued"))
    await services.answer_with(GetRun, lambda query: samples.run(id=query.run_id, text=str(query.run_id)))
    async with asyncio.TaskGroup() as tasks:
        pending = [tasks.create_task(client.post(QUERY, json=BODY)) for _ in range(50)]
        await eventually(lambda: len(services.of(SubmitQuery)) == 50)
        for command in services.of(SubmitQuery):
            await services.end_run(UUID(SESSION), command.run_id)
    responses = [task.result().json() for task in pending]
    assert len({response["run_id"] for response in responses}) == 50
    assert all(response["content"]["text"] == response["run_id"] for response in responses)
    assert not harness.gateway.runs.waiting


@pytest.mark.usefixtures("slow_poll")
async def test_a_disconnect_ends_the_wait(harness: Harness, session: Session, base_url: str):
    token = {"authorization": f"Bearer {harness.services.token()}"}
    async with (
        httpx.AsyncClient(base_url=base_url, headers=token, timeout=60) as client,
        pending_query(client, session) as pending,
    ):
        assert len(harness.gateway.runs.waiting) == 1
        pending.cancel()
    await eventually(lambda: not harness.gateway.runs.waiting)
