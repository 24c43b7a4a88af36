"""The house keeps its import contracts, and every contract notices an import that it forbids."""

from copy import deepcopy
from typing import Any, cast

import grimp
import pytest
from importlinter import Contract, api
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

from tests.architecture.allowlist import AllowlistContract
from tests.architecture.house import ROOT
from tests.architecture.rooms import RoomsContract, merged

READ: dict[str, Any] = cast(Any, api).read_configuration(str(ROOT / "pyproject.toml"))
SETTINGS: dict[str, Any] = READ["session_options"]
KINDS: dict[str, type[Contract]] = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "allowlist": AllowlistContract,
    "forbidden": ForbiddenContract,
    "layers": LayersContract,
    "protected": ProtectedContract,
    "rooms": RoomsContract,
}
CONTRACTS: dict[str, Contract] = {
    contract["id"]: KINDS[contract["type"]](contract["name"], SETTINGS, contract)
    for contract in READ["contracts_options"]
}

FORBIDDEN: dict[str, list[tuple[str, str | None]]] = {
    "members": [
        ("session.dependencies", "identity.credentials.keys"),
        ("gateway.settings", "session.settings"),
        ("onebox.services", "gateway.app"),
        ("simulator.app", "onebox"),
        ("runtime.process", "eventing.store"),
        ("sandbox.process", "eventing.store"),
        ("contracts.messages", "runtime.clock"),
    ],
    "gateway-stores-nothing": [("gateway.app", "eventing.store")],
    "simulator-stands-alone": [("simulator.wire", "contracts.refusals")],
    "one-event-library": [("session.projections.session", "eventsourcing")],
    "one-database-driver": [
        ("identity.dependencies", "asyncpg"),
        ("onebox.launcher", "asyncpg"),
    ],
    "one-bus-library": [("gateway.streams.feed", "nats")],
    "contracts-are-values": [
        ("contracts.session.values", "httpx"),
        ("contracts.session.values", "os"),
    ],
    "aggregates-are-pure": [
        ("session.aggregate", "asyncio"),
        ("session.aggregate", "runtime.clock"),
        ("identity.aggregate", "eventing.database"),
        ("identity.aggregate", "secrets"),
    ],
    "schedules-are-pure": [
        ("task_scheduler.schedule.cron", "time"),
        ("task_scheduler.schedule", "runtime.clock"),
    ],
    "gateway-rooms": [
        ("gateway.problems", "gateway.state"),
        ("gateway.entry.edge", "gateway.state"),
        ("gateway.stray", None),
    ],
    "gateway-goes-one-way": [("gateway.clients.auth.keys", "gateway.streams.feed")],
    "service-rooms": [
        ("identity.handlers.user", "identity.queries.user"),
        ("identity.projections", "identity.constraints"),
        ("identity.credentials.keys", "identity.aggregate"),
        ("identity.stray", None),
        ("mcp_registry.aggregate.server", "mcp_registry.servers"),
        ("report.storage.local", "report.dependencies"),
        ("report.content", "report.collecting"),
        ("session.aggregate", "session.settings"),
        ("session.agent.transcript", "session.dependencies"),
        ("task_scheduler.projections.task", "task_scheduler.queries.task"),
    ],
    "session-agent-rooms": [("session.agent.transcript", "session.agent.live")],
}
"""By contract: a module, and what it may not import; or a module that lies in no room."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Return the imports of the house; leave them as they are."""
    return grimp.build_graph(*SETTINGS["root_packages"], include_external_packages=True, cache_dir=None)


def is_kept(contract: str, graph: grimp.ImportGraph) -> bool:
    return CONTRACTS[contract].check(deepcopy(graph), verbose=False).kept


def changed(graph: grimp.ImportGraph, module: str, imported: str | None) -> grimp.ImportGraph:
    """Return a copy in which a module imports another one, or in which there is a module that nobody expects."""
    copy = deepcopy(graph)
    assert (module in copy.modules) == (imported is not None), f"{module} is not what the example says"
    if imported is None:
        copy.add_module(module)
        return copy
    if imported not in copy.modules:
        copy.add_module(imported, is_squashed=True)
    copy.add_import(importer=module, imported=imported)
    return copy


def test_the_repository_keeps_its_import_contracts(graph: grimp.ImportGraph) -> None:
    assert [contract for contract in CONTRACTS if not is_kept(contract, graph)] == []


def test_every_import_contract_has_a_counter_example() -> None:
    assert [contract for contract in CONTRACTS if contract not in FORBIDDEN] == []


def test_every_contract_reports_its_violations(graph: grimp.ImportGraph) -> None:
    examples = [(contract, *example) for contract in CONTRACTS for example in FORBIDDEN[contract]]
    assert [each for each in examples if is_kept(each[0], changed(graph, *each[1:]))] == []


@pytest.mark.parametrize(
    ("own", "layers"),
    [
        ([{"settings"}, {"prices"}], [{"main"}, {"app"}, {"handlers", "queries"}, {"settings"}, {"prices"}]),
        ([{"handlers", "till"}], [{"main"}, {"app"}, {"handlers", "queries", "till"}]),
        ([{"tools"}, {"app"}, {"settings"}], [{"main"}, {"tools"}, {"app"}, {"handlers", "queries"}, {"settings"}]),
    ],
)
def test_rooms_of_a_service_lie_between_those_of_all(own: list[set[str]], layers: list[set[str]]) -> None:
    assert merged([{"main"}, {"app"}, {"handlers", "queries"}], own) == layers
