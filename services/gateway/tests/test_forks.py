"""The route of forks: the response waits until the workspace is copied."""

import httpx
from contracts.messages import Faulted, Refused
from contracts.refusals import Code
from contracts.samples import SESSION
from contracts.session.fork import ForkSession
from contracts.session.session import GetSession

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

FORK = f"/api/v1/sessions/{SESSION}/fork"
COPYING = samples.session(mode="forked", ready=False)
READY = samples.session(mode="forked")


async def test_a_fork_is_returned_when_it_is_ready(client: httpx.AsyncClient, services: FakeServices):
    views = iter([COPYING, Faulted(detail="Restarting."), READY])
    await services.answer_with(ForkSession, lambda command: COPYING.model_copy(update={"id": command.fork_id}))
    await services.answer_with(GetSession, lambda _: next(views))
    response = await client.post(FORK, json={"name": "  Forked Session ", "from_message_id": SESSION})
    assert (response.status_code, response.json()["ready"]) == (201, True)
    command, *queries = [m for m, _ in services.received if isinstance(m, ForkSession | GetSession)]
    assert isinstance(command, ForkSession)
    assert (command.name, str(command.from_message_id)) == ("Forked Session", SESSION)
    assert queries[0].session_id == command.fork_id


async def test_a_fork_needs_no_body(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ForkSession, READY)
    assert (await client.post(FORK)).status_code == 201
    assert services.received[-1][0].name == "Forked session"


async def test_a_failed_fork_is_507_with_the_reason(client: httpx.AsyncClient, services: FakeServices):
    failed = samples.session(status="failed", ready=False, error_code="STORAGE_FAILED", error_detail="No space.")
    await services.answer(ForkSession, COPYING)
    await services.answer(GetSession, failed)
    response = await client.post(FORK, json={})
    assert (response.status_code, response.json()["detail"]) == (507, "No space.")


async def test_a_slow_fork_is_returned_before_it_is_ready(
    client: httpx.AsyncClient, services: FakeServices, harness: Harness
):
    harness.gateway.waits.timeout = 0.1
    await services.answer(ForkSession, COPYING)
    await services.answer(GetSession, COPYING)
    response = await client.post(FORK, json={})
    assert (response.status_code, response.json()["ready"]) == (201, False)


@each(
    ("code", "status"),
    [
        (Code.SESSION_BUSY, 409),
        (Code.SESSION_NOT_READY, 409),
        (Code.CONVERSATION_FULL, 409),
        (Code.MESSAGE_NOT_FOUND, 404),
        (Code.SESSION_NOT_FOUND, 404),
    ],
)
async def test_a_refused_fork_is_a_problem(client: httpx.AsyncClient, services: FakeServices, code: Code, status: int):
    await services.answer(ForkSession, Refused(code=code, detail="No."))
    response = await client.post(FORK, json={"name": "x"})
    assert (response.status_code, response.json()["error_code"]) == (status, code)


@each("wrong", [{"name": ""}, {"from_message_id": "x"}, {"other": 1}])
async def test_an_invalid_fork_is_422(client: httpx.AsyncClient, wrong: dict[str, object]):
    assert (await client.post(FORK, json=wrong)).status_code == 422
