"""What the contracts say about who sends what to whom is what services do. Permissions on the bus derive from it."""

import ast
from collections import defaultdict
from collections.abc import Iterator

import pytest
from contracts.catalogue import SERVICES
from contracts.identity.user import GetActor
from contracts.subscriptions import GATEWAY, OFFERING, PROJECTED, REACTIONS
from eventing.bus import wire
from runtime.bus.permissions import commands_and_queries

from tests.architecture import house
from tests.contracts.names import AnyService, services


def imported(source: str) -> Iterator[tuple[str, str]]:
    """Yield what a file imports from the contracts: modules and names."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("contracts."):
            yield from ((node.module, alias.name) for alias in node.names)


def foreign(service: AnyService) -> dict[str, set[str]]:
    """Return the names of its reactions to the events of other services, by those."""
    found = defaultdict[str, set[str]](set)
    for one in service.reactions.by_name.values():
        if (source := wire.service_of(one.event)) != service.name:
            found[source].add(one.name)
    return found


def senders() -> dict[str, set[str]]:
    """Return which services use each command and query of another one, by its subject."""
    kinds = {(kind.__module__, kind.__name__): kind for kind in commands_and_queries()}
    found = {kind.subject: set[str]() for kind in commands_and_queries()}
    for package in (GATEWAY, *SERVICES):
        folder = house.ROOT / "services" / package.replace("_", "-") / package
        for file in folder.rglob("*.py"):
            for kind in filter(None, map(kinds.get, imported(file.read_text()))):
                found[kind.subject].add(package)
    return {subject: names - {subject.split(".")[1]} for subject, names in found.items()}


def test_a_message_names_the_services_that_send_it() -> None:
    # What `on_behalf_of` needs is sent by `eventing`, for each service that asks it to.
    found = {subject: names for subject, names in senders().items() if subject != GetActor.subject}
    assert {kind.subject: {*kind.senders} for kind in commands_and_queries() if kind is not GetActor} == found


@pytest.mark.parametrize("service", services(), ids=lambda service: service.name)
def test_the_reactions_to_events_of_other_services_are_declared(service: AnyService) -> None:
    declared = {source: {*names} for source, names in REACTIONS.get(service.name, {}).items()}
    assert declared == foreign(service)


@pytest.mark.parametrize("service", services(), ids=lambda service: service.name)
def test_the_projected_services_are_declared(service: AnyService) -> None:
    assert {*PROJECTED.get(service.name, ())} == {one.source.service for one in service.projectors}


def test_the_services_whose_replicas_offer_work_are_declared() -> None:
    assert {*OFFERING} == {one.name for one in services() if any(r.prefers for r in one.reactions.by_name.values())}


@pytest.mark.parametrize("service", services(), ids=lambda service: service.name)
def test_every_service_has_a_work_stream(service: AnyService) -> None:
    assert service.reactions.work_of(service.name)
