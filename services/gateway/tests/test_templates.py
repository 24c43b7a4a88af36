"""The routes of session templates."""

from typing import Any

import httpx
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import TEMPLATE
from contracts.session.template import ChangeTemplate, CreateTemplate, DeleteTemplate, GetTemplate, ListTemplates

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

TEMPLATES = "/api/v1/session-templates"
ONE = f"{TEMPLATES}/{TEMPLATE}"
BODY = {"name": "DevOps", "category": "DEVOPS", "sdk_options": {"allowed_tools": ["Bash(git:*)", "mcp__files__read"]}}


async def test_a_template_is_created(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(CreateTemplate, samples.template())
    response = await client.post(TEMPLATES, json=BODY)
    command, _ = services.received[-1]
    assert (response.status_code, response.headers["location"]) == (201, ONE)
    assert (command.name, command.category, command.default_mode, command.is_public) == (
        "DevOps",
        "DEVOPS",
        "interactive",
        False,
    )
    assert response.json().keys() == samples.template().model_dump().keys()


@each(
    "wrong",
    [
        {"name": ""},
        {"name": None},
        {"category": "devops"},
        {"category": "X" * 51},
        {"description": "x" * 2001},
        {"default_mode": "forked"},
        {"is_public": None},
        {"is_public": "yes"},
        {"is_public": 1},
        {"sdk_options": None},
        {"sdk_options": {"allowed_tools": ["Raed"]}},
        {"usage_count": 1},
    ],
)
@each("method", ["POST", "PATCH"])
async def test_an_invalid_template_is_422(client: httpx.AsyncClient, method: str, wrong: dict[str, Any]):
    body, path = (BODY | wrong, TEMPLATES) if method == "POST" else (wrong, ONE)
    response = await client.request(method, path, json=body)
    assert (response.status_code, response.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_templates_are_listed_with_their_filters(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListTemplates, Page(items=[samples.template()], total=9))
    query = {"category": "DEVOPS", "is_public": "true", "q": "logs", "skip": 3, "limit": 1}
    body = (await client.get(TEMPLATES, params=query)).json()
    assert services.received[-1][0] == ListTemplates(category="DEVOPS", is_public=True, q="logs", skip=3, limit=1)
    assert body["total"] == 9
    assert body["links"]["next"] == f"{TEMPLATES}?skip=4&limit=1&category=DEVOPS&is_public=true&q=logs"


@each("query", ["q=", "q=%00", "category=x", "is_public=maybe", "limit=0"])
async def test_invalid_list_parameters_are_422(client: httpx.AsyncClient, query: str):
    assert (await client.get(f"{TEMPLATES}?{query}")).status_code == 422


async def test_a_template_is_returned(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetTemplate, samples.template())
    assert (await client.get(ONE)).json()["usage_count"] == 3


async def test_a_change_contains_only_the_fields_that_were_sent(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangeTemplate, samples.template())
    response = await client.patch(ONE, json={"name": "New", "sdk_options": {"model": None}})
    command, _ = services.received[-1]
    assert response.status_code == 200
    assert (command.name, command.category, command.is_public) == ("New", None, None)
    assert command.sdk_options.model_fields_set == {"model"}


async def test_a_template_is_deleted(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(DeleteTemplate, None)
    assert (await client.delete(ONE)).status_code == 204


async def test_changing_a_public_template_of_another_user_is_403(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ChangeTemplate, Refused(code=Code.NOT_OWNER, detail="Not the owner."))
    response = await client.patch(ONE, json={"name": "Mine"})
    assert (response.status_code, response.json()["error_code"]) == (403, "NOT_OWNER")


async def test_a_missing_template_is_404(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(GetTemplate, Refused(code=Code.TEMPLATE_NOT_FOUND, detail="There is none."))
    assert (await client.get(ONE)).status_code == 404
