"""A query whose run is followed: its events and words, then the answer."""

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
from gateway.settings import Settings
from httpx_sse import aconnect_sse

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.following import following
from services.gateway.tests.stand_ins import Services
from services.gateway.tests.test_queries import BODY, QUERY

ACCEPT = {"accept": "text/event-stream"}


@pytest.fixture
def settings(nats_url: str) -> Settings:
    return Settings(nats_url=nats_url, ask_timeout_seconds=0.5, stream_heartbeat_seconds=0.2)


class Session:
    """Stands in for the session service: its events are told the moment the query is submitted."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self.run = samples.run(status="queued")

    async def open(self) -> None:
        await self.services.open_streams()
        await self.services.answer_with(SubmitQuery, self._submit)
        for kind in (GetRun, GetRunSummary):
            await self.services.answer_with(kind, lambda _: self.run)

    async def tell(self, *events: type[RunStarted | RunRequested | RunCompleted | RunFailed | RunCancelled]) -> None:
        for event in events:
            await self.services.record(event.model_validate(event.sample | {"run_id": self.run.id}))

    def end(self, **changed: object) -> None:
        self.run = samples.run(id=self.run.id, **changed)

    def _submit(self, command: SubmitQuery) -> object:
        self.run = self.run.model_copy(update={"id": command.run_id})
        return self.run


@pytest.fixture
async def session(services: Services) -> Session:
    session = Session(services)
    await session.open()
    return session


async def test_the_run_is_told_and_ends_with_the_answer(base_url: str, services: Services, session: Session):
    async with following(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        await services.record(RunStarted.example())  # of another run
        await session.tell(RunRequested, RunStarted)
        assert await follower.names(2) == ["session.run_requested", "session.run_started"]
        await services.say("of another run", run_id=RUN)
        await services.say("All is", run_id=str(session.run.id))
        assert (await follower.next()).json()["text"] == "All is"
        session.end()
        await session.tell(RunCompleted)
        ended, result = await follower.rest()
    assert (ended.event, result.event) == ("session.run_completed", "result")
    assert (result.json()["run_id"], result.json()["content"]["text"]) == (str(session.run.id), "All is well.")


async def test_the_run_is_named_before_anything_else(base_url: str, services: Services, session: Session):
    headers = ACCEPT | {"authorization": f"Bearer {services.token()}"}
    async with (
        httpx.AsyncClient(base_url=base_url, headers=headers) as client,
        aconnect_sse(client, "POST", QUERY, json=BODY) as source,
    ):
        connected = await anext(source.aiter_sse())
    assert connected.json() == {"resume_from": "0", "run_id": str(session.run.id)}
    assert source.response.headers["location"] == f"/api/v1/sessions/{SESSION}/runs/{session.run.id}"


async def test_a_run_that_failed_ends_with_the_problem(base_url: str, services: Services, session: Session):
    async with following(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        session.end(status="failed", error_code=Code.MODEL_ERROR, error_detail="The model answered 529.")
        await session.tell(RunFailed)
        *_, result = await follower.rest()
    problem = result.json()
    assert (problem["status"], problem["error_code"], problem["run_id"]) == (502, "MODEL_ERROR", str(session.run.id))


async def test_a_run_whose_end_the_bus_missed_is_found_over(base_url: str, services: Services, session: Session):
    async with following(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        session.end()
        assert [event.event for event in await follower.rest()] == ["result"]


async def test_a_run_whose_session_was_deleted_ends_as_cancelled(base_url: str, services: Services, session: Session):
    async with following(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        await services.answer(GetRun, Refused(code=Code.SESSION_NOT_FOUND, detail="There is none."))
        await session.tell(RunCancelled)
        *_, result = await follower.rest()
    assert (result.event, result.json()["status"], result.json()["error_code"]) == ("result", 409, "RUN_CANCELLED")


async def test_what_goes_wrong_under_way_is_the_last_event(base_url: str, services: Services, session: Session):
    async with following(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        await services.answer(GetRun, Refused(code=Code.RUN_NOT_FOUND, detail="There is none."))
        await session.tell(RunCompleted)
        *_, error = await follower.rest()
    assert (error.event, error.json()["code"]) == ("error", "RUN_NOT_FOUND")


async def test_a_query_that_is_refused_is_a_plain_problem(door: Door, services: Services, session: Session):
    await services.answer(SubmitQuery, Refused(code=Code.SESSION_BUSY, detail="Busy."))
    async with door.client() as client:
        answer = await client.post(QUERY, json=BODY, headers=ACCEPT)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "SESSION_BUSY")


async def test_a_server_that_stops_ends_the_stream(base_url: str, services: Services, session: Session, door: Door):
    async with following(base_url, services.token(), QUERY, "POST", json=BODY, headers=ACCEPT) as follower:
        await door.gateway.streams.close()
        assert (await follower.rest())[-1].json()["code"] == "UNAVAILABLE"
