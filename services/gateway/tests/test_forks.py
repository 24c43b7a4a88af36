"""Forks over HTTP: the answer waits eventually all is copied."""

import httpx
import pytest
from contracts.messages import Faulted, Refused
from contracts.refusals import Code
from contracts.samples import SESSION
from contracts.session.fork import ForkSession
from contracts.session.session import GetSession

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import Services

FORK = f"/api/v1/sessions/{SESSION}/fork"
COPYING = samples.session(mode="forked", ready=False)
READY = samples.session(mode="forked")


async def test_a_fork_is_answered_when_it_is_ready(client: httpx.AsyncClient, services: Services):
    views = iter([COPYING, Faulted(detail="Restarting."), READY])
    await services.answer_with(ForkSession, lambda asked: COPYING.model_copy(update={"id": asked.fork_id}))
    await services.answer_with(GetSession, lambda _: next(views))
    answer = await client.post(FORK, json={"name": "  Forked Session ", "from_message_id": SESSION})
    assert (answer.status_code, answer.json()["ready"]) == (201, True)
    command, *asked = [m for m, _ in services.heard if isinstance(m, ForkSession | GetSession)]
    assert isinstance(command, ForkSession)
    assert (command.name, str(command.from_message_id)) == ("Forked Session", SESSION)
    assert asked[0].session_id == command.fork_id


async def test_a_fork_needs_no_body(client: httpx.AsyncClient, services: Services):
    await services.answer(ForkSession, READY)
    assert (await client.post(FORK)).status_code == 201
    assert services.heard[-1][0].name == "Forked session"


async def test_a_fork_that_failed_is_507_and_says_why(client: httpx.AsyncClient, services: Services):
    failed = samples.session(status="failed", ready=False, error_code="STORAGE_FAILED", error_detail="No space.")
    await services.answer(ForkSession, COPYING)
    await services.answer(GetSession, failed)
    answer = await client.post(FORK, json={})
    assert (answer.status_code, answer.json()["detail"]) == (507, "No space.")


async def test_a_fork_that_takes_too_long_is_answered_as_it_is(
    client: httpx.AsyncClient, services: Services, door: Door
):
    door.gateway.waits.timeout = 0.1
    await services.answer(ForkSession, COPYING)
    await services.answer(GetSession, COPYING)
    answer = await client.post(FORK, json={})
    assert (answer.status_code, answer.json()["ready"]) == (201, False)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.SESSION_BUSY, 409),
        (Code.SESSION_NOT_READY, 409),
        (Code.MESSAGE_NOT_FOUND, 404),
        (Code.SESSION_NOT_FOUND, 404),
    ],
)
async def test_a_refused_fork_is_a_problem(client: httpx.AsyncClient, services: Services, code: Code, status: int):
    await services.answer(ForkSession, Refused(code=code, detail="No."))
    answer = await client.post(FORK, json={"name": "x"})
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


@pytest.mark.parametrize("wrong", [{"name": ""}, {"from_message_id": "x"}, {"other": 1}])
async def test_a_fork_that_is_not_valid_is_422(client: httpx.AsyncClient, wrong: dict[str, object]):
    assert (await client.post(FORK, json=wrong)).status_code == 422
