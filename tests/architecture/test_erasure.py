"""Each service declares in a migration which of its events delete an aggregate, so that the content is erased."""

import re

import pytest
from contracts.catalogue import EVENTS

from tests.architecture import house

DECLARATION = re.compile(r"erase_after\('([a-z_.]+)'\)")
DELETIONS = [
    (service, event.subject)
    for service, events in EVENTS.items()
    for event in events
    if event.__name__.endswith("Deleted")
]


def declared(service: str) -> list[str]:
    [migrations] = [member.migrations for member in house.members(house.ROOT) if member.package == service]
    return [subject for file in migrations.glob("*.sql") for subject in DECLARATION.findall(file.read_text())]


@pytest.mark.parametrize(("service", "subject"), DELETIONS)
def test_what_is_deleted_is_erased(service: str, subject: str) -> None:
    assert subject in declared(service), f"add `SELECT erase_after('{subject}');` to a migration of {service}"


def test_all_declarations_are_of_deletions() -> None:
    assert len(DELETIONS) >= 5
    assert sorted(subject for service in EVENTS for subject in declared(service)) == sorted(s for _, s in DELETIONS)
