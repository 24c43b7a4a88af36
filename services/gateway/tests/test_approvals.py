"""The routes of approvals."""

from typing import Any

import httpx
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import APPROVAL, SESSION
from contracts.session.approval import DecideApproval, GetApproval, ListApprovals

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices
from services.gateway.tests.harness import Harness

APPROVALS = "/api/v1/approvals"
ONE = f"{APPROVALS}/{APPROVAL}"


async def test_approvals_are_listed_with_their_filters(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListApprovals, Page(items=[samples.approval()], total=3))
    query: dict[str, Any] = {"status": "pending", "session_id": SESSION, "limit": 1, "skip": 1}
    body = (await client.get(APPROVALS, params=query)).json()
    assert services.received[-1][0] == ListApprovals.model_validate(query)
    assert body["items"][0] == samples.approval().model_dump(mode="json")
    assert body["links"] == {
        "next": f"{APPROVALS}?skip=2&limit=1&status=pending&session_id={SESSION}",
        "prev": f"{APPROVALS}?skip=0&limit=1&status=pending&session_id={SESSION}",
    }


async def test_a_list_continues_after_an_item(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListApprovals, Page(items=[samples.approval()], total=3, more=True))
    body = (await client.get(APPROVALS, params={"after": str(OTHER), "limit": 1})).json()
    assert services.received[-1][0].after == OTHER
    assert body["links"]["next"] == f"{APPROVALS}?limit=1&after={APPROVAL}"


@each("query", ["status=other", "session_id=x", "after=x", "limit=0"])
async def test_invalid_list_parameters_are_422(client: httpx.AsyncClient, query: str):
    assert (await client.get(f"{APPROVALS}?{query}")).status_code == 422


async def test_an_approval_is_returned(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetApproval, samples.approval())
    assert (await client.get(ONE)).json()["tool_input"] == {"command": "make test"}


@each(("action", "decision"), [("approve", "approved"), ("deny", "denied")])
async def test_a_decision_is_sent_to_the_service(
    client: httpx.AsyncClient, services: FakeServices, action: str, decision: str
):
    await services.answer(DecideApproval, samples.approval(status=decision))
    response = await client.post(f"{ONE}/{action}", json={"message": "so", "remember": "session"})
    sent = {"approval_id": APPROVAL, "decision": decision, "message": "so", "remember": "session"}
    assert services.received[-1][0] == DecideApproval.model_validate(sent)
    assert (response.status_code, response.json()["status"]) == (200, decision)


async def test_a_decision_needs_no_body(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DecideApproval, samples.approval(status="approved"))
    assert (await client.post(f"{ONE}/approve")).status_code == 200
    assert (services.received[-1][0].message, services.received[-1][0].remember) == ("", "once")


@each("wrong", [{"remember": "ever"}, {"message": None}, {"message": "x" * 10_001}, {"other": 1}])
async def test_an_invalid_decision_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    assert (await client.post(f"{ONE}/approve", json=wrong)).status_code == 422


async def test_a_second_decision_is_409(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DecideApproval, Refused(code=Code.APPROVAL_OVER, detail="It was denied already."))
    response = await client.post(f"{ONE}/approve")
    assert (response.status_code, response.json()["detail"]) == (409, "It was denied already.")


async def test_another_users_approval_is_404(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DecideApproval, Refused(code=Code.APPROVAL_NOT_FOUND, detail="There is none."))
    assert (await client.post(f"{ONE}/deny")).status_code == 404


async def test_a_viewer_may_not_decide(harness: Harness):
    async with harness.client("viewer") as viewer:
        assert (await viewer.post(f"{ONE}/approve")).status_code == 403
