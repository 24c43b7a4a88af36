"""Queries with a streamed response: the events and text of the run, then its result."""

import httpx
import pytest
from contracts.messages import Refused
from contracts.refusals import Code
from contracts.samples import RUN, SESSION
from contracts.session.run import (
    GetRun,
    GetRunSummary,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunRequested,
    RunStarted,
    SubmitQuery,
)
from httpx_sse import aconnect_sse

from services.gateway.tests import samples
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness
from services.gateway.tests.sse_client import open_stream
from services.gateway.tests.test_queries import BODY, QUERY

ACCEPT = {"accept": "text/event-stream"}


class Session:
    """A fake of the session service with one run, whose events the test publishes."""

    def __init__(self, services: FakeServices) -> None:
        self.services = services
        self.run = samples.run(status="queued")

    async def open(self) -> None:
        await self.services.create_streams()
        await self.services.answer_with(SubmitQuery, self._submit)
        for kind in (GetRun, GetRunSummary):
            await self.services.answer_with(kind, lambda _: self.run)

    async def publish(self, *events: type[RunStarted | RunRequested | RunCompleted | RunFailed | RunCancelled]) -> None:
        for event in events:
            await self.services.publish(event.model_validate(event.sample | {"run_id": self.run.id}))

    def end(self, **changed: object) -> None:
        self.run = samples.run(id=self.run.id, **changed)

    def _submit(self, command: SubmitQuery) -> object:
        self.run = self.run.model_copy(update={"id": command.run_id})
        return self.run


@pytest.fixture
async def session(services: FakeServices) -> Session:
    session = Session(services)
    await session.open()
    return session


async def test_the_events_of_the_run_end_with_its_result(base_url: str, services: FakeServices, session: Session):
    async with open_stream(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        await services.publish(RunStarted.example())  # of another run
        await session.publish(RunRequested, RunStarted)
        assert await follower.names(2) == ["session.run_requested", "session.run_started"]
        await services.publish_text("of another run", run_id=RUN)
        await services.publish_text("All is", run_id=str(session.run.id))
        assert (await follower.next()).json()["text"] == "All is"
        session.end()
        await session.publish(RunCompleted)
        ended, result = await follower.remaining()
    assert (ended.event, result.event) == ("session.run_completed", "result")
    assert (result.json()["run_id"], result.json()["content"]["text"]) == (str(session.run.id), "All is well.")


async def test_a_legacy_query_has_the_fields_in_a_member(base_url: str, services: FakeServices, session: Session):
    path = f"{QUERY}?legacy=true"
    async with open_stream(base_url, services.token(), path, "POST", json=BODY, headers=ACCEPT) as follower:
        await session.publish(RunRequested)
        assert (await follower.next()).json()["data"]["run_id"] == str(session.run.id)


async def test_the_first_event_names_the_run(base_url: str, services: FakeServices, session: Session):
    headers = ACCEPT | {"authorization": f"Bearer {services.token()}"}
    async with (
        httpx.AsyncClient(base_url=base_url, headers=headers, timeout=60) as client,
        aconnect_sse(client, "POST", QUERY, json=BODY) as source,
    ):
        connected = await anext(source.aiter_sse())
    assert connected.json() == {"resume_from": "0", "run_id": str(session.run.id)}
    assert source.response.headers["location"] == f"/api/v1/sessions/{SESSION}/runs/{session.run.id}"


async def test_the_stream_of_a_failed_run_ends_with_the_problem(
    base_url: str, services: FakeServices, session: Session
):
    async with open_stream(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        session.end(
            status="failed", error_code=Code.MODEL_ERROR, error_detail="The model provider is overloaded (HTTP 529)."
        )
        await session.publish(RunFailed)
        *_, result = await follower.remaining()
    problem = result.json()
    assert (problem["status"], problem["error_code"], problem["run_id"]) == (502, "MODEL_ERROR", str(session.run.id))


async def test_the_end_of_a_run_is_noticed_without_its_event(
    base_url: str, services: FakeServices, session: Session, harness: Harness
):
    harness.gateway.streams.heartbeat = 0.2
    async with open_stream(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        session.end()
        assert [event.event for event in await follower.remaining()] == ["result"]


async def test_the_run_of_a_deleted_session_ends_as_cancelled(base_url: str, services: FakeServices, session: Session):
    async with open_stream(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        await services.answer(GetRun, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
        await session.publish(RunCancelled)
        *_, result = await follower.remaining()
    assert (result.event, result.json()["status"], result.json()["error_code"]) == ("result", 409, "RUN_CANCELLED")


async def test_an_error_during_the_stream_is_its_last_event(base_url: str, services: FakeServices, session: Session):
    async with open_stream(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        await services.answer(GetRun, Refused(code=Code.RUN_NOT_FOUND, detail="There is none."))
        await session.publish(RunCompleted)
        *_, error = await follower.remaining()
    assert (error.event, error.json()["code"]) == ("error", "RUN_NOT_FOUND")


async def test_a_refused_query_is_a_problem_instead_of_a_stream(
    harness: Harness, services: FakeServices, session: Session
):
    await services.answer(SubmitQuery, Refused(code=Code.SESSION_BUSY, detail="Busy."))
    async with harness.client() as client:
        response = await client.post(QUERY, json=BODY, headers=ACCEPT)
    assert (response.status_code, response.json()["error_code"]) == (409, "SESSION_BUSY")


async def test_a_shutdown_ends_the_stream(base_url: str, services: FakeServices, session: Session, harness: Harness):
    async with open_stream(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        await harness.gateway.streams.close()
        assert (await follower.remaining())[-1].json()["code"] == "UNAVAILABLE"
