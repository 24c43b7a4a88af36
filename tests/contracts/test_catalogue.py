"""The catalogue of services knows all that `contracts` holds."""

from collections import Counter
from itertools import chain
from uuid import UUID

import pytest
from contracts.catalogue import EVENTS, PUBLISHED_EVENTS, RESOURCES, SERVICES
from contracts.messages import Event, ping_query

from tests.contracts.catalog import messages
from tests.contracts.names import AnyService, services


@pytest.mark.parametrize("service", SERVICES)
def test_the_catalogue_has_every_event_of_a_service(service: str) -> None:
    found = {kind for kind in messages() if issubclass(kind, Event) and kind.__module__.split(".")[1] == service}
    assert set(EVENTS[service]) == found


def test_every_event_is_of_one_kind_of_resource() -> None:
    assert Counter(chain(*RESOURCES.values())) == Counter(chain(*EVENTS.values()))


@pytest.mark.parametrize("event", [event for event in PUBLISHED_EVENTS if event.resource])
def test_a_resource_within_an_aggregate_has_an_id(event: type[Event]) -> None:
    assert event.resource
    assert event.model_fields[event.resource[1]].annotation is UUID


def test_each_service_has_its_own_ping() -> None:
    assert [ping_query(service).subject for service in SERVICES] == [f"qry.{service}.ping" for service in SERVICES]


@pytest.mark.parametrize("service", services(), ids=lambda service: service.name)
def test_a_service_records_the_events_of_the_catalogue(service: AnyService) -> None:
    assert set(service.events.values()) == set(EVENTS[service.name])
