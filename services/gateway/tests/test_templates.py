"""Session templates: made, listed, shown, changed, removed."""

from typing import Any

import httpx
import pytest
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import TEMPLATE
from contracts.session.template import ChangeTemplate, CreateTemplate, DeleteTemplate, GetTemplate, ListTemplates

from services.gateway.tests import samples
from services.gateway.tests.stand_ins import Services

TEMPLATES = "/api/v1/session-templates"
ONE = f"{TEMPLATES}/{TEMPLATE}"
BODY = {"name": "DevOps", "category": "DEVOPS", "sdk_options": {"allowed_tools": ["Bash(git:*)", "mcp__files__read"]}}


async def test_a_template_is_made(client: httpx.AsyncClient, services: Services):
    await services.answer(CreateTemplate, samples.template())
    answer = await client.post(TEMPLATES, json=BODY)
    command, _ = services.heard[-1]
    assert (answer.status_code, answer.headers["location"]) == (201, ONE)
    assert (command.name, command.category, command.default_mode, command.is_public) == (
        "DevOps",
        "DEVOPS",
        "interactive",
        False,
    )
    assert answer.json().keys() == samples.template().model_dump().keys()


@pytest.mark.parametrize(
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
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_template_that_is_not_valid_is_422(client: httpx.AsyncClient, method: str, wrong: dict[str, Any]):
    body, path = (BODY | wrong, TEMPLATES) if method == "POST" else (wrong, ONE)
    answer = await client.request(method, path, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "VALIDATION_ERROR")


async def test_templates_are_listed_with_their_filters(client: httpx.AsyncClient, services: Services):
    await services.answer(ListTemplates, Page(items=[samples.template()], total=9))
    query = {"category": "DEVOPS", "is_public": "true", "q": "logs", "skip": 3, "limit": 1}
    shown = (await client.get(TEMPLATES, params=query)).json()
    assert services.heard[-1][0] == ListTemplates(category="DEVOPS", is_public=True, q="logs", skip=3, limit=1)
    assert shown["total"] == 9
    assert shown["links"]["next"] == f"{TEMPLATES}?skip=4&limit=1&category=DEVOPS&is_public=True&q=logs"


@pytest.mark.parametrize("query", ["q=", "q=%00", "category=x", "is_public=maybe", "limit=0"])
async def test_a_list_that_is_not_valid_is_422(client: httpx.AsyncClient, query: str):
    assert (await client.get(f"{TEMPLATES}?{query}")).status_code == 422


async def test_a_template_is_shown(client: httpx.AsyncClient, services: Services):
    await services.answer(GetTemplate, samples.template())
    assert (await client.get(ONE)).json()["usage_count"] == 3


async def test_a_change_names_only_what_the_client_named(client: httpx.AsyncClient, services: Services):
    await services.answer(ChangeTemplate, samples.template())
    answer = await client.patch(ONE, json={"name": "New", "sdk_options": {"model": None}})
    command, _ = services.heard[-1]
    assert answer.status_code == 200
    assert (command.name, command.category, command.is_public) == ("New", None, None)
    assert command.sdk_options.model_fields_set == {"model"}


async def test_a_template_is_removed(client: httpx.AsyncClient, services: Services):
    await services.answer(DeleteTemplate, None)
    assert (await client.delete(ONE)).status_code == 204


async def test_changing_anothers_public_template_is_403(client: httpx.AsyncClient, services: Services):
    await services.answer(ChangeTemplate, Refused(code=Code.NOT_OWNER, detail="It is another's."))
    answer = await client.patch(ONE, json={"name": "Mine"})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "NOT_OWNER")


async def test_what_is_not_there_is_404(client: httpx.AsyncClient, services: Services):
    await services.answer(GetTemplate, Refused(code=Code.TEMPLATE_NOT_FOUND, detail="There is none."))
    assert (await client.get(ONE)).status_code == 404
