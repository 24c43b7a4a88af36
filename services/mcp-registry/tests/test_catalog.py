"""The catalog: searching it, and installing servers from it."""

from pathlib import Path
from typing import Any

import pytest
from contracts.mcp_registry.catalog import CatalogEntry, InstallServer, SearchCatalog
from contracts.mcp_registry.server_view import ServerView
from contracts.mcp_registry.values import ServerDefinition, ServerSecrets
from contracts.refusals import Code, Refusal
from mcp_registry.catalog import Catalog, installed
from mcp_registry.catalog.snapshot import SnapshotInvalid
from runtime.clock import new_id

from .desk import CATALOG, Desk
from .samples import ADMIN

WEATHER, ANALYTICS = "io.github.example/weather", "com.example/analytics"
KEY = {"env": {"WEATHER_KEY": "k"}}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.load(CATALOG)


def install(catalog: Catalog, reference: str, **fields: Any) -> tuple[ServerDefinition, ServerSecrets]:
    """Return what an installation results in."""
    command = InstallServer.model_validate({"server_id": new_id(), "reference": reference, **fields})
    return installed(catalog.find(reference, command.entry_version), command)


def test_the_latest_versions_are_found_by_name(catalog: Catalog):
    page = catalog.search(None, 0, 100)
    assert [(entry.reference, entry.version) for entry in page.items] == [
        (ANALYTICS, "2.0.0"),
        ("com.example/container", "1.0.0"),
        ("com.example/plain", "0.1.0"),
        (WEATHER, "1.1.0"),
    ]


@pytest.mark.parametrize("text", ["WEATHER", "forecasts", "github.example"])
def test_a_search_ignores_case_and_reads_descriptions(catalog: Catalog, text: str):
    assert [entry.reference for entry in catalog.search(text, 0, 10).items] == [WEATHER]


def test_a_page_of_the_catalog_has_the_total(catalog: Catalog):
    page = catalog.search("example", 1, 1)
    assert (len(page.items), page.total) == (1, 4)


def test_an_entry_says_what_an_installation_needs(catalog: Catalog):
    [entry] = catalog.search("weather", 0, 1).items
    [option] = entry.options
    needed = [(each.kind, each.name) for each in option.inputs if each.is_required]
    assert (option.server_type, option.source) == ("STDIO", "npm:@example/weather")
    assert needed == [("env", "WEATHER_KEY"), ("argument", "city")]


def test_variables_of_urls_and_headers_are_inputs(catalog: Catalog):
    option = _found(catalog, ANALYTICS).options[0]
    assert [(each.kind, each.name) for each in option.inputs] == [
        ("variable", "tenant"),
        ("variable", "token"),
        ("header", "X-Region"),
    ]


def test_an_entry_says_why_it_cannot_be_installed(catalog: Catalog):
    container, waiting = _found(catalog, "com.example/container").options
    assert container.problem == "It is a container image, and containers cannot be started here."
    assert "waits for connections" in (waiting.problem or "")
    assert container.server_type is None


def test_an_npm_package_is_started_with_npx(catalog: Catalog):
    definition, secrets = install(catalog, WEATHER, secrets=KEY, variables={"city": "Oslo"})
    assert definition.command == "npx"
    assert definition.args == [
        *("-y", "@example/weather@1.1.0", "serve", "--units", "metric", "Oslo", "--cache", "/tmp/cache"),
    ]
    assert (definition.name, definition.network_hosts) == ("Weather", ["registry.npmjs.org"])
    assert secrets.env == {"WEATHER_KEY": "k", "LOG_LEVEL": "info"}


def test_a_pypi_package_is_started_with_uvx(catalog: Catalog):
    definition, _ = install(catalog, ANALYTICS, server_type="STDIO", name="Mine")
    assert (definition.command, definition.args) == ("uvx", ["example-analytics@2.0.0"])
    assert definition.name == "Mine"


def test_arguments_of_the_user_replace_those_of_the_catalog(catalog: Catalog):
    definition, _ = install(catalog, WEATHER, secrets=KEY, args=["--help"])
    assert definition.args == ["-y", "@example/weather@1.1.0", "--help"]


def test_variables_are_filled_into_the_url_and_the_headers(catalog: Catalog):
    definition, secrets = install(catalog, ANALYTICS, variables={"tenant": "acme", "token": "t"})
    assert (definition.server_type, definition.url) == ("HTTP", "https://acme.example.com/mcp")
    assert secrets.headers == {"Authorization": "Bearer t", "X-Region": "eu"}


def test_values_that_are_not_in_the_catalog_are_added(catalog: Catalog):
    _, secrets = install(catalog, ANALYTICS, server_type="SSE", secrets={"headers": {"X-Team": "a"}})
    assert secrets.headers == {"X-Team": "a"}


def test_an_earlier_version_is_installed_on_request(catalog: Catalog):
    definition, _ = install(catalog, WEATHER, entry_version="1.0.0")
    assert definition.args == ["-y", "@example/weather@1.0.0"]


@pytest.mark.parametrize(
    ("reference", "fields", "names"),
    [
        (WEATHER, {}, ["env.WEATHER_KEY (API key)", "variables.city (City)"]),
        (ANALYTICS, {}, ["variables.tenant (Your tenant)", "variables.token"]),
    ],
)
def test_all_missing_values_are_named(catalog: Catalog, reference: str, fields: dict[str, Any], names: list[str]):
    with pytest.raises(Refusal, match=Code.VARIABLES_MISSING) as refused:
        install(catalog, reference, **fields)
    assert all(name in refused.value.detail for name in names)


@pytest.mark.parametrize(
    ("reference", "fields", "reason"),
    [
        ("com.example/container", {}, "container image"),
        ("com.example/plain", {}, "cannot be installed"),
        (WEATHER, {"server_type": "HTTP"}, "as HTTP"),
    ],
)
def test_an_entry_without_a_usable_option_is_refused(
    catalog: Catalog, reference: str, fields: dict[str, Any], reason: str
):
    with pytest.raises(Refusal, match=Code.NOT_INSTALLABLE) as refused:
        install(catalog, reference, **fields)
    assert reason in refused.value.detail


@pytest.mark.parametrize(("reference", "version"), [("com.example/gone", None), (WEATHER, "9.9.9")])
def test_an_unknown_entry_is_refused(catalog: Catalog, reference: str, version: str | None):
    with pytest.raises(Refusal, match=Code.CATALOG_ENTRY_NOT_FOUND):
        catalog.find(reference, version)


def test_a_file_that_is_no_snapshot_is_refused(tmp_path: Path):
    (tmp_path / "catalog.json").write_text('{"a": 1}')
    with pytest.raises(SnapshotInvalid, match="is no snapshot"):
        Catalog.load(tmp_path / "catalog.json")


def test_without_a_file_the_catalog_is_empty():
    assert Catalog.load(None).search(None, 0, 10).total == 0


async def test_an_installed_server_is_registered(desk: Desk):
    command = InstallServer.model_validate(
        {"server_id": new_id(), "reference": ANALYTICS, "variables": {"tenant": "acme", "token": "t"}}
    )
    server: ServerView = await desk.send(command)
    assert (server.id, server.name, server.url) == (command.server_id, "analytics", "https://acme.example.com/mcp")
    assert server.headers == {"Authorization": "***", "X-Region": "***"}


async def test_the_rule_for_programs_applies_to_the_catalog(desk: Desk):
    command = InstallServer.model_validate(
        {"server_id": new_id(), "reference": WEATHER, "secrets": KEY, "variables": {"city": "Oslo"}}
    )
    with pytest.raises(Refusal, match=Code.COMMAND_NOT_ALLOWED):
        await desk.send(command)
    assert (await desk.send(command, ADMIN)).command == "npx"


async def test_the_catalog_is_searched_by_a_query(desk: Desk):
    assert (await desk.ask(SearchCatalog(q="weather"))).total == 1


def _found(catalog: Catalog, reference: str) -> CatalogEntry:
    [entry] = catalog.search(reference, 0, 1).items
    return entry
