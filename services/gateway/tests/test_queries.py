"""Asking the agent: the request waits eventually the run is over."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from contracts.messages import Faulted, Refused
from contracts.refusals import Code
from contracts.samples import MESSAGE, SESSION, TOOL_CALL
from contracts.session.run import GetRun, GetRunSummary, RunCancelled, SubmitQuery
from gateway import waiting
from runtime.testing import eventually

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services

QUERY = f"/api/v1/sessions/{SESSION}/query"
BODY = {"message": "Hello"}


class Session:
    """Stands in for the session service: has one run, which is over when a test says so."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.submitted = asyncio.Event()
        self.run = samples.run(status="queued", message_id=None, text="", ended_at=None)

    async def open(self) -> None:
        await self.services.answer_with(SubmitQuery, self._submit)
        for kind in (GetRun, GetRunSummary):
            await self.services.answer_with(kind, lambda _: self.run)

    def end(self, **changed: Any) -> None:
        self.run = samples.run(id=self.run.id, **changed)

    async def tell(self) -> None:
        await self.services.end_run(self.run.session_id, self.run.id)

    def _submit(self, command: SubmitQuery) -> object:
        self.run = self.run.model_copy(update={"id": command.run_id})
        self.submitted.set()
        return self.run


@pytest.fixture
async def session(services: Services) -> Session:
    session = Session(services)
    await session.open()
    return session


@asynccontextmanager
async def asking(client: httpx.AsyncClient, session: Session) -> AsyncGenerator[asyncio.Task[httpx.Response]]:
    async with asyncio.timeout(15), asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(client.post(QUERY, json=BODY))
        await session.submitted.wait()
        yield asked


@pytest.fixture(autouse=True)
def quick_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "CHECK_SECONDS", 0.05)


@pytest.fixture
def slow_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 60)


@pytest.fixture
def quick_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.1)


@pytest.mark.usefixtures("slow_poll")
async def test_the_answer_comes_when_the_run_is_told_to_be_over(client: httpx.AsyncClient, session: Session):
    async with asking(client, session) as asked:
        session.end()
        await session.tell()
    answer = asked.result()
    assert answer.status_code == 200
    assert answer.json() == {
        "session_id": SESSION,
        "run_id": str(session.run.id),
        "message_id": MESSAGE,
        "content": {"type": "text", "text": "All is well."},
        "structured_output": None,
        "tool_calls": [
            {"id": TOOL_CALL, "tool_name": "Read", "tool_input": {"path": "/app/test.py"}, "status": "success"}
        ],
        "more_tool_calls": False,
        "metrics": {"duration_ms": 3250, "input_tokens": 150, "output_tokens": 420, "cost_usd": 0.0012},
    }


@pytest.mark.usefixtures("quick_poll")
async def test_the_answer_comes_when_the_bus_missed_the_end(client: httpx.AsyncClient, session: Session):
    async with asking(client, session) as asked:
        await asyncio.sleep(0.3)
        assert not asked.done()
        assert not any(isinstance(message, GetRun) for message, _ in session.services.heard)
        session.end()
    assert asked.result().status_code == 200


@pytest.mark.usefixtures("quick_poll")
async def test_the_wait_outlives_the_session_service(client: httpx.AsyncClient, session: Session):
    async with asking(client, session) as asked:
        session.run = Faulted(detail="Restarting.")  # pyright: ignore[reportAttributeAccessIssue]
        await asyncio.sleep(0.3)
        assert not asked.done()
        session.run = samples.run()
    assert asked.result().status_code == 200


@pytest.mark.usefixtures("slow_poll")
async def test_an_end_told_too_early_does_not_make_the_wait_spin(client: httpx.AsyncClient, session: Session):
    async with asking(client, session):
        for _ in range(3):
            await session.tell()
        await asyncio.sleep(0.2)
        assert 1 <= sum(isinstance(message, GetRun) for message, _ in session.services.heard) <= 3
        session.end()
        await session.tell()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.MODEL_ERROR, 502),
        (Code.AGENT_FAILED, 502),
        (Code.RUN_TIMEOUT, 504),
        (Code.BUDGET_EXCEEDED, 409),
        (Code.RUN_INTERRUPTED, 500),
    ],
)
async def test_a_failed_run_is_a_problem(client: httpx.AsyncClient, session: Session, code: Code, status: int):
    async with asking(client, session) as asked:
        session.end(status="failed", error_code=code, error_detail="The model answered 529.")
        await session.tell()
    answer = asked.result()
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert answer.json()["detail"] == "The model answered 529."
    assert answer.json()["run_id"] == str(session.run.id)
    assert "retry-after" not in answer.headers


@pytest.mark.usefixtures("slow_poll")
async def test_a_cancelled_run_is_a_problem_at_once(client: httpx.AsyncClient, session: Session):
    async with asking(client, session) as asked:
        session.end(status="cancelled", error_code=Code.RUN_CANCELLED, error_detail="The run was cancelled.")
        await session.services.end_run(session.run.session_id, session.run.id, RunCancelled)
    answer = asked.result()
    assert (answer.status_code, answer.json()["error_code"]) == (409, "RUN_CANCELLED")
    assert answer.json()["detail"] == "The run was cancelled."


@pytest.mark.usefixtures("slow_poll")
async def test_a_run_whose_session_was_deleted_is_cancelled(client: httpx.AsyncClient, session: Session):
    async with asking(client, session) as asked:
        run_id, session.run = session.run.id, Refused(code=Code.SESSION_NOT_FOUND, detail="No.")  # pyright: ignore[reportAttributeAccessIssue]
        await session.services.end_run(UUID(SESSION), run_id, RunCancelled)
    answer = asked.result()
    assert (answer.status_code, answer.json()["error_code"]) == (409, "RUN_CANCELLED")
    assert answer.json()["detail"] == "The session was deleted."


@pytest.mark.parametrize("prefer", ["respond-async", "wait=10, Respond-Async", "respond-async; x=1"])
async def test_who_prefers_not_to_wait_gets_the_run_and_its_address(
    client: httpx.AsyncClient, session: Session, door: Door, prefer: str
):
    answer = await client.post(QUERY, json=BODY, headers={"prefer": prefer})
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    assert answer.headers["location"] == f"/api/v1/sessions/{SESSION}/runs/{session.run.id}"
    assert (answer.json()["id"], answer.json()["status"]) == (str(session.run.id), "queued")
    assert not door.gateway.runs.waiting


@pytest.mark.usefixtures("session")
async def test_another_preference_is_ignored(client: httpx.AsyncClient, door: Door):
    door.gateway.waits.timeout = 0.2
    assert (await client.post(QUERY, json=BODY, headers={"prefer": "wait=10"})).status_code == 504


@pytest.mark.parametrize(("asked", "sent"), [({}, "reject"), ({"on_busy": "enqueue"}, "enqueue")])
async def test_what_to_do_when_the_session_is_busy_is_passed_on(
    client: httpx.AsyncClient, session: Session, asked: dict[str, str], sent: str
):
    await client.post(QUERY, json=BODY | asked, headers={"prefer": "respond-async"})
    [command] = [message for message, _ in session.services.heard if isinstance(message, SubmitQuery)]
    assert command.on_busy == sent


async def test_an_unknown_wish_for_a_busy_session_is_422(client: httpx.AsyncClient):
    answer = await client.post(QUERY, json=BODY | {"on_busy": "panic"})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "on_busy"])


@pytest.mark.parametrize(
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
    client: httpx.AsyncClient, services: Services, door: Door, code: Code, status: int
):
    await services.answer(SubmitQuery, Refused(code=code, detail="No."))
    answer = await client.post(QUERY, json=BODY)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
    assert not door.gateway.runs.waiting


async def test_a_query_that_nobody_took_is_503_and_names_its_run(client: httpx.AsyncClient, door: Door):
    answer = await client.post(QUERY, json=BODY)
    assert (answer.status_code, answer.json()["error_code"]) == (503, "UNAVAILABLE")
    assert answer.json()["run_id"] in answer.json()["detail"]
    assert answer.headers["location"].endswith(answer.json()["run_id"])
    assert "retry-after" not in answer.headers  # it may have been started
    assert not door.gateway.runs.waiting


async def test_a_wait_that_takes_too_long_is_504_and_says_where_the_run_is(
    client: httpx.AsyncClient, session: Session, door: Door
):
    door.gateway.waits.timeout = 0.2
    answer = await client.post(QUERY, json=BODY)
    assert (answer.status_code, answer.json()["error_code"]) == (504, "ANSWER_NOT_READY")
    assert answer.headers["location"] == f"/api/v1/sessions/{SESSION}/runs/{session.run.id}"
    assert f"/api/v1/sessions/{SESSION}/runs/{session.run.id}" in answer.json()["detail"]
    assert not door.gateway.runs.waiting


async def test_a_gateway_that_stops_ends_its_waits_in_time(client: httpx.AsyncClient, session: Session, door: Door):
    async with asking(client, session) as asked:
        door.gateway.waits.shut_down(0.1)
    answer = asked.result()
    assert (answer.status_code, answer.json()["error_code"]) == (503, "UNAVAILABLE")
    assert answer.json()["run_id"] == str(session.run.id)


async def test_a_query_is_not_repeated_by_who_wants_to_resume(client: httpx.AsyncClient, session: Session):
    answer = await client.post(QUERY, json=BODY, headers={"last-event-id": "7"})
    assert (answer.status_code, answer.json()["error_code"]) == (409, "NOT_RESUMABLE")
    assert f"/api/v1/sessions/{SESSION}/events" in answer.json()["detail"]
    assert not session.submitted.is_set()


@pytest.mark.parametrize("message", ["", "x" * 100_001, None, 7, ["x"]])
async def test_a_message_that_is_not_valid_is_422(client: httpx.AsyncClient, message: object):
    answer = await client.post(QUERY, json={"message": message})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "message"])


async def test_the_longest_message_is_taken(client: httpx.AsyncClient, session: Session):
    session.end()
    answer = await client.post(QUERY, json={"message": "\N{GRINNING FACE}" * 100_000})
    assert answer.status_code == 200


@pytest.mark.usefixtures("slow_poll")
async def test_many_waits_get_their_own_answers(client: httpx.AsyncClient, services: Services, door: Door):
    await services.answer_with(SubmitQuery, lambda command: samples.run(id=command.run_id, status="queued"))
    await services.answer_with(GetRun, lambda query: samples.run(id=query.run_id, text=str(query.run_id)))
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(client.post(QUERY, json=BODY)) for _ in range(50)]
        await eventually(lambda: len(services.heard) > 50)
        for command in [message for message, _ in services.heard if isinstance(message, SubmitQuery)]:
            await services.end_run(UUID(SESSION), command.run_id)
    answers = [task.result().json() for task in asked]
    assert len({answer["run_id"] for answer in answers}) == 50
    assert all(answer["content"]["text"] == answer["run_id"] for answer in answers)
    assert not door.gateway.runs.waiting


@pytest.mark.usefixtures("slow_poll")
async def test_a_client_that_hangs_up_leaves_no_waiter(door: Door, session: Session, base_url: str):
    token = {"authorization": f"Bearer {door.services.token()}"}
    async with httpx.AsyncClient(base_url=base_url, headers=token) as client, asking(client, session) as asked:
        assert len(door.gateway.runs.waiting) == 1
        asked.cancel()
    await eventually(lambda: not door.gateway.runs.waiting)
