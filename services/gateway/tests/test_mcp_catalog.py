"""The catalog of MCP servers, and installing from it."""

from typing import Any

import httpx
from contracts.mcp_registry.catalog import CatalogEntry, InstallServer, SearchCatalog
from contracts.messages import Page, Refused
from contracts.refusals import Code
from contracts.samples import MCP_SERVER

from services.gateway.tests import server_samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import FakeServices

SERVERS = "/api/v1/mcp-servers"
ENTRY = CatalogEntry(reference="com.example/a", version="1", title="A", description="", options=[])
BODY: dict[str, Any] = {
    "reference": "com.example/a",
    "version": "1",
    "server_type": "STDIO",
    "name": "mine",
    "env": {"A": "b"},
    "args": ["x"],
    "variables": {"city": "Oslo"},
}


async def test_the_catalog_is_searched(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(SearchCatalog, Page(items=[ENTRY], total=7))
    page = (await client.get(f"{SERVERS}/catalog", params={"q": "a", "skip": 2, "limit": 1})).json()
    assert services.received[-1][0] == SearchCatalog(q="a", skip=2, limit=1)
    assert (page["items"][0]["reference"], page["total"]) == ("com.example/a", 7)
    assert page["links"]["next"] == f"{SERVERS}/catalog?skip=3&limit=1&q=a"


async def test_a_server_of_the_catalog_is_installed(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(InstallServer, server_samples.mcp_server())
    response = await client.post(f"{SERVERS}/install", json=BODY)
    command: InstallServer = services.received[-1][0]
    assert (response.status_code, response.headers["location"]) == (201, f"{SERVERS}/{MCP_SERVER}")
    assert (command.reference, command.entry_version, command.name) == ("com.example/a", "1", "mine")
    assert (command.secrets.env, command.args, command.variables) == ({"A": "b"}, ["x"], {"city": "Oslo"})


@each(
    ("code", "status"),
    [(Code.CATALOG_ENTRY_NOT_FOUND, 404), (Code.NOT_INSTALLABLE, 422), (Code.VARIABLES_MISSING, 422)],
)
async def test_a_refused_installation_is_a_problem(
    client: httpx.AsyncClient, services: FakeServices, code: Code, status: int
):
    await services.answer(InstallServer, Refused(code=code, detail="No."))
    response = await client.post(f"{SERVERS}/install", json=BODY)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


@each("wrong", [{"reference": ""}, {"env": None}, {"args": "x"}, {"url": "https://example.com"}])
async def test_a_malformed_installation_is_422(client: httpx.AsyncClient, wrong: dict[str, Any]):
    assert (await client.post(f"{SERVERS}/install", json=BODY | wrong)).status_code == 422
