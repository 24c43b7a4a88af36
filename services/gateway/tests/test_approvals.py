"""Approvals: listed, shown, decided."""

from typing import Any

import httpx
import pytest
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import APPROVAL, SESSION
from contracts.session.approval import DecideApproval, GetApproval, ListApprovals

from services.gateway.tests import samples
from services.gateway.tests.door import Door
from services.gateway.tests.stand_ins import OTHER, Services

APPROVALS = "/api/v1/approvals"
ONE = f"{APPROVALS}/{APPROVAL}"


async def test_approvals_are_listed_with_their_filters(client: httpx.AsyncClient, services: Services):
    await services.answer(ListApprovals, Page(items=[samples.approval()], total=3))
    query: dict[str, Any] = {"status": "pending", "session_id": SESSION, "limit": 1, "skip": 1}
    shown = (await client.get(APPROVALS, params=query)).json()
    assert services.heard[-1][0] == ListApprovals.model_validate(query)
    assert shown["items"][0] == samples.approval().model_dump(mode="json")
    assert shown["links"] == {
        "next": f"{APPROVALS}?skip=2&limit=1&status=pending&session_id={SESSION}",
        "prev": f"{APPROVALS}?skip=0&limit=1&status=pending&session_id={SESSION}",
    }


async def test_a_list_goes_on_after_an_item(client: httpx.AsyncClient, services: Services):
    await services.answer(ListApprovals, Page(items=[samples.approval()], total=3, more=True))
    shown = (await client.get(APPROVALS, params={"after": str(OTHER), "limit": 1})).json()
    assert services.heard[-1][0].after == OTHER
    assert shown["links"]["next"] == f"{APPROVALS}?limit=1&after={APPROVAL}"


@pytest.mark.parametrize("query", ["status=other", "session_id=x", "after=x", "limit=0"])
async def test_a_list_that_is_not_valid_is_422(client: httpx.AsyncClient, query: str):
    assert (await client.get(f"{APPROVALS}?{query}")).status_code == 422


async def test_an_approval_is_shown(client: httpx.AsyncClient, services: Services):
    await services.answer(GetApproval, samples.approval())
    assert (await client.get(ONE)).json()["tool_input"] == {"command": "ls"}


@pytest.mark.parametrize(("word", "decision"), [("approve", "approved"), ("deny", "denied")])
async def test_a_decision_is_one_request(client: httpx.AsyncClient, services: Services, word: str, decision: str):
    await services.answer(DecideApproval, samples.approval(status=decision))
    answer = await client.post(f"{ONE}/{word}", json={"message": "so", "remember": "session"})
    sent = {"approval_id": APPROVAL, "decision": decision, "message": "so", "remember": "session"}
    assert services.heard[-1][0] == DecideApproval.model_validate(sent)
    assert (answer.status_code, answer.json()["status"]) == (200, decision)


async def test_a_decision_needs_no_body(client: httpx.AsyncClient, services: Services):
    await services.answer(DecideApproval, samples.approval(status="approved"))
    assert (await client.post(f"{ONE}/approve")).status_code == 200
    assert (services.heard[-1][0].message, services.heard[-1][0].remember) == ("", "once")


@pytest.mark.parametrize("wrong", [{"remember": "ever"}, {"message": None}, {"message": "x" * 10_001}, {"other": 1}])
async def test_a_decision_that_is_not_valid_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    assert (await client.post(f"{ONE}/approve", json=wrong)).status_code == 422


async def test_a_decision_that_comes_second_is_409(client: httpx.AsyncClient, services: Services):
    await services.answer(DecideApproval, Refused(code=Code.APPROVAL_OVER, detail="It was denied already."))
    answer = await client.post(f"{ONE}/approve")
    assert (answer.status_code, answer.json()["detail"]) == (409, "It was denied already.")


async def test_an_approval_of_another_is_404(client: httpx.AsyncClient, services: Services):
    await services.answer(DecideApproval, Refused(code=Code.APPROVAL_NOT_FOUND, detail="There is none."))
    assert (await client.post(f"{ONE}/deny")).status_code == 404


async def test_a_viewer_does_not_decide(door: Door):
    async with door.client("viewer") as viewer:
        assert (await viewer.post(f"{ONE}/approve")).status_code == 403
