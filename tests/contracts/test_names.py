from dataclasses import replace
from difflib import unified_diff

from eventing.projectors.projector import Projector
from eventing.reactions import Reactions
from eventing.testing.messages import MarbleAdded
from eventing.testing.shelf import add_marble, fill_order, shelf

from tests.contracts.names import FILE, AnyService, document, names_of, services


def difference(*all_services: AnyService) -> str:
    both = FILE.read_text().splitlines(), document(all_services).splitlines()
    return "\n".join(unified_diff(*both, FILE.name, "the code", lineterm=""))


def test_durable_names_match_the_golden() -> None:
    output = difference(*services())
    assert not output, f"Names on the wire and in databases must not change. Add new ones with `make golden`.\n{output}"


def test_a_missing_service_is_shown() -> None:
    assert '-    "identity": {' in difference(*(one for one in services() if one.name != "identity"))


def test_a_renamed_reaction_is_shown() -> None:
    renamed = Reactions()
    renamed.shared("fill")(fill_order)
    names = names_of(replace(shelf(), reactions=renamed))
    assert names["durables"] == {"shelf-fill": "WORK_SHELF work.shelf.order_placed.*.*"}
    assert names["dead_letters"] == ["dead.shelf.fill", "dead.shelf.marbles"]


def test_a_renamed_projector_is_shown() -> None:
    renamed = replace(shelf(), projectors=[Projector("beads", "jar", [MarbleAdded], add_marble)])
    assert names_of(renamed)["projectors"] == {"beads": "EVT_JAR"}


def test_every_service_knows_who_projects_its_events() -> None:
    pairs = {(one.source.service, service.name) for service in services() for one in service.projectors}
    erased = {service.name for service in services() if service.name != "identity"}  # accounts are never deleted
    assert {(service.name, name) for service in services() for name in service.followers} == {
        (source, name) for source, name in pairs if source in erased
    }
