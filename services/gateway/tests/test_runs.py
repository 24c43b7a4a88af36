"""The routes of runs, and of interrupting, pausing and resuming sessions."""

from typing import Any
from uuid import UUID

import httpx
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import APPROVAL, MESSAGE, RUN, SESSION
from contracts.session.run import CancelRun, GetRun, InterruptSession, ListRuns
from contracts.session.session import PauseSession, ResumeSession

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices
from services.gateway.tests.harness import Harness

ONE = f"/api/v1/sessions/{SESSION}"
RUNS = f"{ONE}/runs"


async def test_runs_are_listed(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(
        ListRuns, Page(items=[samples.run_summary(status="failed", error_code="MODEL_ERROR")], total=1)
    )
    [run] = (await client.get(RUNS)).json()["items"]
    assert (run["id"], run["status"], run["error_code"], run["attempt"]) == (RUN, "failed", "MODEL_ERROR", 1)
    assert (run["usage"]["cost_usd"], run["prompt"]) == (0.0012, "Analyze the log.")


async def test_a_run_names_its_prompt_its_answer_and_both_messages(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetRun, samples.run(prompt_message_id=UUID(APPROVAL)))
    run = (await client.get(f"{RUNS}/{RUN}")).json()
    assert (run["prompt"], run["prompt_message_id"]) == ("Analyze the log.", APPROVAL)
    assert (run["text"], run["answer_message_id"]) == ("All is well.", MESSAGE)
    assert (run["message"], run["message_id"]) == ("Analyze the log.", MESSAGE)  # the names of release 0.1


async def test_links_of_a_filtered_list_of_runs_keep_the_filter(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListRuns, Page(items=[samples.run_summary()], total=7))
    page = (await client.get(RUNS, params={"status": "queued", "skip": 2, "limit": 1})).json()
    query, _ = services.received[-1]
    assert (query.status, query.skip, query.limit, page["total"]) == ("queued", 2, 1, 7)
    assert page["links"]["next"] == f"{RUNS}?skip=3&limit=1&status=queued"


@each("wrong", [{"status": "stuck"}, {"limit": 101}, {"skip": -1}])
async def test_invalid_parameters_of_a_list_of_runs_are_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    assert (await client.get(RUNS, params=wrong)).status_code == 422


async def test_a_cancelled_run_is_returned(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CancelRun, samples.run(status="cancelled", error_code="RUN_CANCELLED"))
    response = await client.post(f"{RUNS}/{RUN}/cancel")
    assert (response.status_code, response.json()["id"], response.json()["status"]) == (200, RUN, "cancelled")


@each(("code", "status"), [(Code.RUN_OVER, 409), (Code.RUN_NOT_FOUND, 404), (Code.SESSION_NOT_FOUND, 404)])
async def test_a_run_that_cannot_be_cancelled_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices, code: Code, status: int
):
    await services.answer(CancelRun, Refused(code=code, detail="No."))
    response = await client.post(f"{RUNS}/{RUN}/cancel")
    assert (response.status_code, response.json()["error_code"]) == (status, code)


@each(
    ("verb", "kind", "status"),
    [("interrupt", InterruptSession, "active"), ("pause", PauseSession, "paused"), ("resume", ResumeSession, "active")],
)
async def test_a_session_is_interrupted_paused_and_resumed(
    client: httpx.AsyncClient, services: FakeServices, verb: str, kind: Any, status: Any
):
    await services.answer(kind, samples.session(status=status))
    response = await client.post(f"{ONE}/{verb}")
    assert (response.status_code, response.json()["id"], response.json()["status"]) == (200, SESSION, status)


async def test_interrupting_without_an_active_run_is_409(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(
        InterruptSession, Refused(code=Code.NOTHING_TO_INTERRUPT, detail="The session has no active run.")
    )
    response = await client.post(f"{ONE}/interrupt")
    assert (response.status_code, response.json()["error_code"]) == (409, "NOTHING_TO_INTERRUPT")


@each("path", [f"{RUNS}/{RUN}/cancel", f"{ONE}/interrupt", f"{ONE}/pause", f"{ONE}/resume"])
async def test_a_viewer_may_not_control_runs(harness: Harness, path: str):
    async with harness.client("viewer") as viewer:
        assert (await viewer.post(path)).status_code == 403
